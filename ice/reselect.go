package ice

import "time"

// Which pair a controlled agent selects is up to its peer, and the peer has two ways to say so: USE-CANDIDATE in its checks, and
// the application data it sends.
//
// With regular nomination the first is enough: the controlling agent nominates one pair, once
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.1), and the controlled agent selects it when it is valid
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.5). With the aggressive nomination of RFC 5245, every check of
// the peer has USE-CANDIDATE, and both agents should end with the nominated pair of the highest priority
// (https://www.rfc-editor.org/rfc/rfc5245.html#section-8.1.1.2). Many peers nominate aggressively and use another pair: the
// first that worked, or the fastest. They send there, ask for consent there, and may close their other sockets. RFC 8445
// has a controlled agent accept data on every valid pair (section 12.2), but where the peer's data arrives is
// also the best place to send to. So, in a controlled agent:
//
//   - The first nominated pair that is valid is selected. A nominated pair of a higher priority takes its place, unless
//     data has shown that the peer uses the selected one.
//   - Application data on another valid pair selects that pair, if the peer's consent to receive there is fresh; if it is not,
//     the pair is checked first.
//   - A later change of mind is obeyed, whatever the priorities: a pair nominated for the first time, well after the selected
//     one was last nominated; any nominated pair, if the selected one is silent or has not been nominated for long.
//   - A peer that contradicts itself, that goes on sending on one pair and nominating another one again and again, is believed by
//     its nominations.
//
// A controlling agent has decided itself and does not follow. It accepts data on the other valid pairs, and
// keeps their sockets while there is any.

// following is what a controlled agent knows from where application data arrives.
type dataSelection struct {
	pair *candidatePair // that data has selected; nil, or not the selected pair: nomination or priority has
	at   time.Time      // when it did
}

const (
	// followInterval is the least time between two changes of the pair that data makes: a peer that spreads its data over
	// two paths, and data that the slower of two paths delivers late, must not make the agent change for every datagram.
	dataSelectionInterval = time.Second
	// nominationSpread is how far apart signs of one decision of the peer may arrive: the nominations of one round of aggressive checks,
	// a round trip more on the slower path and two retransmissions; or data, and nominations sent before it. What comes
	// later is a change of mind.
	nominationSpread = 2 * time.Second
)

// ReceivedData tells the agent that application data of the peer arrived on a path. Its owner calls it for
// datagrams on other paths than the selected pair's, whose data tells nothing new, and only
//
//   - for data that the layer above has authenticated, and that is newer than all before on whatever path, where the layer
//     above can tell, as DTLS and SRTP can by their sequence numbers: old data that a slow path delivers late does not say where
//     the peer is now (the rule of https://www.rfc-editor.org/rfc/rfc9146.html#section-6);
//   - before that is possible, in a DTLS handshake or without a security layer, for data from a path that Permits accepts.
//
// A controlled agent selects the pair if it is valid. The worst that forged data could do is to have the agent choose another pair
// that the peer has proven to receive on. It costs a search of the check list, and nothing is allocated unless the pair changes.
func (a *Agent) ReceivedData(now time.Time, path Path) {
	g := a.current
	path.Remote = plain(path.Remote)
	p := g.pairAt(path)
	if g.ended || p == nil || !p.acceptsData() {
		return
	}
	p.base.received = now
	if now.Sub(p.overruled) > a.config.ConsentInterval {
		p.overruled = time.Time{}
	} else {
		p.overruled = now
	}
	if !a.controlling && p != g.selected && g.mayFollowData(now, p) && g.selectByData(now, p) {
		a.update(now)
	}
}

// believes reports whether data on p may select it.
func (g *generation) mayFollowData(now time.Time, p *candidatePair) bool {
	switch s := g.selected; {
	case g.remoteKey == nil:
		return false
	case s == nil || g.consent.silent:
		return true
	case now.Sub(g.byData.at) < dataSelectionInterval:
		return false
	default:
		return p.overruled.IsZero() || p.lastUseCandidate.After(s.lastUseCandidate) || g.nominationIsOld(now, s)
	}
}

