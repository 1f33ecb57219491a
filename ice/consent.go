package ice

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// consent is the peer's consent to receive on the selected pair: https://www.rfc-editor.org/rfc/rfc7675.html. Its
// checks are the keepalives as well, coming more often than Tr.
type consent struct {
	next    time.Time // when the next check is due
	expires time.Time // when sending has to stop
	// recent are the checks that may still be answered, the last one first. Each has an identifier of its own and is sent
	// once. They are at least 0.8 s apart, so that four reach back further than any round trip.
	recent   [4]consentCheck
	since    time.Time // when the first check without an answer was sent; zero: all are answered
	received time.Time // the last sign of the peer on the pair: an answer, or its own check
	silent   bool      // the pair is disconnected
}

type consentCheck struct {
	id        stun.TransactionID
	sent      time.Time // zero: none
	nominates bool      // it has USE-CANDIDATE
}

const (
	// probesPerInterval is how many checks take the place of one while there is no answer and the pair is not silent yet. At
	// one check in five seconds, one lost packet would be the silence that "disconnected" stands for; with this,
	// five in a row are.
	probesPerInterval = 5
	// oneWayFactor is how much longer silence takes if the peer's own checks keep arriving: then either all our checks, or
	// all its answers, are lost by chance, or the path has died in our direction only.
	oneWayFactor = 3
)

// startConsent begins with a pair that has just become the selected one. A check has succeeded on it, which is consent from
// then on; if that was a while ago, it is asked for again at once.
func (g *generation) startConsent(now time.Time, p *candidatePair) {
	g.consent = consent{expires: p.confirmed.Add(g.agent.config.ConsentTimeout), received: now, next: now}
	if now.Sub(p.confirmed) < g.agent.config.ConsentInterval {
		g.consent.next = now.Add(g.agent.jitter(g.agent.config.ConsentInterval))
	}
}

// consents reports whether the valid pair p, not the selected one, may be selected as it is. An answer on it lasts for
// ConsentTimeout; the second half of that is left for the next one to arrive. A pair without is checked again first: neither the peer's
// data nor its USE-CANDIDATE is consent (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
func (g *generation) hasFreshConsent(now time.Time, p *candidatePair) bool {
	return p.state == pairSucceeded && now.Sub(p.confirmed) < g.agent.config.ConsentTimeout/2
}

// jitter returns 0.8 to 1.2 times d, "to prevent synchronization"
// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
func (a *Agent) jitter(d time.Duration) time.Duration {
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
func (g *generation) receiveConsent(now time.Time, m stun.Message) {
	c, p := &g.consent, g.selected
	nominates := false
	for i := range c.recent {
		if c.recent[i].id == m.TransactionID() {
			p.rtt = now.Sub(c.recent[i].sent)
			nominates = c.recent[i].nominates
		}
	}
	p.confirmed = now
	if mapped, err := m.XORMappedAddress(); err == nil {
		p.mapped = plain(mapped) // another one if our NAT has changed it
	}
	config := &g.agent.config
	*c = consent{next: now.Add(g.agent.jitter(config.ConsentInterval)), expires: now.Add(config.ConsentTimeout), received: now}
	if nominates && g.agent.controlling && g.nominating == p {
		p.check.Complete(now)
		g.nominated(now, p)
	}
}

// transmitConsent appends a consent check on the path of data if one is due.
func (a *Agent) transmitConsent(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	if a.previous != nil && a.current.selected == nil {
		return a.previous.transmitConsent(now, dst)
	}
	return a.current.transmitConsent(now, dst)
}

func (g *generation) transmitConsent(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	c, p := &g.consent, g.selected
	if p == nil || now.Before(c.next) {
		return dst, path, false
	}
	interval := g.agent.config.ConsentInterval
	if !c.silent {
		interval /= probesPerInterval
	}
	c.next = now.Add(g.agent.jitter(interval))
	// A nominating check that is not answered yet gets help. After nomination, USE-CANDIDATE is there so that a controlled agent that
	// sees us at a new address, our NAT having forgotten us, knows that this is the pair.
	nominates := p.nominated || g.nominating == p
	copy(c.recent[1:], c.recent[:])
	c.recent[0] = consentCheck{g.agent.newTransactionID(), now, nominates}
	if c.since.IsZero() {
		c.since = now
	}
	g.agent.stats.ConsentRequestsSent++
	return g.appendRequest(dst, p, c.recent[0].id, nominates), p.path, true
}

// silentFrom returns when the pair is silent if nothing more is heard; zero while no check is unanswered.
func (g *generation) silentFrom() time.Time {
	c, timeout := &g.consent, g.agent.config.DisconnectedTimeout
	if c.since.IsZero() {
		return time.Time{}
	}
	if c.received.After(c.since) {
		return earlier(c.received.Add(timeout), c.since.Add(oneWayFactor*timeout))
	}
	return c.since.Add(timeout)
}

// advanceConsent notices silence, and the end of consent.
func (g *generation) advanceConsent(now time.Time) {
	c, p := &g.consent, g.selected
	if p == nil {
		return
	}
	if from := g.silentFrom(); !c.silent && !from.IsZero() && !now.Before(from) {
		c.silent = true
		g.recheckOthers()
	}
	if now.Before(c.expires) {
		return
	}
	nominated := p.nominated
	g.expire()
	// What had been found to work was checked again when the pair fell silent. Without an answer there, or a check of the peer lately, there
	// is nothing to wait for.
	if nominated && g.agent.selected() == nil && !g.receivedLately(now) {
		g.agent.fail()
	}
}

// consentDeadline returns when consent has something to do.
func (g *generation) consentDeadline() time.Time {
	if g.selected == nil {
		return time.Time{}
	}
	d := earlier(g.consent.next, g.consent.expires)
	if !g.consent.silent {
		d = earlier(d, g.silentFrom())
	}
	return d
}

// heardLately reports whether the peer has sent a check on a pair that is being checked in turn.
func (g *generation) receivedLately(now time.Time) bool {
	return slices.ContainsFunc(g.checkList.pairs, func(p *candidatePair) bool {
		return p.pending() && !p.received.IsZero() && now.Sub(p.received) < g.agent.config.DisconnectedTimeout
	})
}
