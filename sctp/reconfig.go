package sctp

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// Results of a re-configuration request:
// https://www.rfc-editor.org/rfc/rfc6525.html#section-4.4
const (
	resetNothingToDo   = 0
	resetPerformed     = 1
	resetDenied        = 2
	resetWrongSSN      = 3
	resetInProgress    = 4 // another request is
	resetBadSequence   = 5
	resetInProgressNow = 6 // this request is: ask again
)

// resetState is the stream re-configuration of both directions.
type resetState struct {
	// Ours.
	wanted    []uint16 // streams to reset, not requested yet
	requested []uint16 // streams of the request under way
	request   uint32   // its sequence number, or that of the next one
	lastTSN   uint32   // the last TSN assigned when it was made
	send      bool
	attempts  int

	// The peer's.
	nextPeerRequest uint32   // the sequence number expected next
	lastResult      uint32   // of the last request
	deferred        []uint16 // streams of a request whose data is still missing
	deferredAll     bool
	deferredTSN     uint32
	isDeferred      bool
}

func (r *resetState) init(tsn uint32) { *r = resetState{request: tsn} }

// maxResetStreams is how many streams one request names: it fits in the
// smallest packet beside a SACK.
const maxResetStreams = 128

// ResetStream resets our outgoing stream id once all that is queued on it is
// acknowledged, so that a later message on it is the first again (RFC 6525);
// EventStreamResetComplete follows. Send fails for the stream until then.
// ErrNotConnected before EventConnected, ErrClosed after the end,
// ErrInvalidStream beyond the negotiated number; a stream being reset already
// stays so. If the peer lacks RFC 6525, the event comes at once, with
// ErrResetDenied.
func (a *Association) ResetStream(now time.Time, id uint16) error {
	a.clock(now)
	switch {
	case a.over:
		return ErrClosed
	case a.state < StateEstablished:
		return ErrNotConnected
	case id >= a.hand.outStreams:
		return ErrInvalidStream
	}
	if !a.hand.peerReconfig {
		a.events.push(Event{Kind: EventStreamResetComplete, Stream: id, Err: ErrResetDenied})
		return nil
	}
	s := a.send.stream(id)
	if s.resetting {
		return nil
	}
	s.resetting = true
	a.reset.wanted = append(a.reset.wanted, id)
	return nil
}

// prepare makes a request of the streams whose data has all been acknowledged.
// "at most one request ... in flight at any time" (section 5.1.1).
func (r *resetState) prepare(a *Association) {
	if len(r.requested) > 0 || len(r.wanted) == 0 || a.state != StateEstablished {
		return
	}
	rest := r.wanted[:0]
	for _, id := range r.wanted {
		s := a.send.streams[id]
		idle := s.head == nil && (!s.used || serial.Less32(s.lastTSN, a.out.base))
		if idle && len(r.requested) < maxResetStreams {
			r.requested = append(r.requested, id)
		} else {
			rest = append(rest, id)
		}
	}
	r.wanted = rest
	if len(r.requested) > 0 {
		r.lastTSN = a.out.next - 1
		r.send, r.attempts = true, 0
	}
}

// acknowledged is called after each SACK.
func (r *resetState) acknowledged(a *Association) { r.prepare(a) }

// appendReConfig encodes the request under way, when it is due.
func (a *Association) appendReConfig(t instant, dst []byte, limit int) []byte {
	r := &a.reset
	r.prepare(a)
	if !r.send || len(dst)+chunkHeaderSize+paramHeaderSize+12+2*len(r.requested)+2 > limit {
		return dst
	}
	r.send = false
	start := len(dst)
	dst = appendChunkHeader(dst, chunkReConfig, 0)
	p := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(paramOutgoingReset))
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.request)
	// "the Re-configuration Response Sequence Number ... if this request is
	// not a response, the next expected request number minus 1"
	dst = binary.BigEndian.AppendUint32(dst, r.nextPeerRequest-1)
	dst = binary.BigEndian.AppendUint32(dst, r.lastTSN)
	for _, id := range r.requested {
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	dst = endChunk(dst, p)
	dst = endChunk(dst, start)
	a.timers[timerReconfig] = t + a.rtt.rto
	return dst
}

// reconfigTimeout sends the request again.
func (a *Association) reconfigTimeout(_ instant) {
	r := &a.reset
	if len(r.requested) == 0 {
		return
	}
	if r.attempts++; r.attempts > a.cfg.MaxRetransmits {
		a.close(ErrPeerUnreachable)
		return
	}
	a.rtt.backOff()
	r.send = true
}

