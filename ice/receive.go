package ice

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Receive handles a STUN datagram (see stun.Is) that arrived on the socket local from remote. The packet is borrowed for
// the call. What is malformed, not authenticated or not for this agent is counted and dropped.
func (a *Agent) Receive(now time.Time, local, remote netip.AddrPort, packet []byte) {
	if a.ended() {
		return
	}
	b := a.base(canonical(local))
	remote = plain(remote)
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
	a.touch(now)
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
	if a.responses.Len() >= maxResponses {
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
	ufrag, code := a.authenticate(m)
	if code != 0 {
		a.stats.Unauthenticated++
		r.code, r.unauthenticated = code, true
		a.respond(r)
		return
	}
	a.stats.RequestsReceived++
	if unknown := m.UnknownRequired(nil, knownInRequest); len(unknown) > 0 {
		r.code, r.unknown = stun.CodeUnknownAttribute, unknown
		a.respond(r)
		return
	}
	// After a role conflict the RFC's server is done. But the peer is authenticated and has just opened its NAT for us: our own
	// check on the pair settles the conflict one round trip sooner, and at all if the error response is lost.
	if a.losesConflict(m) {
		r.code = stun.CodeRoleConflict
	}
	p := a.pairOfRequest(b, remote, m)
	if p == nil {
		a.stats.Overflows++
		return
	}
	a.respond(r)
	p.permitted, b.heard = true, now
	if a.remoteKey == nil {
		p.earlyUfrag = string(ufrag)
	}
	if p == a.selected {
		a.consent.heard = now
	}
	a.triggerCheck(now, p, m.UseCandidate())
}

// authenticate checks USERNAME and MESSAGE-INTEGRITY
// (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.3) and returns the peer's ufrag in it, a view of m, or the
// error code to answer with.
func (a *Agent) authenticate(m stun.Message) (remoteUfrag []byte, code int) {
	username, ok := m.Get(stun.AttributeUsername)
	if _, hasIntegrity := m.Get(stun.AttributeMessageIntegrity); !ok || !hasIntegrity {
		return nil, stun.CodeBadRequest
	}
	localUfrag, remoteUfrag, ok := bytes.Cut(username, []byte{':'})
	if !ok || string(localUfrag) != a.localUfrag || a.remoteKey != nil && string(remoteUfrag) != a.remoteUfrag ||
		m.CheckIntegrity(a.localKey) != nil {
		return nil, stun.CodeUnauthenticated
	}
	return remoteUfrag, 0
}

// losesConflict detects and repairs role conflicts. It reports whether the peer has to change its role; else the agent has
// changed its own if that was necessary (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.1).
func (a *Agent) losesConflict(m stun.Message) bool {
	if a.remoteLite {
		return false // its role is fixed
	}
	theirs, err := m.ICEControlling()
	if !a.controlling {
		theirs, err = m.ICEControlled()
	}
	if err != nil {
		return false // the roles differ, or the peer says nothing (RFC 3489)
	}
	a.stats.RoleConflicts++
	// The greater tie-breaker is controlling.
	if (a.tieBreaker >= theirs) == a.controlling {
		return true
	}
	a.setRole(!a.controlling)
	return false
}

// pairOfRequest finds the pair that a check came on, or makes it. It returns nil if there is no room, and if the check
// lacks the PRIORITY that a new peer-reflexive candidate would get.
func (a *Agent) pairOfRequest(b *base, remote netip.AddrPort, m stun.Message) *candidatePair {
	if p := a.checkList.find(b, remote); p != nil {
		return p
	}
	c := a.remote(remote)
	if c == nil {
		priority, err := m.Priority()
		if err != nil || !usable(remote) {
			return nil
		}
		if c = a.learnRemote(remote, priority); c == nil {
			return nil
		}
	}
	p := &candidatePair{base: b, remote: c, to: b.zoned(remote), permitted: true}
	p.setPriority(a.controlling)
	if !canPair(b, remote.Addr()) || !a.checkList.insert(p) {
		return nil
	}
	p.state = pairFailed // until it is triggered
	return p
}

// triggerCheck does what an authenticated check of the peer asks for: a check in the other direction, and nomination
// (https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.4 and #section-7.3.1.5).
func (a *Agent) triggerCheck(now time.Time, p *candidatePair, useCandidate bool) {
	if useCandidate && !a.controlling {
		if p.firstNamed.IsZero() {
			p.firstNamed = now
		}
		p.useCandidate = now
	}
	switch p.state {
	case pairSucceeded:
		switch {
		case !useCandidate || a.controlling:
		case p == a.selected || a.consents(now, p):
			a.nominated(now, p)
		default:
			a.checkList.trigger(p)
		}
	case pairInProgress:
		// "The agent cancels the in-progress transaction … and creates a new check": the peer's NAT may have dropped ours,
		// and the peer's check has opened it.
		a.cancel(p)
		a.checkList.trigger(p)
	default:
		a.checkList.trigger(p)
	}
}

// cancel stops the retransmission of a pair's check; a response still counts.
func (a *Agent) cancel(p *candidatePair) {
	p.check.StopRetransmitting()
	p.cancelled = p.check
	p.check = check{}
}

// receiveResponse handles a response to a check: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.
func (a *Agent) receiveResponse(now time.Time, b *base, remote netip.AddrPort, m stun.Message) {
	if a.remoteKey == nil {
		a.stats.Strangers++
		return
	}
	consent := a.consent.matches(m.TransactionID())
	p, c := a.selected, (*check)(nil)
	if !consent {
		if p, c = a.checkOf(m); p == nil {
			a.stats.Strangers++
			return
		}
	}
	// "If the response does not contain MESSAGE-INTEGRITY or it is wrong, it MUST be discarded, as if it had never been
	// received" (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.4): retransmission goes on.
	if m.CheckIntegrity(a.remoteKey) != nil {
		a.stats.Unauthenticated++
		return
	}
	if err := m.CheckFingerprint(); err != nil && !errors.Is(err, stun.ErrAttributeNotFound) {
		a.stats.Malformed++
		return
	}
	a.stats.ResponsesReceived++
	symmetric := b == p.base && remote == p.remote.Addr
	if consent {
		// "a response that … is authenticated": an error is one as well, but gives no consent
		// (https://www.rfc-editor.org/rfc/rfc7675.html#section-5.1).
		if symmetric && m.Type().Class() == stun.ClassSuccess {
			a.receiveConsent(now, m.TransactionID())
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
		a.fail(p, "response from another address")
	case m.Type().Class() == stun.ClassError:
		a.receiveError(p, c, m)
	case len(m.UnknownRequired(nil, knownInResponse)) > 0:
		a.fail(p, "response with an unknown attribute")
	default:
		mapped, err := m.XORMappedAddress()
		if err != nil {
			a.fail(p, "response without XOR-MAPPED-ADDRESS")
			return
		}
		a.succeed(now, p, c, plain(mapped))
	}
}

// checkOf finds the check that m is a response to.
func (a *Agent) checkOf(m stun.Message) (*candidatePair, *check) {
	for _, p := range a.checkList.pairs {
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
func (a *Agent) receiveError(p *candidatePair, c *check, m stun.Message) {
	code, reason, _ := m.ErrorCode()
	if code != stun.CodeRoleConflict || a.remoteLite {
		// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.4
		a.debug("check refused", "local", p.base.addr, "remote", p.to, "code", code, "reason", reason)
		a.fail(p, "error response")
		return
	}
	// https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.1. If the role is not any more the one that the request
	// had, a check of the peer has settled the conflict already.
	a.stats.RoleConflicts++
	if c.controlling == a.controlling {
		// "prior to performing the check, the agent MUST change the tiebreaker value": equal ones cannot conflict for ever.
		a.tieBreaker = a.rand.Uint64()
		a.setRole(!a.controlling)
	}
	if p.state != pairSucceeded {
		a.checkList.trigger(p)
	}
}

// succeed handles a success response: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.3.
func (a *Agent) succeed(now time.Time, p *candidatePair, c *check, mapped netip.AddrPort) {
	a.debug("check succeeded", "local", p.base.addr, "remote", p.to, "mapped", mapped, "rtt", p.rtt)
	nominates := c.useCandidate && a.controlling
	if p.state != pairSucceeded {
		p.state = pairSucceeded
		a.checkList.untrigger(p)
		a.checkList.thaw(p)
		if c != &p.check {
			p.check.Complete(now) // the new check is not needed any more
		}
	}
	p.mapped, p.confirmed = mapped, now
	if nominates || !p.useCandidate.IsZero() && !a.controlling {
		a.nominated(now, p)
	} else if s := a.selected; s == nil || !s.nominated && s.priority < p.priority {
		a.selectPair(now, p)
	}
}

// fail ends a pair: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.5.2.
func (a *Agent) fail(p *candidatePair, why string) {
	if p.nominated {
		return // only consent decides about a pair in use
	}
	a.debug("check failed", "local", p.base.addr, "remote", p.to, "why", why)
	p.state = pairFailed
	a.checkList.untrigger(p)
	p.check.Complete(a.now)
	p.cancelled.Complete(a.now)
	if a.nominating == p {
		a.nominating = nil
	}
	if a.selected == p {
		a.deselect()
		a.selectBest()
	}
}

// selectBest selects the valid pair of the highest priority that has consent, and has those before it checked again.
func (a *Agent) selectBest() {
	for _, p := range a.checkList.pairs {
		if a.consents(a.now, p) {
			a.selectPair(a.now, p)
			return
		}
		if p.state == pairSucceeded {
			a.checkList.trigger(p)
		}
	}
}
