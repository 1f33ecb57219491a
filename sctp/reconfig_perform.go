package sctp

import (
	"math/bits"
	"slices"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// tsnResetOffset is how far an SSN/TSN reset advances the TSNs, so that data sent before cannot be
// taken for new: RFC 6525, section 5.2.4, G1.
const tsnResetOffset = 1 << 31

// due reports whether all data before the deferred reset has arrived and is in its streams.
func (r *resetState) due(a *Association) bool {
	return r.isDeferred && r.kind != requestAssociation && serial.LessEqual32(r.deferredTSN, a.recv.cum)
}

// received performs a deferred reset when its data has arrived; it is called whenever the
// cumulative TSN may have moved.
func (r *resetState) received(a *Association) {
	if r.due(a) {
		r.performDeferred(a)
		r.answerPending(a, requestReset, resetPerformed) // RFC 6525, section 5.2.2, E5 and E6: the peer waits for the answer
		a.processQueued()
	}
}

// performDeferred: RFC 6525, section 5.2.2, E3 and E4.
func (r *resetState) performDeferred(a *Association) {
	set := r.deferred
	if r.deferredAll {
		for id := range r.used.all {
			set.add(id)
		}
	}
	for id := range set.all {
		a.reasm.resetStream(id, r.deferredTSN)
		r.used.remove(id)
	}
	r.isDeferred, r.deferredAll, r.deferred = false, false, nil
}

// performPeerReset: RFC 6525, section 5.2.4, G1 to G6. G2 and G3 have no effect, because everything
// is acknowledged.
func (a *Association) performPeerReset() {
	r := &a.reset
	r.peerWantsReset = false
	a.send.suspended = r.wantAssociation
	if r.isDeferred {
		r.performDeferred(a)
		r.answerPending(a, requestReset, resetPerformed)
		a.processQueued()
	}
	// G1 and G4 as if by a FORWARD-TSN for all streams: data that has arrived is delivered, and
	// incomplete messages are dropped.
	a.recv.skipTo(a.recv.cum + tsnResetOffset)
	a.resetNumbers()
	r.answerPending(a, requestAssociation, resetPerformed)
	a.events.Push(Event{Kind: EventAssociationReset})
}

// associationReset performs the reset to which the peer has agreed: TSNs before senderNext are
// those of the peer before the reset, and receiverNext is the next TSN of this side. It reports
// false if the numbers are impossible.
func (a *Association) associationReset(senderNext, receiverNext uint32) bool {
	r := &a.reset
	last := senderNext - 1
	if serial.Less32(last, r.peerTSN) || serial.Less32(a.recv.cum, last) && last-a.recv.cum > maxTSNAhead {
		return false
	}
	a.processQueuedIf(func(h *queuedChunk) bool { return serial.LessEqual32(h.tsn, last) })
	if !a.open {
		return true
	}
	a.recv.forward(last)
	a.recv.sackNow = true
	if r.isDeferred && serial.LessEqual32(r.deferredTSN, last) {
		r.performDeferred(a)
		r.answerPending(a, requestReset, resetPerformed)
	}
	a.resetNumbers()
	o := &a.out
	o.base, o.next, o.highestAcked, o.sacked = receiverNext, receiverNext, receiverNext-1, o.sacked[:0]
	o.gapHigh = receiverNext - 1
	a.fwd.advancedPeerAck = receiverNext - 1
	a.loss.recovering, a.loss.probeOut = false, false
	return true
}

// resetNumbers: RFC 6525, section 5.2.4, G5, for the streams of both directions.
func (a *Association) resetNumbers() {
	a.reasm.resetAll()
	a.reset.used = nil
	for _, s := range a.send.streams {
		s.nextMID, s.nextUMID, s.used = 0, 0, false
	}
}

// resetStream resets a stream at the request of the peer; tsn is the last one before the reset. The
// reader is informed after the messages sent before.
func (r *reassembly) resetStream(id uint16, tsn uint32) {
	if s := r.streams[id]; s != nil {
		r.deliverWaiting(s)
		// All data before the reset has arrived, so that an incomplete message cannot be completed.
		for f := s.runs; f != nil; {
			next := f.next
			if serial.LessEqual32(f.tsn, tsn) {
				r.unindex(f, r.slot(&f.dataHeader))
				r.discard(f)
			}
			f = next
		}
		s.next, s.skippedUMID, s.skippedAny = 0, 0, false
		if s.runs == nil {
			delete(r.streams, id)
			r.last = nil
		}
	}
	if !r.resetQueued.has(id) {
		r.resetQueued.add(id)
		r.ready.Push(Message{Stream: id, reset: true})
	}
}

// resetAll resets all streams.
func (r *reassembly) resetAll() {
	ids := make([]uint16, 0, len(r.streams))
	for id := range r.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		r.deliverWaiting(r.streams[id])
	}
	r.release()
}

