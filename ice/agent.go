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

	controlling bool
	tieBreaker  uint64

	bases    []*base
	lastBase BaseID

	// The generations, see restart.go. Only current is always there.
	current  *generation // whose candidates are checked, and whose pair carries data as soon as there is one
	previous *generation // the one before a restart, whose pair carries data until then; nil: none
	next     *generation // of the credentials that Restart has set and SetRemote has not answered yet; nil: none

	pacer     pacer // of checks
	gatherers pacer // of requests to STUN servers
	responses ring.Queue[response]

	last         *candidatePair // the last that was deselected
	pathReported bool           // the last report of a path was EventSelectedPair, not EventPathLost

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
		controlling: config.Controlling,
		pacer:       pacer{interval: config.CheckInterval}, gatherers: pacer{interval: config.CheckInterval},
	}
	var err error
	if a.current, err = a.newGeneration(config.Ufrag, config.Pwd); err != nil {
		return nil, err
	}
	a.config.STUNServers = nil
	for _, s := range config.STUNServers {
		if s = plain(s); len(a.config.STUNServers) < maxSTUNServers && !slices.Contains(a.config.STUNServers, s) {
			a.config.STUNServers = append(a.config.STUNServers, s)
		}
	}
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

// LocalCredentials returns the ufrag and pwd to be signalled to the peer: those of the last Restart, or else of NewAgent.
func (a *Agent) LocalCredentials() (ufrag, pwd string) {
	g := a.latest()
	return g.localUfrag, g.localPwd
}

// HasCredentials reports whether the agent uses these local credentials, or will when SetRemote answers the last Restart.
func (a *Agent) HasCredentials(ufrag, pwd string) bool {
	for _, g := range [...]*generation{a.current, a.next} {
		if g != nil && g.localUfrag == ufrag && g.localPwd == pwd {
			return true
		}
	}
	return false
}

// Controlling returns the agent's role, which a conflict with the peer may have changed.
func (a *Agent) Controlling() bool { return a.controlling }

// SetControlling sets the agent's role, for an owner that learns it after NewAgent.
func (a *Agent) SetControlling(now time.Time, controlling bool) {
	if controlling != a.controlling {
		a.setRole(controlling)
		a.touch(now)
	}
}

// setRole changes the role; pair priorities depend on it
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.1).
func (a *Agent) setRole(controlling bool) {
	a.debug("role", "controlling", controlling)
	a.controlling = controlling
	for _, g := range a.generations() {
		if g != nil {
			g.roleChanged()
		}
	}
}

// Local is a transport address of this host that the agent may use: a bound socket.
type Local struct {
	// Transport is TransportUDP; TCP is not supported yet.
	Transport Transport
	// Addr is the bound address, with the zone if it has one. It must not be the wildcard address.
	Addr netip.AddrPort
}

// AddLocal adds a base, makes its host candidate, pairs it, and starts to ask the STUN servers of its address family. It may be
// called at any time, also while connected and after a failure. The identity that it returns names the base in a Path.
// IPv4 mapped into IPv6 is the same as IPv4 wherever the agent takes an address; it returns the latter.
// The error wraps ErrAddress, ErrUnsupportedTransport, ErrDuplicate, ErrLimit or, after Close, ErrState.
func (a *Agent) AddLocal(now time.Time, l Local) (BaseID, error) {
	l.Addr = canonical(l.Addr)
	if err := a.checkLocal(l); err != nil {
		return 0, fmt.Errorf("ice: add local address %v/%v: %w", l.Addr, l.Transport, err)
	}
	a.lastBase++
	addr := l.Addr.Addr()
	b := &base{id: a.lastBase, transport: l.Transport, addr: l.Addr, added: now}
	b.preference = localPreference(addr, a.countSimilar(addr))
	b.prflxPriority = candidatePriority(CandidateTypePeerReflexive, b.preference, component)
	b.host = Candidate{
		Foundation: a.foundation(CandidateTypeHost, addr, netip.Addr{}), Component: component, Addr: plain(l.Addr), Type: CandidateTypeHost,
		Priority: candidatePriority(CandidateTypeHost, b.preference, component),
	}
	a.bases = append(a.bases, b)
	a.addEvent(EventLocalCandidate{b.host, a.latest().localUfrag})
	for _, g := range [...]*generation{a.current, a.next} {
		if g != nil && !g.ended {
			for _, c := range g.remotes {
				g.addPair(b, c)
			}
		}
	}
	a.startGathering(now, b)
	a.touch(now)
	return b.id, nil
}

