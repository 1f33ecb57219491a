package jsep

import (
	"github.com/rtcstack/rtcstack/sdp"
)

// A Config holds the contents of the descriptions of a Machine. It must not change later.
type Config struct {
	// SessionID is that of the o= line: 63 random bits (RFC 8829, section 5.2.1). It also decides
	// the roles when two answers cross, so it must not be that of the peer.
	SessionID uint64
	// Credentials returns random ICE credentials whenever another local generation is needed. It
	// must not be nil.
	Credentials func() (ufrag, pwd string)
	// Fingerprints are those of the local certificate.
	Fingerprints []sdp.Fingerprint
	// ICEOptions are the values of a=ice-options.
	ICEOptions []string
	// ICELite declares an ICE-lite implementation.
	ICELite bool
	// SCTPPort is the local SCTP port; 0 means 5000.
	SCTPPort uint16
	// MaxMessageSize is the size in bytes of the largest message that this side accepts; 0 for any.
	MaxMessageSize uint64
}

// A Machine is the offer/answer state of one connection. Create it with [New].
type Machine struct {
	config Config
	s      state
}

// state is everything that an input can change. The values behind its pointers and slices are never
// modified, so that a copy of the struct is a copy of the state.
type state struct {
	signaling State
	// version is that of the last local description. A rollback does not decrease it. RFC 8829,
	// section 5.2.2: "in the case where the current version is N, an offer is created and applied
	// with version N+1, and then that offer is rolled back so that the current version is again N,
	// the next generated offer will still have version N+2."
	version uint64

	currentLocal, pendingLocal   *described
	currentRemote, pendingRemote *described

	wantData    bool // there is a data channel
	wantRestart bool // an ICE restart is requested

	local *generation // in use, or to be used first
	next  *generation // for the next description that needs new credentials, or nil
	link  *link       // the state of the transports; nil before the first Transport

	peer Credentials // those in use by the peer, as far as known
	// replaced is the peer's credentials before its offer that restarted ICE, if that was agreed on
	// last.
	replaced Credentials
	origin   origin // of the newest remote description

	// voided is set if a local offer was rolled back since the last agreement. The peer may be
	// answering it, while this side answers an offer of the peer.
	voided bool
	// answerRefused is set if a final answer to the pending local offer was refused. It has no effect
	// but that of the offer's rollback on strays.
	answerRefused bool
	// strays is the number of local offers that were rolled back for remote ones before their
	// answers, which may still arrive.
	strays int
	// revealed is the credentials in a stray answer that arrived while the pending remote offer
	// waits for its answer.
	revealed Credentials
}

// described is a description with its type.
type described struct {
	typ Type
	*sdp.Description
}

// origin identifies a description of the peer by its o= line.
type origin struct {
	session, version uint64
}

// New returns a machine in the stable state, without descriptions.
func New(config Config) *Machine {
	m := &Machine{config: config}
	m.s.local = config.generation()
	return m
}

// WantData makes all further offers have a data section, because there is a data channel.
func (m *Machine) WantData() { m.s.wantData = true }

// WantRestart requests an ICE restart. The request remains, even after rollbacks, until the local
// credentials in use have changed, by an offer of this side or by the answer to one of the peer.
// Calls until then, and calls without transports, have no effect.
func (m *Machine) WantRestart() {
	if m.s.link != nil {
		m.s.requestRestart(&m.config)
	}
}

// ICEFailed records that the ICE session of the last Transport has failed. Only new local
// credentials begin another one: until then, an answer with other credentials of the peer is an
// error that matches ErrState. ICEFailed has no effect without transports.
func (m *Machine) ICEFailed() {
	if m.s.link == nil {
		return
	}
	failed := *m.s.link
	failed.failed = true
	m.s.link = &failed
}

func (s *state) requestRestart(config *Config) {
	s.wantRestart = true
	s.prepareNext(config)
}

// State returns the state of the exchange.
func (m *Machine) State() State { return m.s.signaling }

