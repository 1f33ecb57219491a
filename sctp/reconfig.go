package sctp

import (
	"errors"
	"slices"
	"time"
)

// Results of a re-configuration request: RFC 6525, section 4.4.
const (
	resetNothingToDo   = 0
	resetPerformed     = 1
	resetDenied        = 2
	resetWrongSSN      = 3
	resetInProgress    = 4 // Error - Request already in progress
	resetBadSequence   = 5
	resetInProgressNow = 6 // In progress: the same request is to be repeated
)

var resultNames = map[uint32]string{resetNothingToDo: "nothing to do", resetWrongSSN: "wrong stream number",
	resetInProgress: "another request is in progress", resetBadSequence: "bad sequence number",
	resetInProgressNow: "still in progress"}

// Errors of re-configuration, which come with its events.
var (
	// ErrStreamsDenied: the peer denied additional streams.
	ErrStreamsDenied = errors.New("sctp: the peer denied more streams")
	// ErrReconfigTimeout: the peer announced RFC 6525 and did not answer a request.
	ErrReconfigTimeout = errors.New("sctp: the peer did not answer the re-configuration request")
)

// AllStreams stands for all streams in [Event].Stream; it is not the number of a stream.
const AllStreams = 0xffff

// requestKind is the kind of the request of this side that is in flight.
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
	// Requests of this side that were not sent yet.
	toReset         []uint16 // outgoing streams to reset
	toRequest       []uint16 // incoming streams that the peer is to reset
	requestAll      bool
	wantAssociation bool
	wantOut, wantIn uint16 // streams to add

	// The request in flight.
	nextRequest      uint32 // the sequence number of the next one
	kind             requestKind
	requested        []uint16 // streams of it; none: all
	number           uint16   // of streams to add
	request          uint32   // its sequence number
	responseSeq      uint32   // of the peer's request that it may be the answer to
	lastTSN          uint32   // the last TSN assigned before it
	peerTSN          uint32   // the cumulative TSN of the peer at that time
	since            instant  // that time
	send             bool
	peerBusy         bool // the peer has answered In progress: the expiry of T-reconfig is not a timeout
	acked            bool // everything up to lastTSN was acknowledged when it was sent
	peerAddedStreams bool // perhaps in answer to this request
	attempts         int  // timeouts in a row
	staleAnswers     int  // consecutive answers that contradict its state

	// The requests of the peer.
	nextPeerRequest  uint32    // the sequence number of the next one
	history          [2]answer // to its last two requests, the last one first
	answers          []answer  // that wait to be sent
	peerWantsReset   bool      // its SSN/TSN reset waits until everything is acknowledged
	peerWantsResetAt instant
	resettingAll     bool // it has requested a reset of all outgoing streams, and some are not reset yet
	isDeferred       bool // its outgoing reset waits for data up to deferredTSN
	deferredAll      bool
	deferredTSN      uint32
	deferred         streamSet
	lastDeferred     []byte        // last TSN and streams of the last one that was deferred
	used             streamSet     // incoming streams with data since they began
	queued           []queuedChunk // acknowledged, but not in their streams yet
	queuedBytes      int
}

func (r *resetState) init(tsn uint32) { *r = resetState{nextRequest: tsn} }

const (
	// maxResetStreams bounds the streams of one request: it fits in the smallest packet beside two
	// answers and a SACK.
	maxResetStreams = 128
	// maxStreamsExamined bounds the streams to reset that are examined for each SACK.
	maxStreamsExamined = 2 * maxResetStreams
	// maxStreams is the limit of the 16-bit counts of INIT.
	maxStreams = 0xffff
	// maxStaleAnswers is how often a peer may answer In progress to a request that it must have
	// finished; see receiveReconfigResponse.
	maxStaleAnswers = 3
	// maxInProgress is how long a peer may answer In progress to a request that depends on the
	// peer.
	maxInProgress = 2 * maxPeerResetWait
)

