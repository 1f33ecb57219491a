package sctp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

const (
	// maxAnswers bounds the answers that wait for the next packet. The peer repeats a request whose
	// answer is dropped.
	maxAnswers = 8
	// maxPeerResetWait is how long an SSN/TSN reset of the peer waits for the data of this side to
	// be acknowledged before it is denied; meanwhile no message is begun.
	maxPeerResetWait = 30 * time.Second
)

// answer is a Re-configuration Response Parameter: RFC 6525, section 4.4.
type answer struct {
	seq, result              uint32
	hasTSN                   bool // of an SSN/TSN reset
	senderNext, receiverNext uint32
	kind                     requestKind // of the request; requestNone: there was none
}

func (w *answer) size() int {
	if w.hasTSN {
		return paramHeaderSize + 16
	}
	return paramHeaderSize + 8
}

func (w *answer) append(dst []byte) []byte {
	dst = append(dst, 0, byte(paramReconfigResponse), 0, byte(w.size()))
	dst = binary.BigEndian.AppendUint32(dst, w.seq)
	dst = binary.BigEndian.AppendUint32(dst, w.result)
	if w.hasTSN {
		dst = binary.BigEndian.AppendUint32(dst, w.senderNext)
		dst = binary.BigEndian.AppendUint32(dst, w.receiverNext)
	}
	return dst
}

// minReconfigParam is the minimum size of the value of each known parameter.
var minReconfigParam = map[paramType]int{paramOutgoingReset: 12, paramIncomingReset: 4, paramSSNTSNReset: 4,
	paramReconfigResponse: 8, paramAddOutgoing: 8, paramAddIncoming: 8}

// receiveReConfig processes a RE-CONFIG chunk: RFC 6525, section 5.2.1.
func (a *Association) receiveReConfig(t instant, c chunk) {
	if a.state < StateEstablished {
		return
	}
	var params [2]param
	n := 0
	for rest := c.value; len(rest) > 0; n++ {
		p, next, ok := nextParam(rest)
		size, known := minReconfigParam[p.typ]
		if !ok || known && len(p.value) < size {
			a.stats.ChunksInvalid++
			return
		}
		if !known { // the parameters after it are ignored, too
			a.stats.ChunksInvalid++
			break
		}
		if n == len(params) {
			a.reconfigViolation()
			return
		}
		params[n], rest = p, next
	}
	if n == 0 {
		return
	}
	if n == 2 && !combine(params[0].typ, params[1].typ) && !combine(params[1].typ, params[0].typ) {
		a.reconfigViolation()
		return
	}
	for _, p := range params[:n] {
		if p.typ == paramReconfigResponse {
			a.receiveReconfigResponse(t, p.value)
		} else {
			a.receiveRequest(t, p)
		}
		if !a.open {
			return
		}
	}
}

// combine reports whether two parameters may be in one chunk: RFC 6525, section 3.1.
func combine(p, q paramType) bool {
	switch p {
	case paramOutgoingReset:
		return q == paramIncomingReset
	case paramAddOutgoing:
		return q == paramAddIncoming
	case paramReconfigResponse:
		return q == paramReconfigResponse || q == paramOutgoingReset
	}
	return false
}

// reconfigViolation answers a combination of parameters that is not allowed: RFC 6525, section 3.1.
func (a *Association) reconfigViolation() {
	a.stats.ChunksInvalid++
	a.ctl.errorCause(CauseProtocolViolation, []byte("RE-CONFIG parameters that may not be combined"))
}

