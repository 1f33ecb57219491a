package rtc

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/deadline"
)

// PeerConnection is a connection to one peer. All methods may be called at any time, from any
// goroutine, and from every callback. The zero PeerConnection is a closed one.
//
// Callbacks are called one at a time, in the order of the events, those of the connection and of
// all its channels in one sequence, never with a lock held and never from inside the function that
// caused them. Setting one to nil waits until a running callback of that kind has returned, unless
// it is called from inside that. A callback that is set late is called with the missed events that
// still matter, as documented with the function that sets it.
type PeerConnection struct {
	// A connection has four parts: offer and answer, the transport, the data channels and the
	// tracks. They receive their inputs and the time from the connection, with its one mutex held,
	// and an event of one part that concerns another one goes through the connection.
	core

	negotiation negotiation
	transport   transport
	channels    channelTable
	tracks      trackTable

	onDescription    func(SessionDescription)
	onCandidate      func(Candidate)
	onState          func(State)
	onICEState       func(ICEState)
	onGatheringState func(GatheringState)
	onSignalingState func(SignalingState)
	onDataChannel    func(*DataChannel)
	missed           missedEvents

	state          State
	iceState       ICEState
	gatheringState GatheringState
	signalingState SignalingState

	timer   *time.Timer
	timerAt time.Time // the time that the timer is set to; zero: it is not set
	quiet   quiet

	ending  closeState    // close.go
	changed chan struct{} // closed at the next change of a state; nil: no goroutine waits
}

// NewPeerConnection returns a new connection. It sends no packet and has no goroutine before a
// description is set. The error is ErrInvalid for an invalid configuration. The program must close
// the connection.
func NewPeerConnection(configuration Configuration) (*PeerConnection, error) {
	return newPeerConnection(configuration, &untuned)
}

var untuned = tuning{}.withDefaults()

func newPeerConnection(configuration Configuration, t *tuning) (*PeerConnection, error) {
	settings, err := configuration.validate()
	if err != nil {
		return nil, err
	}
	certificate, fingerprint, err := certificateFor(settings)
	if err != nil {
		return nil, err
	}
	pc := new(PeerConnection)
	pc.settings, pc.tuning, pc.log = settings, t, newLogger(configuration.Logger, "pc", lastConnectionID.Add(1))
	pc.after = pc.afterInput
	pc.queue.init(&pc.mu, func() {
		pc.now = time.Now()
		pc.afterInput()
	})
	pc.negotiation.init(&pc.core, fingerprint)
	pc.transport.init(&pc.core, identity{certificate, fingerprint})
	pc.channels.init(&pc.core, &pc.transport, pc)
	pc.ending.done = make(chan struct{})
	for _, u := range settings.turnServers {
		pc.log.Warn("TURN servers are not supported yet: skipped", "host", u.host)
	}
	if settings.ProxyServer != "" || settings.EnableICETCP || settings.EnableICEUDPMux {
		pc.log.Warn("proxy, ICE-TCP and UDP multiplexing are not supported yet: ignored")
	}
	return pc, nil
}

// isZero reports whether the connection is a zero value.
func (pc *PeerConnection) isZero() bool { return pc.after == nil }

// afterInput handles the events of the parts, sends their output, and sets the timer. It is called
// at the end of every input.
func (pc *PeerConnection) afterInput() {
	if pc.ended {
		return
	}
	for again := true; again && !pc.ended; {
		again = pc.drainICE()
		again = pc.drainDTLS() || again
		again = pc.drainSCTP() || again
		if !pc.ended {
			pc.transport.transmit()
		}
	}
	if !pc.ended {
		pc.transport.send()
		pc.quiet.observe(pc.now, pc.counters.records)
		pc.queue.stay(pc.quiet.busy(pc.counters.records))
		pc.setTimer()
	}
}