// deliverWaiting delivers whole messages that wait for messages that will not come.
func (r *reassembly) deliverWaiting(s *inStream) {
	for len(s.waiting) > 0 {
		r.deliver(s.waiting.pop())
	}
}

// queuedChunk is a DATA or FORWARD-TSN chunk that is acknowledged, but not in its stream yet,
// because it is not known whether it was sent before a reset or after.
type queuedChunk struct {
	chunk
	tsn uint32
}

// mustQueue reports whether a DATA chunk has to be queued: it was sent after the reset that is
// deferred (RFC 6525, section 5.2.2, E2), or the peer may have performed the SSN/TSN reset that
// this side has requested.
func (r *resetState) mustQueue(h *dataHeader) bool {
	r.used.add(h.stream)
	return r.kind == requestAssociation || r.isDeferred && r.later(h)
}

// later reports whether data was sent after the deferred reset.
func (r *resetState) later(h *dataHeader) bool {
	return (r.deferredAll || r.deferred.has(h.stream)) && serial.Less32(r.deferredTSN, h.tsn)
}

// queueChunk queues a chunk. It reports false if there is no room, so that it must be
// retransmitted.
func (a *Association) queueChunk(c chunk, tsn uint32) bool {
	r := &a.reset
	size := len(c.value) + fragmentOverhead
	if r.queuedBytes+size > a.window.limit {
		a.stats.ChunksNoRoom++
		return false
	}
	r.queuedBytes += size
	c.value, c.raw = slices.Clone(c.value), nil
	r.queued = append(r.queued, queuedChunk{c, tsn})
	return true
}

// processQueued processes the queued chunks that need not wait any more.
func (a *Association) processQueued() {
	r := &a.reset
	if len(r.queued) > 0 {
		a.processQueuedIf(func(h *queuedChunk) bool {
			if !r.isDeferred || h.typ != chunkData && h.typ != chunkIData {
				return true
			}
			d, _, _ := parseData(h.chunk)
			return !r.later(&d)
		})
	}
	r.received(a)
}

func (a *Association) processQueuedIf(due func(*queuedChunk) bool) {
	r := &a.reset
	queued := r.queued
	r.queued, r.queuedBytes = nil, 0
	for i := range queued {
		h := &queued[i]
		if !due(h) {
			r.queued = append(r.queued, *h)
			r.queuedBytes += len(h.value) + fragmentOverhead
			continue
		}
		if h.typ != chunkData && h.typ != chunkIData {
			a.forwardStreams(h.chunk, h.tsn)
			continue
		}
		d, payload, _ := parseData(h.chunk)
		r.used.add(d.stream)
		if why := a.reasm.add(&d, payload); why != "" {
			a.abort(a.last, CauseProtocolViolation, string(why), false)
			return
		}
	}
}

// streamSet is a set of stream numbers.
type streamSet []uint64

func (s *streamSet) add(id uint16) {
	if n := int(id>>6) + 1; n > len(*s) {
		*s = append(*s, make([]uint64, n-len(*s))...)
	}
	(*s)[id>>6] |= 1 << (id & 63)
}

func (s streamSet) has(id uint16) bool {
	return int(id>>6) < len(s) && s[id>>6]&(1<<(id&63)) != 0
}

func (s streamSet) remove(id uint16) {
	if s.has(id) {
		s[id>>6] &^= 1 << (id & 63)
	}
}

// all yields the members in ascending order.
func (s streamSet) all(yield func(uint16) bool) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			if !yield(uint16(i<<6 | bits.TrailingZeros64(word))) {
				return
			}
		}
	}
}
