package ice

import "time"

// A peer whose NAT has given it a new address, or that has another one since its network changed, goes on with its consent checks, and they
// arrive from an address that has not been heard of. Its old address is silent then, but to wait for that to be noticed takes
// seconds, in which what this agent sends is lost. So a check of the peer that comes from elsewhere to the base of a nominated pair, after long
// or for the first time, has two things asked at once: the new address with a triggered check, and the old one for consent. If
// the new one answers, and the old one does not in the time that it would need, the peer has moved.

// moving is what an agent knows of a peer that may have moved.
type moving struct {
	pair *candidatePair // with the new address; nil: the peer has not moved
	at   time.Time      // when it was first heard there
}

// moveSlack is what the answer of the old address may need beyond half as much again as its last round trip.
const moveSlack = 10 * time.Millisecond

// movedTo notes that the peer may have moved to the remote address of p, from where a check has just come, and reports
// whether it may have: then p is to be checked.
func (g *generation) movedTo(now time.Time, p *candidatePair) bool {
	s := g.selected
	if g != g.agent.current || s == nil || !s.nominated || p == s || p.base != s.base || p == g.moving.pair ||
		g.consent.silent {
		return false
	}
	if now.Sub(g.selectedAt) < nominationSpread || !p.heard.IsZero() && now.Sub(p.heard) < g.agent.config.ConsentTimeout/2 {
		return false
	}
	g.moving = moving{p, now}
	g.consent.next = now
	return true
}

// moveTime returns when the peer is taken to have moved: its new address has answered, and the old one should have. It is zero as
// long as the new address has not answered.
func (g *generation) moveTime() time.Time {
	p, s := g.moving.pair, g.selected
	if p == nil || s == nil || p.state != pairSucceeded || p.confirmed.Before(g.moving.at) {
		return time.Time{}
	}
	return g.moving.at.Add(s.rtt + s.rtt/2 + moveSlack)
}

// advanceMoving takes the pair that the peer has moved to.
func (g *generation) advanceMoving(now time.Time) {
	p, s := g.moving.pair, g.selected
	switch {
	case p == nil:
		return
	case s == nil || s == p || s.confirmed.After(g.moving.at) || p.state == pairFailed:
		g.moving = moving{} // it has not moved, or that has been seen in another way
		return
	}
	if at := g.moveTime(); at.IsZero() || now.Before(at) {
		return
	}
	g.agent.debug("the peer has moved", "from", s.path.Remote, "to", p.path.Remote)
	g.moving = moving{}
	g.substitute(now, p)
}
