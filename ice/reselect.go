package ice

import "time"

// The peer of a controlled agent shows in two ways which pair it has chosen: by USE-CANDIDATE in
// its checks, and by the application data that it sends.
//
// With regular nomination the former is sufficient: the controlling agent nominates one pair, once
// (RFC 8445, section 8.1.1), and the controlled agent selects it when it is valid (section
// 7.3.1.5). With aggressive nomination, every check of the peer has USE-CANDIDATE, and both agents
// are to select the nominated pair of the highest priority (RFC 5245, section 8.1.1.2). But many
// peers that nominate aggressively use another pair: the first that worked, or the fastest. They
// send data and consent checks there and may close their other sockets. A controlled agent accepts
// data on every valid pair (RFC 8445, section 12.2), but the pair on which the peer's data arrives
// is also the best one to send on. Therefore a controlled agent
//
//   - selects the first nominated pair that is valid, and replaces it by a nominated pair of a
//     higher priority, unless data has shown that the peer uses the selected one
//   - selects another valid pair on which application data arrives, if its consent is fresh;
//     otherwise it checks that pair first
//   - accepts a later decision of the peer, whatever the priorities: a pair that is nominated for
//     the first time, well after the last nomination of the selected one; or any nominated pair, if
//     the selected one is silent or its last nomination is old
//   - trusts nominations more than data, if the peer keeps sending on one pair and nominating
//     another
//
// A controlling agent keeps its own decision. It accepts data on the other valid pairs, and keeps
// their bases while data arrives.

// dataSelection is the last selection of a pair by the peer's application data.
type dataSelection struct {
	pair *candidatePair // nil, or not the selected pair: another reason has selected the latter
	at   time.Time      // when it was selected
}

const (
	// dataSelectionInterval is the minimum time between two selections by data. A peer that spreads
	// its data over two paths, or a slow path that delivers late, must not change the pair with
	// every datagram.
	dataSelectionInterval = time.Second
	// nominationSpread is the maximum time between signs of one decision of the peer: the
	// nominations of one round of aggressive checks, with another round trip on the slower path and
	// two retransmissions; or data, and the nominations sent before it. Later signs are another
	// decision.
	nominationSpread = 2 * time.Second
)

// ReceivedData informs the agent that application data of the peer has arrived on a path. A
// controlled agent selects the pair of the path if it is valid, and has it checked first if its
// consent is old. The owner calls ReceivedData for datagrams on other paths than that of the
// selected pair, and only
//
//   - for data that the layer above has authenticated and that is newer than all data before, where
//     it can tell, as DTLS and SRTP can by sequence numbers; old data on a slow path does not show
//     where the peer is now (compare RFC 9146, section 6)
//   - where that is not possible, as in a DTLS handshake or without a security layer, for data from
//     a path that [Agent.Permits] accepts
//
// Forged data can at most make the agent select another pair on which the peer has proven to
// receive. A call costs a search of the check list, and allocates only if the pair changes.
func (a *Agent) ReceivedData(now time.Time, path Path) {
	if a.closed() {
		return
	}
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

// mayFollowData reports whether data on p may select it.
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

// selectByData selects p, or triggers a check of it if its consent is old. It reports whether it
// did either.
func (g *generation) selectByData(now time.Time, p *candidatePair) bool {
	if !g.hasFreshConsent(now, p) {
		if p.pending() {
			return false
		}
		p.permitted = true // data counts like a check of the peer
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

// acceptsNomination reports whether the peer's nomination of the valid pair p replaces the selected
// pair, which was nominated before.
func (g *generation) acceptsNomination(now time.Time, p *candidatePair) bool {
	s := g.selected
	byData := g.byData.pair == s
	if !byData && p.priority > s.priority || g.consent.silent {
		return true
	}
	if byData && now.Sub(g.byData.at) < nominationSpread {
		return false // it may have been sent before the data
	}
	changed := !s.lastUseCandidate.IsZero() && p.firstUseCandidate.Sub(s.lastUseCandidate) > nominationSpread
	if !changed && !g.nominationIsOld(now, s) {
		return false
	}
	// The first nomination of p may end a slow round of aggressive checks, and data may still
	// contradict it.
	if byData && !(changed && p.lastUseCandidate.Equal(p.firstUseCandidate)) {
		s.overruled = now
	}
	return true
}

// nominationIsOld reports whether the peer has not nominated s recently. Some peers repeat the
// nomination with every consent check.
func (g *generation) nominationIsOld(now time.Time, s *candidatePair) bool {
	return now.Sub(s.lastUseCandidate) > g.agent.config.ConsentTimeout/2
}

// A peer whose address has changed, by its NAT or with its network, continues with its consent
// checks, which now arrive from an unknown address. Its old address is silent, but the agent
// notices that only after seconds, in which its data is lost. Therefore, if a check arrives at the
// base of the nominated pair from another address, for the first time or after a long time, the
// agent asks both: the new address by a triggered check, and the old one by a consent check. If the
// new address answers, and the old one does not within its usual round trip, the peer's address has
// changed.

// addressChange is a change of the peer's address that has not been verified yet.
type addressChange struct {
	pair *candidatePair // with the new address; nil: none is suspected
	at   time.Time      // when the first check arrived from it
}

// addressChangeSlack is the time for the answer of the old address beyond one and a half times its
// last round trip.
const addressChangeSlack = 10 * time.Millisecond

// suspectAddressChange notes that the peer's address may have changed to that of p, on which a
// check has just arrived. It reports whether that is possible; then p has to be checked.
func (g *generation) suspectAddressChange(now time.Time, p *candidatePair) bool {
	s := g.selected
	if g != g.agent.current || s == nil || !s.nominated || g.consent.silent ||
		p == s || p.base != s.base || p == g.addressChange.pair {
		return false
	}
	if now.Sub(g.selectedAt) < nominationSpread ||
		!p.received.IsZero() && now.Sub(p.received) < g.agent.config.ConsentTimeout/2 {
		return false
	}
	g.addressChange = addressChange{p, now}
	g.consent.next = now
	return true
}

// addressChangeTime returns when the change counts as verified: the new address has answered, and
// the old one should have. It is zero while the new address has not answered.
func (g *generation) addressChangeTime() time.Time {
	p, s := g.addressChange.pair, g.selected
	if p == nil || s == nil || p.state != pairSucceeded || p.confirmed.Before(g.addressChange.at) {
		return time.Time{}
	}
	return g.addressChange.at.Add(s.rtt + s.rtt/2 + addressChangeSlack)
}

// advanceAddressChange selects the pair with the peer's new address once that is verified.
func (g *generation) advanceAddressChange(now time.Time) {
	p, s := g.addressChange.pair, g.selected
	switch {
	case p == nil:
		return
	case s == nil || s == p || s.confirmed.After(g.addressChange.at) || p.state == pairFailed:
		g.addressChange = addressChange{} // not changed, or replaced already
		return
	}
	if at := g.addressChangeTime(); at.IsZero() || now.Before(at) {
		return
	}
	g.agent.debug("the peer has moved", "from", s.path.Remote, "to", p.path.Remote)
	g.addressChange = addressChange{}
	g.replaceSelected(now, p)
}