// follow selects p, or has it checked if its consent is too old, and reports whether it did either.
func (g *generation) selectByData(now time.Time, p *candidatePair) bool {
	if !g.hasFreshConsent(now, p) {
		if p.pending() {
			return false
		}
		p.permitted = true // the peer has vouched for it by the data, and did so by a check if it was not valid
		g.checkList.trigger(p)
		return true
	}
	g.agent.debug("following the peer's data", "local", p.base.addr, "remote", p.path.Remote)
	if s := g.selected; s != nil {
		p.nominated, s.nominated = s.nominated, false
	}
	p.overruled = time.Time{}
	g.byData = dataSelection{p, now}
	g.selectPair(now, p)
	return true
}

// obeys reports whether the peer's nomination of the valid pair p takes the place of the selected pair, which was nominated before.
func (g *generation) acceptsNomination(now time.Time, p *candidatePair) bool {
	s := g.selected
	byData := g.byData.pair == s
	if !byData && p.priority > s.priority || g.consent.silent {
		return true
	}
	if byData && now.Sub(g.byData.at) < nominationSpread {
		return false // it may have been sent before the data that is here already
	}
	changed := !s.lastUseCandidate.IsZero() && p.firstUseCandidate.Sub(s.lastUseCandidate) > nominationSpread
	if !changed && !g.nominationIsOld(now, s) {
		return false
	}
	// That p is nominated for the first time can be the end of a slow round of aggressive checks: data may still prove it wrong.
	if byData && !(changed && p.lastUseCandidate.Equal(p.firstUseCandidate)) {
		s.overruled = now
	}
	return true
}

// abandoned reports whether the peer has not nominated s for long, although some repeat it with every consent check.
func (g *generation) nominationIsOld(now time.Time, s *candidatePair) bool {
	return now.Sub(s.lastUseCandidate) > g.agent.config.ConsentTimeout/2
}

// A peer whose NAT has given it a new address, or that has another one since its network changed, goes on with its consent checks, and they
// arrive from an address that has not been heard of. Its old address is silent then, but to wait for that to be noticed takes
// seconds, in which what this agent sends is lost. So a check of the peer that comes from elsewhere to the base of a nominated pair, after long
// or for the first time, has two things asked at once: the new address with a triggered check, and the old one for consent. If
// the new one answers, and the old one does not in the time that it would need, the peer has moved.

// moving is what an agent knows of a peer that may have moved.
type addressChange struct {
	pair *candidatePair // with the new address; nil: the peer has not moved
	at   time.Time      // when it was first heard there
}

// moveSlack is what the answer of the old address may need beyond half as much again as its last round trip.
const addressChangeSlack = 10 * time.Millisecond

// movedTo notes that the peer may have moved to the remote address of p, from where a check has just come, and reports
// whether it may have: then p is to be checked.
func (g *generation) suspectAddressChange(now time.Time, p *candidatePair) bool {
	s := g.selected
	if g != g.agent.current || s == nil || !s.nominated || p == s || p.base != s.base || p == g.addressChange.pair ||
		g.consent.silent {
		return false
	}
	if now.Sub(g.selectedAt) < nominationSpread || !p.received.IsZero() && now.Sub(p.received) < g.agent.config.ConsentTimeout/2 {
		return false
	}
	g.addressChange = addressChange{p, now}
	g.consent.next = now
	return true
}

// moveTime returns when the peer is taken to have moved: its new address has answered, and the old one should have. It is zero as
// long as the new address has not answered.
func (g *generation) addressChangeTime() time.Time {
	p, s := g.addressChange.pair, g.selected
	if p == nil || s == nil || p.state != pairSucceeded || p.confirmed.Before(g.addressChange.at) {
		return time.Time{}
	}
	return g.addressChange.at.Add(s.rtt + s.rtt/2 + addressChangeSlack)
}

// advanceMoving takes the pair that the peer has moved to.
func (g *generation) advanceAddressChange(now time.Time) {
	p, s := g.addressChange.pair, g.selected
	switch {
	case p == nil:
		return
	case s == nil || s == p || s.confirmed.After(g.addressChange.at) || p.state == pairFailed:
		g.addressChange = addressChange{} // it has not moved, or that has been seen in another way
		return
	}
	if at := g.addressChangeTime(); at.IsZero() || now.Before(at) {
		return
	}
	g.agent.debug("the peer has moved", "from", s.path.Remote, "to", p.path.Remote)
	g.addressChange = addressChange{}
	g.replaceSelected(now, p)
}
