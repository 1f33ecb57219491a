package ice

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Transmit appends the next packet to send to dst and names its path. It is to be
// called, after every call of another method that takes the time, until ok is false. A packet takes less than
// 700 bytes even with the longest credentials; nothing is allocated if dst has room for it.
func (a *Agent) Transmit(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	if a.idle && (a.deadline.IsZero() || now.Before(a.deadline)) {
		return dst, path, false
	}
	if !a.closed() {
		// A response that is late makes the peer repeat its request; then what the RTO has made due; then the pacer decides.
		if packet, path, ok = a.transmitResponse(dst); ok {
			return packet, path, true
		}
		if packet, path, ok = a.transmitConsent(now, dst); ok {
			return packet, path, true
		}
		if packet, path, ok = a.transmitGathering(now, dst); ok {
			return packet, path, true
		}
		if packet, path, ok = a.current.transmitCheck(now, dst); ok {
			return packet, path, true
		}
	}
	a.idle, a.deadline = true, a.nextDeadline()
	return dst, path, false
}

// transmitCheck appends a check: retransmissions that are due, and new ones as the pacer allows, first nominating and
// triggered checks, then the check list in order.
func (g *generation) transmitCheck(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	if g.remoteKey == nil {
		return dst, path, false
	}
	for _, p := range g.checkList.pairs {
		if p.check.Transmit(now) {
			g.agent.stats.Retransmissions++
			return g.appendCheck(dst, p), p.path, true
		}
	}
	// Nominations are few: it may overdraw the pacer.
	if p := g.nominating; p != nil && p.check.State() != stun.TransactionWaiting {
		g.startCheck(now, p, true)
		return g.appendCheck(dst, p), p.path, true
	}
	if g.agent.checkPacer.ready(now) {
		if p := g.checkList.next(); p != nil {
			p.state = pairInProgress
			g.startCheck(now, p, false)
			return g.appendCheck(dst, p), p.path, true
		}
	}
	return dst, path, false
}

// startCheck begins a transaction, whose first request the caller sends now.
func (g *generation) startCheck(now time.Time, p *candidatePair, useCandidate bool) {
	g.agent.checkPacer.take(now)
	// https://www.rfc-editor.org/rfc/rfc8445.html#section-14.3: RTO = MAX(500 ms, Ta × (waiting + in progress)).
	rto := max(g.agent.config.RTO, g.agent.config.CheckInterval*time.Duration(g.checkList.active()))
	p.check.Start(now, g.agent.newTransactionID(), stun.Timing{RTO: rto})
	p.check.controlling, p.check.useCandidate = g.agent.controlling, useCandidate
	p.check.Transmit(now)
	g.agent.debug("check", "local", p.base.addr, "remote", p.path.Remote, "use-candidate", useCandidate)
}

// appendCheck appends the Binding request of a pair's check.
func (g *generation) appendCheck(dst []byte, p *candidatePair) []byte {
	g.agent.stats.RequestsSent++
	return g.appendRequest(dst, p, p.check.ID(), p.check.useCandidate)
}

// appendRequest appends a Binding request of a check: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.4.
func (g *generation) appendRequest(dst []byte, p *candidatePair, id stun.TransactionID, useCandidate bool) []byte {
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassRequest), id)
	b.AddString(stun.AttributeUsername, g.username)
	b.AddUint32(stun.AttributePriority, p.base.prflxPriority)
	if g.agent.controlling {
		b.AddUint64(stun.AttributeICEControlling, g.agent.tieBreaker)
		if useCandidate {
			b.AddFlag(stun.AttributeUseCandidate)
		}
	} else {
		b.AddUint64(stun.AttributeICEControlled, g.agent.tieBreaker)
	}
	b.AddIntegrity(g.remoteKey)
	b.AddFingerprint()
	return b.Bytes()
}

// response is what Transmit needs to make a response of: it is made there, in the caller's buffer.
type response struct {
	id      stun.TransactionID
	base    *base
	remote  netip.AddrPort
	code    int                  // zero: success
	unknown []stun.AttributeType // with CodeUnknownAttribute
	key     *stun.Key            // nil: the request was not authenticated
}

// keptResponses is how many places of the queue an agent keeps when it is empty; the set-up of a connection may have needed more.
const keptResponses = 4

// respond queues a response. Receive has seen to it that there is room.
func (a *Agent) respond(r response) { a.responses.Push(r) }

// transmitResponse appends the next response.
func (a *Agent) transmitResponse(dst []byte) (packet []byte, path Path, ok bool) {
	r, ok := a.responses.Pop()
	if !ok {
		if a.responses.Cap() > keptResponses {
			a.responses.Clear()
		}
		return dst, path, false
	}
	a.stats.ResponsesSent++
	return appendResponse(dst, &r), r.base.pathTo(r.remote), true
}

func appendResponse(dst []byte, r *response) []byte {
	class := stun.ClassSuccess
	if r.code != 0 {
		class = stun.ClassError
	}
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, class), r.id)
	switch {
	case r.code == 0:
		b.AddXORAddress(stun.AttributeXORMappedAddress, r.remote)
	default:
		b.AddErrorCode(r.code, stun.Reason(r.code))
		if r.code == stun.CodeUnknownAttribute {
			b.AddUnknownAttributes(r.unknown)
		}
	}
	// "The server MUST NOT include MESSAGE-INTEGRITY" in the response to a request that failed authentication
	// (https://www.rfc-editor.org/rfc/rfc8489.html#section-9.1.3).
	if r.key != nil {
		b.AddIntegrity(r.key)
	}
	b.AddFingerprint()
	return b.Bytes()
}

// pacer spaces new transactions: on average one in Ta, at most checkBurst at once. It is a token bucket in the form of the
// time at which the bucket is full again; the zero value with an interval is a full bucket.
type pacer struct {
	interval time.Duration // Ta
	full     time.Time
}

// ready reports whether a transaction may start now.
func (p *pacer) ready(now time.Time) bool { return !now.Before(p.next()) }

// next returns when a transaction may start; in the past, or zero, if now.
func (p *pacer) next() time.Time {
	if p.full.IsZero() {
		return time.Time{}
	}
	return p.full.Add(-(checkBurst - 1) * p.interval)
}

// take pays for one transaction that starts now, on credit if need be.
func (p *pacer) take(now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(p.interval)
}
