package sctp

import (
	"encoding/binary"
	"fmt"
	"time"
)

// acknowledged is called after each SACK.
func (r *resetState) acknowledged(a *Association) { a.progressReconfig() }

// progressReconfig does what has become possible: a reset that the peer waits
// for, or our next request. "there MUST NOT be more than one request in flight"
// (section 5.1.1).
func (a *Association) progressReconfig() {
	r := &a.reset
	if r.peerWantsReset && a.nothingOutstanding() {
		a.performPeerReset()
	}
	if a.state != StateEstablished {
		a.cancelReset()
		return
	}
	if r.kind != requestNone {
		return
	}
	switch {
	case a.takeAcknowledged():
		r.begin(a, requestReset)
	case r.wantOut > 0:
		r.number, r.wantOut = r.wantOut, 0
		r.begin(a, requestAddOut)
	case r.wantIn > 0:
		r.number, r.wantIn = r.wantIn, 0
		r.begin(a, requestAddIn)
	case r.requestAll:
		r.toRequest, r.requestAll = r.toRequest[:0], false
		r.begin(a, requestPeerReset)
	case len(r.toRequest) > 0:
		n := min(len(r.toRequest), maxResetStreams)
		r.requested = append(r.requested, r.toRequest[:n]...)
		r.toRequest = r.toRequest[:copy(r.toRequest, r.toRequest[n:])]
		r.begin(a, requestPeerReset)
	case r.wantAssociation && !r.peerWantsReset && a.nothingOutstanding():
		r.wantAssociation = false
		r.begin(a, requestAssociation)
	}
}

// takeAcknowledged moves streams whose data has all been acknowledged from wanted to
// requested, and reports whether there are any. The peer may have asked for a
// reset of all streams, and each SACK leads here, so that a few of them are
// looked at each time, in turn. None is forgotten: a stream that is not idle
// brings another SACK.
func (a *Association) takeAcknowledged() bool {
	r := &a.reset
	n := min(len(r.toReset), maxStreamsExamined)
	first, others := r.toReset[:n], r.toReset[n:]
	rest := first[:0]
	for _, id := range first {
		s := a.send.streams[id]
		if idle := s.head == nil && (!s.used || !a.outstandingTSN(s.lastTSN)); idle && len(r.requested) < maxResetStreams {
			r.requested = append(r.requested, id)
		} else {
			rest = append(rest, id)
		}
	}
	if r.toReset = rest; len(others) > 0 {
		r.toReset = append(others, rest...)
	}
	return len(r.requested) > 0
}

// outstandingTSN reports whether a TSN of ours is not cumulatively acknowledged
// yet. It can be of any age.
func (a *Association) outstandingTSN(tsn uint32) bool { return tsn-a.out.base < a.out.next-a.out.base }

// nothingOutstanding reports whether everything is acknowledged, and no message half sent.
func (a *Association) nothingOutstanding() bool {
	return a.out.base == a.out.next && !a.fwd.pending() && a.send.partlySent() == nil
}

// cancelReset gives up a ResetAssociation that was not asked for yet: the
// association is being shut down, and what is queued has to go out.
func (a *Association) cancelReset() {
	if r := &a.reset; r.wantAssociation {
		r.wantAssociation = false
		a.send.suspended = r.peerWantsReset
		a.events.Push(Event{Kind: EventAssociationReset, Err: ErrClosed})
	}
}

// begin makes a request, whose other fields are set.
func (r *resetState) begin(a *Association, k requestKind) {
	r.kind = k
	r.lastTSN, r.peerTSN = a.out.next-1, a.recv.cum
	r.since, r.staleAnswers, r.peerAddedStreams = a.last, 0, false
	r.renew()
	r.send = true
}

// renew gives the request a number of its own.
func (r *resetState) renew() {
	r.request = r.nextRequest
	r.nextRequest++
	// "the Re-configuration Response Sequence Number ... if this request is
	// not a response, the next expected request number minus 1" (section 4.1);
	// if it is one, that is its request's number just as well.
	r.responseSeq = r.nextPeerRequest - 1
	r.attempts = 0
}

