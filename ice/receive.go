package ice

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Receive handles a STUN datagram (see stun.Is) that arrived on a path. The packet is borrowed for
// the call. What is malformed, not authenticated or not for this agent is counted and dropped.
func (a *Agent) Receive(now time.Time, path Path, packet []byte) {
	if a.closed() {
		return
	}
	b := a.base(path.Base)
	remote := plain(path.Remote)
	if b == nil || !remote.IsValid() {
		a.stats.Strangers++
		return
	}
	m, err := stun.Parse(packet)
	if err != nil {
		a.stats.Malformed++
		return
	}
	if m.Type().Method() != stun.MethodBinding {
		a.stats.Strangers++
		return
	}
	switch m.Type().Class() {
	case stun.ClassRequest:
		a.receiveRequest(now, b, remote, m)
	case stun.ClassIndication:
		// A keepalive; it wants no answer and proves nothing
		// (https://www.rfc-editor.org/rfc/rfc8445.html#section-11).
		a.stats.IndicationsReceived++
		return
	default:
		if !a.receiveGathering(now, b, remote, m) {
			a.receiveResponse(now, b, remote, m)
		}
	}
	a.update(now)
}

// knownInRequest are the comprehension-required attributes of a check.
func knownInRequest(t stun.AttributeType) bool {
	switch t {
	case stun.AttributeUsername, stun.AttributeMessageIntegrity, stun.AttributeMessageIntegritySHA256,
		stun.AttributePriority, stun.AttributeUseCandidate:
		return true
	}
	return false
}

// knownInResponse are those of a response.
func knownInResponse(t stun.AttributeType) bool {
	switch t {
	case stun.AttributeUsername, stun.AttributeMessageIntegrity, stun.AttributeMessageIntegritySHA256,
		stun.AttributeErrorCode, stun.AttributeUnknownAttributes, stun.AttributeXORMappedAddress, stun.AttributeMappedAddress:
		return true
	}
	return false
}

// receiveRequest handles a connectivity check of the peer: the STUN server of
// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.
func (a *Agent) receiveRequest(now time.Time, b *base, remote netip.AddrPort, m stun.Message) {
	switch {
	case a.current.ended && a.next == nil:
		a.stats.Strangers++
		return
	case a.responses.Len() >= maxResponses:
		a.stats.Overflows++
		return
	}
	// "Agents MUST use the FINGERPRINT mechanism" (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.1): without, it is
	// not a check, and may not be STUN at all.
	if m.CheckFingerprint() != nil {
		a.stats.Malformed++
		return
	}
	r := response{id: m.TransactionID(), base: b, remote: remote}
	g, ufrag, code := a.authenticate(m)
	if code != 0 {
		a.stats.Unauthenticated++
		r.code = code
		a.respond(r)
		return
	}
	a.stats.RequestsReceived++
	r.key = g.localKey
	if unknown := m.UnknownRequired(nil, knownInRequest); len(unknown) > 0 {
		r.code, r.unknown = stun.CodeUnknownAttribute, unknown
		a.respond(r)
		return
	}
	// After a role conflict the RFC's server is done. But the peer is authenticated and has just opened its NAT for us: our own
	// check on the pair settles the conflict one round trip sooner, and at all if the error response is lost.
	if g.losesConflict(m) {
		r.code = stun.CodeRoleConflict
	}
	p := g.pairOfRequest(b, remote, m)
	if p == nil {
		a.stats.Overflows++
		return
	}
	if p.expired {
		// "After consent is lost, the same ICE credentials MUST NOT be used on the affected 5-tuple again"
		// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
		a.stats.Strangers++
		return
	}
	a.respond(r)
	moved := g.suspectAddressChange(now, p)
	p.permitted, p.received, b.received = true, now, now
	if g.remoteKey == nil {
		p.earlyUfrag = string(ufrag)
	}
	if p == g.selected {
		g.consent.received = now
		g.addressChange = addressChange{}
	}
	if g == a.previous {
		return // nothing new begins there
	}
	g.triggerCheck(now, p, m.UseCandidate(), moved)
}

// authenticate checks USERNAME and MESSAGE-INTEGRITY
// (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.3) and returns the generation that they are of and the peer's ufrag, a view of
// m, or the error code to answer with.
func (a *Agent) authenticate(m stun.Message) (g *generation, remoteUfrag []byte, code int) {
	username, ok := m.Get(stun.AttributeUsername)
	if _, hasIntegrity := m.Get(stun.AttributeMessageIntegrity); !ok || !hasIntegrity {
		return nil, nil, stun.CodeBadRequest
	}
	localUfrag, remoteUfrag, ok := bytes.Cut(username, []byte{':'})
	if !ok {
		return nil, nil, stun.CodeUnauthenticated
	}
	for _, g := range a.generations() {
		if g != nil && !g.ended && string(localUfrag) == g.localUfrag &&
			(g.remoteKey == nil || string(remoteUfrag) == g.remoteUfrag) {
			if m.CheckIntegrity(g.localKey) != nil {
				break
			}
			return g, remoteUfrag, 0
		}
	}
	return nil, nil, stun.CodeUnauthenticated
}

