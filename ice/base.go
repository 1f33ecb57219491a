package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// base is one socket of the agent (or later: one TCP connection, one TURN allocation), known by its local address. Checks
// are sent from bases, so a pair of the check list is a base and a remote candidate; the reflexive candidates of a
// base are addresses that others see it by.
type base struct {
	id         BaseID
	transport  Transport
	addr       netip.AddrPort // canonical
	host       Candidate
	preference uint16
	// prflxPriority is PRIORITY in the checks from here: the priority of the peer-reflexive candidate that the peer may
	// learn from it (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.1.1).
	prflxPriority uint32
	reflexive     []reflexive
	gatherings    []gathering
	added         time.Time
	received      time.Time // the last authenticated check, or application data, of the peer; zero: none
}

// reflexive is a server-reflexive candidate, an address that a STUN server has seen a base by.
type reflexive struct {
	Candidate
	ufrag string // the credentials that it was last reported for
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
	a.update(now)
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

// candidateAt returns the candidate of b with that address, made on the spot if it is a peer-reflexive one
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.1).
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
		Foundation: "prflx" + b.host.Foundation, Component: b.host.Component, Transport: b.host.Transport,
		Priority: b.prflxPriority, Addr: mapped, Type: CandidateTypePeerReflexive, Related: b.host.Addr,
	}
}

// pathTo returns the path from b to remote.
func (b *base) pathTo(remote netip.AddrPort) Path { return Path{b.id, b.zoned(remote)} }

// zoned returns remote with the zone that a link-local address has on b's link.
func (b *base) zoned(remote netip.AddrPort) netip.AddrPort {
	if addr := remote.Addr(); addr.Is6() && addr.IsLinkLocalUnicast() && b.addr.Addr().Zone() != "" {
		return netip.AddrPortFrom(addr.WithZone(b.addr.Addr().Zone()), remote.Port())
	}
	return remote
}

// canonical returns the one form of a local address that the agent works with: IPv4 as IPv4, not mapped into IPv6; a zone is
// kept, because two links may have the same link-local address. Every exported function that takes a local address begins with it.
func canonical(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// plain returns the one form of a remote address: as it is on the wire, without a zone, and IPv4 as IPv4. Every exported function
// that takes a remote address begins with it.
func plain(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
}

// freeBases gives up the bases that neither agent uses any more
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.3).
func (a *Agent) freeBases(now time.Time) {
	if !a.freesBases() {
		return
	}
	for i := 0; i < len(a.bases); {
		if b := a.bases[i]; b == a.current.selected.base || now.Before(a.freeTime(b)) || a.current.checkList.hasPending(b) {
			i++
		} else {
			a.removeBase(i)
			a.addEvent(EventBaseFreed{b.id})
		}
	}
}

// freesBases reports whether bases may be freed, all in good time. While the selected pair is silent, another may have to take its place;
// in a restart, the other generation may.
func (a *Agent) freesBases() bool {
	g := a.current
	return len(a.bases) > 1 && a.next == nil && a.previous == nil && g.endOfCandidates && g.nominating == nil &&
		g.selected != nil && g.selected.nominated && !g.consent.silent
}

// freeTime returns when b, not the selected pair's, has been unused for long enough.
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

// freeDeadline returns when the next base can be freed. One that has checks under way is freed when they end.
func (a *Agent) freeDeadline() (d time.Time) {
	if !a.freesBases() {
		return d
	}
	for _, b := range a.bases {
		if at := a.freeTime(b); b != a.current.selected.base && at.After(a.now) {
			d = earlier(d, at)
		}
	}
	return d
}
