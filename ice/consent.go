package ice

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// consent is the peer's consent to receive on the selected pair: https://www.rfc-editor.org/rfc/rfc7675.html. Its
// checks are the keepalives as well, coming more often than Tr.
type consent struct {
	next    time.Time // when the next check is due
	expires time.Time // when sending has to stop
	// recent are the checks that may still be answered. Each is sent once ("there is no retransmission"), with a new
	// identifier, four to six seconds after the one before, so two reach back further than any round trip.
	recent     [2]consentCheck
	unanswered int       // checks sent since the last answer
	since      time.Time // when the first of them was sent
	heard      time.Time // the last sign of the peer on the pair: an answer, or its own check
	silent     bool      // the pair is disconnected
}

type consentCheck struct {
	id   stun.TransactionID
	sent time.Time // zero: none
}

// oneWayLimit is how many checks in a row may stay unanswered while the peer's own checks arrive, before that counts
// as silence too.
const oneWayLimit = 3

// startConsent begins with a pair that has just become the selected one. A check has succeeded on it, which is
// consent; if that was a while ago, it is asked for again at once.
func (a *Agent) startConsent(now time.Time, p *candidatePair) {
	a.consent = consent{expires: now.Add(a.config.ConsentTimeout), heard: now, next: now}
	if now.Sub(p.confirmed) < a.config.ConsentInterval {
		a.consent.next = now.Add(a.consentInterval())
	}
}

// consentInterval returns 0.8 to 1.2 times the interval, "to prevent synchronization"
// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
func (a *Agent) consentInterval() time.Duration {
	d := a.config.ConsentInterval
	return d*4/5 + time.Duration(a.rand.Uint64()%uint64(d*2/5+1))
}

// matches reports whether a response is to a consent check.
func (c *consent) matches(id stun.TransactionID) bool {
	for i := range c.recent {
		if !c.recent[i].sent.IsZero() && c.recent[i].id == id {
			return true
		}
	}
	return false
}

// receiveConsent handles a success response to a consent check.
func (a *Agent) receiveConsent(now time.Time, id stun.TransactionID) {
	c := &a.consent
	for i := range c.recent {
		if c.recent[i].id == id {
			a.selected.rtt = now.Sub(c.recent[i].sent)
		}
	}
	a.selected.confirmed = now
	c.recent = [2]consentCheck{}
	c.unanswered, c.since, c.silent, c.heard = 0, time.Time{}, false, now
	c.expires = now.Add(a.config.ConsentTimeout)
}

// transmitConsent appends a consent check if one is due.
func (a *Agent) transmitConsent(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	c, p := &a.consent, a.selected
	if p == nil || now.Before(c.next) {
		return dst, local, remote, false
	}
	c.next = now.Add(a.consentInterval())
	c.recent[1] = c.recent[0]
	c.recent[0] = consentCheck{a.newTransactionID(), now}
	if c.unanswered++; c.unanswered == 1 {
		c.since = now
	}
	a.stats.ConsentRequestsSent++
	// USE-CANDIDATE again, so that a controlled agent that sees us at a new address, our NAT having forgotten us, knows that
	// this is the pair.
	return a.appendRequest(dst, p, c.recent[0].id, p.nominated), p.base.addr, p.to, true
}

// silentFrom returns when the pair is silent if nothing more is heard; zero while no check is unanswered.
func (a *Agent) silentFrom() time.Time {
	c := &a.consent
	if c.unanswered == 0 {
		return time.Time{}
	}
	from := c.since
	if c.unanswered < oneWayLimit && c.heard.After(from) {
		from = c.heard
	}
	return from.Add(a.config.DisconnectedTimeout)
}

// advanceConsent notices silence, and the end of consent.
func (a *Agent) advanceConsent(now time.Time) {
	c, p := &a.consent, a.selected
	if p == nil {
		return
	}
	if from := a.silentFrom(); !c.silent && !from.IsZero() && !now.Before(from) {
		c.silent = true
		a.recheckOthers()
	}
	if now.Before(c.expires) {
		return
	}
	// "the endpoint MUST cease transmission on that 5-tuple": https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1.
	if p.nominated {
		a.stop(StateFailed)
		return
	}
	a.fail(p, "consent expired")
}

// consentDeadline returns when consent has something to do.
func (a *Agent) consentDeadline() time.Time {
	if a.selected == nil {
		return time.Time{}
	}
	d := earlier(a.consent.next, a.consent.expires)
	if !a.consent.silent {
		d = earlier(d, a.silentFrom())
	}
	return d
}
