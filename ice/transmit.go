package ice

import (
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
	if g.agent.pacer.ready(now) {
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
	g.agent.pacer.take(now)
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
