package sctp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
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

var resultNames = map[uint32]string{resetNothingToDo: "nothing to do", resetWrongSSN: "wrong stream number",
	resetInProgress: "another request is in progress", resetBadSequence: "bad sequence number",
	resetInProgressNow: "still in progress"}

// Errors of re-configuration, which come with its events.
var (
	// ErrStreamsDenied: the peer did not agree to more streams.
	ErrStreamsDenied = errors.New("sctp: the peer denied more streams")
	// ErrReconfigTimeout: the peer says that it supports RFC 6525, and did not
	// answer a request all the same.
	ErrReconfigTimeout = errors.New("sctp: the peer did not answer the re-configuration request")
)

// AllStreams stands for all streams in [Event.Stream]; it is no stream's number.
const AllStreams = 0xffff

// requestKind says which request of ours is under way.
type requestKind uint8

const (
	requestNone        requestKind = iota
	requestReset                   // Outgoing SSN Reset Request
	requestPeerReset               // Incoming SSN Reset Request
	requestAssociation             // SSN/TSN Reset Request
	requestAddOut                  // Add Outgoing Streams Request
	requestAddIn                   // Add Incoming Streams Request
)

var requestParams = [...]paramType{requestReset: paramOutgoingReset, requestPeerReset: paramIncomingReset,
	requestAssociation: paramSSNTSNReset, requestAddOut: paramAddOutgoing, requestAddIn: paramAddIncoming}

// resetState is the stream re-configuration of both directions.
type resetState struct {
	// What we want and have not asked for yet.
	wanted           []uint16 // streams of ours to reset
	ask              []uint16 // streams that the peer shall reset
	askAll           bool
	wantAssociation  bool
	wantOut, wantIn  uint16    // streams to add
	nextRequest      uint32    // the sequence number of the next request
	nextPeerRequest  uint32    // the one expected of the peer
	history          [2]answer // of the peer's last two requests, the last one first
	answers          []answer  // to be sent
	peerWantsReset   bool      // the peer's SSN/TSN reset waits until all is acknowledged
	peerWantsResetAt instant

	// The request under way.
	kind        requestKind
	requested   []uint16 // streams of it; none: all
	number      uint16   // of streams to add
	request     uint32   // its sequence number
	responseSeq uint32   // of the peer's request that it may be the answer to
	lastTSN     uint32   // the last TSN assigned when it was made
	send        bool
	waits       bool   // T-reconfig is no timeout: the peer was asked to be patient, or asks us
	acked       bool   // all up to lastTSN was acknowledged when it was sent
	peerTSN     uint32 // the peer's cumulative TSN when it was made
	since       instant
	granted     bool // the peer has added streams, perhaps for our request
	attempts    int
	rounds      int // answers that make no sense any more

	// The peer's outgoing reset whose data is still missing.
	isDeferred   bool
	deferredSeq  uint32
	deferredTSN  uint32
	deferred     streamSet
	deferredAll  bool
	lastDeferred []byte    // last TSN and streams of the last one that had to wait
	used         streamSet // streams of the peer's with data since they began
	held         []heldChunk
	heldBytes    int
}

func (r *resetState) init(tsn uint32) { *r = resetState{nextRequest: tsn} }

const (
	// maxResetStreams is how many streams one request names: it fits in the
	// smallest packet beside two answers and a SACK.
	maxResetStreams = 128
	// maxStreams is the most that the 16-bit counts of INIT allow.
	maxStreams = 0xffff
	// staleRounds is how often a peer may say "In progress" of what it can
	// only have finished; see receiveReconfigResponse.
	staleRounds = 3
	// maxInProgress is how long a peer may say so of what depends on itself.
	maxInProgress = 2 * maxPeerResetWait
)

// ResetStream resets our outgoing stream id once all that is queued on it is
// acknowledged, so that a later message on it is the first again (RFC 6525);
// EventStreamResetComplete follows. Send fails for the stream until then.
// ErrNotConnected before EventConnected, ErrClosed after the end,
// ErrInvalidStream beyond the number that [Association.Streams] gives; a stream
// being reset already stays so. If the peer lacks RFC 6525, the event comes at
// once, with ErrResetDenied.
func (a *Association) ResetStream(now time.Time, id uint16) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	if id >= a.hand.outStreams {
		return ErrInvalidStream
	}
	if !a.hand.peerReconfig {
		a.events.push(Event{Kind: EventStreamResetComplete, Stream: id, Err: ErrResetDenied})
		return nil
	}
	if s := a.send.stream(id); !s.resetting {
		s.resetting = true
		a.reset.wanted = append(a.reset.wanted, id)
	}
	return nil
}

