package ice

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/stun"
)

// Agent is an ICE agent with one data stream and one component. It is made by NewAgent and not for concurrent use. It does no
// I/O: see the package comment for what its owner does.
type Agent struct {
	config Config
	rand   *rand.ChaCha8
	log    *slog.Logger

	localUfrag, localPwd string
	localKey             *stun.Key // of requests to us and our responses
	remoteUfrag          string
	remoteKey            *stun.Key // of our requests and their responses; nil until SetRemote
	username             string    // in our requests: "remote:local"
	remoteLite           bool

	controlling bool
	tieBreaker  uint64

	bases          []*base
	remotes        []*Candidate
	prflxNo        int // peer-reflexive remote candidates made, for their foundations
	early          int // of them, those made before SetRemote
	localComplete  bool
	remoteComplete bool
	gathered       bool // EventGatheringComplete was given

	checkList checkList
	pacer     pacer // of checks
	gatherers pacer // of requests to STUN servers
	responses ring.Queue[response]

	selected   *candidatePair
	last       *candidatePair // selected last, while none is
	selectedAt time.Time      // when it was selected, or nominated since
	following  following
	nominating *candidatePair // the pair whose check with USE-CANDIDATE is due or under way
	graceEnds  time.Time      // when a controlling agent nominates the best valid pair it has; zero without one
	patience   time.Time      // until when the agent does not fail; zero before SetRemote
	consent    consent

	state  State
	events []Event
	stats  Stats

	now      time.Time // of the last call
	idle     bool      // Transmit has nothing until the next call of another method
	deadline time.Time // cached if idle
}

// NewAgent returns an agent in StateNew. The error wraps ErrCredentials, or is that of reading Config.Rand.
func NewAgent(config Config) (*Agent, error) {
	config.setDefaults()
	if config.Rand == nil {
		config.Rand = crand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(config.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("ice: read Config.Rand: %w", err)
	}
	config.Rand = nil
	a := &Agent{
		config: config, rand: rand.NewChaCha8(seed), log: config.Logger,
		localUfrag: config.Ufrag, localPwd: config.Pwd, controlling: config.Controlling,
		pacer: pacer{interval: config.CheckInterval}, gatherers: pacer{interval: config.CheckInterval},
	}
	if a.localUfrag == "" && a.localPwd == "" {
		a.localUfrag, a.localPwd = a.randomICEChars(generatedUfragLength), a.randomICEChars(generatedPwdLength)
	}
	if !validCredentials(a.localUfrag, a.localPwd) {
		return nil, fmt.Errorf("ice: local credentials: %w", ErrCredentials)
	}
	a.config.STUNServers = nil
	for _, s := range config.STUNServers {
		if s = plain(s); len(a.config.STUNServers) < maxSTUNServers && !slices.Contains(a.config.STUNServers, s) {
			a.config.STUNServers = append(a.config.STUNServers, s)
		}
	}
	a.localKey = stun.NewKey([]byte(a.localPwd))
	a.tieBreaker = a.rand.Uint64()
	return a, nil
}

const (
	// generatedUfragLength gives 48 random bits; the least is 24
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-5.3). With more, a ufrag also tells agents apart.
	generatedUfragLength = 8
	// generatedPwdLength gives 144 random bits; the least is 128.
	generatedPwdLength = 24
)

const iceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func (a *Agent) randomICEChars(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = iceChars[a.rand.Uint64()%uint64(len(iceChars))] // 64 characters: no bias
	}
	return string(b)
}

// validCredentials checks the grammar of https://www.rfc-editor.org/rfc/rfc8839.html#section-5.4.
func validCredentials(ufrag, pwd string) bool {
	return isICEChars(ufrag, 4, 256) && isICEChars(pwd, 22, 256)
}

// validRemoteCredentials is validCredentials for those of the peer, which may have other characters.
func validRemoteCredentials(ufrag, pwd string) bool {
	return isLooseICEChars(ufrag, 4, 256) && isLooseICEChars(pwd, 22, 256)
}

