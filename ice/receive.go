package ice

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Receive handles a STUN datagram ([stun.Is]) that arrived on a path. The packet is borrowed for
// the call. Datagrams that are malformed, not authenticated or not for this agent are counted in
// [Stats] and dropped.
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
		// RFC 8445, section 11: a keepalive, which has no response. It is not authenticated and
		// proves nothing.
		a.stats.IndicationsReceived++
		return
	default:
		if !a.receiveGathering(now, b, remote, m) {
			a.receiveResponse(now, b, remote, m)
		}
	}
	a.update(now)
}

// knownInRequest reports whether t is a known comprehension-required attribute of a check.
func knownInRequest(t stun.AttributeType) bool {
	switch t {
	case stun.AttributeUsername, stun.AttributeMessageIntegrity, stun.AttributeMessageIntegritySHA256,
		stun.AttributePriority, stun.AttributeUseCandidate:
		return true
	}
	return false
}

// knownInResponse is knownInRequest for responses.
func knownInResponse(t stun.AttributeType) bool {
	switch t {
	case stun.AttributeUsername, stun.AttributeMessageIntegrity, stun.AttributeMessageIntegritySHA256,
		stun.AttributeErrorCode, stun.AttributeUnknownAttributes,
		stun.AttributeXORMappedAddress, stun.AttributeMappedAddress:
		return true
	}
	return false
}

// receiveRequest handles a connectivity check of the peer: RFC 8445, section 7.3.
func (a *Agent) receiveRequest(now time.Time, b *base, remote netip.AddrPort, m stun.Message) {
	switch {
	case a.current.ended && a.next == nil:
		a.stats.Strangers++
		return
	case a.responses.Len() >= maxResponses:
		a.stats.Overflows++
		return
	}
	// RFC 8445, section 7.2.4: "The FINGERPRINT mechanism MUST be used for connectivity checks." A
	// packet without one may not be STUN at all.
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
	// The RFC ends here after a role conflict. But the peer is authenticated and has just opened
	// its NAT: a check of this agent resolves the conflict a round trip earlier, and also if the
	// error response is lost.
	if g.losesConflict(m) {
		r.code = stun.CodeRoleConflict
	}
	p := g.pairOfRequest(b, remote, m)
	if p == nil {
		a.stats.Overflows++
		return
	}
	if p.expired {
		// RFC 7675, section 5.1: "After consent is lost, the same ICE credentials MUST NOT be used
		// on the affected 5-tuple again."
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
		return // no checks begin there
	}
	g.triggerCheck(now, p, m.UseCandidate(), moved)
}

// authenticate verifies USERNAME and MESSAGE-INTEGRITY: RFC 8489, section 9.1.3. It returns the
// generation of the credentials and the peer's ufrag, a view of m, or else the code of the error
// response.
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

// losesConflict detects and repairs role conflicts: RFC 8445, section 7.3.1.1. It reports whether
// the peer has to change its role. Otherwise the agent has changed its own if there was a conflict.
func (g *generation) losesConflict(m stun.Message) bool {
	if g.remoteLite {
		return false // the role of a lite peer is fixed
	}
	theirs, err := m.ICEControlling()
	if !g.agent.controlling {
		theirs, err = m.ICEControlled()
	}
	if err != nil {
		return false // the roles differ, or the peer sends none (RFC 3489)
	}
	g.agent.stats.RoleConflicts++
	// The agent with the greater tie-breaker is controlling.
	if (g.agent.tieBreaker >= theirs) == g.agent.controlling {
		return true
	}
	g.agent.setRole(!g.agent.controlling)
	return false
}

// pairOfRequest returns the pair of a check's path, and creates it if necessary. It returns nil if
// there is no room, or if the check lacks the PRIORITY of a new peer-reflexive candidate.
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

// triggerCheck handles the effects of an authenticated check of the peer: the triggered check (RFC
// 8445, section 7.3.1.4) and the nomination (section 7.3.1.5).
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
		// RFC 8445, section 7.3.1.4: "If the state of that pair is In-Progress, the agent cancels
		// the In-Progress transaction." The peer's NAT may have dropped its request, and has just
		// been opened by the peer's check.
		g.cancel(p)
		g.checkList.trigger(p)
	default:
		g.checkList.trigger(p)
	}
}