// RequestStreamReset asks the peer to reset its outgoing streams of these
// numbers; without any, all of them. EventResetRequestComplete tells for each
// what it answers (once, with AllStreams, for all), and EventStreamReset when a
// stream is reset. Errors are those of ResetStream, in the other direction.
func (a *Association) RequestStreamReset(now time.Time, ids ...uint16) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	for _, id := range ids {
		if id >= a.hand.inStreams {
			return ErrInvalidStream
		}
	}
	r := &a.reset
	if len(ids) == 0 {
		if a.hand.peerReconfig {
			r.askAll = true
		} else {
			a.events.push(Event{Kind: EventResetRequestComplete, Stream: AllStreams, Err: ErrResetDenied})
		}
	}
	for _, id := range ids {
		if !a.hand.peerReconfig {
			a.events.push(Event{Kind: EventResetRequestComplete, Stream: id, Err: ErrResetDenied})
		} else if !slices.Contains(r.ask, id) {
			r.ask = append(r.ask, id)
		}
	}
	return nil
}

// ResetAssociation begins the numbering of everything anew: that of messages on
// all streams of both directions, and the TSNs (RFC 6525 section 5.1.4). It
// waits until all that was sent is acknowledged; messages queued meanwhile are
// sent after it, and those of the peer are delivered with a delay, in order.
// EventAssociationReset follows, with ErrResetDenied if the peer refused, for
// instance because it asks for the same at this moment. Errors are those of
// ResetStream; while it is under way already, it is not begun again.
//
// Data that a peer has outstanding itself may be lost (section 5.2.4 allows
// that); an Association loses nothing.
func (a *Association) ResetAssociation(now time.Time) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	if !a.hand.peerReconfig {
		a.events.push(Event{Kind: EventAssociationReset, Err: ErrResetDenied})
	} else if a.reset.kind != requestAssociation {
		a.reset.wantAssociation = true
		a.send.hold = true
	}
	return nil
}

// AddStreams adds streams of ours, and asks the peer to add some of its own
// (RFC 6525 section 5.1.5). EventStreamsAdded follows for each direction, with
// ErrStreamsDenied if the peer refused. ErrInvalidStream if there would be more
// than 65,535 of ours, or more of the peer's than Config.StreamLimit; the other
// errors are those of ResetStream.
func (a *Association) AddStreams(now time.Time, out, in uint16) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	r := &a.reset
	if !a.mayAddOut(out, maxStreams) || int(a.hand.inStreams)+int(r.wantIn)+r.underWay(requestAddIn)+int(in) > int(a.cfg.StreamLimit) {
		return ErrInvalidStream
	}
	for _, n := range [...]uint16{out, in} {
		if n > 0 && !a.hand.peerReconfig {
			a.events.push(Event{Kind: EventStreamsAdded, Err: ErrStreamsDenied})
		}
	}
	if a.hand.peerReconfig {
		r.wantOut += out
		r.wantIn += in
	}
	return nil
}

// reconfigurable says why a request cannot be made now.
func (a *Association) reconfigurable() error {
	switch {
	case a.over:
		return ErrClosed
	case a.state < StateEstablished:
		return ErrNotConnected
	}
	return nil
}

// mayAddOut reports whether there can be n more streams of ours.
func (a *Association) mayAddOut(n uint16, limit int) bool {
	r := &a.reset
	return int(a.hand.outStreams)+int(r.wantOut)+r.underWay(requestAddOut)+int(n) <= limit
}

// underWay is the number of streams that a request of that kind adds.
func (r *resetState) underWay(k requestKind) int {
	if r.kind == k {
		return int(r.number)
	}
	return 0
}

// acknowledged is called after each SACK.
func (r *resetState) acknowledged(a *Association) { a.progressReconfig() }

// progressReconfig does what has become possible: a reset that the peer waits
// for, or our next request. "there MUST NOT be more than one request in flight"
// (section 5.1.1).
func (a *Association) progressReconfig() {
	r := &a.reset
	if r.peerWantsReset && a.quiet() {
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
	case a.takeIdle():
		r.begin(a, requestReset)
	case r.wantOut > 0:
		r.number, r.wantOut = r.wantOut, 0
		r.begin(a, requestAddOut)
	case r.wantIn > 0:
		r.number, r.wantIn = r.wantIn, 0
		r.begin(a, requestAddIn)
	case r.askAll:
		r.ask, r.askAll = r.ask[:0], false
		r.begin(a, requestPeerReset)
	case len(r.ask) > 0:
		n := min(len(r.ask), maxResetStreams)
		r.requested = append(r.requested, r.ask[:n]...)
		r.ask = r.ask[:copy(r.ask, r.ask[n:])]
		r.begin(a, requestPeerReset)
	case r.wantAssociation && !r.peerWantsReset && a.quiet():
		r.wantAssociation = false
		r.begin(a, requestAssociation)
	}
}

// takeIdle moves the streams whose data has all been acknowledged from wanted
// to requested, and reports whether there are any.
func (a *Association) takeIdle() bool {
	r := &a.reset
	rest := r.wanted[:0]
	for _, id := range r.wanted {
		s := a.send.streams[id]
		if idle := s.head == nil && (!s.used || !a.outstandingTSN(s.lastTSN)); idle && len(r.requested) < maxResetStreams {
			r.requested = append(r.requested, id)
		} else {
			rest = append(rest, id)
		}
	}
	r.wanted = rest
	return len(r.requested) > 0
}

