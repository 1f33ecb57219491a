package rtc

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sdp"
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

// PeerConnection is a connection to one peer. It is made of an ICE agent, a DTLS and an SCTP association, which know
// nothing of sockets, time or each other: here they get their packets and their time, under one mutex.
//
// All methods may be called at any time, from any goroutine, and from every callback. Callbacks are called one at a
// time, in the order of the events, those of the connection and of all its channels in one sequence, never under a
// lock and never from inside the function that caused them. Setting one to nil waits until a running callback of
// that kind has returned, except from inside it.
type PeerConnection struct {
	mu       sync.Mutex
	now      time.Time // of the input that is being handled
	settings settings
	log      *slog.Logger
	queue    callbackQueue
	tuning   *tuning

	onDescription    func(SessionDescription)
	onCandidate      func(Candidate)
	onState          func(State)
	onICEState       func(ICEState)
	onGatheringState func(GatheringState)
	onSignalingState func(SignalingState)
	onDataChannel    func(*DataChannel)
	onTrack          func(*Track)

	state          State
	iceState       ICEState
	gatheringState GatheringState
	signalingState SignalingState

	session negotiation // descriptions: negotiation.go, description.go
	gather  gathering   // sockets: gathering.go

	// The cores, each nil until the negotiation has given what it needs: transport.go.
	certificate tls.Certificate
	fingerprint sdp.Fingerprint
	agent       *ice.Agent
	next        *ice.Agent // replaces it when the peer has answered: restart.go
	dtls        *dtlsconn.Conn
	handshake   struct { // sends what dtls has queued: sendDTLS
		mu     sync.Mutex
		writer udp.Writer
	}
	sctp        *sctp.Association
	out         output
	corked      corkState
	path        atomic.Pointer[path] // to the peer, the selected pair; DTLS reads it without the mutex
	early       [][]byte             // DTLS datagrams that came before there was a dtls
	dtlsStarted bool
	dtlsUp      bool
	remote      remoteTransport
	timer       *time.Timer
	timerAt     time.Time // when the timer fires; zero: it is not set
	releaseAt   time.Time // when releaseSockets looks for what a restart has left
	completeAt  time.Time // when the peer is taken to have no more candidates
	counters    counters
	trimmedAt   uint64 // datagrams sent and received when the timer last fired

	channels channelTable // sctptransport.go

	// The end: close.go.
	closing  bool        // Close was called, or the connection ended by itself
	shutdown bool        // the association was told to shut down
	ended    bool        // the transports are let go of
	closeBy  time.Time   // when the peer is not waited for any longer
	linger   *lingering  // while closing, until ended
	endedBy  error       // why the peer's end of the connection was not in order
	past     *pastAgents // nil until there is a second agent
	done     chan struct{}
	readers  sync.WaitGroup
	deliverP func(plaintext []byte) // receivePlaintext, bound once
}

// output is what one input makes the connection send: a batch for one socket.
type output struct {
	writer udp.Writer
	socket *socket
}

// tuning holds what tests change: timers, and the cipher suites of DTLS.
type tuning struct {
	cipherSuites                    []uint16
	ice                             ice.Config
	closeLinger, closeStall         time.Duration
	closeTimeout                    time.Duration
	releaseDelay, candidatesTimeout time.Duration
	carry                           func(packet []byte) // takes the SCTP packets instead of DTLS, for the time of the call
	noInterleaving                  bool
}

const (
	// releaseDelay is how long the sockets stay open that are not the agent's: those of the one that an ICE restart has
	// replaced. The agent says itself when it has done with one of its own (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
	releaseDelay = 3 * time.Second
	// candidatesTimeout is when a peer whose signalling does not say so is taken to have no more candidates. Those that
	// come later are used all the same; what it decides is whether a peer without any is waited for.
	candidatesTimeout = 10 * time.Second
)