// ResetStream resets the outgoing stream id when everything queued on it is acknowledged, so that
// the next message on it is the first again (RFC 6525). EventStreamResetComplete follows; until
// then Send fails for the stream. A stream that is being reset already stays so. If the peer does
// not support RFC 6525, the event comes at once, with ErrResetDenied.
//
// Errors: ErrNotConnected before StateCookieEchoed, ErrClosed after the end, ErrInvalidStream
// beyond the number of outgoing streams.
func (a *Association) ResetStream(now time.Time, id uint16) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	if id >= a.hand.outStreams {
		return ErrInvalidStream
	}
	if !a.hand.peerReconfig {
		a.events.Push(Event{Kind: EventStreamResetComplete, Stream: id, Err: ErrResetDenied})
		return nil
	}
	if s := a.send.stream(id); !s.resetting {
		s.resetting = true
		a.reset.toReset = append(a.reset.toReset, id)
	}
	return nil
}

// RequestStreamReset requests that the peer reset its outgoing streams of these numbers; without
// any, all of them. EventResetRequestComplete reports the answer for each (once, with AllStreams,
// for all), and EventStreamReset each stream that is reset. Errors are those of ResetStream, for
// the number of incoming streams.
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
			r.requestAll = true
		} else {
			a.events.Push(Event{Kind: EventResetRequestComplete, Stream: AllStreams, Err: ErrResetDenied})
		}
	}
	for _, id := range ids {
		if !a.hand.peerReconfig {
			a.events.Push(Event{Kind: EventResetRequestComplete, Stream: id, Err: ErrResetDenied})
		} else if !slices.Contains(r.toRequest, id) {
			r.toRequest = append(r.toRequest, id)
		}
	}
	return nil
}

// ResetAssociation resets all SSNs of both directions and the TSNs (RFC 6525, section 5.1.4). It
// waits until everything sent is acknowledged. Messages queued meanwhile are sent after it, and
// those of the peer are delivered with a delay, in order. EventAssociationReset follows, with
// ErrResetDenied if the peer refused, for example because it requests the same at this moment, and
// with ErrReconfigTimeout if it ignored the request, as browsers do. Errors are those of
// ResetStream. While a reset is in progress, it has no effect.
//
// Data that a peer has outstanding may be lost (RFC 6525, section 5.2.4, allows that); an
// Association as the peer loses nothing.
func (a *Association) ResetAssociation(now time.Time) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	if !a.hand.peerReconfig {
		a.events.Push(Event{Kind: EventAssociationReset, Err: ErrResetDenied})
	} else if a.reset.kind != requestAssociation {
		a.reset.wantAssociation = true
		a.send.suspended = true
	}
	return nil
}

// AddStreams adds outgoing streams, and requests that the peer add some of its own (RFC 6525,
// section 5.1.5). EventStreamsAdded follows for each direction, with ErrStreamsDenied if the peer
// refused. Errors: ErrInvalidStream if there would be more than 65,535 outgoing streams, or more
// incoming ones than Config.MaxTotalStreams; otherwise those of ResetStream.
func (a *Association) AddStreams(now time.Time, out, in uint16) error {
	a.clock(now)
	if err := a.reconfigurable(); err != nil {
		return err
	}
	r := &a.reset
	if !a.mayAddOut(out, maxStreams) || int(a.hand.inStreams)+int(r.wantIn)+r.underWay(requestAddIn)+int(in) > int(a.cfg.MaxTotalStreams) {
		return ErrInvalidStream
	}
	for _, n := range [...]uint16{out, in} {
		if n > 0 && !a.hand.peerReconfig {
			a.events.Push(Event{Kind: EventStreamsAdded, Err: ErrStreamsDenied})
		}
	}
	if a.hand.peerReconfig {
		r.wantOut += out
		r.wantIn += in
	}
	return nil
}

// reconfigurable returns the error of a request that cannot be made now.
func (a *Association) reconfigurable() error {
	switch {
	case !a.open:
		return ErrClosed
	case a.state < StateCookieEchoed:
		return ErrNotConnected
	}
	return nil
}

// mayAddOut reports whether n outgoing streams can be added.
func (a *Association) mayAddOut(n uint16, limit int) bool {
	r := &a.reset
	return int(a.hand.outStreams)+int(r.wantOut)+r.underWay(requestAddOut)+int(n) <= limit
}

// underWay returns the number of streams that a request in flight of that kind adds.
func (r *resetState) underWay(k requestKind) int {
	if r.kind == k {
		return int(r.number)
	}
	return 0
}
