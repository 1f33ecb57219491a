package ice

import (
	"slices"
	"time"
)

// nominate chooses, in the controlling agent, the valid pair to nominate and the time to do it.
// This is regular nomination; the criteria are left to the implementation: RFC 8445, section 8.1.1.
func (g *generation) nominate(now time.Time) {
	if !g.agent.controlling || g.nominating != nil || g.remoteKey == nil {
		return
	}
	if s := g.selected; s != nil && s.nominated {
		return
	}
	best := g.checkList.bestValid()
	if best == nil {
		g.graceEnds = time.Time{}
		return
	}
	if g.graceEnds.IsZero() {
		g.graceEnds = now.Add(g.agent.config.NominationGrace)
	}
	if g.isFinal(best) || !now.Before(g.graceEnds) {
		g.nominating = best
	}
}

// isFinal reports whether no better pair than best can become valid: no pair of a higher priority
// is pending, and either best is direct or all candidates are known.
func (g *generation) isFinal(best *candidatePair) bool {
	for _, p := range g.checkList.pairs {
		if p == best {
			break
		}
		if p.pending() {
			return false
		}
	}
	return best.direct() || g.endOfCandidates && g.remoteEndOfCandidates
}

// awaitsGrace reports whether graceEnds is a deadline.
func (g *generation) awaitsGrace() bool {
	return g.agent.controlling && g.nominating == nil && !g.graceEnds.IsZero() &&
		(g.selected == nil || !g.selected.nominated)
}

// replaceSelected selects the valid pair p in place of the selected pair, which is silent or which
// the peer has left, because a NAT or its network has given it a new address. RFC 8445 would
// require a restart. A controlling agent also nominates p.
func (g *generation) replaceSelected(now time.Time, p *candidatePair) {
	if g.agent.controlling {
		g.nominating = p
	} else {
		p.nominated = !p.lastUseCandidate.IsZero() && !g.nominationIsOld(now, p)
	}
	g.selected.nominated = false
	g.byData = dataSelection{}
	g.selectPair(now, p)
}

// recheckOthers triggers checks of all other pairs that once worked, when the selected pair has
// become silent. They are not valid until their checks succeed.
func (g *generation) recheckOthers() {
	for _, p := range g.checkList.pairs {
		if p != g.selected && p != g.nominating && !p.pending() {
			g.checkList.trigger(p)
		}
	}
}

// nominated handles the nomination of a valid pair: the check with USE-CANDIDATE of a controlling
// agent has succeeded (RFC 8445, section 7.2.5.3.4), or a controlled agent has received one
// (section 7.3.1.5).
func (g *generation) nominated(now time.Time, p *candidatePair) {
	s := g.selected
	if !g.agent.controlling && s != nil && s.nominated && (s == p || !g.acceptsNomination(now, p)) {
		return
	}
	if s != nil {
		s.nominated = false
	}
	g.nominating = nil
	p.nominated, p.overruled = true, time.Time{}
	g.selectPair(now, p)
	g.conclude()
}

// selectPair selects p to send data on.
func (g *generation) selectPair(now time.Time, p *candidatePair) {
	if p != g.selected { // a nomination of the peer is not consent
		g.startConsent(now, p)
	}
	g.selected, g.selectedAt, g.connected = p, now, true
	if g.agent.config.Logger != nil {
		g.agent.config.Logger.Info("ice: selected pair", "local", p.base.addr, "remote", p.path.Remote, "nominated", p.nominated)
	}
}

// conclude ends the checks of other pairs after nomination: RFC 8445, section 8.1.2. Pairs that
// work in either direction are kept as substitutes for the selected pair. A controlled agent also
// continues with pairs that the peer has nominated.
func (g *generation) conclude() {
	kept := make([]*candidatePair, 0, 1)
	for _, p := range g.checkList.pairs {
		if p != g.selected && p.state != pairSucceeded && !p.permitted {
			p.triggered = false
			continue
		}
		kept = append(kept, p)
		if p.pending() && (g.agent.controlling || p.lastUseCandidate.IsZero()) {
			g.checkList.untrigger(p)
			p.state, p.check, p.cancelled = pairFailed, check{}, nil
		}
	}
	g.checkList.pairs = kept
	g.checkList.triggered = slices.DeleteFunc(g.checkList.triggered, func(p *candidatePair) bool {
		return !p.triggered
	})
	if len(g.checkList.triggered) == 0 {
		g.checkList.triggered = nil
	}
}