// appendReConfig encodes RE-CONFIG chunks: answers, and our request when it is
// due. Of the combinations that section 3.1 allows two answers are used, and an
// answer with an outgoing reset.
func (a *Association) appendReConfig(t instant, dst []byte, limit int) []byte {
	r := &a.reset
	a.progressReconfig()
	if len(r.answers) > 0 && r.kind != requestNone && r.attempts > 0 && !r.peerBusy {
		// The peer is heard again, and the request that was lost before need not wait for its timer, which has backed
		// off: each side may be waiting in turn for the other's next attempt.
		r.send = true
	}
	for len(r.answers) > 0 || r.send {
		n := min(len(r.answers), 2)
		request := r.send && (n == 0 || n == 1 && r.kind == requestReset)
		size := chunkHeaderSize
		for _, w := range r.answers[:n] {
			size += w.size()
		}
		if request {
			size += r.requestSize()
		}
		if pad4(size) > limit-len(dst) {
			return dst
		}
		start := len(dst)
		dst = appendChunkHeader(dst, chunkReConfig, 0)
		for _, w := range r.answers[:n] {
			dst = w.append(dst)
		}
		r.answers = r.answers[:copy(r.answers, r.answers[n:])]
		if request {
			dst = a.appendRequest(t, dst)
		}
		dst = endChunk(dst, start)
	}
	return dst
}

func (r *resetState) requestSize() int {
	return paramHeaderSize + 12 + 2*len(r.requested) // at most
}

// appendRequest encodes the request under way, as it is each time it is sent.
func (a *Association) appendRequest(t instant, dst []byte) []byte {
	r := &a.reset
	r.send, r.peerBusy = false, false
	r.acked = !a.outstandingTSN(r.lastTSN)
	p := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(requestParams[r.kind]))
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.request)
	switch r.kind {
	case requestReset:
		dst = binary.BigEndian.AppendUint32(dst, r.responseSeq)
		dst = binary.BigEndian.AppendUint32(dst, r.lastTSN)
	case requestAddOut, requestAddIn:
		dst = binary.BigEndian.AppendUint16(dst, r.number)
		dst = append(dst, 0, 0)
	}
	for _, id := range r.requested {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	a.timers[timerReconfig] = t + a.reconfigInterval()
	return endChunk(dst, p)
}

// reconfigTimeout is T-reconfig: the request is sent again.
func (a *Association) reconfigTimeout() {
	r := &a.reset
	if r.kind == requestNone {
		return
	}
	if !r.peerBusy {
		if r.attempts++; r.attempts > a.cfg.MaxRetransmits {
			switch {
			case r.kind == requestReset: // section 5.1.1: as with data
				a.close(ErrPeerUnreachable)
			case r.peerAddedStreams: // some peers (Linux) give no other answer
				a.finishRequest(nil)
			default:
				// A peer that ignores what it does not know (dcSCTP, pion)
				// still expects this number.
				r.nextRequest = r.request
				a.finishRequest(ErrReconfigTimeout)
			}
			return
		}
	}
	r.send = true
}

// reconfigInterval is how long T-reconfig runs. It backs off by itself: a request that is lost several times must not slow
// down the data beside it, whose timer ends at another chunk's loss.
func (a *Association) reconfigInterval() time.Duration {
	return min(a.rtt.rto<<min(a.reset.attempts, 16), a.rtt.high)
}

