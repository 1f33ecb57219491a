package ice

import (
	"cmp"
	"net/netip"
	"slices"
)

// checkList is the only check list of a generation, with its triggered-check queue: RFC 8445,
// section 6.1.2. It has at most maxPairs pairs, few enough for linear searches.
type checkList struct {
	pairs     []*candidatePair // by descending priority
	triggered []*candidatePair // first in, first out
}

// find returns the pair of a base and a remote address, or nil.
func (l *checkList) find(b *base, remote netip.AddrPort) *candidatePair {
	for _, p := range l.pairs {
		if p.base == b && p.remote.Addr == remote {
			return p
		}
	}
	return nil
}

// canPair reports whether a base and a remote address may form a pair. RFC 8445, section 6.1.2.2:
// they have the same address family, and "IPv6 link-local addresses MUST NOT be paired with other
// than link-local addresses".
func canPair(b *base, remote netip.Addr) bool {
	local := b.addr.Addr()
	return local.Is4() == remote.Is4() && (local.Is4() || local.IsLinkLocalUnicast() == remote.IsLinkLocalUnicast())
}

// insert adds a pair. If the list is full, insert evicts the lowest-priority pair not in use; it
// reports false if that is p: RFC 8445, section 6.1.2.5.
func (l *checkList) insert(p *candidatePair) bool {
	if len(l.pairs) >= maxPairs && !l.evict(p) {
		return false
	}
	i, _ := slices.BinarySearchFunc(l.pairs, p.priority, func(q *candidatePair, priority uint64) int {
		return cmp.Compare(priority, q.priority)
	})
	l.pairs = slices.Insert(l.pairs, i, p)
	return true
}

// evict removes the lowest-priority pair that p may replace. A pair on which the peer has sent a
// check is preferred to one without.
func (l *checkList) evict(p *candidatePair) bool {
	for i := len(l.pairs) - 1; i >= 0; i-- {
		q := l.pairs[i]
		if q.state == pairSucceeded || q.state == pairInProgress || q.permitted {
			continue
		}
		if q.priority < p.priority || q.state == pairFailed || p.permitted {
			l.remove(q)
			return true
		}
	}
	return false
}

// remove removes a pair from the list and the queue.
func (l *checkList) remove(p *candidatePair) {
	l.pairs = slices.DeleteFunc(l.pairs, func(q *candidatePair) bool { return q == p })
	l.untrigger(p)
}

// removeBase removes all pairs of a base from the list and the queue.
func (l *checkList) removeBase(b *base) {
	ofBase := func(p *candidatePair) bool { return p.base == b }
	l.pairs = slices.DeleteFunc(l.pairs, ofBase)
	l.triggered = slices.DeleteFunc(l.triggered, ofBase)
}

// hasPending reports whether a pair of b is pending.
func (l *checkList) hasPending(b *base) bool {
	return slices.ContainsFunc(l.pairs, func(p *candidatePair) bool { return p.base == b && p.pending() })
}

// untrigger removes a pair from the triggered-check queue.
func (l *checkList) untrigger(p *candidatePair) {
	if p.triggered {
		p.triggered = false
		l.triggered = slices.DeleteFunc(l.triggered, func(q *candidatePair) bool { return q == p })
	}
}

// sort restores the order after priorities have changed.
func (l *checkList) sort() {
	slices.SortStableFunc(l.pairs, func(p, q *candidatePair) int { return cmp.Compare(q.priority, p.priority) })
}

// setInitialState makes a new pair Waiting if it is the first of its foundation to be checked or if
// a check of its foundation has succeeded, and Frozen otherwise: RFC 8838, section 12.
func (l *checkList) setInitialState(p *candidatePair) {
	p.state = pairWaiting
	for _, q := range l.pairs {
		if q == p || !q.sameFoundation(p) {
			continue
		}
		switch q.state {
		case pairSucceeded:
			p.state = pairWaiting
			return
		case pairWaiting, pairInProgress:
			p.state = pairFrozen
		}
	}
}

// trigger adds a pair to the triggered-check queue: RFC 8445, section 6.1.4.1.
func (l *checkList) trigger(p *candidatePair) {
	if p.expired {
		return
	}
	p.state = pairWaiting
	if !p.triggered {
		p.triggered = true
		l.triggered = append(l.triggered, p)
	}
}

// next returns the pair to check next, or nil: a triggered pair, or else the first Waiting one: RFC
// 8445, section 6.1.4.2.
func (l *checkList) next() *candidatePair {
	if p := l.nextTriggered(); p != nil {
		return p
	}
	for _, p := range l.pairs {
		if p.state == pairWaiting {
			return p
		}
	}
	return l.nextFrozen()
}

func (l *checkList) nextTriggered() *candidatePair {
	if len(l.triggered) == 0 {
		return nil
	}
	p := l.triggered[0]
	l.triggered = slices.Delete(l.triggered, 0, 1)
	p.triggered = false
	return p
}

// nextFrozen returns the Frozen pair to check when no pair is Waiting: the first whose foundation
// is not being checked, or else the first. RFC 8445, section 6.1.4.2, would leave the latter Frozen
// until a pair of its foundation ends, which takes 39.5 s without an answer; peers that have one
// foundation for all candidates would be unreachable as long. No other pair needs the pacer's token
// at that time.
func (l *checkList) nextFrozen() *candidatePair {
	var first *candidatePair
	for _, p := range l.pairs {
		if p.state != pairFrozen {
			continue
		}
		if first == nil {
			first = p
		}
		if !slices.ContainsFunc(l.pairs, func(q *candidatePair) bool {
			return q.state == pairInProgress && q.sameFoundation(p)
		}) {
			return p
		}
	}
	return first
}

// unfreezeFoundation makes the Frozen pairs of the foundation of p Waiting, after its check has
// succeeded: RFC 8445, section 7.2.5.3.3.
func (l *checkList) unfreezeFoundation(p *candidatePair) {
	for _, q := range l.pairs {
		if q.state == pairFrozen && q.sameFoundation(p) {
			q.state = pairWaiting
		}
	}
}

// hasNext reports whether next would return a pair.
func (l *checkList) hasNext() bool {
	return len(l.triggered) > 0 || slices.ContainsFunc(l.pairs, func(p *candidatePair) bool {
		return p.state == pairWaiting || p.state == pairFrozen
	})
}

// active returns the number of pairs that are Waiting or In-Progress, from which the RTO is
// computed: RFC 8445, section 14.3.
func (l *checkList) active() int {
	n := 0
	for _, p := range l.pairs {
		if p.state == pairWaiting || p.state == pairInProgress {
			n++
		}
	}
	return n
}

// bestValid returns the valid pair of the highest priority, or nil.
func (l *checkList) bestValid() *candidatePair {
	for _, p := range l.pairs {
		if p.state == pairSucceeded {
			return p
		}
	}
	return nil
}