// receiveRequest processes a request of the peer: the one expected next is performed, and the
// answers to the last two are repeated.
func (a *Association) receiveRequest(t instant, p param) {
	r := &a.reset
	if a.acceptsData() {
		a.recv.sackNow = true // RFC 6525, section 5.2.1
	}
	seq := binary.BigEndian.Uint32(p.value)
	for i := range r.history {
		if w := &r.history[i]; w.kind != requestNone && w.seq == seq {
			a.repeatAnswer(t, w)
			return
		}
	}
	if seq != r.nextPeerRequest {
		r.answer(a, answer{seq: seq, result: resetBadSequence})
		return
	}
	r.nextPeerRequest++
	w := answer{seq: seq, kind: requestKind(slices.Index(requestParams[:], p.typ))}
	answered := false // by a request of this side
	switch v := p.value[4:]; {
	case a.cfg.DisableRequests.has(w.kind):
		w.result = resetDenied
	case w.kind == requestReset:
		w.result = a.receiveOutgoingReset(seq, v)
	case w.kind == requestPeerReset:
		w.result, answered = a.receiveIncomingReset(seq, v)
	case w.kind == requestAssociation:
		w.result = a.receiveAssociationReset(t)
	case w.kind == requestAddOut:
		w.result = a.receiveAddOutgoing(binary.BigEndian.Uint16(v))
	case w.kind == requestAddIn:
		w.result = a.receiveAddIncoming(binary.BigEndian.Uint16(v))
	}
	r.history[1], r.history[0] = r.history[0], w
	if !answered {
		r.answer(a, w)
	}
	if r.peerWantsReset && a.nothingOutstanding() {
		a.performPeerReset()
	}
}

// answer queues an answer; it replaces an older one to the same request.
func (r *resetState) answer(a *Association, w answer) {
	for i := range r.answers {
		if r.answers[i].seq == w.seq {
			r.answers[i] = w
			return
		}
	}
	if len(r.answers) == maxAnswers {
		a.ctl.dropped++
		return
	}
	r.answers = append(r.answers, w)
}

// answerPending sends the final answer to a request that was answered with In progress.
func (r *resetState) answerPending(a *Association, kind requestKind, result uint32) {
	for i := range r.history {
		if w := &r.history[i]; w.kind == kind && w.result == resetInProgressNow {
			w.result = result
			if kind == requestAssociation && result == resetPerformed {
				w.hasTSN, w.senderNext, w.receiverNext = true, a.out.next, a.recv.cum+1
			}
			r.answer(a, *w)
		}
	}
}

// repeatAnswer answers a repeated request, whose answer was lost or was In progress.
func (a *Association) repeatAnswer(t instant, w *answer) {
	r := &a.reset
	if w.result == resetInProgressNow {
		switch w.kind {
		case requestPeerReset:
			if r.kind == requestReset && r.responseSeq == w.seq {
				r.send = true // it is the answer
				return
			}
			if len(r.toReset) == 0 {
				w.result = resetPerformed
			}
		case requestAssociation:
			if t-r.peerWantsResetAt > maxPeerResetWait {
				r.peerWantsReset = false
				a.send.suspended = r.wantAssociation
				w.result = resetDenied
			}
		}
	}
	r.answer(a, *w)
}

// receiveOutgoingReset processes an Outgoing SSN Reset Request: streams of the peer are reset when
// the data sent before has arrived (RFC 6525, section 5.2.2).
func (a *Association) receiveOutgoingReset(seq uint32, v []byte) uint32 {
	r := &a.reset
	if r.kind == requestPeerReset && binary.BigEndian.Uint32(v) == r.request {
		a.finishRequest(nil) // it is the answer (RFC 6525, section 5.2.3, F1)
	}
	last := binary.BigEndian.Uint32(v[4:])
	streams := v[8:]
	for i := 0; i+2 <= len(streams); i += 2 {
		if binary.BigEndian.Uint16(streams[i:]) >= a.hand.inStreams {
			return resetWrongSSN
		}
	}
	// Some peers (dcSCTP, and this package if necessary) repeat a request with a new number after
	// In progress. One that still waits is joined; one that was performed meanwhile is not
	// performed again. Such a request has its own number as the response sequence number.
	if r.lastDeferred != nil && !r.isDeferred && bytes.Equal(r.lastDeferred, v[4:]) && binary.BigEndian.Uint32(v) == seq {
		return resetPerformed
	}
	r.lastDeferred = nil
	if !r.isDeferred || serial.Less32(r.deferredTSN, last) {
		r.deferredTSN = last
	}
	r.isDeferred = true
	r.deferredAll = r.deferredAll || len(streams) < 2
	for i := 0; i+2 <= len(streams); i += 2 {
		r.deferred.add(binary.BigEndian.Uint16(streams[i:]))
	}
	if !r.due(a) {
		r.lastDeferred = slices.Clone(v[4:])
		return resetInProgressNow
	}
	r.performDeferred(a)
	a.processQueued()
	return resetPerformed
}