// receiveReconfigResponse: section 5.2.7.
func (a *Association) receiveReconfigResponse(t instant, v []byte) {
	r := &a.reset
	if r.kind == requestNone || binary.BigEndian.Uint32(v) != r.request {
		return
	}
	result := binary.BigEndian.Uint32(v[4:])
	if r.kind == requestAssociation && result == resetPerformed {
		if len(v) < 16 || !a.associationReset(binary.BigEndian.Uint32(v[8:]), binary.BigEndian.Uint32(v[12:])) {
			a.stats.ChunksInvalid++ // it is asked again
			return
		}
		if a.over {
			return
		}
	}
	a.loss.errors = 0
	denied := ErrResetDenied
	if r.kind == requestAddOut || r.kind == requestAddIn {
		denied = ErrStreamsDenied
	}
	switch {
	case result == resetInProgressNow && r.kind != requestReset && t-r.since > maxInProgress:
		a.finishRequest(refused(denied, result))
	case result == resetInProgressNow:
		// The same request, with the same sequence number, after a while.
		r.attempts = 0
		a.retryLater(t)
		// But an outgoing reset waits for nothing but our data. Peers exist
		// (dcSCTP in browsers) that repeat the answer which they once gave to
		// that number.
		if r.kind == requestReset && r.acked {
			r.acked = false // once for each time that it is sent
			a.renewRequest(true)
		}
	case result == resetInProgress && r.kind == requestReset:
		// Some peers (Linux) say so while a request of theirs is under way:
		// both sides close a channel at once. It passes.
		r.staleAnswers = max(r.staleAnswers, maxStaleAnswers)
		a.retryLater(t)
		a.renewRequest(false)
	case result == resetPerformed, result == resetNothingToDo && (r.kind == requestReset || r.kind == requestPeerReset):
		a.finishRequest(nil)
	default:
		a.finishRequest(refused(denied, result))
	}
	a.progressReconfig()
}

// retryLater lets the request wait for a round trip and more.
func (a *Association) retryLater(t instant) {
	a.reset.peerBusy, a.reset.send = true, false
	a.timers[timerReconfig] = t + a.rtt.rto
}

// renewRequest lets the request that waits have a new number, if its answer
// makes no sense repeatedly; too often, and it has failed. same says that the
// peer may have performed it under its old number.
func (a *Association) renewRequest(same bool) {
	r := &a.reset
	if r.staleAnswers++; r.staleAnswers < maxStaleAnswers {
		return
	}
	if r.staleAnswers > maxStaleAnswers+a.cfg.MaxRetransmits {
		a.finishRequest(refused(ErrResetDenied, resetInProgress))
		return
	}
	r.renew()
	if same {
		r.responseSeq = r.request // which is no response's: see receiveOutgoingReset
	}
}

// refused adds to err what the peer says besides "Denied".
func refused(err error, result uint32) error {
	if result == resetDenied {
		return err
	}
	if name, ok := resultNames[result]; ok {
		return fmt.Errorf("%w: %s", err, name)
	}
	return fmt.Errorf("%w: result %d", err, result)
}

// finishRequest ends the request under way; err is nil if the peer agreed.
func (a *Association) finishRequest(err error) {
	r := &a.reset
	kind := r.kind
	r.kind, r.send, r.peerBusy = requestNone, false, false
	a.timers[timerReconfig] = 0
	switch kind {
	case requestReset:
		for _, id := range r.requested {
			if err == nil {
				delete(a.send.streams, id) // its next message is the first
			} else {
				a.send.stream(id).resetting = false // it goes on as it was
			}
			a.events.Push(Event{Kind: EventStreamResetComplete, Stream: id, Err: err})
		}
	case requestPeerReset:
		for _, id := range r.requested {
			a.events.Push(Event{Kind: EventResetRequestComplete, Stream: id, Err: err})
		}
		if len(r.requested) == 0 {
			a.events.Push(Event{Kind: EventResetRequestComplete, Stream: AllStreams, Err: err})
		}
	case requestAssociation:
		a.send.suspended = false
		a.events.Push(Event{Kind: EventAssociationReset, Err: err})
		a.processQueued()
	case requestAddOut:
		if err == nil {
			a.hand.outStreams += r.number
		}
		a.events.Push(Event{Kind: EventStreamsAdded, Err: err})
	case requestAddIn:
		if err != nil { // else the peer's own request brings it
			a.events.Push(Event{Kind: EventStreamsAdded, Err: err})
		}
	}
	r.requested = r.requested[:0]
	r.resettingAll = r.resettingAll && len(r.toReset) > 0
}
