package ice

import (
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Advance does what has become due by now: timeouts, nomination, failure. It is to be called at Deadline, and followed by
// Transmit. Calling it early does no harm.
func (a *Agent) Advance(now time.Time) { a.touch(now) }

// touch brings everything that depends on time or on what has just happened up to date. Every input ends with it.
func (a *Agent) touch(now time.Time) {
	a.now, a.idle = now, false
	if a.ended() {
		return
	}
	a.advanceGathering(now)
	a.advanceChecks(now)
	a.advanceConsent(now)
	if a.ended() {
		return
	}
	a.nominate(now)
	a.freeBases(now)
	a.advanceState(now)
}

// advanceChecks ends checks without an answer: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.3.
func (a *Agent) advanceChecks(now time.Time) {
	for _, p := range a.checkList.pairs {
		p.cancelled.Advance(now)
		if p.check.State() != stun.TransactionWaiting {
			continue
		}
		if p.check.Advance(now); p.check.State() == stun.TransactionTimedOut {
			a.fail(p, "timeout")
		}
	}
}

// advanceState derives the state from the selected pair, and fails when there is nothing to hope for.
func (a *Agent) advanceState(now time.Time) {
	switch s := a.selected; {
	case a.remoteKey == nil:
		return
	case s == nil:
		if a.state > StateChecking {
			a.setState(StateDisconnected)
		}
		if !a.patience.IsZero() && !now.Before(a.patience) && a.hopeless() {
			a.stop(StateFailed)
		}
	case a.consent.silent:
		a.setState(StateDisconnected)
	default:
		if a.state != StateCompleted {
			a.setState(StateConnected)
		}
		if s.nominated {
			a.setState(StateCompleted)
		}
	}
}

// hopeless reports whether no pair can become valid any more, once Patience is over. By then a pair has had all its requests
// but if the check list was long, which makes the RTO long as well: a check still under way counts only if the peer
// was heard on the pair.
func (a *Agent) hopeless() bool {
	if !a.gathered || !a.remoteComplete && len(a.remotes) == 0 {
		return false // candidates are to come
	}
	for _, p := range a.checkList.pairs {
		if p.permitted && p.waits() {
			return false
		}
	}
	return true
}

// Deadline returns when to call Advance next; zero: never, until another method was called.
func (a *Agent) Deadline() time.Time {
	if !a.idle {
		return a.nextDeadline()
	}
	return a.deadline
}

func (a *Agent) nextDeadline() (d time.Time) {
	if a.ended() {
		return time.Time{}
	}
	if a.responses.Len() > 0 {
		return a.now
	}
	d = a.gatheringDeadline()
	if a.remoteKey == nil {
		return d
	}
	for _, p := range a.checkList.pairs {
		d = earlier(d, p.check.Deadline())
		d = earlier(d, p.cancelled.Deadline())
	}
	if p := a.nominating; p != nil && p.check.State() != stun.TransactionWaiting {
		d = earlier(d, a.now)
	}
	if a.checkList.wanting() {
		d = earlier(d, a.notBefore(a.pacer.next()))
	}
	if a.awaitsGrace() {
		d = earlier(d, a.graceEnds)
	}
	if a.selected == nil && a.patience.After(a.now) {
		d = earlier(d, a.patience)
	}
	return earlier(earlier(d, a.consentDeadline()), a.freeDeadline())
}

// earlier returns the earlier of two times, zero being never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// notBefore returns t, or the time of the last call if t has passed.
func (a *Agent) notBefore(t time.Time) time.Time {
	if t.Before(a.now) {
		return a.now
	}
	return t
}
