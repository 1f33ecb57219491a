package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
)

// base is one socket of the agent, identified by id. Checks are sent from bases, so that a pair of
// the check list consists of a base and a remote candidate. The reflexive candidates of a base are
// the addresses that others see it by.
type base struct {
	id         BaseID
	transport  Transport
	addr       netip.AddrPort // in canonical form
	host       Candidate
	preference uint16
	// prflxPriority is the PRIORITY attribute of checks from this base, the priority of the
	// peer-reflexive candidate that the peer may discover: RFC 8445, section 7.1.1.
	prflxPriority uint32
	reflexive     []reflexive
	gatherings    []gathering
	added         time.Time
	received      time.Time // when the peer's last check or data arrived; zero: never
}

// reflexive is a server-reflexive candidate: the address of a base as seen by a STUN server.
type reflexive struct {
	Candidate
	ufrag string // of the credentials that it was last reported for
}

// Local is a transport address of this host that the agent may use: that of a bound socket.
type Local struct {
	// Transport is TransportUDP; TCP is not supported yet.
	Transport Transport
	// Addr is the bound address, with its zone if it has one. It must not be the wildcard address.
	Addr netip.AddrPort
}

// AddLocal adds a base and its host candidate, forms its pairs, and starts queries to the STUN
// servers of its address family. It may be called at any time, also while connected and after a
// failure. The returned identity names the base in a [Path].
//
// IPv4-mapped IPv6 addresses equal their IPv4 form wherever the agent takes an address, and the
// agent returns IPv4. The error wraps [ErrAddress], [ErrUnsupportedTransport], [ErrDuplicate],
// [ErrLimit] (64 bases) or, after Close, [ErrState].
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
		Foundation: a.foundation(CandidateTypeHost, addr, netip.Addr{}),
		Component:  component, Addr: plain(l.Addr), Type: CandidateTypeHost,
		Priority: candidatePriority(CandidateTypeHost, b.preference, component),
	}
	a.bases = append(a.bases, b)
	a.addLocalCandidate(b.host, a.latest().localUfrag)
	for _, g := range [...]*generation{a.current, a.next} {
		if g != nil && !g.ended {
			for _, c := range g.remotes {
				g.addPair(b, c)
			}
		}
	}
	a.startGathering(now, b)
	a.update(now)
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
	case slices.ContainsFunc(a.bases, func(b *base) bool {
		return b.transport == l.Transport && b.addr == l.Addr
	}):
		return ErrDuplicate
	case len(a.bases) == maxLocalAddresses:
		return ErrLimit
	}
	return nil
}

// RemoveLocal removes a base that is no longer usable, because its socket has failed or its network
// is gone. If data takes one of its pairs, the best other valid pair is selected at once; if there
// is none, EventPathLost follows and the agent checks again the pairs that once worked. RemoveLocal
// reports whether the agent had the base.
func (a *Agent) RemoveLocal(now time.Time, id BaseID) bool {
	i := slices.IndexFunc(a.bases, func(b *base) bool { return b.id == id })
	if i < 0 {
		return false
	}
	a.removeBase(i)
	a.update(now)
	return true
}

// removeBase removes a base and its pairs.
func (a *Agent) removeBase(i int) {
	b := a.bases[i]
	a.debug("base removed", "base", b.addr)
	a.bases = slices.Concat(a.bases[:i], a.bases[i+1:])
	for _, g := range a.generations() {
		if g != nil {
			g.removeBase(b)
		}
	}
	// Its queued responses are dropped.
	for n := a.responses.Len(); n > 0; n-- {
		if r, _ := a.responses.Pop(); r.base != b {
			a.responses.Push(r)
		}
	}
}

// HasLocal reports whether the agent has the base: AddLocal returned it, and neither RemoveLocal
// nor the agent itself ([EventBaseFreed]) has removed it since.
func (a *Agent) HasLocal(id BaseID) bool { return a.base(id) != nil }

// component is the identifier of the only component.
const component = 1

// usable reports whether addr is a possible destination or bound address.
func usable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip != broadcast && addr.Port() != 0
}

// base returns the base with the identity, or nil.
func (a *Agent) base(id BaseID) *base {
	for _, b := range a.bases {
		if b.id == id {
			return b
		}
	}
	return nil
}

