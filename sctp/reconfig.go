package sctp

import (
	"errors"
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
	toReset         []uint16 // streams of ours to reset
	toRequest       []uint16 // streams that the peer shall reset
	requestAll      bool
	wantAssociation bool
	wantOut, wantIn uint16 // streams to add

	// The request under way.
	nextRequest      uint32 // the sequence number of the next one
	kind             requestKind
	requested        []uint16 // streams of it; none: all
	number           uint16   // of streams to add
	request          uint32   // its sequence number
	responseSeq      uint32   // that of the peer's request which it may be the answer to
	lastTSN          uint32   // the last TSN that was assigned when it was made
	peerTSN          uint32   // the peer's cumulative TSN then
	since            instant  // and the time
	send             bool
	peerBusy         bool // T-reconfig is no timeout: the peer said that we should ask again
	acked            bool // all up to lastTSN was acknowledged when it was sent
	peerAddedStreams bool // the peer has added streams, perhaps for this request
	attempts         int  // timeouts in a row
	staleAnswers     int  // answers in a row that make no sense any more

	// The peer's requests.
	nextPeerRequest  uint32    // the sequence number of the next one
	history          [2]answer // to its last two, the last one first
	answers          []answer  // to be sent
	peerWantsReset   bool      // its SSN/TSN reset waits until all is acknowledged
	peerWantsResetAt instant
	resettingAll     bool // it has asked for a reset of all our streams, and some are still wanted
	isDeferred       bool // its outgoing reset waits for missing data, up to deferredTSN
	deferredAll      bool
	deferredTSN      uint32
	deferred         streamSet
	lastDeferred     []byte        // last TSN and streams of the last one that had to wait
	used             streamSet     // streams of the peer's with data since they began
	queued           []queuedChunk // what is acknowledged, but not in its stream yet
	queuedBytes      int
}

func (r *resetState) init(tsn uint32) { *r = resetState{nextRequest: tsn} }

const (
	// maxResetStreams is how many streams one request names: it fits in the
	// smallest packet beside two answers and a SACK.
	maxResetStreams = 128
	// maxStreamsExamined is how many of the streams that are to be reset are looked
	// at for each SACK.
	maxStreamsExamined = 2 * maxResetStreams
	// maxStreams is the most that the 16-bit counts of INIT allow.
	maxStreams = 0xffff
	// maxStaleAnswers is how often a peer may say "In progress" of what it can
	// only have finished; see receiveReconfigResponse.
	maxStaleAnswers = 3
	// maxInProgress is how long a peer may say so of what depends on itself.
	maxInProgress = 2 * maxPeerResetWait
)

// ResetStream resets our outgoing stream id once all that is queued on it is
// acknowledged, so that a later message on it is the first again (RFC 6525);
// EventStreamResetComplete follows. Send fails for the stream until then.
// ErrNotConnected before StateCookieEchoed, ErrClosed after the end,
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
		a.events.Push(Event{Kind: EventStreamResetComplete, Stream: id, Err: ErrResetDenied})
		return nil
	}
	if s := a.send.stream(id); !s.resetting {
		s.resetting = true
		a.reset.toReset = append(a.reset.toReset, id)
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

// ResetAssociation begins the numbering of everything anew: that of messages on
// all streams of both directions, and the TSNs (RFC 6525 section 5.1.4). It
// waits until all that was sent is acknowledged; messages queued meanwhile are
// sent after it, and those of the peer are delivered with a delay, in order.
// EventAssociationReset follows, with ErrResetDenied if the peer refused, for
// instance because it asks for the same at this moment, and ErrReconfigTimeout
// if it ignored the request, as the peers in browsers do. Errors are those of
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
		a.events.Push(Event{Kind: EventAssociationReset, Err: ErrResetDenied})
	} else if a.reset.kind != requestAssociation {
		a.reset.wantAssociation = true
		a.send.suspended = true
	}
	return nil
}

// AddStreams adds streams of ours, and asks the peer to add some of its own
// (RFC 6525 section 5.1.5). EventStreamsAdded follows for each direction, with
// ErrStreamsDenied if the peer refused. ErrInvalidStream if there would be more
// than 65,535 of ours, or more of the peer's than Config.MaxTotalStreams; the other
// errors are those of ResetStream.
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

// reconfigurable says why a request cannot be made now.
func (a *Association) reconfigurable() error {
	switch {
	case a.over:
		return ErrClosed
	case a.state < StateCookieEchoed:
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
