package ice

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// pairState is the state of a pair in the check list: RFC 8445, section 6.1.2.6.
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

// check is a connectivity check: a transaction and the contents of its request.
type check struct {
	stun.Transaction
	controlling  bool // the role attribute
	useCandidate bool
}

// candidatePair is a pair of the check list. RFC 8445 has a separate valid list, with pairs of
// mapped addresses. Here the pair whose check succeeded is the valid pair, and mapped is its mapped
// address.
type candidatePair struct {
	base     *base
	remote   *Candidate // shared, so that signalling updates a peer-reflexive one once
	path     Path       // the base, and remote.Addr with the zone of the base's link
	priority uint64
	state    pairState

	triggered bool // in the triggered-check queue
	permitted bool // the peer has sent an authenticated check on it
	nominated bool // it is selected, and nominated by the controlling agent
	expired   bool // its consent has expired: the credentials are void on it

	check check
	// cancelled is the check that a triggered check has replaced, or nil. A response to it still
	// counts: RFC 8445, section 7.3.1.4.
	cancelled *check

	firstUseCandidate time.Time // when the peer first sent USE-CANDIDATE on it; zero: never
	lastUseCandidate  time.Time // when it last did
	// overruled is when a nomination last prevailed over data on it, or data arrived on it since;
	// zero: there is no conflict.
	overruled time.Time

	received  time.Time      // when the peer's last authenticated check arrived on it
	mapped    netip.AddrPort // the base's address in the last success response
	confirmed time.Time      // when that arrived
	rtt       time.Duration  // of the last check; zero: unknown
	// earlyUfrag is the peer's ufrag in checks that arrived before SetRemote.
	earlyUfrag string
}

// pending reports whether the pair's check is due or in progress.
func (p *candidatePair) pending() bool {
	return p.state == pairFrozen || p.state == pairWaiting || p.state == pairInProgress
}

// acceptsData reports whether application data may be accepted on the pair.
func (p *candidatePair) acceptsData() bool {
	return !p.expired && (p.permitted || p.state == pairSucceeded)
}

// sameFoundation reports whether the pairs have the same foundation: RFC 8445, section 6.1.2.6.
func (p *candidatePair) sameFoundation(q *candidatePair) bool {
	return p.base.host.Foundation == q.base.host.Foundation && p.remote.Foundation == q.remote.Foundation
}

// direct reports whether the pair connects hosts without a visible NAT or relay. No other type of
// pair is better.
func (p *candidatePair) direct() bool {
	return p.base.host.Type == CandidateTypeHost && p.remote.Type == CandidateTypeHost &&
		p.mapped == p.base.host.Addr
}

// setPriority computes the pair's priority for the given role.
func (p *candidatePair) setPriority(controlling bool) {
	if controlling {
		p.priority = pairPriority(p.base.host.Priority, p.remote.Priority)
	} else {
		p.priority = pairPriority(p.remote.Priority, p.base.host.Priority)
	}
}

// pair returns the exported form. The local candidate is that of the mapped address, as in the
// valid pair of RFC 8445, section 7.2.5.3.2.
func (p *candidatePair) pair() Pair {
	return Pair{
		Local: p.base.candidateAt(p.mapped), Remote: *p.remote,
		Path: p.path, Base: p.base.addr, Nominated: p.nominated,
	}
}