// outstandingTSN reports whether a TSN of ours is not cumulatively acknowledged
// yet. It can be of any age.
func (a *Association) outstandingTSN(tsn uint32) bool { return tsn-a.out.base < a.out.next-a.out.base }

// quiet reports whether everything is acknowledged, and no message half sent.
func (a *Association) quiet() bool {
	return a.out.base == a.out.next && !a.fwd.pending() && a.send.begun() == nil
}

// cancelReset gives up a ResetAssociation that was not asked for yet: the
// association is being shut down, and what is queued has to go out.
func (a *Association) cancelReset() {
	if r := &a.reset; r.wantAssociation {
		r.wantAssociation = false
		a.send.hold = r.peerWantsReset
		a.events.push(Event{Kind: EventAssociationReset, Err: ErrClosed})
	}
}

// begin makes a request, whose other fields are set.
func (r *resetState) begin(a *Association, k requestKind) {
	r.kind = k
	r.lastTSN, r.peerTSN = a.out.next-1, a.recv.cum
	r.since, r.rounds, r.granted = a.last, 0, false
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
	r.send, r.waits = false, false
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
	a.timers[timerReconfig] = t + a.rtt.rto
	return endChunk(dst, p)
}

// reconfigTimeout is T-reconfig: the request is sent again.
func (a *Association) reconfigTimeout(_ instant) {
	r := &a.reset
	if r.kind == requestNone {
		return
	}
	if !r.waits {
		if r.attempts++; r.attempts > a.cfg.MaxRetransmits {
			switch r.kind {
			case requestReset, requestAssociation:
				// Section 5.1.1: as with data. Without the answer the two sides
				// might disagree about their numbers.
				a.close(ErrPeerUnreachable)
			default:
				if r.granted { // some peers (Linux) give no other answer
					a.finishRequest(nil)
					return
				}
				// A peer that ignores what it does not know (dcSCTP, pion)
				// still expects this number.
				r.nextRequest = r.request
				a.finishRequest(ErrReconfigTimeout)
			}
			return
		}
		a.rtt.backOff()
	}
	r.send = true
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
		a.askAgain(t)
		// But an outgoing reset waits for nothing but our data. Peers exist
		// (all browsers of 2021 to 2025 that have dcSCTP) that repeat the
		// answer which they once gave to that number.
		if r.kind == requestReset && r.acked {
			r.acked = false // once for each time that it is sent
			a.renewRequest(true)
		}
	case result == resetInProgress && r.kind == requestReset:
		// Some peers (Linux) say so while a request of theirs is under way:
		// both sides close a channel at once. It passes.
		r.rounds = max(r.rounds, staleRounds)
		a.askAgain(t)
		a.renewRequest(false)
	case result == resetPerformed, result == resetNothingToDo && (r.kind == requestReset || r.kind == requestPeerReset):
		a.finishRequest(nil)
	default:
		a.finishRequest(refused(denied, result))
	}
	a.progressReconfig()
}

// askAgain lets the request wait for a round trip and more.
func (a *Association) askAgain(t instant) {
	a.reset.waits, a.reset.send = true, false
	a.timers[timerReconfig] = t + a.rtt.rto
}

// renewRequest lets the request that waits have a new number, if its answer
// makes no sense repeatedly; too often, and it has failed. same says that the
// peer may have performed it under its old number.
func (a *Association) renewRequest(same bool) {
	r := &a.reset
	if r.rounds++; r.rounds < staleRounds {
		return
	}
	if r.rounds > staleRounds+a.cfg.MaxRetransmits {
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
	r.kind, r.send, r.waits = requestNone, false, false
	a.timers[timerReconfig] = 0
	switch kind {
	case requestReset:
		for _, id := range r.requested {
			if err == nil {
				delete(a.send.streams, id) // its next message is the first
			} else {
				a.send.stream(id).resetting = false // it goes on as it was
			}
			a.events.push(Event{Kind: EventStreamResetComplete, Stream: id, Err: err})
		}
	case requestPeerReset:
		for _, id := range r.requested {
			a.events.push(Event{Kind: EventResetRequestComplete, Stream: id, Err: err})
		}
		if len(r.requested) == 0 {
			a.events.push(Event{Kind: EventResetRequestComplete, Stream: AllStreams, Err: err})
		}
	case requestAssociation:
		a.send.hold = false
		a.events.push(Event{Kind: EventAssociationReset, Err: err})
		a.replayHeld()
	case requestAddOut:
		if err == nil {
			a.hand.outStreams += r.number
		}
		a.events.push(Event{Kind: EventStreamsAdded, Err: err})
	case requestAddIn:
		if err != nil { // else the peer's own request brings it
			a.events.push(Event{Kind: EventStreamsAdded, Err: err})
		}
	}
	r.requested = r.requested[:0]
}