// setTimer sets the connection's one timer to the earliest deadline. A timer that is set to an
// earlier time stays: to set it again after it has fired without need is cheaper than to move it
// with every packet.
func (pc *PeerConnection) setTimer() {
	if pc.ended {
		return // the closed association may have a deadline, but close_notify replaces its packets
	}
	at := deadline.Earlier(pc.ending.by, pc.quiet.at)
	at = deadline.Earlier(at, deadline.Earlier(pc.transport.deadline(), pc.channels.deadline()))
	if at.IsZero() || (!pc.timerAt.IsZero() && !at.Before(pc.timerAt)) {
		return
	}
	pc.timerAt = at
	wait := max(at.Sub(pc.now), 0)
	if pc.timer == nil {
		pc.timer = time.AfterFunc(wait, pc.onTimer)
	} else {
		pc.timer.Reset(wait)
	}
}

func (pc *PeerConnection) onTimer() {
	pc.lock()
	defer pc.unlock()
	pc.timerAt = time.Time{}
	if pc.ended {
		return
	}
	pc.transport.advance()
	pc.channels.advance()
	if pc.quiet.advance(pc.now, pc.counters.records) {
		pc.trim()
	}
	if !pc.ending.by.IsZero() && !pc.now.Before(pc.ending.by) {
		pc.log.Debug("close: the peer does not acknowledge the buffered messages")
		pc.finish(StateClosed, nil)
	}
}

// quiet detects the end of traffic, after which the memory of the queues is released. It does not
// wake an idle connection.
type quiet struct {
	at   time.Time // the time of the next check; zero: there was no traffic
	seen uint64    // the number of records at the last check
}

const (
	// quietInterval is the time without traffic after which memory is released.
	quietInterval = time.Second
	// quietRecords is the number of records in that time, or between two checks, that do not count
	// as traffic: heartbeats.
	quietRecords = 4
	// busyRecords is the number of records since the last check above which the dispatcher of the
	// callbacks stays. It is more than those of a connection that is established: thousands of
	// dispatchers that stay when many are made at once would leave their stacks behind.
	busyRecords = 64
)

// observe is called after each input, with the number of records sent and received so far.
func (q *quiet) observe(now time.Time, records uint64) {
	if q.at.IsZero() && records-q.seen > quietRecords {
		q.at, q.seen = now.Add(quietInterval), records
	}
}

// advance reports whether traffic has ceased.
func (q *quiet) advance(now time.Time, records uint64) bool {
	if q.at.IsZero() || now.Before(q.at) {
		return false
	}
	ceased := records-q.seen <= quietRecords
	q.at, q.seen = time.Time{}, records
	if !ceased {
		q.at = now.Add(quietInterval)
	}
	return ceased
}

// busy reports whether there is much traffic. A check is due after it.
func (q *quiet) busy(records uint64) bool { return !q.at.IsZero() && records-q.seen > busyRecords }

// trim releases the memory of empty queues.
func (pc *PeerConnection) trim() {
	pc.queue.trim()
	pc.transport.trim()
	pc.channels.trim()
}

var errNoPair = &classError{class: ErrNotAvailable, text: "no candidate pair is selected"}

// LocalAddr returns the address of the selected local candidate. ErrNotAvailable while there is
// none.
func (pc *PeerConnection) LocalAddr() (netip.AddrPort, error) {
	pair, err := pc.selected()
	return pair.Local.Addr, err
}

// RemoteAddr returns the address of the selected remote candidate. ErrNotAvailable while there is
// none.
func (pc *PeerConnection) RemoteAddr() (netip.AddrPort, error) {
	pair, err := pc.selected()
	return pair.Remote.Addr, err
}

// SelectedCandidatePair returns the candidates in use, with "a=" before "candidate:".
// ErrNotAvailable while there are none.
func (pc *PeerConnection) SelectedCandidatePair() (local, remote Candidate, err error) {
	pair, err := pc.selected()
	if err != nil {
		return Candidate{}, Candidate{}, err
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	mid := pc.negotiation.machine.Mid()
	return Candidate{"a=" + pair.Local.String(), mid}, Candidate{"a=" + pair.Remote.String(), mid}, nil
}

func (pc *PeerConnection) selected() (ice.Pair, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pair, ok := pc.transport.selected()
	if !ok {
		return ice.Pair{}, errNoPair
	}
	return pair, nil
}
