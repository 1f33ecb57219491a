package ice

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/stun"
)

// Advance performs the work that is due at now: timeouts, nomination, failure. The owner calls it
// at Deadline, and Transmit afterwards. An early call does no harm.
func (a *Agent) Advance(now time.Time) { a.update(now) }

// update derives everything that depends on the time or on the last input. Every input ends with
// it.
func (a *Agent) update(now time.Time) {
	a.now, a.idle = now, false
	if a.closed() {
		return
	}
	a.advanceGathering(now)
	if g := a.current; g.remoteKey != nil && !g.ended {
		g.advanceChecks(now)
		g.advanceConsent(now)
		g.advanceAddressChange(now)
		g.nominate(now)
	}
	if a.previous != nil {
		a.previous.advancePrevious(now)
	}
	a.reportPath()
	a.freeBases(now)
	a.advanceState(now)
}

// advancePrevious ends the previous generation when it is no longer needed, and notices silence on
// its path.
func (g *generation) advancePrevious(now time.Time) {
	if ends := g.agent.previousEnds(); !now.Before(ends) {
		g.agent.dropPrevious()
		return
	}
	if from := g.silentFrom(); !from.IsZero() && !now.Before(from) {
		g.consent.silent = true
	}
}

// advanceChecks fails the pairs whose checks have timed out: RFC 8445, section 7.2.5.2.3.
func (g *generation) advanceChecks(now time.Time) {
	for _, p := range g.checkList.pairs {
		if c := p.cancelled; c != nil {
			if c.Advance(now); c.State() != stun.TransactionWaiting {
				p.cancelled = nil
			}
		}
		if p.check.State() != stun.TransactionWaiting {
			continue
		}
		if p.check.Advance(now); p.check.State() == stun.TransactionTimedOut {
			g.fail(p, "timeout")
		}
	}
}

// advanceState derives the state from the selected pair, and fails if no pair can succeed.
func (a *Agent) advanceState(now time.Time) {
	g := a.current
	if g.remoteKey == nil || g.ended {
		return
	}
	switch p := a.selected(); {
	case p == nil:
		if g.connected {
			a.setState(StateDisconnected)
		} else {
			a.setState(StateChecking)
		}
		if !g.patience.IsZero() && !now.Before(g.patience) && g.checksExhausted() {
			a.fail()
		}
	case p != g.selected && a.previous.consent.silent:
		a.setState(StateChecking)
	case p == g.selected && g.consent.silent:
		a.setState(StateDisconnected)
	default:
		if a.state != StateCompleted || p != g.selected || !p.nominated {
			a.setState(StateConnected)
		}
		if p == g.selected && p.nominated {
			a.setState(StateCompleted)
		}
	}
}

// fail ends the current generation without a path. Only a restart can follow.
func (a *Agent) fail() {
	a.stats = a.Stats()
	a.current.end()
	a.reportPath()
	a.setState(StateFailed)
}

// reportedPair is the pair of the last EventSelectedPair, with the properties that may change; zero
// after EventPathLost.
type reportedPair struct {
	pair      *candidatePair
	nominated bool
	mapped    netip.AddrPort
}

// reportPath reports a change of the selected pair. The two generations of a restart select pairs
// independently; only the one that Selected returns is reported.
func (a *Agent) reportPath() {
	var now reportedPair
	if p := a.selected(); p != nil {
		now = reportedPair{p, p.nominated, p.mapped}
	}
	switch {
	case now == a.reported:
		return
	case now.pair == nil:
		a.addEvent(Event{Kind: EventPathLost})
	default:
		pair := now.pair.pair()
		a.addEvent(Event{Kind: EventSelectedPair, Pair: &pair})
	}
	a.reported = now
}

// checksExhausted reports whether no pair can become valid any more. It is called after Patience,
// when a pair has sent all its requests, unless the check list is long, which makes the RTO long as
// well: a check in progress counts only if the peer has sent a check on the pair.
func (g *generation) checksExhausted() bool {
	if !g.endOfCandidates || !g.remoteEndOfCandidates && len(g.remotes) == 0 {
		return false // more candidates are expected
	}
	for _, p := range g.checkList.pairs {
		if p.permitted && p.pending() {
			return false
		}
	}
	return true
}

// Deadline returns the time of the next call of Advance. The zero time means never, until another
// method is called.
func (a *Agent) Deadline() time.Time {
	if !a.idle {
		return a.nextDeadline()
	}
	return a.deadline
}

func (a *Agent) nextDeadline() (d time.Time) {
	if a.closed() {
		return time.Time{}
	}
	if a.responses.Len() > 0 {
		return a.now
	}
	d = a.gatheringDeadline()
	if a.previous != nil {
		d = deadline.Earlier(d, a.previousEnds())
		if a.current.selected == nil {
			d = deadline.Earlier(d, a.previous.consentDeadline())
		}
	}
	if g := a.current; g.remoteKey != nil && !g.ended {
		d = deadline.Earlier(d, g.deadline())
	}
	return deadline.Earlier(d, a.freeDeadline())
}

// deadline returns the time of the next action of the checks and the consent of the current
// generation.
func (g *generation) deadline() (d time.Time) {
	for _, p := range g.checkList.pairs {
		d = deadline.Earlier(d, p.check.Deadline())
		if p.cancelled != nil {
			d = deadline.Earlier(d, p.cancelled.Deadline())
		}
	}
	if p := g.nominating; p != nil && p.check.State() != stun.TransactionWaiting {
		d = deadline.Earlier(d, g.agent.now)
	}
	if g.checkList.hasNext() {
		d = deadline.Earlier(d, g.agent.notBefore(g.agent.checkPacer.next()))
	}
	if g.awaitsGrace() {
		d = deadline.Earlier(d, g.graceEnds)
	}
	if g.agent.selected() == nil && g.patience.After(g.agent.now) {
		d = deadline.Earlier(d, g.patience)
	}
	return deadline.Earlier(deadline.Earlier(d, g.consentDeadline()), g.addressChangeTime())
}

// notBefore returns t, or the time of the last call if t has passed.
func (a *Agent) notBefore(t time.Time) time.Time {
	if t.Before(a.now) {
		return a.now
	}
	return t
}