// receiveReConfig processes a RE-CONFIG chunk:
// https://www.rfc-editor.org/rfc/rfc6525.html#section-5.2
func (a *Association) receiveReConfig(t instant, c chunk) {
	if a.state < StateEstablished {
		return
	}
	// "one or two parameters"
	rest := c.value
	for range 2 {
		p, next, ok := nextParam(rest)
		if !ok {
			if len(rest) > 0 {
				a.stats.ChunksInvalid++
			}
			return
		}
		rest = next
		switch p.typ {
		case paramOutgoingReset:
			a.receiveOutgoingReset(p.value)
		case paramReconfigResponse:
			a.receiveReconfigResponse(t, p.value)
		case paramIncomingReset, paramSSNTSNReset, paramAddOutgoing, paramAddIncoming:
			if len(p.value) >= 4 {
				a.answerRequest(binary.BigEndian.Uint32(p.value), func() uint32 { return resetDenied })
			}
		default:
			a.stats.ChunksInvalid++
		}
	}
}

// answerRequest answers a request of the peer's: do is called if it is the one
// expected next; the last one's answer is repeated.
func (a *Association) answerRequest(seq uint32, do func() uint32) {
	r := &a.reset
	result := uint32(resetBadSequence)
	switch seq {
	case r.nextPeerRequest:
		result = do()
		r.nextPeerRequest++
		r.lastResult = result
	case r.nextPeerRequest - 1:
		// Sent again: our answer was lost, or told to ask again.
		result = r.lastResult
	}
	var b [16]byte
	b[0] = byte(chunkReConfig)
	b[3] = 16
	binary.BigEndian.PutUint16(b[4:], uint16(paramReconfigResponse))
	b[7] = 12
	binary.BigEndian.PutUint32(b[8:], seq)
	binary.BigEndian.PutUint32(b[12:], result)
	a.ctl.add(b[:])
}

// receiveOutgoingReset: the peer begins streams of its own anew, once the data
// sent before has all arrived (section 5.2.2).
func (a *Association) receiveOutgoingReset(v []byte) {
	if len(v) < 12 {
		a.stats.ChunksInvalid++
		return
	}
	last := binary.BigEndian.Uint32(v[8:])
	streams := v[12:]
	a.answerRequest(binary.BigEndian.Uint32(v), func() uint32 {
		r := &a.reset
		if r.isDeferred {
			return resetInProgress
		}
		for i := 0; i+2 <= len(streams); i += 2 {
			if binary.BigEndian.Uint16(streams[i:]) >= a.hand.inStreams {
				return resetWrongSSN
			}
		}
		r.deferredTSN, r.isDeferred = last, true
		r.deferredAll = len(streams) < 2
		r.deferred = r.deferred[:0]
		for i := 0; i+2 <= len(streams); i += 2 {
			r.deferred = append(r.deferred, binary.BigEndian.Uint16(streams[i:]))
		}
		if r.received(a); r.isDeferred {
			return resetInProgressNow
		}
		return resetPerformed
	})
}

// received performs a deferred reset when its time has come; it is called
// whenever the cumulative TSN may have moved.
func (r *resetState) received(a *Association) {
	if !r.isDeferred || serial.Less32(a.recv.cum, r.deferredTSN) {
		return
	}
	r.isDeferred = false
	if r.lastResult == resetInProgressNow {
		r.lastResult = resetPerformed
	}
	if r.deferredAll {
		// All of the peer's streams that were ever used.
		r.deferred = r.deferred[:0]
		for id := range a.reasm.streams {
			r.deferred = append(r.deferred, id)
		}
		slices.Sort(r.deferred)
	}
	for _, id := range r.deferred {
		a.reasm.resetStream(id)
		a.events.push(Event{Kind: EventStreamReset, Stream: id})
	}
}

// receiveReconfigResponse: section 5.2.7.
func (a *Association) receiveReconfigResponse(t instant, v []byte) {
	r := &a.reset
	if len(v) < 8 {
		a.stats.ChunksInvalid++
		return
	}
	if len(r.requested) == 0 || binary.BigEndian.Uint32(v) != r.request {
		return
	}
	a.loss.errors = 0
	result := binary.BigEndian.Uint32(v[4:])
	if result == resetInProgressNow {
		// The same request, with the same sequence number, after a while.
		a.timers[timerReconfig] = t + a.rtt.rto
		r.attempts = 0
		return
	}
	var err error
	if result != resetPerformed && result != resetNothingToDo {
		err = ErrResetDenied
	}
	for _, id := range r.requested {
		if err == nil {
			delete(a.send.streams, id) // its next message is the first
		} else {
			a.send.stream(id).resetting = false // it goes on as it was
		}
		a.events.push(Event{Kind: EventStreamResetComplete, Stream: id, Err: err})
	}
	r.requested = r.requested[:0]
	r.request++
	a.timers[timerReconfig] = 0
	r.prepare(a)
}
