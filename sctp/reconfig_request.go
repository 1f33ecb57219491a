package sctp

import (
	"encoding/binary"
	"fmt"
	"time"
)

// acknowledged is called after each SACK.
func (r *resetState) acknowledged(a *Association) { a.progressReconfig() }

// progressReconfig performs a reset for which the peer waits, or sends the next request, if that
// has become possible. RFC 6525, section 5.1.1, allows one request in flight.
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

// takeAcknowledged moves streams whose data is acknowledged from toReset to requested, and reports
// whether there are any. The peer may have requested a reset of all streams, and each SACK leads
// here, so that some of them are examined each time, in turn. None is missed: a stream with
// unacknowledged data causes another SACK.
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

// outstandingTSN reports whether a TSN of this side, of any age, is not cumulatively acknowledged.
func (a *Association) outstandingTSN(tsn uint32) bool { return tsn-a.out.base < a.out.next-a.out.base }

// nothingOutstanding reports whether everything is acknowledged, and no message partly sent.
func (a *Association) nothingOutstanding() bool {
	return a.out.base == a.out.next && !a.fwd.pending() && a.send.partlySent() == nil
}

// cancelReset drops a ResetAssociation that was not requested yet: the association is being shut
// down, and the queued messages have to be sent.
func (a *Association) cancelReset() {
	if r := &a.reset; r.wantAssociation {
		r.wantAssociation = false
		a.send.suspended = r.peerWantsReset
		a.events.Push(Event{Kind: EventAssociationReset, Err: ErrClosed})
	}
}

// begin sends a request whose other fields are set.
func (r *resetState) begin(a *Association, k requestKind) {
	r.kind = k
	r.lastTSN, r.peerTSN = a.out.next-1, a.recv.cum
	r.since, r.staleAnswers, r.peerAddedStreams = a.last, 0, false
	r.renew()
	r.send = true
}

// renew assigns a new sequence number to the request.
func (r *resetState) renew() {
	r.request = r.nextRequest
	r.nextRequest++
	// RFC 6525, section 4.1: the Re-configuration Response Sequence Number of a request that is not
	// a response is the next expected number minus 1. That is the number of the request of the
	// peer, too, if it is a response.
	r.responseSeq = r.nextPeerRequest - 1
	r.attempts = 0
}

// appendReConfig appends RE-CONFIG chunks: answers, and the request if it is due. Of the
// combinations that RFC 6525, section 3.1, allows it uses two answers, and an answer with an
// outgoing reset.
func (a *Association) appendReConfig(t instant, dst []byte, limit int) []byte {
	r := &a.reset
	a.progressReconfig()
	if len(r.answers) > 0 && r.kind != requestNone && r.attempts > 0 && !r.peerBusy {
		// The peer is reachable again, and the lost request need not wait for its timer, which has
		// backed off: each side may otherwise wait in turn for the next attempt of the other.
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

// appendRequest encodes the request in flight.
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

// reconfigTimeout is the expiry of T-reconfig: the request is repeated.
func (a *Association) reconfigTimeout() {
	r := &a.reset
	if r.kind == requestNone {
		return
	}
	if !r.peerBusy {
		if r.attempts++; r.attempts > a.cfg.MaxRetransmits {
			switch {
			case r.kind == requestReset: // RFC 6525, section 5.1.1: as with data
				a.close(ErrPeerUnreachable)
			case r.peerAddedStreams: // some peers (Linux) send no other answer
				a.finishRequest(nil)
			default:
				// A peer that ignores unknown requests (dcSCTP, pion) still expects this number.
				r.nextRequest = r.request
				a.finishRequest(ErrReconfigTimeout)
			}
			return
		}
	}
	r.send = true
}

// reconfigInterval returns the time of T-reconfig. It has a back-off of its own: a request that is
// lost several times must not slow down the data beside it, whose timer depends on the loss of
// other chunks.
func (a *Association) reconfigInterval() time.Duration {
	return min(a.rtt.rto<<min(a.reset.attempts, 16), a.rtt.high)
}

// receiveReconfigResponse processes a Re-configuration Response Parameter: RFC 6525, section 5.2.7.
func (a *Association) receiveReconfigResponse(t instant, v []byte) {
	r := &a.reset
	if r.kind == requestNone || binary.BigEndian.Uint32(v) != r.request {
		return
	}
	result := binary.BigEndian.Uint32(v[4:])
	if r.kind == requestAssociation && result == resetPerformed {
		if len(v) < 16 || !a.associationReset(binary.BigEndian.Uint32(v[8:]), binary.BigEndian.Uint32(v[12:])) {
			a.stats.ChunksInvalid++ // the request is repeated
			return
		}
		if !a.open {
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
		// The same request is repeated later, with the same sequence number.
		r.attempts = 0
		a.retryLater(t)
		// But an outgoing reset waits only for data of this side. Some peers (dcSCTP in browsers)
		// repeat the answer that they once sent to that number.
		if r.kind == requestReset && r.acked {
			r.acked = false // once for each time that it is sent
			a.renewRequest(true)
		}
	case result == resetInProgress && r.kind == requestReset:
		// Some peers (Linux) answer so while a request of theirs is in flight: both sides close a
		// channel at the same time. It is temporary.
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

// retryLater delays the request by more than a round trip.
func (a *Association) retryLater(t instant) {
	a.reset.peerBusy, a.reset.send = true, false
	a.timers[timerReconfig] = t + a.rtt.rto
}

// renewRequest assigns a new number to the delayed request after repeated answers that contradict
// its state; after too many of them the request has failed. same is set if the peer may have
// performed it under its old number.
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
		r.responseSeq = r.request // not that of a response: see receiveOutgoingReset
	}
}

// refused adds the result to err, unless it is Denied.
func refused(err error, result uint32) error {
	if result == resetDenied {
		return err
	}
	if name, ok := resultNames[result]; ok {
		return fmt.Errorf("%w: %s", err, name)
	}
	return fmt.Errorf("%w: result %d", err, result)
}

// finishRequest ends the request in flight; err is nil if the peer has performed it.
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
				a.send.stream(id).resetting = false // the stream is not affected
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
		if err != nil { // otherwise the peer's own request causes the event
			a.events.Push(Event{Kind: EventStreamsAdded, Err: err})
		}
	}
	r.requested = r.requested[:0]
	r.resettingAll = r.resettingAll && len(r.toReset) > 0
}
