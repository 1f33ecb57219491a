package ice

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Transmit appends the next packet to dst and returns its path. After every call of a method that
// takes the time, the owner calls it until ok is false. A packet has fewer than 700 bytes, even
// with the longest credentials. Transmit does not allocate if dst has room for it.
func (a *Agent) Transmit(now time.Time, dst []byte) (packet []byte, path Path, ok bool) {
	if a.Idle(now) {
		return dst, path, false
	}
	if !a.closed() {
		// Responses first, because the peer repeats a request that is not answered in time; then
		// the retransmissions that are due; then new checks, at the pace of the pacer.
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

// Idle reports whether Transmit has no packet, without the buffer that Transmit needs. If it reports
// false, there may be none either.
func (a *Agent) Idle(now time.Time) bool {
	return a.idle && (a.deadline.IsZero() || now.Before(a.deadline))
}

// transmitCheck appends a check: a retransmission that is due or, as the pacer allows, a new check:
// nominating, triggered, or the next of the check list.
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
	// Nominations are few and may overdraw the pacer.
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

// startCheck begins a transaction. The caller sends its first request now.
func (g *generation) startCheck(now time.Time, p *candidatePair, useCandidate bool) {
	g.agent.checkPacer.take(now)
	// RFC 8445, section 14.3: RTO = MAX(500 ms, Ta × N × (Num-Waiting + Num-In-Progress)). N, the
	// total number of checks, is left out, as other mechanisms are allowed: it would stretch the
	// RTO to minutes.
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

// appendRequest appends a Binding request for a check: RFC 8445, section 7.2.4.
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

// response is a queued response. Transmit builds it in the caller's buffer.
type response struct {
	id      stun.TransactionID
	base    *base
	remote  netip.AddrPort
	code    int                  // zero: success
	unknown []stun.AttributeType // with CodeUnknownAttribute
	key     *stun.Key            // nil: the request was not authenticated
}

// keptResponses is the capacity of the queue that an agent keeps while the queue is empty. The
// set-up of a connection may need more.
const keptResponses = 2

// respond queues a response. The caller has checked that there is room.
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
	// RFC 8489, section 9.1.3: the response to a request that failed authentication has no
	// MESSAGE-INTEGRITY.
	if r.key != nil {
		b.AddIntegrity(r.key)
	}
	b.AddFingerprint()
	return b.Bytes()
}

// pacer spaces new transactions: on average one in Ta, at most checkBurst at once. It is a token
// bucket, represented by the time at which it is full again. The zero value with an interval is a
// full bucket.
type pacer struct {
	interval time.Duration // Ta
	full     time.Time
}

// ready reports whether a transaction may start now.
func (p *pacer) ready(now time.Time) bool { return !now.Before(p.next()) }

// next returns when a transaction may start. A past or zero time means now.
func (p *pacer) next() time.Time {
	if p.full.IsZero() {
		return time.Time{}
	}
	return p.full.Add(-(checkBurst - 1) * p.interval)
}

// take accounts for a transaction that starts now, even if the bucket is empty.
func (p *pacer) take(now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(p.interval)
}