// newTransactionID returns 96 unpredictable bits.
func (a *Agent) newTransactionID() (id stun.TransactionID) {
	x, y := a.rand.Uint64(), a.rand.Uint64()
	for i := range 8 {
		id[i] = byte(x >> (8 * i))
	}
	for i := range 4 {
		id[8+i] = byte(y >> (8 * i))
	}
	return id
}

// LocalCredentials returns the ufrag and pwd to be signalled to the peer.
func (a *Agent) LocalCredentials() (ufrag, pwd string) { return a.localUfrag, a.localPwd }

// Controlling returns the agent's role, which a conflict with the peer may have changed.
func (a *Agent) Controlling() bool { return a.controlling }

// SetControlling sets the agent's role, for an owner that learns it after NewAgent.
func (a *Agent) SetControlling(controlling bool) {
	if controlling != a.controlling {
		a.setRole(controlling)
		a.touch(a.now)
	}
}

// setRole changes the role; pair priorities depend on it
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.1).
func (a *Agent) setRole(controlling bool) {
	a.debug("role", "controlling", controlling)
	a.controlling = controlling
	a.nominating, a.graceEnds = nil, time.Time{}
	for _, p := range a.checkList.pairs {
		p.setPriority(controlling)
		// A retransmission has to be the same request, and that now claims the wrong role.
		if p.state == pairInProgress {
			a.cancel(p)
			a.checkList.trigger(p)
		}
	}
	a.checkList.sort()
}

// AddLocal makes the host candidate of one bound UDP socket, pairs it, and starts to ask the STUN servers of its address
// family. The address is the one that Receive and Transmit name the socket by, with the zone if it has one; it must not be the
// wildcard address. IPv4 mapped into IPv6 is the same as IPv4 wherever the agent takes an address; it returns the latter.
// The error wraps ErrAddress, ErrDuplicate, ErrLimit or ErrState.
func (a *Agent) AddLocal(now time.Time, addr netip.AddrPort) error {
	addr = canonical(addr)
	switch {
	case a.ended() || a.localComplete:
		return fmt.Errorf("ice: add local address %v: %w", addr, ErrState)
	case !usable(addr):
		return fmt.Errorf("ice: add local address %v: %w", addr, ErrAddress)
	case a.base(addr) != nil:
		return fmt.Errorf("ice: add local address %v: %w", addr, ErrDuplicate)
	case len(a.bases) == maxLocalAddresses:
		return fmt.Errorf("ice: add local address %v: %w", addr, ErrLimit)
	}
	b := &base{addr: addr}
	b.preference = localPreference(addr.Addr(), a.countSimilar(addr.Addr()))
	b.prflxPriority = candidatePriority(PeerReflexive, b.preference, component)
	b.host = Candidate{
		Foundation: a.foundation(Host, addr.Addr(), netip.Addr{}), Component: component, Addr: plain(addr), Type: Host,
		Priority: candidatePriority(Host, b.preference, component),
	}
	a.bases = append(a.bases, b)
	a.addEvent(EventLocalCandidate{b.host})
	for _, c := range a.remotes {
		a.addPair(b, c)
	}
	a.startGathering(now, b)
	a.touch(now)
	return nil
}

// HasLocal reports whether addr was given to AddLocal, and not freed since (see EventBaseFreed).
func (a *Agent) HasLocal(addr netip.AddrPort) bool { return a.base(canonical(addr)) != nil }

// component is the identifier of the only component.
const component = 1

// usable reports whether addr can be sent to or bound.
func usable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && addr.Port() != 0 && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// base returns the base with that address.
func (a *Agent) base(addr netip.AddrPort) *base {
	for _, b := range a.bases {
		if b.addr == addr {
			return b
		}
	}
	return nil
}

// countSimilar counts the bases of the same scope and family as addr.
func (a *Agent) countSimilar(addr netip.Addr) (n int) {
	for _, b := range a.bases {
		if ip := b.addr.Addr(); ip.Is4() == addr.Is4() && addressScope(ip) == addressScope(addr) {
			n++
		}
	}
	return n
}

