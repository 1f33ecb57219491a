package sctp

import (
	"encoding/binary"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// lossState detects losses: by RACK and tail loss probes (RFC 8985), with TSNs and gap ack blocks
// in place of the sequence numbers and SACK of TCP, and by the retransmission timer.
type lossState struct {
	// The latest transmission that was acknowledged, and its round-trip time.
	rackSent instant
	rackTSN  uint32
	rackRTT  time.Duration
	// reorderSeen: a chunk was acknowledged after one that was sent later. reorderSteps widens the
	// reordering window, in quarters of the minimum round-trip time; reorderPersist counts the loss
	// episodes until it is narrowed again.
	reorderSeen    bool
	reorderSteps   int
	reorderPersist int

	recovering bool
	recovery   uint32 // the highest TSN outstanding when the episode began
	timedOut   bool   // the episode began with a timeout: slow start continues in it
	// The number of chunks marked lost in the episode, the lowest of their TSNs, and how many were
	// not lost: if none was, the episode is undone.
	marked, spurious int
	firstMarked      uint32
	undoable         bool // until it is undone, or a message was abandoned in it
	undoUnconfirmed  bool // an early answer undid the last timeout, and no round trip was measured since

	probe          bool // the next data packet is a tail loss probe
	probeOut       bool // one was sent and not answered
	probeResent    bool // it sent an old chunk again, the highest one
	probeDuplicate bool // the peer had that already
	probeTSN       uint32
	probeSent      instant

	errors        int  // timeouts in a row
	windowLimited bool // the congestion window held data back since the last SACK
}

const (
	// duplicateThreshold is DupThresh of RFC 8985, section 6.2, step 4: this many chunks
	// acknowledged above a gap mean loss while no reordering was seen.
	duplicateThreshold = 3
	// maxReorderSteps bounds the reordering window at one round trip.
	maxReorderSteps = 4
	// reorderPersistEpisodes is the initial RACK.reo_wnd_persist of RFC 8985, section 6.2, step 4.
	reorderPersistEpisodes = 16
	// probeDelayedSACK is the delay of the acknowledgement of a lone packet by a peer that follows
	// RFC 9260, section 6.2.
	probeDelayedSACK = 200 * time.Millisecond
	// maxGapBlocks bounds the blocks of one SACK that are examined.
	maxGapBlocks = 1024
)

func (l *lossState) init() { *l = lossState{reorderSteps: 1} }

// sackChunk is the content of a SACK chunk: RFC 9260, section 3.3.4.
type sackChunk struct {
	cum    uint32     // Cumulative TSN Ack
	window uint32     // a_rwnd
	blocks []tsnRange // the Gap Ack Blocks, ascending; in outstanding.scratch
	dups   []byte     // the Duplicate TSNs, in network byte order
}

// parseSack reads a SACK chunk. It reports false if the chunk is to be ignored.
func (a *Association) parseSack(v []byte) (s sackChunk, ok bool) {
	o := &a.out
	if len(v) < sackHeaderSize-chunkHeaderSize {
		a.stats.ChunksInvalid++
		return s, false
	}
	s.cum, s.window = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	gaps, dups := int(binary.BigEndian.Uint16(v[8:])), int(binary.BigEndian.Uint16(v[10:]))
	v = v[12:]
	if len(v) < 4*(gaps+dups) || !serial.Less32(s.cum, o.next) {
		// The numbers exceed the chunk, or a TSN that was not assigned yet is acknowledged.
		a.stats.ChunksInvalid++
		return s, false
	}
	if serial.Less32(s.cum, o.base-1) {
		a.stats.SACKsStale++ // a newer one has overtaken it
		return s, false
	}
	s.blocks = o.scratch[:0]
	prev := s.cum
	for i := range min(gaps, maxGapBlocks) {
		first := s.cum + uint32(binary.BigEndian.Uint16(v[4*i:]))
		last := s.cum + uint32(binary.BigEndian.Uint16(v[4*i+2:]))
		if !serial.Less32(prev, first) || serial.Less32(last, first) || !serial.Less32(last, o.next) {
			a.stats.ChunksInvalid++
			return s, false
		}
		s.blocks = append(s.blocks, tsnRange{first, last})
		prev = last
	}
	o.scratch = s.blocks
	s.dups = v[4*gaps : 4*(gaps+dups)]
	return s, true
}

// receiveSack processes a SACK chunk: RFC 9260, section 6.2.1.
func (a *Association) receiveSack(t instant, c chunk) {
	if a.state < StateEstablished {
		return
	}
	s, ok := a.parseSack(c.value)
	if !ok {
		return
	}
	o := &a.out
	priorInFlight := o.inFlight
	progress := serial.LessEqual32(o.base, s.cum)
	sum := ackTotals{minRTT: a.rtt.min}
	o.cumulative(t, s.cum, &a.send, &sum)
	o.gaps(t, s.blocks, &sum)
	o.peerWindow = int(min(s.window, maxPeerWindow))
	for dups := s.dups; len(dups) > 0; dups = dups[4:] {
		a.duplicateReported(binary.BigEndian.Uint32(dups))
	}
	if sum.bytes > 0 || progress || s.window < uint32(a.mtu.current) {
		// RFC 9260, section 8.1; and section 6.1, rule A: the answer to a window probe counts, too.
		a.loss.errors = 0
	}
	if sum.rtt > 0 {
		a.rtt.sample(sum.rtt)
		a.rtt.sampleMin(t, sum.rtt)
	}
	a.mtu.packetAcked(sum.newestLarge)
	a.updateLossState(t, s.cum, progress, &sum)
	inRecovery := a.loss.recovering && !a.loss.timedOut
	a.detectLoss(t)
	if sum.bytes > 0 {
		a.sample = ackSample{t: t, rateSample: o.rate.sample(&sum, a.rtt.min), newlyAcked: sum.bytes, inFlight: o.inFlight, priorInFlight: priorInFlight,
			rtt: sum.rtt, srtt: a.rtt.srtt, minRTT: a.rtt.min, inRecovery: inRecovery,
			windowLimited: a.loss.windowLimited}
		a.cc.acked(&a.sample)
		a.loss.windowLimited = false
	}
	// RFC 9260, section 6.3.2, R2 and R3, and RFC 8985, section 7.2: progress of any kind restarts
	// the timer.
	switch {
	case o.base == o.next && !a.fwd.pending():
		a.timers[timerT3] = 0
	case progress || sum.bytes > 0:
		a.timers[timerT3] = t + a.rtt.rto
	}
	if sum.bytes > 0 {
		a.timers[timerProbe] = 0
		a.armProbe(t)
	}
	a.reset.acknowledged(a)
	a.notifyWritable()
}

// updateLossState draws the conclusions from a SACK that precede the detection of new losses.
func (a *Association) updateLossState(t instant, cum uint32, progress bool, sum *ackTotals) {
	a.rackUpdate(t, sum)
	a.probeAnswered(t, cum, sum)
	a.undoSpurious(t, sum)
	if a.loss.recovering && serial.LessEqual32(a.loss.recovery, cum) {
		a.loss.recovering = false
		a.cc.recovered(t)
	}
	if progress || serial.LessEqual32(a.fwd.advancedPeerAck, cum) {
		a.advancePeerAck(t)
	} else if serial.Less32(cum, a.fwd.advancedPeerAck) {
		a.fwd.resend(t, a.rtt.srtt)
	}
}

// rackUpdate: RFC 8985, section 6.2, steps 1 to 3.
func (a *Association) rackUpdate(t instant, sum *ackTotals) {
	l := &a.loss
	if sum.bytes == 0 {
		return
	}
	if sum.reordered {
		l.reorderSeen = true
	}
	rtt := t - sum.newest
	if sum.rtt == 0 && rtt < a.rtt.min {
		// Acknowledged sooner after its retransmission than the path allows: the acknowledgement is
		// of an earlier transmission.
		return
	}
	if sum.newest > l.rackSent || sum.newest == l.rackSent && serial.Less32(l.rackTSN, sum.newestTSN) {
		l.rackSent, l.rackTSN, l.rackRTT = sum.newest, sum.newestTSN, max(rtt, 1)
	}
}

// duplicateReported processes a Duplicate TSN of a SACK: the retransmission was not needed, and the
// reordering window is too narrow (RFC 8985, section 6.2, step 4).
func (a *Association) duplicateReported(tsn uint32) {
	a.stats.DuplicatesReported++
	l := &a.loss
	if serial.Less32(tsn, a.out.next) {
		l.reorderSteps = min(l.reorderSteps+1, maxReorderSteps)
		l.reorderPersist = reorderPersistEpisodes
	}
	if tsn == l.probeTSN {
		l.probeDuplicate = true
	}
	if l.marked > 0 && serial.LessEqual32(l.firstMarked, tsn) && serial.LessEqual32(tsn, l.recovery) {
		l.spurious++
		if !l.timedOut {
			// Retransmitted too early because of reordering that was not known. The acknowledgement
			// cannot show it: both transmissions have arrived.
			l.reorderSeen = true
		}
	}
}

// reorderWindow returns RACK.reo_wnd.
func (a *Association) reorderWindow() time.Duration {
	l, o := &a.loss, &a.out
	if !l.reorderSeen {
		if l.recovering {
			return 0
		}
		// Chunks acknowledged above the cumulative ack, by the last SACK.
		n := uint32(0)
		for _, b := range o.sacked {
			if n += b.last - b.first + 1; n >= duplicateThreshold {
				return 0
			}
		}
	}
	return min(a.rtt.min/4*time.Duration(l.reorderSteps), a.rtt.srtt)
}

// detectLoss marks as lost the chunks sent long enough before one that was acknowledged: RFC 8985,
// section 6.2, step 5.
func (a *Association) detectLoss(t instant) {
	o, l := &a.out, &a.loss
	a.timers[timerReorder] = 0
	if l.rackRTT == 0 {
		return
	}
	window := a.reorderWindow()
	inFlight := o.inFlight
	for o.flight.n > 0 {
		tsn := o.flight.head
		c := o.at(tsn)
		if c.sentAt > l.rackSent || c.sentAt == l.rackSent && serial.LessEqual32(l.rackTSN, tsn) {
			break
		}
		if due := c.sentAt + l.rackRTT + window; due > t {
			a.timers[timerReorder] = due
			break
		}
		a.enterRecovery(t, inFlight)
		a.markLost(t, tsn, c)
	}
}

// enterRecovery reports the first loss of an episode to the congestion control. The episode lasts
// until all chunks outstanding then are acknowledged.
func (a *Association) enterRecovery(t instant, inFlight int) {
	l := &a.loss
	if l.recovering {
		return
	}
	l.recovering = true
	l.recovery = a.out.next - 1
	l.timedOut = false
	l.marked, l.spurious, l.undoable = 0, 0, true
	a.stats.LossEpisodes++
	a.cc.congested(t, inFlight)
	if l.reorderPersist > 0 {
		if l.reorderPersist--; l.reorderPersist == 0 {
			l.reorderSteps = 1
		}
	}
}

// undoSpurious undoes a loss episode in which nothing was lost. After a timeout, one
// acknowledgement of a chunk that was not retransmitted since is enough: the path has only become
// slow, and the other chunks marked lost are on their way, too (F-RTO, RFC 5682). Otherwise each
// chunk must turn out to have arrived: it is acknowledged before its retransmission, or reported as
// a duplicate after it (RFC 3708 does so for TCP).
func (a *Association) undoSpurious(t instant, sum *ackTotals) {
	l := &a.loss
	l.spurious += sum.spurious
	if sum.rtt > 0 {
		l.undoUnconfirmed = false
	}
	if !l.undoable || l.marked == 0 {
		return
	}
	// An answer can be early because the queue has become shorter since the minimum round-trip time
	// was measured. If the timer expires again, the loss was real.
	early := sum.tooSoon > 0 && !l.undoUnconfirmed
	slow := l.recovering && l.timedOut && (sum.spurious > 0 || early)
	if l.spurious < l.marked && !slow {
		return
	}
	l.recovering, l.timedOut, l.undoable = false, false, false
	l.undoUnconfirmed = slow && sum.spurious == 0
	a.out.restoreLost()
	if slow {
		// RACK has taken acknowledgements for those of retransmissions, and would mark all chunks
		// lost again.
		l.rackSent, l.rackRTT = 0, 0
	}
	a.cc.undo(t)
	a.stats.SpuriousRecoveries++
	if sum.spurious > 0 {
		l.reorderSeen = true
	}
}

// markLost queues a chunk for retransmission, unless a limit of its message is reached.
func (a *Association) markLost(t instant, tsn uint32, c *sentChunk) {
	size := a.out.wireSize(c)
	a.out.rate.lost += uint64(size)
	a.lostSample = lostSample{t: t, size: size, txInFlight: int(c.rec.txInFlight), lost: a.out.rate.lost - c.rec.lost,
		delivered: a.out.rate.delivered, priorDelivered: c.rec.delivered, appLimited: c.rec.appLimited}
	a.cc.lost(&a.lostSample)
	if c.rec.large {
		a.mtuPacketLost(c.sentAt)
	}
	m := c.msg
	if m.limitRtx && uint32(c.transmissions) > m.maxRtx || m.expires != 0 && m.expires <= t {
		a.stats.MessagesAbandoned++
		a.loss.undoable = false
		a.abandon(t, m)
		return
	}
	if l := &a.loss; l.marked == 0 || serial.Less32(tsn, l.firstMarked) {
		l.firstMarked = tsn
	}
	a.loss.marked++
	a.out.setState(tsn, chunkLost)
	if m.expires != 0 {
		a.send.expiry.add(m)
		a.armExpiry()
	}
}

// retransmissionTimeout is the expiry of T3-rtx: RFC 9260, section 6.3.3.
func (a *Association) retransmissionTimeout(t instant) {
	o, l := &a.out, &a.loss
	if o.base == o.next && !a.fwd.pending() {
		return
	}
	a.stats.Timeouts++
	if l.errors++; l.errors > a.cfg.MaxRetransmits {
		a.close(ErrPeerUnreachable)
		return
	}
	inFlight := o.inFlight
	l.marked, l.spurious, l.undoable = 0, 0, true
	o.reneged(l.errors)
	for o.flight.n > 0 {
		a.markLost(t, o.flight.head, o.at(o.flight.head))
	}
	if inFlight > 0 && o.peerWindow >= a.mtu.current {
		a.cc.timedOut(t, inFlight)
	}
	a.mtuTimedOut()
	l.recovering = true
	l.recovery = o.next - 1
	l.timedOut = true
	l.probe, l.probeOut = false, false
	a.rtt.backOff()
	a.pace = pacer{}
	a.fwd.resendNow()
	a.timers[timerProbe], a.timers[timerReorder] = 0, 0
	a.timers[timerT3] = t + a.rtt.rto
}

// armProbe sets the timer of the tail loss probe: RFC 8985, section 7.2.
func (a *Association) armProbe(t instant) {
	o, l := &a.out, &a.loss
	if o.inFlight == 0 || l.recovering || l.probeOut || a.rtt.srtt == 0 || a.rtt.backedOff || o.lost.n > 0 {
		a.timers[timerProbe] = 0
		return
	}
	pto := 2*a.rtt.srtt + clockGranularity
	if o.flight.n == 1 {
		pto += probeDelayedSACK
	}
	at := o.lastSent + pto
	if rto := a.timers[timerT3]; rto != 0 && at >= rto {
		a.timers[timerProbe] = 0 // the retransmission timer comes first
		return
	}
	a.timers[timerProbe] = max(at, t+1)
}

// probeTimeout allows one packet beyond the congestion window, whose acknowledgement shows which
// chunks of the tail are missing.
func (a *Association) probeTimeout() {
	if a.out.inFlight == 0 || a.loss.recovering {
		return
	}
	a.loss.probe = true
	a.stats.Probes++
}

// appendProbe retransmits the newest chunk in flight, because there is no new data to probe with.
func (a *Association) appendProbe(t instant, dst []byte, limit int) []byte {
	o := &a.out
	if o.flight.n == 0 {
		return dst
	}
	tsn := o.flight.tail
	c := o.at(tsn)
	if o.wireSize(c) > limit-len(dst) || c.msg.limitRtx && uint32(c.transmissions) > c.msg.maxRtx {
		return dst
	}
	c.flags |= flagImmediate
	dst = a.appendChunk(dst, tsn, c)
	o.sent(t, tsn)
	a.stats.Retransmissions++
	a.probeSentNow(t, true)
	return dst
}

// probeAnswered: RFC 8985, section 7.4. If the probe has repaired a loss, the congestion control
// must be informed of it.
func (a *Association) probeAnswered(t instant, cum uint32, sum *ackTotals) {
	l := &a.loss
	if !l.probeOut || sum.bytes == 0 {
		return
	}
	if len(a.out.sacked) > 0 {
		l.probeOut = false // RACK detects the gap below
		return
	}
	if serial.Less32(cum, l.probeTSN) {
		return
	}
	l.probeOut = false
	// Acknowledged sooner than the probe's round trip: the original has arrived. Reported as a
	// duplicate: both have.
	if l.probeResent && !l.probeDuplicate && t-l.probeSent >= a.rtt.min {
		a.stats.LossEpisodes++
		a.cc.congested(t, a.out.inFlight)
	}
}

// probeSentNow records that a probe was sent; resent is set if it was a retransmission.
func (a *Association) probeSentNow(t instant, resent bool) {
	l := &a.loss
	l.probeOut, l.probeResent, l.probeDuplicate = true, resent, false
	l.probeTSN, l.probeSent = a.out.next-1, t
	// RFC 8985, section 7.3: the retransmission timer is restarted, so that the probe can be
	// answered in time.
	a.timers[timerT3] = t + a.rtt.rto
}

// PathRestored informs the association that packets pass again after an interruption, which another
// layer has detected, for example because ICE's consent checks are answered. Retransmissions that
// have backed off meanwhile, for up to RTO.Max, are due at once, and those that were lost do not
// count towards Association.Max.Retrans.
func (a *Association) PathRestored(now time.Time) {
	t := a.clock(now)
	if !a.open {
		return
	}
	a.loss.errors, a.hand.attempts = 0, 0
	retransmissions := [...]int{timerT1, timerT2, timerT3}
	if a.rtt.backedOff {
		a.rtt.endBackOff(&a.cfg)
		for _, timer := range retransmissions {
			if a.timers[timer] != 0 {
				a.timers[timer] = t
			}
		}
	}
	if a.reset.attempts > 1 && a.timers[timerReconfig] != 0 {
		a.timers[timerReconfig] = t
	}
}
