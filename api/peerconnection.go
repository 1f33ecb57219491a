package rtc

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/ice"
)

// PeerConnection is a connection to one peer. It is a thin object around four parts, which are protocol cores or made of them: offer and
// answer, the transport, the data channels and the tracks. They get their inputs and their time here, under one mutex, and what
// one of them has to say to another goes through here.
//
// All methods may be called at any time, from any goroutine, and from every callback. Callbacks are called one at a
// time, in the order of the events, those of the connection and of all its channels in one sequence, never under a
// lock and never from inside the function that caused them. Setting one to nil waits until a running callback of
// that kind has returned, except from inside it. A callback that is set late misses nothing that still matters: see the
// functions that set them. The zero PeerConnection is a closed one; it carries nothing.
type PeerConnection struct {
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
	timerAt time.Time // when the timer fires; zero: it is not set
	quiet   quiet

	ending  closeState    // close.go
	changed chan struct{} // is closed at the next change of a state; nil while nobody waits for one
}

// NewPeerConnection makes a connection. Nothing is sent, and no goroutine runs, before a description is set. The error
// is ErrInvalid for a configuration that cannot be right. The connection must be closed at the end.
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

// isZero reports whether the connection was not made by NewPeerConnection.
func (pc *PeerConnection) isZero() bool { return pc.after == nil }

// afterInput handles what an input made the parts say, sends what they want sent, and sets the timer. It runs at the end of
// every input.
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
		pc.setTimer()
	}
}

// setTimer sets the connection's one timer to what comes first. A timer that is set for an earlier time stays: when it
// fires for nothing it is set again, which is cheaper than moving it with every packet.
func (pc *PeerConnection) setTimer() {
	if pc.ended {
		return // the closed association may have a deadline left, but DTLS has told the peer already
	}
	at := earlier(earlier(pc.ending.by, pc.quiet.at), earlier(pc.transport.deadline(), pc.channels.deadline()))
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
		pc.log.Debug("close: the peer does not acknowledge what is buffered")
		pc.finish(StateClosed, nil)
	}
}

// quiet finds out when traffic has ceased, so that the queues that it needed can be given back. It does not wake an idle connection.
type quiet struct {
	at   time.Time // when to look again; zero: there was no traffic
	seen uint64    // records at the last look
}

const (
	// quietInterval is for how long there must be no traffic.
	quietInterval = time.Second
	// quietRecords is how many records there may be in that time, or between two looks: heartbeats.
	quietRecords = 4
)

// observe is called after each input, with the number of records sent and received so far.
func (q *quiet) observe(now time.Time, records uint64) {
	if q.at.IsZero() && records-q.seen > quietRecords {
		q.at, q.seen = now.Add(quietInterval), records
	}
}

// advance reports whether it has become quiet.
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

// trim gives the memory of empty queues back.
func (pc *PeerConnection) trim() {
	pc.queue.trim()
	pc.transport.trim()
	pc.channels.trim()
}

var errNoPair = &classError{class: ErrNotAvailable, text: "no candidate pair is selected"}

// LocalAddr gives the address of the selected local candidate. ErrNotAvailable while there is none.
func (pc *PeerConnection) LocalAddr() (netip.AddrPort, error) {
	pair, err := pc.selected()
	return pair.Local.Addr, err
}

// RemoteAddr gives the address of the selected remote candidate. ErrNotAvailable while there is none.
func (pc *PeerConnection) RemoteAddr() (netip.AddrPort, error) {
	pair, err := pc.selected()
	return pair.Remote.Addr, err
}

// SelectedCandidatePair gives the candidates in use, "a=candidate:…". ErrNotAvailable while there are none.
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
