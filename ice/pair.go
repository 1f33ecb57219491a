package ice

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/stun"
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
	heard         time.Time // the last authenticated check, or application data, of the peer; zero: none
}

// reflexive is a server-reflexive candidate, an address that a STUN server has seen a base by.
type reflexive struct {
	Candidate
	ufrag string // the credentials that it was last reported for
}

// pairState is the state of a pair in the check list
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.6).
type pairState uint8

const (
	pairFrozen pairState = iota
	pairWaiting
	pairInProgress
	pairSucceeded // the pair is on the valid list
	pairFailed
)

func (s pairState) String() string {
	switch s {
	case pairFrozen:
		return "frozen"
	case pairWaiting:
		return "waiting"
	case pairInProgress:
		return "in-progress"
	case pairSucceeded:
		return "succeeded"
	case pairFailed:
		return "failed"
	}
	return "pairState(" + strconv.Itoa(int(s)) + ")"
}

// check is a connectivity check under way: a transaction and what its request said.
type check struct {
	stun.Transaction
	controlling  bool // the role attribute
	useCandidate bool
}

// candidatePair is a pair of the check list. The RFC has pairs on a valid list besides, made from the mapped address of the
// response; here that address is kept in the pair whose check it answered, which is the pair data is sent on.
type candidatePair struct {
	base     *base
	remote   *Candidate // shared by pairs, so that a peer-reflexive one that turns out to be signalled changes in one place
	path     Path       // the base, and remote.Addr with the zone it has from there
	priority uint64
	state    pairState

	check check
	// cancelled is the check that a triggered check took the place of: a response to it still counts
	// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.4).
	cancelled check

	triggered    bool      // in the triggered-check queue
	permitted    bool      // the peer has sent an authenticated check on it
	nominated    bool      // it is the selected pair, and nominated by the controlling agent
	expired      bool      // consent has expired on it: these credentials are not used on it any more
	firstNamed   time.Time // when the peer, controlling, first sent USE-CANDIDATE on it; zero: never
	useCandidate time.Time // … and last
	overruled    time.Time // when a nomination went against data on it, or data arrived since; zero: none has, or the data ceased

	heard     time.Time      // the last authenticated check of the peer on it
	mapped    netip.AddrPort // where the peer sees base, of the last success response
	confirmed time.Time      // when that came
	rtt       time.Duration  // of the last check, zero if not known
	// earlyUfrag is the peer's ufrag in checks that came before SetRemote said which is right.
	earlyUfrag string
}

// waits reports whether the pair's check is still to come or to be answered.
func (p *candidatePair) waits() bool {
	return p.state == pairFrozen || p.state == pairWaiting || p.state == pairInProgress
}

// carriesData reports whether application data may be accepted on the pair.
func (p *candidatePair) carriesData() bool {
	return !p.expired && (p.permitted || p.state == pairSucceeded)
}

// sameFoundation compares pair foundations
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.6).
func (p *candidatePair) sameFoundation(q *candidatePair) bool {
	return p.base.host.Foundation == q.base.host.Foundation && p.remote.Foundation == q.remote.Foundation
}

// direct reports whether the pair runs between hosts, without a NAT or relay that shows: nothing better of another kind
// can come.
func (p *candidatePair) direct() bool {
	return p.base.host.Type == CandidateTypeHost && p.remote.Type == CandidateTypeHost && p.mapped == p.base.host.Addr
}

// setPriority computes the pair's priority in the given role.
func (p *candidatePair) setPriority(controlling bool) {
	if controlling {
		p.priority = pairPriority(p.base.host.Priority, p.remote.Priority)
	} else {
		p.priority = pairPriority(p.remote.Priority, p.base.host.Priority)
	}
}

// pair returns the pair as its owner sees it. The local candidate is the one of the mapped address: the valid pair of
// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.2.
func (p *candidatePair) pair() Pair {
	return Pair{Local: p.base.candidateAt(p.mapped), Remote: *p.remote, Path: p.path, Base: p.base.addr, Nominated: p.nominated}
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