// foundation returns the foundation of a local candidate: the same for candidates of the same type, base address and
// server, all being UDP (https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.1.3). The bases and servers
// are numbered: number 1 + base number × (most servers + 1), plus 1 + server number if there is a server.
func (a *Agent) foundation(t CandidateType, baseAddr, server netip.Addr) string {
	n := slices.IndexFunc(a.bases, func(b *base) bool { return b.addr.Addr() == baseAddr })
	if n < 0 {
		n = len(a.bases)
	}
	n = 1 + n*(maxSTUNServers+1)
	if t == ServerReflexive {
		n += 1 + slices.IndexFunc(a.config.STUNServers, func(s netip.AddrPort) bool { return s.Addr() == server })
	}
	return strconv.Itoa(n)
}

// SetLocalComplete says that no more bases will be added. EventGatheringComplete comes when the STUN servers
// have answered too, or are given up.
func (a *Agent) SetLocalComplete(now time.Time) {
	a.localComplete = true
	a.touch(now)
}

// Close ends the agent: it sends nothing more and its state is StateClosed. It may be called again.
func (a *Agent) Close() {
	a.stop(StateClosed)
}

// stop ends the agent in a final state and lets go of what it holds.
func (a *Agent) stop(s State) {
	a.stats = a.Stats()
	a.setState(s)
	a.deselect()
	a.nominating, a.following = nil, following{}
	a.checkList = checkList{}
	a.responses.Clear()
	a.idle, a.deadline = true, time.Time{}
}

// ended reports whether the agent is in a final state.
func (a *Agent) ended() bool { return a.state == StateFailed || a.state == StateClosed }

// State returns the agent's state.
func (a *Agent) State() State { return a.state }

// Selected returns the pair that application data should take: it is sent from the socket pair.Base to pair.Remote.Addr.
// ok is false while there is none; pair is then the one that was selected last, also after the end, and zero if none was.
func (a *Agent) Selected() (pair Pair, ok bool) {
	switch {
	case a.selected != nil:
		return a.selected.pair(), true
	case a.last != nil:
		return a.last.pair(), false
	}
	return Pair{}, false
}

// deselect leaves the agent without a pair for data.
func (a *Agent) deselect() {
	if a.selected != nil {
		a.last = a.selected
	}
	a.selected, a.consent = nil, consent{}
}

// Permits reports whether application data may be accepted from remote on the socket local: a pair of them is valid, or the
// peer has proven with an authenticated check to be there. It does not allocate.
func (a *Agent) Permits(local, remote netip.AddrPort) bool {
	if p := a.selected; p != nil && p.base.addr == local && p.to == remote {
		return true
	}
	p := a.pairAt(canonical(local), plain(remote))
	return p != nil && p.carriesData()
}

// pairAt returns the pair of two addresses, the first canonical and the second plain.
func (a *Agent) pairAt(local, remote netip.AddrPort) *candidatePair {
	for _, p := range a.checkList.pairs {
		if p.remote.Addr == remote && p.base.addr == local {
			return p
		}
	}
	return nil
}

// Event returns the next event, in the order of what happened, and false if there is none.
func (a *Agent) Event() (Event, bool) {
	if len(a.events) == 0 {
		return nil, false
	}
	e := a.events[0]
	a.events = a.events[1:]
	if len(a.events) == 0 {
		a.events = nil // rare and short: no need to keep the memory
	}
	return e, true
}

func (a *Agent) addEvent(e Event) { a.events = append(a.events, e) }

// setState changes the state and reports it.
func (a *Agent) setState(s State) {
	if s == a.state || a.state == StateClosed {
		return
	}
	if a.log != nil {
		a.log.Info("ice: state", "from", a.state.String(), "to", s.String())
	}
	a.state = s
	a.addEvent(EventState{s})
}

// debug logs at slog.LevelDebug.
func (a *Agent) debug(message string, args ...any) {
	if a.log != nil && a.log.Enabled(context.Background(), slog.LevelDebug) {
		a.log.Debug("ice: "+message, args...)
	}
}
