package ice

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

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

	triggered         bool      // in the triggered-check queue
	permitted         bool      // the peer has sent an authenticated check on it
	nominated         bool      // it is the selected pair, and nominated by the controlling agent
	expired           bool      // consent has expired on it: these credentials are not used on it any more
	firstUseCandidate time.Time // when the peer, controlling, first sent USE-CANDIDATE on it; zero: never
	lastUseCandidate  time.Time // … and last
	overruled         time.Time // when a nomination went against data on it, or data arrived since; zero: none has, or the data ceased

	received  time.Time      // the last authenticated check of the peer on it
	mapped    netip.AddrPort // where the peer sees base, of the last success response
	confirmed time.Time      // when that came
	rtt       time.Duration  // of the last check, zero if not known
	// earlyUfrag is the peer's ufrag in checks that came before SetRemote said which is right.
	earlyUfrag string
}

// waits reports whether the pair's check is still to come or to be answered.
func (p *candidatePair) pending() bool {
	return p.state == pairFrozen || p.state == pairWaiting || p.state == pairInProgress
}

// carriesData reports whether application data may be accepted on the pair.
func (p *candidatePair) acceptsData() bool {
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