// countSimilar returns the number of bases of the scope and family of addr.
func (a *Agent) countSimilar(addr netip.Addr) (n int) {
	for _, b := range a.bases {
		if ip := b.addr.Addr(); ip.Is4() == addr.Is4() && addressScope(ip) == addressScope(addr) {
			n++
		}
	}
	return n
}

// foundation returns the foundation of a local candidate, which is equal for candidates of the same
// type, base address and server, all being UDP: RFC 8445, section 5.1.1.3. Bases and servers are
// numbered: the foundation is 1 + base × (maxSTUNServers + 1), plus 1 + server if there is one.
func (a *Agent) foundation(t CandidateType, baseAddr, server netip.Addr) string {
	n := slices.IndexFunc(a.bases, func(b *base) bool { return b.addr.Addr() == baseAddr })
	if n < 0 {
		n = len(a.bases)
	}
	n = 1 + n*(maxSTUNServers+1)
	if t == CandidateTypeServerReflexive {
		n += 1 + slices.IndexFunc(a.config.STUNServers, func(s netip.AddrPort) bool {
			return s.Addr() == server
		})
	}
	return strconv.Itoa(n)
}

// candidateAt returns the candidate of b with the address. If none is known, it is a peer-reflexive
// one: RFC 8445, section 7.2.5.3.1.
func (b *base) candidateAt(mapped netip.AddrPort) Candidate {
	if !mapped.IsValid() || mapped == b.host.Addr {
		return b.host
	}
	for _, c := range b.reflexive {
		if c.Addr == mapped {
			return c.Candidate
		}
	}
	return Candidate{
		Foundation: "prflx" + b.host.Foundation,
		Component:  b.host.Component,
		Transport:  b.host.Transport,
		Priority:   b.prflxPriority,
		Addr:       mapped,
		Type:       CandidateTypePeerReflexive,
		Related:    b.host.Addr,
	}
}

// pathTo returns the path from b to remote.
func (b *base) pathTo(remote netip.AddrPort) Path { return Path{b.id, b.zoned(remote)} }

// zoned returns remote with the zone that a link-local address has on the link of b.
func (b *base) zoned(remote netip.AddrPort) netip.AddrPort {
	if addr := remote.Addr(); addr.Is6() && addr.IsLinkLocalUnicast() && b.addr.Addr().Zone() != "" {
		return netip.AddrPortFrom(addr.WithZone(b.addr.Addr().Zone()), remote.Port())
	}
	return remote
}

// canonical returns the form of a local address that the agent uses: IPv4-mapped IPv6 becomes IPv4.
// The zone stays, because two links may have the same link-local address. Every exported function
// that takes a local address begins with it.
func canonical(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// plain returns the form of a remote address that the agent uses: without zone, as on the wire, and
// with IPv4-mapped IPv6 as IPv4. Every exported function that takes a remote address begins with
// it.
func plain(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
}

// freeBases removes the bases that neither agent uses any more: RFC 8445, section 8.3.
func (a *Agent) freeBases(now time.Time) {
	if !a.freesBases() {
		return
	}
	for i := 0; i < len(a.bases); {
		b := a.bases[i]
		if b == a.current.selected.base || now.Before(a.freeTime(b)) || a.current.checkList.hasPending(b) {
			i++
		} else {
			a.removeBase(i)
			a.addEvent(Event{Kind: EventBaseFreed, Base: b.id})
		}
	}
}

// freesBases reports whether unused bases may be freed in time. They stay while the selected pair
// is silent, because another may replace it, and during a restart, because either generation may
// need them.
func (a *Agent) freesBases() bool {
	g := a.current
	return len(a.bases) > 1 && a.next == nil && a.previous == nil &&
		g.endOfCandidates && g.nominating == nil &&
		g.selected != nil && g.selected.nominated && !g.consent.silent
}

// freeTime returns the time from which b, if it is not the selected pair's, counts as unused.
func (a *Agent) freeTime(b *base) time.Time {
	since := a.current.selectedAt
	if b.added.After(since) {
		since = b.added
	}
	if b.received.After(since) {
		since = b.received
	}
	return since.Add(a.config.UnusedTimeout)
}

// freeDeadline returns when the next base can be freed. A base with checks in progress is freed
// when they end.
func (a *Agent) freeDeadline() (d time.Time) {
	if !a.freesBases() {
		return d
	}
	for _, b := range a.bases {
		if at := a.freeTime(b); b != a.current.selected.base && at.After(a.now) {
			d = deadline.Earlier(d, at)
		}
	}
	return d
}
