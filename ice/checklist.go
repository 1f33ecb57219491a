package ice

import (
	"cmp"
	"net/netip"
	"slices"
)

// checkList is the one check list of an agent, with its triggered-check queue
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2). It has at most maxPairs pairs, so slices do.
type checkList struct {
	pairs     []*candidatePair // by descending priority
	triggered []*candidatePair // first in, first out
}

// find returns the pair of a base and a remote address.
func (l *checkList) find(b *base, remote netip.AddrPort) *candidatePair {
	for _, p := range l.pairs {
		if p.base == b && p.remote.Addr == remote {
			return p
		}
	}
	return nil
}

// canPair reports whether a base can reach a remote address at all: "if and only if they have the same component ID and
// have the same IP address version"; "IPv6 link-local addresses MUST NOT be paired with other than link-local addresses"
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.2).
func canPair(b *base, remote netip.Addr) bool {
	local := b.addr.Addr()
	return local.Is4() == remote.Is4() && (local.Is4() || local.IsLinkLocalUnicast() == remote.IsLinkLocalUnicast())
}

// insert adds a pair. When the list is full, the pair of the lowest priority goes that is not of use, which may
// be p itself: then it reports false (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.2.5).
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

// evict removes the lowest pair that p may replace. A pair that the peer has vouched for with a check is worth more than
// one that has never been heard on.
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

// remove takes a pair off the list and the queue.
func (l *checkList) remove(p *candidatePair) {
	l.pairs = slices.DeleteFunc(l.pairs, func(q *candidatePair) bool { return q == p })
	l.untrigger(p)
}

// removeBase takes all pairs of a base off the list and the queue.
func (l *checkList) removeBase(b *base) {
	ofBase := func(p *candidatePair) bool { return p.base == b }
	l.pairs = slices.DeleteFunc(l.pairs, ofBase)
	l.triggered = slices.DeleteFunc(l.triggered, ofBase)
}

// waitsOn reports whether a check of a pair of b is to come or to be answered.
func (l *checkList) hasPending(b *base) bool {
	return slices.ContainsFunc(l.pairs, func(p *candidatePair) bool { return p.base == b && p.pending() })
}

// untrigger takes a pair off the triggered-check queue.
func (l *checkList) untrigger(p *candidatePair) {
	if p.triggered {
		p.triggered = false
		l.triggered = slices.DeleteFunc(l.triggered, func(q *candidatePair) bool { return q == p })
	}
}

// sort puts the pairs in order after priorities have changed.
func (l *checkList) sort() {
	slices.SortStableFunc(l.pairs, func(p, q *candidatePair) int { return cmp.Compare(q.priority, p.priority) })
}

// setInitialState makes a new pair waiting if it is the first of its foundation to be checked, or if its foundation has
// worked, and frozen otherwise (https://www.rfc-editor.org/rfc/rfc8838.html#section-12).
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

// trigger puts a pair on the triggered-check queue
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.4.1).
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

// next takes the pair to check next: a triggered one, or the first waiting one
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-6.1.4.2). It returns nil if there is none.
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

// unfreeze returns a frozen pair to check, when none is waiting: the first whose foundation is not being checked, else
// the first. RFC 8445 would leave the latter frozen until a pair of its foundation ends, which takes 39.5 s if there is
// no answer; peers that give all their candidates one foundation would stay unreachable for as long. As nothing else wants
// the pacer's token, checking costs nobody anything.
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

// thaw makes the frozen pairs of the foundation of p waiting, after its check has succeeded
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.3).
func (l *checkList) unfreezeFoundation(p *candidatePair) {
	for _, q := range l.pairs {
		if q.state == pairFrozen && q.sameFoundation(p) {
			q.state = pairWaiting
		}
	}
}

// wanting reports whether next would return a pair.
func (l *checkList) hasNext() bool {
	return len(l.triggered) > 0 || slices.ContainsFunc(l.pairs, func(p *candidatePair) bool {
		return p.state == pairWaiting || p.state == pairFrozen
	})
}

// active returns how many pairs are waiting or in progress, which sets the retransmission timeout
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-14.3).
func (l *checkList) active() int {
	n := 0
	for _, p := range l.pairs {
		if p.state == pairWaiting || p.state == pairInProgress {
			n++
		}
	}
	return n
}

// bestValid returns the valid pair of the highest priority, and nil if there is none.
func (l *checkList) bestValid() *candidatePair {
	for _, p := range l.pairs {
		if p.state == pairSucceeded {
			return p
		}
	}
	return nil
}
