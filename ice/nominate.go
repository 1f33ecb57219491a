package ice

import (
	"slices"
	"time"
)

// nominate decides, in the controlling agent, which valid pair to nominate and when: regular nomination, the choice being
// left to the implementation (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.1).
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

// settled reports whether waiting cannot bring a better pair than best: none of a higher priority is being
// checked, and best is either of the best kind or the candidates are all known.
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
	return g.agent.controlling && g.nominating == nil && !g.graceEnds.IsZero() && (g.selected == nil || !g.selected.nominated)
}

// substitute selects the valid pair p in the place of the selected one, which has gone silent or which the peer has left: the peer's
// NAT has given it a new address, or the network has changed. RFC 8445 would have the agents restart; if this works,
// nobody needs to. A controlling agent nominates it, too.
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

// recheckOthers looks for a substitute when the selected pair has gone silent: all other pairs that once worked are checked again, and
// are not valid until that has succeeded.
func (g *generation) recheckOthers() {
	for _, p := range g.checkList.pairs {
		if p != g.selected && p != g.nominating && !p.pending() {
			g.checkList.trigger(p)
		}
	}
}

// nominated handles the nomination of a valid pair: the controlling agent's check with USE-CANDIDATE has succeeded, or the
// controlled agent has received one (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.4
// and #section-7.3.1.5).
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

// selectPair makes p the pair to send on.
func (g *generation) selectPair(now time.Time, p *candidatePair) {
	if p != g.selected { // that the peer has nominated it is no consent
		g.startConsent(now, p)
	}
	g.selected, g.selectedAt, g.connected = p, now, true
	if g.agent.log != nil {
		g.agent.log.Info("ice: selected pair", "local", p.base.addr, "remote", p.path.Remote, "nominated", p.nominated)
	}
	g.agent.pathReported = true
	g.agent.addEvent(EventSelectedPair{p.pair()})
}

// conclude ends the checks of other pairs after nomination
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.2). What is known to work, in either direction, is kept
// for the day that the selected pair fails; a controlled agent goes on with pairs that the peer has nominated too.
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
			p.state, p.check, p.cancelled = pairFailed, check{}, check{}
		}
	}
	g.checkList.pairs = kept
	g.checkList.triggered = slices.DeleteFunc(g.checkList.triggered, func(p *candidatePair) bool { return !p.triggered })
	if len(g.checkList.triggered) == 0 {
		g.checkList.triggered = nil
	}
}
