package ice

import (
	"slices"
	"time"
)

// nominate decides, in the controlling agent, which valid pair to nominate and when: regular nomination, the choice being
// left to the implementation (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.1).
func (a *Agent) nominate(now time.Time) {
	if !a.controlling || a.nominating != nil || a.remoteKey == nil {
		return
	}
	if s := a.selected; s != nil && s.nominated {
		if a.consent.silent {
			a.nominating = a.substitute()
		}
		return
	}
	best := a.checkList.bestValid()
	if best == nil {
		a.graceEnds = time.Time{}
		return
	}
	if a.graceEnds.IsZero() {
		a.graceEnds = now.Add(a.config.NominationGrace)
	}
	if a.settled(best) || !now.Before(a.graceEnds) {
		a.nominating = best
	}
}

// settled reports whether waiting cannot bring a better pair than best: none of a higher priority is being
// checked, and best is either of the best kind or the candidates are all known.
func (a *Agent) settled(best *candidatePair) bool {
	for _, p := range a.checkList.pairs {
		if p == best {
			break
		}
		if p.waits() {
			return false
		}
	}
	return best.direct() || a.gathered && a.remoteComplete
}

// awaitsGrace reports whether graceEnds is a deadline.
func (a *Agent) awaitsGrace() bool {
	return a.controlling && a.nominating == nil && !a.graceEnds.IsZero() && (a.selected == nil || !a.selected.nominated)
}

// substitute returns a valid pair to take the place of the selected one, which has gone silent: the peer's NAT has given it a new
// address, or the network has changed. It has answered since, see recheckOthers. RFC 8445 would have the agents restart; if this works,
// nobody needs to.
func (a *Agent) substitute() *candidatePair {
	for _, p := range a.checkList.pairs {
		if p != a.selected && p.state == pairSucceeded {
			return p
		}
	}
	return nil
}

// recheckOthers looks for a substitute when the selected pair has gone silent: all other pairs that once worked are checked again, and
// are not valid until that has succeeded.
func (a *Agent) recheckOthers() {
	for _, p := range a.checkList.pairs {
		if p != a.selected && p != a.nominating && !p.waits() {
			a.checkList.trigger(p)
		}
	}
}

// nominated handles the nomination of a valid pair: the controlling agent's check with USE-CANDIDATE has succeeded, or the
// controlled agent has received one (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.4
// and #section-7.3.1.5).
func (a *Agent) nominated(now time.Time, p *candidatePair) {
	s := a.selected
	if !a.controlling && s != nil && s.nominated && (s == p || !a.obeys(now, p)) {
		return
	}
	if s != nil {
		s.nominated = false
	}
	a.nominating = nil
	p.nominated, p.overruled = true, time.Time{}
	a.selectPair(now, p)
	a.conclude()
}

// selectPair makes p the pair to send on.
func (a *Agent) selectPair(now time.Time, p *candidatePair) {
	if p != a.selected { // that the peer has nominated it is no consent
		a.startConsent(now, p)
	}
	a.selected, a.selectedAt = p, now
	if a.log != nil {
		a.log.Info("ice: selected pair", "local", p.base.addr, "remote", p.to, "nominated", p.nominated)
	}
	a.addEvent(EventSelectedPair{p.pair()})
}

// conclude ends the checks of other pairs after nomination
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-8.1.2). What is known to work, in either direction, is kept
// for the day that the selected pair fails; a controlled agent goes on with pairs that the peer has nominated too.
func (a *Agent) conclude() {
	kept := make([]*candidatePair, 0, 1)
	for _, p := range a.checkList.pairs {
		if p != a.selected && p.state != pairSucceeded && !p.permitted {
			p.triggered = false
			continue
		}
		kept = append(kept, p)
		if p.waits() && (a.controlling || p.useCandidate.IsZero()) {
			a.checkList.untrigger(p)
			p.state, p.check, p.cancelled = pairFailed, check{}, check{}
		}
	}
	a.checkList.pairs = kept
	a.checkList.triggered = slices.DeleteFunc(a.checkList.triggered, func(p *candidatePair) bool { return !p.triggered })
	if len(a.checkList.triggered) == 0 {
		a.checkList.triggered = nil
	}
}