func (a *Agent) checkLocal(l Local) error {
	switch {
	case a.closed():
		return ErrState
	case l.Transport != TransportUDP:
		return ErrUnsupportedTransport
	case !usable(l.Addr):
		return ErrAddress
	case slices.ContainsFunc(a.bases, func(b *base) bool { return b.transport == l.Transport && b.addr == l.Addr }):
		return ErrDuplicate
	case len(a.bases) == maxLocalAddresses:
		return ErrLimit
	}
	return nil
}

// RemoveLocal removes a base that cannot be used any more: its socket has failed, or its network is gone. If data takes a pair of it, the
// best other valid pair takes its place at once; if there is none, EventPathLost says so, and the pairs that once worked are
// checked again. It reports whether the agent had the base.
func (a *Agent) RemoveLocal(now time.Time, id BaseID) bool {
	i := slices.IndexFunc(a.bases, func(b *base) bool { return b.id == id })
	if i < 0 {
		return false
	}
	a.removeBase(i)
	a.touch(now)
	return true
}

// removeBase forgets a base and its pairs.
func (a *Agent) removeBase(i int) {
	b := a.bases[i]
	a.debug("base removed", "base", b.addr)
	a.bases = slices.Concat(a.bases[:i], a.bases[i+1:])
	for _, g := range a.generations() {
		if g != nil {
			g.removeBase(b)
		}
	}
	// Responses that wait for Transmit have nowhere to go.
	for n := a.responses.Len(); n > 0; n-- {
		if r, _ := a.responses.Pop(); r.base != b {
			a.responses.Push(r)
		}
	}
}

// HasLocal reports whether the agent has the base: AddLocal has returned it, and neither RemoveLocal nor the agent itself (see
// EventBaseFreed) has removed it since.
func (a *Agent) HasLocal(id BaseID) bool { return a.base(id) != nil }

// component is the identifier of the only component.
const component = 1

// usable reports whether addr can be sent to or bound.
func usable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && addr.Port() != 0 && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// base returns the base with that identity, and nil if there is none.
func (a *Agent) base(id BaseID) *base {
	for _, b := range a.bases {
		if b.id == id {
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
	if t == CandidateTypeServerReflexive {
		n += 1 + slices.IndexFunc(a.config.STUNServers, func(s netip.AddrPort) bool { return s.Addr() == server })
	}
	return strconv.Itoa(n)
}

// SetLocalComplete says that the bases are known for now. EventGatheringComplete comes when the STUN servers have answered
// too, or are given up. Candidates of bases that are added later are reported all the same.
func (a *Agent) SetLocalComplete(now time.Time) {
	a.latest().localComplete = true
	a.touch(now)
}

// Close ends the agent: it sends nothing more and its state is StateClosed. It may be called again.
func (a *Agent) Close() {
	if a.closed() {
		return
	}
	a.stats = a.Stats()
	a.setState(StateClosed)
	for _, g := range a.generations() {
		if g != nil {
			g.end()
		}
	}
	a.previous, a.next = nil, nil
	a.responses.Clear()
	a.idle, a.deadline = true, time.Time{}
}

// closed reports whether the agent has ended.
func (a *Agent) closed() bool { return a.state == StateClosed }

// State returns the agent's state.
func (a *Agent) State() State { return a.state }

// Selected returns the pair that application data should take: it is sent on pair.Path. ok is false while there is none, and then
// nothing but what Transmit returns may be sent; pair is then the one that was selected last, also after the end, and zero
// if none was.
func (a *Agent) Selected() (pair Pair, ok bool) {
	switch p := a.selected(); {
	case p != nil:
		return p.pair(), true
	case a.last != nil:
		return a.last.pair(), false
	}
	return Pair{}, false
}

// selected returns the pair that data takes: that of the current generation, or in a restart that of the previous one.
func (a *Agent) selected() *candidatePair {
	if p := a.current.selected; p != nil || a.previous == nil {
		return p
	}
	return a.previous.selected
}

// Permits reports whether application data may be accepted on a path: it is a valid pair, or the peer has proven with an
// authenticated check to be there, and no consent has expired on it. It does not allocate.
func (a *Agent) Permits(path Path) bool {
	if p := a.current.selected; p != nil && p.path == path {
		return true
	}
	path.Remote = plain(path.Remote)
	for _, g := range a.generations() {
		if g != nil {
			if p := g.pairAt(path); p != nil && p.carriesData() {
				return true
			}
		}
	}
	return false
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
	if s == a.state || a.closed() {
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