// cancel stops the retransmissions of a pair's check. A response still counts.
func (g *generation) cancel(p *candidatePair) {
	p.check.StopRetransmitting()
	cancelled := p.check
	p.cancelled, p.check = &cancelled, check{}
}

// receiveResponse handles a response to a check: RFC 8445, section 7.2.5.
func (a *Agent) receiveResponse(now time.Time, b *base, remote netip.AddrPort, m stun.Message) {
	for _, g := range [...]*generation{a.current, a.previous} {
		if g != nil && g.receiveResponse(now, b, remote, m) {
			return
		}
	}
	a.stats.Strangers++
}

// receiveResponse handles m and reports true if it is a response to a check of the generation.
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

// receiveCheckResponse handles the response to the check c of p or, if c is nil, to a consent
// check.
func (g *generation) receiveCheckResponse(now time.Time, p *candidatePair, c *check, b *base,
	remote netip.AddrPort, m stun.Message) {
	// RFC 8489, section 9.1.4: a response without a valid MESSAGE-INTEGRITY is ignored, and
	// retransmissions continue.
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
		// RFC 7675, section 5.1: only a success response is consent.
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
		// RFC 8445, section 7.2.5.2.1.
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

// checkOf returns the check that m is a response to, with its pair, or nil.
func (g *generation) checkOf(m stun.Message) (*candidatePair, *check) {
	for _, p := range g.checkList.pairs {
		if p.check.Matches(m) {
			return p, &p.check
		}
		if p.cancelled != nil && p.cancelled.Matches(m) {
			return p, p.cancelled
		}
	}
	return nil, nil
}

// receiveError handles an authenticated error response.
func (g *generation) receiveError(p *candidatePair, c *check, m stun.Message) {
	code, reason, _ := m.ErrorCode()
	if code != stun.CodeRoleConflict || g.remoteLite {
		// RFC 8445, section 7.2.5.2.4.
		g.agent.debug("check refused", "local", p.base.addr, "remote", p.path.Remote, "code", code, "reason", reason)
		g.fail(p, "error response")
		return
	}
	// RFC 8445, section 7.2.5.1. If the agent's role has changed since the request, a check of the
	// peer has already resolved the conflict.
	g.agent.stats.RoleConflicts++
	if c.controlling == g.agent.controlling {
		// RFC 8445, section 7.2.5.1: "The agent MUST change the tiebreaker value." Equal values
		// would conflict again.
		g.agent.tieBreaker = g.agent.random.uint64()
		g.agent.setRole(!g.agent.controlling)
	}
	if p.state != pairSucceeded {
		g.checkList.trigger(p)
	}
}

// succeed handles a success response: RFC 8445, section 7.2.5.3.
func (g *generation) succeed(now time.Time, p *candidatePair, c *check, mapped netip.AddrPort) {
	g.agent.debug("check succeeded", "local", p.base.addr, "remote", p.path.Remote, "mapped", mapped, "rtt", p.rtt)
	nominates := c.useCandidate && g.agent.controlling
	if p.state != pairSucceeded {
		p.state = pairSucceeded
		g.checkList.untrigger(p)
		g.checkList.unfreezeFoundation(p)
		if c != &p.check {
			p.check.Complete(now) // the newer check is no longer needed
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

// fail sets a pair to Failed: RFC 8445, section 7.2.5.2.
func (g *generation) fail(p *candidatePair, why string) {
	if p.nominated {
		return // only the end of consent ends a nominated pair
	}
	g.agent.debug("check failed", "local", p.base.addr, "remote", p.path.Remote, "why", why)
	p.state = pairFailed
	g.checkList.untrigger(p)
	p.check.Complete(g.agent.now)
	p.cancelled = nil
	if g.nominating == p {
		g.nominating = nil
	}
	if g.selected == p {
		g.deselect()
		g.selectBest()
	}
}

// expire ends the selected pair, whose consent has expired. RFC 7675, section 5.1: if no valid
// response arrives for 30 seconds, "the endpoint MUST cease transmission on that 5-tuple".
func (g *generation) expire() {
	p := g.selected
	p.nominated, p.permitted, p.expired = false, false, true
	g.fail(p, "consent expired")
}

// selectBest selects the highest-priority valid pair with fresh consent, and triggers checks of the
// valid pairs above it.
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