// NegotiationNeeded reports whether a data section or an ICE restart is requested that no local
// description contains yet. In the stable state, an offer is then needed.
func (m *Machine) NegotiationNeeded() bool {
	s := &m.s
	if s.wantRestart && !(s.pendingLocal != nil && s.next != nil && s.next.isIn(s.pendingLocal.Description)) {
		return true
	}
	local := s.lastLocal()
	return s.wantData && (local == nil || local.Application() == nil)
}

// Local returns the local description that was set last, with the candidates found so far. It
// reports false if there is none.
func (m *Machine) Local() (Description, bool) {
	d := m.s.lastLocal()
	if d == nil {
		return Description{}, false
	}
	return m.s.text(d), true
}

// Remote returns the remote description that was set last, with the candidates added since. It
// reports false if there is none.
func (m *Machine) Remote() (Description, bool) {
	d := m.s.lastRemote()
	if d == nil {
		return Description{}, false
	}
	return Description{d.typ, d.String()}, true
}

// RemoteMaxMessageSize returns the size in bytes of the largest message that the peer accepts by
// the remote description that was set last: 65536 without one (RFC 8841, section 6.1),
// math.MaxUint64 for any size.
func (m *Machine) RemoteMaxMessageSize() uint64 {
	if d := m.s.lastRemote(); d != nil {
		if section := transportSection(d.Description); section != nil {
			return section.MessageLimit()
		}
	}
	return sdp.DefaultMaxMessageSize
}

func (s *state) lastLocal() *described {
	if s.pendingLocal != nil {
		return s.pendingLocal
	}
	return s.currentLocal
}

func (s *state) lastRemote() *described {
	if s.pendingRemote != nil {
		return s.pendingRemote
	}
	return s.currentRemote
}

// A transition is the computation of the next state. It becomes that of the machine only as a
// whole.
type transition struct {
	state
	config  *Config
	out     Outcome
	refused bool // an answer to the pending local offer
}

func (m *Machine) begin() *transition { return &transition{state: m.s, config: &m.config} }

// end makes the next state that of the machine, unless there was an error.
func (m *Machine) end(tx *transition, err error) (Outcome, error) {
	if err != nil {
		return Outcome{}, err
	}
	tx.out.StateChanged = m.s.signaling != tx.signaling
	m.s = tx.state
	return tx.out, nil
}

// rollback abandons the pending descriptions. RFC 8829, section 5.7: "The effect of rollback MUST
// be the same regardless of whether setLocalDescription or setRemoteDescription is called." In the
// stable state there is nothing to abandon, and it succeeds.
//
// The same section: "Any resources or candidates that were allocated by the abandoned local
// description are discarded", and so are new credentials that the peer has seen.
func (tx *transition) rollback() {
	if tx.signaling == Stable {
		return
	}
	tx.withdraw()
	if g := tx.next; g != nil && g.shown {
		tx.out.Discarded = &g.Credentials
		tx.next = nil
		if tx.wantRestart {
			tx.prepareNext(tx.config)
		}
	}
}

// withdraw abandons the pending descriptions, and keeps the generations. It is the rollback for an
// offer of the peer, which may already have accepted the local one: new credentials in that are for
// the next description that needs new ones.
func (tx *transition) withdraw() {
	tx.answerRefused = false
	tx.voided = tx.voided || tx.pendingLocal != nil && tx.pendingLocal.typ == Offer
	tx.pendingLocal, tx.pendingRemote = nil, nil
	tx.signaling = Stable
	if tx.revealed != (Credentials{}) && tx.link != nil {
		tx.reveal(tx.revealed)
	}
	tx.revealed = Credentials{}
}

// commit makes the pending descriptions the current ones.
func (tx *transition) commit() {
	tx.currentLocal, tx.currentRemote = tx.pendingLocal, tx.pendingRemote
	tx.pendingLocal, tx.pendingRemote = nil, nil
	tx.voided, tx.answerRefused, tx.revealed = false, false, Credentials{}
	tx.signaling = Stable
}