// losesConflict detects and repairs role conflicts. It reports whether the peer has to change its role; else the agent has
// changed its own if that was necessary (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.1).
func (g *generation) losesConflict(m stun.Message) bool {
	if g.remoteLite {
		return false // its role is fixed
	}
	theirs, err := m.ICEControlling()
	if !g.agent.controlling {
		theirs, err = m.ICEControlled()
	}
	if err != nil {
		return false // the roles differ, or the peer says nothing (RFC 3489)
	}
	g.agent.stats.RoleConflicts++
	// The greater tie-breaker is controlling.
	if (g.agent.tieBreaker >= theirs) == g.agent.controlling {
		return true
	}
	g.agent.setRole(!g.agent.controlling)
	return false
}

// pairOfRequest finds the pair that a check came on, or makes it. It returns nil if there is no room, and if the check
// lacks the PRIORITY that a new peer-reflexive candidate would get.
func (g *generation) pairOfRequest(b *base, remote netip.AddrPort, m stun.Message) *candidatePair {
	if p := g.checkList.find(b, remote); p != nil {
		return p
	}
	c := g.remote(remote)
	if c == nil {
		priority, err := m.Priority()
		if err != nil || !usable(remote) {
			return nil
		}
		if c = g.addPeerReflexive(remote, priority); c == nil {
			return nil
		}
	}
	p := &candidatePair{base: b, remote: c, path: b.pathTo(remote), permitted: true}
	p.setPriority(g.agent.controlling)
	if !canPair(b, remote.Addr()) || !g.checkList.insert(p) {
		return nil
	}
	p.state = pairFailed // until it is triggered
	return p
}

// triggerCheck does what an authenticated check of the peer asks for: a check in the other direction, and nomination
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.4 and #section-7.3.1.5).
func (g *generation) triggerCheck(now time.Time, p *candidatePair, useCandidate, moved bool) {
	if useCandidate && !g.agent.controlling {
		if p.firstUseCandidate.IsZero() {
			p.firstUseCandidate = now
		}
		p.lastUseCandidate = now
	}
	switch p.state {
	case pairSucceeded:
		nominates := useCandidate && !g.agent.controlling
		if nominates && (p == g.selected || g.hasFreshConsent(now, p)) {
			g.nominated(now, p)
		} else if nominates || moved {
			g.checkList.trigger(p)
		}
	case pairInProgress:
		// "The agent cancels the in-progress transaction … and creates a new check": the peer's NAT may have dropped ours,
		// and the peer's check has opened it.
		g.cancel(p)
		g.checkList.trigger(p)
	default:
		g.checkList.trigger(p)
	}
}

// cancel stops the retransmission of a pair's check; a response still counts.
func (g *generation) cancel(p *candidatePair) {
	p.check.StopRetransmitting()
	p.cancelled = p.check
	p.check = check{}
}

// receiveResponse handles a response to a check: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.
func (a *Agent) receiveResponse(now time.Time, b *base, remote netip.AddrPort, m stun.Message) {
	for _, g := range [...]*generation{a.current, a.previous} {
		if g != nil && g.receiveResponse(now, b, remote, m) {
			return
		}
	}
	a.stats.Strangers++
}

// receiveResponse reports whether m is a response to a check of the generation.
func (g *generation) receiveResponse(now time.Time, b *base, remote netip.AddrPort, m stun.Message) bool {
	consent := g.consent.matches(m.TransactionID())
	p, c := g.selected, (*check)(nil)
	if !consent {
		if p, c = g.checkOf(m); p == nil {
			return false
		}
	}
	g.receiveCheckResponse(now, p, c, b, remote, m)
	return true
}