func (t tuning) withDefaults() tuning {
	t.closeLinger = cmp.Or(t.closeLinger, closeLinger)
	t.closeStall = cmp.Or(t.closeStall, closeStall)
	t.closeTimeout = cmp.Or(t.closeTimeout, closeTimeout)
	t.releaseDelay = cmp.Or(t.releaseDelay, releaseDelay)
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
	s, err := configuration.validate()
	if err != nil {
		return nil, err
	}
	pc := &PeerConnection{
		settings: s,
		log:      newLogger("pc", lastConnectionID.Add(1)),
		tuning:   t,
		done:     make(chan struct{}),
	}
	if pc.certificate, pc.fingerprint, err = certificateFor(s); err != nil {
		return nil, err
	}
	pc.queue.init(&pc.mu, func() {
		pc.now = time.Now()
		pc.flush()
	})
	pc.channels.init()
	pc.deliverP = pc.receivePlaintext
	pc.session.init()
	for _, u := range s.turnServers {
		pc.log.Warn("TURN servers are not supported yet: skipped", "host", u.host)
	}
	if s.ProxyServer != "" || s.EnableICETCP || s.EnableICEUDPMux {
		pc.log.Warn("proxy, ICE-TCP and UDP multiplexing are not supported yet: ignored")
	}
	return pc, nil
}

// lock takes the mutex for an input.
func (pc *PeerConnection) lock() {
	pc.mu.Lock()
	pc.now = time.Now()
}

// unlock sends what the input has caused, if that may not wait a moment, and releases the mutex.
func (pc *PeerConnection) unlock() {
	if !pc.leaveCorked() {
		pc.flush()
	}
	pc.mu.Unlock()
}

// OnLocalDescription sets the function that is called with each new local description. It has no candidates the
// first time; they follow by OnLocalCandidate.
func (pc *PeerConnection) OnLocalDescription(f func(SessionDescription)) {
	setCallback(pc, &pc.onDescription, f, f == nil, eventDescription)
}

// OnLocalCandidate sets the function that is called with each local candidate, to be given to the other side.
func (pc *PeerConnection) OnLocalCandidate(f func(Candidate)) {
	setCallback(pc, &pc.onCandidate, f, f == nil, eventCandidate)
}

// OnStateChange sets the function that is called when the state of the connection changes.
func (pc *PeerConnection) OnStateChange(f func(State)) {
	setCallback(pc, &pc.onState, f, f == nil, eventState)
}

// OnICEStateChange sets the function that is called when the state of the ICE agent changes.
func (pc *PeerConnection) OnICEStateChange(f func(ICEState)) {
	setCallback(pc, &pc.onICEState, f, f == nil, eventICEState)
}

// OnGatheringStateChange sets the function that is called when gathering begins and when it is complete.
func (pc *PeerConnection) OnGatheringStateChange(f func(GatheringState)) {
	setCallback(pc, &pc.onGatheringState, f, f == nil, eventGatheringState)
}

// OnSignalingStateChange sets the function that is called when the state of offer and answer changes.
func (pc *PeerConnection) OnSignalingStateChange(f func(SignalingState)) {
	setCallback(pc, &pc.onSignalingState, f, f == nil, eventSignalingState)
}

// OnDataChannel sets the function that is called with each channel that the peer opens. The channel is open already;
// its own callbacks set there miss nothing. Channels that came before a function was set are kept for it.
func (pc *PeerConnection) OnDataChannel(f func(*DataChannel)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.onDataChannel = f
	if f == nil {
		pc.queue.wait(pc, eventDataChannel)
		return
	}
	for _, dc := range pc.channels.kept {
		pc.queue.push(event{target: pc, kind: eventDataChannel, channel: dc})
	}
	pc.channels.kept = nil
}

// OnTrack sets the function that is called with each track that the peer adds. There are none yet.
func (pc *PeerConnection) OnTrack(f func(*Track)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.onTrack = f
}

