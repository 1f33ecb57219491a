package ice

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/stun"
)

// consent is the peer's consent to receive data on the selected pair: RFC 7675. The consent checks
// are more frequent than Tr and therefore replace keepalives.
type consent struct {
	next    time.Time // when the next check is due
	expires time.Time // when consent ends
	// recent are the checks that may still be answered, the latest first. Each has an identifier of
	// its own and is sent once. They are at least 0.8 s apart, so that four of them span any round
	// trip.
	recent   [4]consentCheck
	since    time.Time // when the first unanswered check was sent; zero: all are answered
	received time.Time // when an answer or a check of the peer last arrived on the pair
	silent   bool      // neither has arrived for DisconnectedTimeout
}

type consentCheck struct {
	id        stun.TransactionID
	nominates bool      // it has USE-CANDIDATE
	sent      time.Time // zero: none
}

const (
	// probesPerInterval is the factor by which checks are sped up while one is unanswered, until
	// the pair is silent. With one check in five seconds, a single lost packet would mean the state
	// disconnected; with five, five lost packets in a row do.
	probesPerInterval = 5
	// oneWayFactor is the factor by which the time to silence grows while checks of the peer
	// arrive. Then either all checks of this agent or their answers are lost by chance, or the path
	// is broken in one direction.
	oneWayFactor = 3
)

// startConsent starts consent on a pair that has just been selected. Its last successful check gave
// consent. If that was longer ago than the interval, the next check is due at once.
func (g *generation) startConsent(now time.Time, p *candidatePair) {
	g.consent = consent{expires: p.confirmed.Add(g.agent.config.ConsentTimeout), received: now, next: now}
	if now.Sub(p.confirmed) < g.agent.config.ConsentInterval {
		g.consent.next = now.Add(g.agent.jitter(g.agent.config.ConsentInterval))
	}
}

// hasFreshConsent reports whether the valid pair p may be selected without another check. An answer
// is consent for ConsentTimeout; the second half of it is reserved for the next answer to arrive.
// RFC 7675, section 5.1: neither data nor USE-CANDIDATE of the peer is consent.
func (g *generation) hasFreshConsent(now time.Time, p *candidatePair) bool {
	return p.state == pairSucceeded && now.Sub(p.confirmed) < g.agent.config.ConsentTimeout/2
}

// jitter returns 0.8 to 1.2 times d. RFC 7675, section 5.1, requires that of the intervals between
// consent checks, so that they do not synchronize.
func (a *Agent) jitter(d time.Duration) time.Duration {
	return d*4/5 + time.Duration(a.random.uint64()%uint64(d*2/5+1))
}

// matches reports whether id is that of a recent consent check.
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
		p.mapped = plain(mapped) // differs if the NAT has changed the mapping
	}
	config := &g.agent.config
	*c = consent{
		next: now.Add(g.agent.jitter(config.ConsentInterval)), expires: now.Add(config.ConsentTimeout),
		received: now,
	}
	if nominates && g.agent.controlling && g.nominating == p {
		p.check.Complete(now)
		g.nominated(now, p)
	}
}

// transmitConsent appends a consent check for the pair that carries data, if one is due.
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
	// Consent checks repeat an unanswered nomination. After it, USE-CANDIDATE shows the pair to a
	// controlled agent that sees this agent at a new address, because a NAT has dropped its
	// mapping.
	nominates := p.nominated || g.nominating == p
	copy(c.recent[1:], c.recent[:])
	c.recent[0] = consentCheck{g.agent.newTransactionID(), nominates, now}
	if c.since.IsZero() {
		c.since = now
	}
	g.agent.stats.ConsentRequestsSent++
	return g.appendRequest(dst, p, c.recent[0].id, nominates), p.path, true
}

// silentFrom returns when the pair becomes silent unless something arrives. It is zero while no
// check is unanswered.
func (g *generation) silentFrom() time.Time {
	c, timeout := &g.consent, g.agent.config.DisconnectedTimeout
	if c.since.IsZero() {
		return time.Time{}
	}
	if c.received.After(c.since) {
		return deadline.Earlier(c.received.Add(timeout), c.since.Add(oneWayFactor*timeout))
	}
	return c.since.Add(timeout)
}

// advanceConsent detects silence and the end of consent.
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
	// When the pair became silent, all pairs that once worked were checked again. If none has
	// answered and no check of the peer has arrived recently, nothing more can be expected.
	if nominated && g.agent.selected() == nil && !g.receivedLately(now) {
		g.agent.fail()
	}
}

// consentDeadline returns the time of the next action of consent.
func (g *generation) consentDeadline() time.Time {
	if g.selected == nil {
		return time.Time{}
	}
	d := deadline.Earlier(g.consent.next, g.consent.expires)
	if !g.consent.silent {
		d = deadline.Earlier(d, g.silentFrom())
	}
	return d
}

// receivedLately reports whether the peer has recently sent a check on a pair whose own check is
// pending.
func (g *generation) receivedLately(now time.Time) bool {
	return slices.ContainsFunc(g.checkList.pairs, func(p *candidatePair) bool {
		return p.pending() && !p.received.IsZero() && now.Sub(p.received) < g.agent.config.DisconnectedTimeout
	})
}