// receiveCheckResponse handles the response to the check c of p, or if c is nil to a consent check.
func (g *generation) receiveCheckResponse(now time.Time, p *candidatePair, c *check, b *base, remote netip.AddrPort, m stun.Message) {
	// "If the response does not contain MESSAGE-INTEGRITY or it is wrong, it MUST be discarded, as if it had never been
	// received" (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.4): retransmission goes on.
	if m.CheckIntegrity(g.remoteKey) != nil {
		g.agent.stats.Unauthenticated++
		return
	}
	if err := m.CheckFingerprint(); err != nil && !errors.Is(err, stun.ErrAttributeNotFound) {
		g.agent.stats.Malformed++
		return
	}
	g.agent.stats.ResponsesReceived++
	symmetric := b == p.base && remote == p.remote.Addr
	if c == nil {
		// "a response that … is authenticated": an error is one as well, but gives no consent
		// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
		if symmetric && m.Type().Class() == stun.ClassSuccess {
			g.receiveConsent(now, m)
		}
		return
	}
	rtt, sentOnce := c.Complete(now)
	if sentOnce {
		p.rtt = rtt
	}
	switch {
	case !symmetric:
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.1
		g.fail(p, "response from another address")
	case m.Type().Class() == stun.ClassError:
		g.receiveError(p, c, m)
	case len(m.UnknownRequired(nil, knownInResponse)) > 0:
		g.fail(p, "response with an unknown attribute")
	default:
		mapped, err := m.XORMappedAddress()
		if err != nil {
			g.fail(p, "response without XOR-MAPPED-ADDRESS")
			return
		}
		g.succeed(now, p, c, plain(mapped))
	}
}

// checkOf finds the check that m is a response to.
func (g *generation) checkOf(m stun.Message) (*candidatePair, *check) {
	for _, p := range g.checkList.pairs {
		if p.check.Matches(m) {
			return p, &p.check
		}
		if p.cancelled.Matches(m) {
			return p, &p.cancelled
		}
	}
	return nil, nil
}

// receiveError handles an authenticated error response.
func (g *generation) receiveError(p *candidatePair, c *check, m stun.Message) {
	code, reason, _ := m.ErrorCode()
	if code != stun.CodeRoleConflict || g.remoteLite {
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.4
		g.agent.debug("check refused", "local", p.base.addr, "remote", p.path.Remote, "code", code, "reason", reason)
		g.fail(p, "error response")
		return
	}
	// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.1. If the role is not any more the one that the request
	// had, a check of the peer has settled the conflict already.
	g.agent.stats.RoleConflicts++
	if c.controlling == g.agent.controlling {
		// "prior to performing the check, the agent MUST change the tiebreaker value": equal ones cannot conflict for ever.
		g.agent.tieBreaker = g.agent.rand.Uint64()
		g.agent.setRole(!g.agent.controlling)
	}
	if p.state != pairSucceeded {
		g.checkList.trigger(p)
	}
}

// succeed handles a success response: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.
func (g *generation) succeed(now time.Time, p *candidatePair, c *check, mapped netip.AddrPort) {
	g.agent.debug("check succeeded", "local", p.base.addr, "remote", p.path.Remote, "mapped", mapped, "rtt", p.rtt)
	nominates := c.useCandidate && g.agent.controlling
	if p.state != pairSucceeded {
		p.state = pairSucceeded
		g.checkList.untrigger(p)
		g.checkList.unfreezeFoundation(p)
		if c != &p.check {
			p.check.Complete(now) // the new check is not needed any more
		}
	}
	p.mapped, p.confirmed = mapped, now
	if nominates || !p.lastUseCandidate.IsZero() && !g.agent.controlling {
		g.nominated(now, p)
		return
	}
	switch s := g.selected; {
	case s == nil || !s.nominated && s.priority < p.priority:
		g.selectPair(now, p)
	case s != p && g.consent.silent:
		g.replaceSelected(now, p)
	}
}

// fail ends a pair: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.
func (g *generation) fail(p *candidatePair, why string) {
	if p.nominated {
		return // only consent decides about a pair in use
	}
	g.agent.debug("check failed", "local", p.base.addr, "remote", p.path.Remote, "why", why)
	p.state = pairFailed
	g.checkList.untrigger(p)
	p.check.Complete(g.agent.now)
	p.cancelled.Complete(g.agent.now)
	if g.nominating == p {
		g.nominating = nil
	}
	if g.selected == p {
		g.deselect()
		g.selectBest()
	}
}

// expire ends the selected pair, whose consent has expired: "the endpoint MUST cease transmission on that 5-tuple", and "the same ICE
// credentials MUST NOT be used on the affected 5-tuple again" (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
func (g *generation) expire() {
	p := g.selected
	p.nominated, p.permitted, p.expired = false, false, true
	g.fail(p, "consent expired")
}

// selectBest selects the valid pair of the highest priority that has consent, and has those before it checked again.
func (g *generation) selectBest() {
	for _, p := range g.checkList.pairs {
		if g.hasFreshConsent(g.agent.now, p) {
			g.selectPair(g.agent.now, p)
			return
		}
		if p.state == pairSucceeded {
			g.checkList.trigger(p)
		}
	}
}
