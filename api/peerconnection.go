package rtc

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
)

// SessionDescription is an offer or an answer, to be brought to the other side by whatever means the program has. It
// encodes in JSON as browsers do it.
type SessionDescription struct {
	Type DescriptionType `json:"type"`
	SDP  string          `json:"sdp"`
}

// Candidate is an address at which one side may be reached: "candidate:…", and the identification of the media
// section that it belongs to. It encodes in JSON as browsers do it.
type Candidate struct {
	Candidate string `json:"candidate"`
	Mid       string `json:"sdpMid"`
}

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

	timer     *time.Timer
	timerAt   time.Time // when the timer fires; zero: it is not set
	trimmedAt uint64    // datagrams sent and received when the timer last fired

	ending  closeState    // close.go
	changed chan struct{} // is closed at the next change of a state; nil while nobody waits for one
}

// tuning holds what tests change: timers, the network, and the cipher suites of DTLS.
type tuning struct {
	cipherSuites            []uint16
	ice                     ice.Config
	network                 icenet.Network
	closeLinger, closeStall time.Duration
	closeTimeout            time.Duration
	candidatesTimeout       time.Duration
	carry                   func(packet []byte) // takes the SCTP packets instead of DTLS, for the time of the call
	noInterleaving          bool
}

// candidatesTimeout is when a peer whose signalling does not say so is taken to have no more candidates. Those that
// come later are used all the same; what it decides is whether a peer without any is waited for.
const candidatesTimeout = 10 * time.Second

func (t tuning) withDefaults() tuning {
	t.closeLinger = cmp.Or(t.closeLinger, closeLinger)
	t.closeStall = cmp.Or(t.closeStall, closeStall)
	t.closeTimeout = cmp.Or(t.closeTimeout, closeTimeout)
	t.candidatesTimeout = cmp.Or(t.candidatesTimeout, candidatesTimeout)
	return t
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
		pc.setTimer()
	}
}

// setTimer sets the connection's one timer to what comes first. A timer that is set for an earlier time stays: when it
// fires for nothing it is set again, which is cheaper than moving it with every packet.
func (pc *PeerConnection) setTimer() {
	at := earlier(pc.ending.by, earlier(pc.transport.deadline(), pc.channels.deadline()))
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
	traffic := pc.counters.datagramsReceived + pc.counters.datagramsSent
	if traffic-pc.trimmedAt < quietDatagrams {
		pc.trim()
	}
	pc.trimmedAt = traffic
	if !pc.ending.by.IsZero() && !pc.now.Before(pc.ending.by) {
		pc.log.Debug("close: the peer does not acknowledge what is buffered")
		pc.finish(StateClosed, nil)
	}
}

// quietDatagrams is how few datagrams between two timers mean that nothing but ICE is going on. Its timer comes at
// least every six seconds (RFC 7675, section 5.1), so that queues are kept through a transfer, and given back after it.
const quietDatagrams = 4

// trim gives the memory of empty queues back.
func (pc *PeerConnection) trim() {
	pc.queue.trim()
	pc.transport.trim()
	pc.channels.trim()
}

// earlier returns the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

var (
	errNoDescription = &classError{class: ErrNotAvailable, text: "no description is set"}
	errNoPair        = &classError{class: ErrNotAvailable, text: "no candidate pair is selected"}
)

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