// receiveIncomingReset processes an Incoming SSN Reset Request: outgoing streams are reset (RFC
// 6525, section 5.2.3). The Outgoing SSN Reset Request of this side is the answer, at once or
// later.
func (a *Association) receiveIncomingReset(seq uint32, v []byte) (result uint32, answered bool) {
	r := &a.reset
	if a.state != StateEstablished {
		return resetDenied, false
	}
	if r.kind == requestPeerReset || r.kind == requestAssociation {
		// The request in flight may wait for the peer in the same way.
		return resetInProgress, false
	}
	var ids []uint16
	all := len(v) < 2
	if all {
		if r.resettingAll {
			return resetInProgressNow, false // all streams are examined once
		}
		for id, s := range a.send.streams {
			if s.used || s.head != nil || s.resetting {
				ids = append(ids, id)
			} else if s.priority == DefaultPriority && !s.notifyLow {
				delete(a.send.streams, id) // it has its initial state, and is not examined again
			}
		}
		slices.Sort(ids)
	}
	for ; len(v) >= 2; v = v[2:] {
		id := binary.BigEndian.Uint16(v)
		if id >= a.hand.outStreams {
			return resetWrongSSN, false
		}
		ids = append(ids, id)
	}
	todo := false
	for _, id := range ids {
		s := a.send.streams[id]
		if s == nil || !s.used && s.head == nil && !s.resetting {
			continue // its next message is the first
		}
		todo = true
		if !s.resetting {
			s.resetting = true
			r.toReset = append(r.toReset, id)
		}
	}
	if !todo {
		return resetNothingToDo, false
	}
	r.resettingAll = r.resettingAll || all
	a.progressReconfig()
	return resetInProgressNow, r.kind == requestReset && r.send && r.responseSeq == seq
}

// receiveAddOutgoing processes an Add Outgoing Streams Request: RFC 6525, section 5.2.5.
func (a *Association) receiveAddOutgoing(n uint16) uint32 {
	if n == 0 || int(a.hand.inStreams)+int(n) > int(a.cfg.MaxTotalStreams) {
		return resetDenied
	}
	a.hand.inStreams += n
	a.events.Push(Event{Kind: EventStreamsAdded})
	if a.reset.kind == requestAddIn {
		a.reset.peerAddedStreams = true
	}
	return resetPerformed
}

// receiveAddIncoming processes an Add Incoming Streams Request (RFC 6525, section 5.2.6). The Add
// Outgoing Streams Request of this side is the answer. Because that does not name the request, and
// another one may look the same, a response is sent as well.
func (a *Association) receiveAddIncoming(n uint16) uint32 {
	r := &a.reset
	if a.state != StateEstablished || n == 0 || !a.mayAddOut(n, int(a.cfg.MaxTotalStreams)) {
		return resetDenied
	}
	r.wantOut += n
	return resetPerformed
}

// receiveAssociationReset processes an SSN/TSN Reset Request (RFC 6525, section 5.2.4). It is
// performed when all messages that were begun are acknowledged, so that nothing is lost.
func (a *Association) receiveAssociationReset(t instant) uint32 {
	r := &a.reset
	switch {
	case a.state != StateEstablished:
		return resetDenied
	case r.kind == requestAssociation:
		return resetInProgress
	}
	if !r.peerWantsReset {
		r.peerWantsReset, r.peerWantsResetAt = true, t
		a.send.suspended = true
	}
	return resetInProgressNow
}