func setCallback[F any](pc *PeerConnection, callback *F, f F, isNil bool, kind eventKind) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	*callback = f
	if isNil {
		pc.queue.cancel(pc, kind)
		pc.queue.wait(pc, kind)
	}
}

// deliver is the turn of one event of the connection itself.
func (pc *PeerConnection) deliver(q *callbackQueue, e event) {
	switch e.kind {
	case eventDescription:
		d := SessionDescription{Type: DescriptionType(e.value), SDP: e.text}
		call(pc, q, e.kind, pc.onDescription, pc.onDescription == nil, d)
	case eventCandidate:
		call(pc, q, e.kind, pc.onCandidate, pc.onCandidate == nil, Candidate{Candidate: e.text, Mid: e.text2})
	case eventState:
		call(pc, q, e.kind, pc.onState, pc.onState == nil, State(e.value))
	case eventICEState:
		call(pc, q, e.kind, pc.onICEState, pc.onICEState == nil, ICEState(e.value))
	case eventGatheringState:
		call(pc, q, e.kind, pc.onGatheringState, pc.onGatheringState == nil, GatheringState(e.value))
	case eventSignalingState:
		call(pc, q, e.kind, pc.onSignalingState, pc.onSignalingState == nil, SignalingState(e.value))
	case eventDataChannel:
		if pc.onDataChannel == nil {
			pc.channels.kept = append(pc.channels.kept, e.channel)
			return
		}
		call(pc, q, e.kind, pc.onDataChannel, false, e.channel)
		e.channel.introduced()
	}
}

func call[T any](pc *PeerConnection, q *callbackQueue, kind eventKind, f func(T), isNil bool, value T) {
	if isNil {
		return
	}
	q.enter(pc, kind)
	f(value)
	q.leave()
}

// State gives the state of the connection.
func (pc *PeerConnection) State() State { return read(pc, &pc.state) }

// ICEState gives the state of the ICE agent.
func (pc *PeerConnection) ICEState() ICEState { return read(pc, &pc.iceState) }

// GatheringState gives the state of candidate gathering.
func (pc *PeerConnection) GatheringState() GatheringState { return read(pc, &pc.gatheringState) }

// SignalingState gives the state of offer and answer.
func (pc *PeerConnection) SignalingState() SignalingState { return read(pc, &pc.signalingState) }

func read[T any](pc *PeerConnection, value *T) T {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return *value
}

func (pc *PeerConnection) setState(s State) {
	if pc.state != s && pc.state != StateClosed {
		pc.log.Info("connection", "state", s)
		pc.state = s
		pc.setPathLost(s == StateFailed && !pc.ended)
		pc.queue.push(event{target: pc, kind: eventState, value: int(s)})
	}
}

func (pc *PeerConnection) setICEState(s ICEState) {
	if pc.iceState != s && pc.iceState != ICEStateClosed {
		pc.log.Debug("ICE", "state", s)
		pc.iceState = s
		pc.queue.push(event{target: pc, kind: eventICEState, value: int(s)})
	}
}

func (pc *PeerConnection) setGatheringState(s GatheringState) {
	if pc.gatheringState != s {
		pc.gatheringState = s
		pc.queue.push(event{target: pc, kind: eventGatheringState, value: int(s)})
	}
}

func (pc *PeerConnection) setSignalingState(s SignalingState) {
	if pc.signalingState != s {
		pc.log.Debug("signalling", "state", s)
		pc.signalingState = s
		pc.queue.push(event{target: pc, kind: eventSignalingState, value: int(s)})
	}
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
	mid := read(pc, &pc.session.mid)
	return Candidate{"a=" + pair.Local.String(), mid}, Candidate{"a=" + pair.Remote.String(), mid}, nil
}

func (pc *PeerConnection) selected() (ice.Pair, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.agent == nil || pc.ended {
		return ice.Pair{}, errNoPair
	}
	pair, ok := pc.agent.Selected()
	if !ok {
		return ice.Pair{}, errNoPair
	}
	return pair, nil
}
