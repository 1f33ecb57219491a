package ice

import (
	"net/netip"
	"time"

	"github.com/rtcstack/rtcstack/stun"
)

// Transmit appends the next packet to send to dst and names its path: the socket local and the destination remote. It is to be
// called, after every call of another method that takes the time, until ok is false. A packet takes less than
// 700 bytes even with the longest credentials; nothing is allocated if dst has room for it.
func (a *Agent) Transmit(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	if a.idle && (a.deadline.IsZero() || now.Before(a.deadline)) {
		return dst, local, remote, false
	}
	if !a.ended() {
		// A response that is late makes the peer repeat its request; then what the RTO has made due; then the pacer decides.
		if packet, local, remote, ok = a.transmitResponse(dst); ok {
			return packet, local, remote, true
		}
		if packet, local, remote, ok = a.transmitConsent(now, dst); ok {
			return packet, local, remote, true
		}
		if packet, local, remote, ok = a.transmitGathering(now, dst); ok {
			return packet, local, remote, true
		}
		if packet, local, remote, ok = a.transmitCheck(now, dst); ok {
			return packet, local, remote, true
		}
	}
	a.idle, a.deadline = true, a.nextDeadline()
	return dst, local, remote, false
}

// transmitCheck appends a check: retransmissions that are due, and new ones as the pacer allows, first nominating and
// triggered checks, then the check list in order.
func (a *Agent) transmitCheck(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	if a.remoteKey == nil {
		return dst, local, remote, false
	}
	for _, p := range a.checkList.pairs {
		if p.check.Transmit(now) {
			a.stats.Retransmissions++
			return a.appendCheck(dst, p), p.base.addr, p.to, true
		}
	}
	// There is one nomination in the life of an agent: it may overdraw the pacer.
	if p := a.nominating; p != nil && p.check.State() != stun.TransactionWaiting {
		a.startCheck(now, p, true)
		return a.appendCheck(dst, p), p.base.addr, p.to, true
	}
	if a.pacer.ready(now) {
		if p := a.checkList.next(); p != nil {
			p.state = pairInProgress
			a.startCheck(now, p, false)
			return a.appendCheck(dst, p), p.base.addr, p.to, true
		}
	}
	return dst, local, remote, false
}

// startCheck begins a transaction, whose first request the caller sends now.
func (a *Agent) startCheck(now time.Time, p *candidatePair, useCandidate bool) {
	a.pacer.take(now)
	// https://www.rfc-editor.org/rfc/rfc8445.html#section-14.3: RTO = MAX(500 ms, Ta × (waiting + in progress)).
	rto := max(a.config.RTO, a.config.CheckInterval*time.Duration(a.checkList.active()))
	p.check.Start(now, a.newTransactionID(), stun.Timing{RTO: rto})
	p.check.controlling, p.check.useCandidate = a.controlling, useCandidate
	p.check.Transmit(now)
	a.debug("check", "local", p.base.addr, "remote", p.to, "use-candidate", useCandidate)
}

// appendCheck appends the Binding request of a pair's check.
func (a *Agent) appendCheck(dst []byte, p *candidatePair) []byte {
	a.stats.RequestsSent++
	return a.appendRequest(dst, p, p.check.ID(), p.check.useCandidate)
}

// appendRequest appends a Binding request of a check: https://www.rfc-editor.org/rfc/rfc8445.html#section-7.2.4.
func (a *Agent) appendRequest(dst []byte, p *candidatePair, id stun.TransactionID, useCandidate bool) []byte {
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassRequest), id)
	b.AddString(stun.AttributeUsername, a.username)
	b.AddUint32(stun.AttributePriority, p.base.prflxPriority)
	if a.controlling {
		b.AddUint64(stun.AttributeICEControlling, a.tieBreaker)
		if useCandidate {
			b.AddFlag(stun.AttributeUseCandidate)
		}
	} else {
		b.AddUint64(stun.AttributeICEControlled, a.tieBreaker)
	}
	b.AddIntegrity(a.remoteKey)
	b.AddFingerprint()
	return b.Bytes()
}
