package sctp

import "fmt"

// EventKind is the kind of an [Event].
type EventKind uint8

// The kinds of events. Their comments name the fields of [Event] that are set.
const (
	// EventConnected: the association is established; Send works.
	EventConnected EventKind = iota + 1
	// EventClosed: the association is over. Only EventStreamReset may follow, in order with the
	// messages that are left to be read. Err is nil after a graceful shutdown; otherwise an
	// *AbortError, ErrHandshakeTimeout, ErrPeerUnreachable or ErrStaleCookie. The owner drains
	// Transmit once more, and keeps the association until Deadline is zero, in case the last packet
	// was lost: see [Association.Shutdown].
	EventClosed
	// EventStreamReset: the peer has reset its outgoing stream Stream. It comes when all messages
	// that were sent on the stream before have been read, and before any that was sent after it can
	// be: see [Association.ReadMessage].
	EventStreamReset
	// EventStreamResetComplete: the outgoing stream Stream of this side is reset and may be used
	// anew, after ResetStream or because the peer asked for it. Err matches ErrResetDenied if the
	// peer refused: the stream is not affected.
	EventStreamResetComplete
	// EventWritable: Send failed with ErrSendBufferFull before, and there is room for it now.
	EventWritable
	// EventRestarted: the peer lost its state and began anew (RFC 9260, section 5.2.4, action A).
	// Messages queued or in flight are dropped, and all streams are in their initial state.
	// EventConnected follows.
	EventRestarted
	// EventStreamsAdded: the number of streams that [Association.Streams] returns has grown, by
	// AddStreams or by the peer; or it has not, and Err matches ErrStreamsDenied or
	// ErrReconfigTimeout.
	EventStreamsAdded
	// EventAssociationReset: all SSNs and TSNs are reset, by ResetAssociation or by the peer; or
	// they are not, and Err matches ErrResetDenied, ErrReconfigTimeout, or ErrClosed if the
	// association is being shut down.
	EventAssociationReset
	// EventResetRequestComplete: the peer has answered RequestStreamReset for Stream, which is
	// AllStreams if all were asked for. If Err is nil, EventStreamReset follows, or came already,
	// unless nothing was ever sent on the stream; otherwise it matches ErrResetDenied or
	// ErrReconfigTimeout.
	EventResetRequestComplete
	// EventSenderDry: the peer has acknowledged all messages, or they were abandoned; see
	// [Association.NotifySenderDry].
	EventSenderDry
	// EventBufferedAmountLow: the buffered amount of the outgoing stream Stream has fallen to its
	// threshold; see [Association.SetBufferedAmountLowThreshold].
	EventBufferedAmountLow
)

var eventNames = [...]string{EventConnected: "connected", EventClosed: "closed", EventStreamReset: "stream-reset",
	EventStreamResetComplete: "stream-reset-complete", EventWritable: "writable", EventRestarted: "restarted",
	EventStreamsAdded: "streams-added", EventAssociationReset: "association-reset",
	EventResetRequestComplete: "reset-request-complete", EventSenderDry: "sender-dry",
	EventBufferedAmountLow: "buffered-amount-low"}

// String returns the name of the kind in lower case.
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// Event reports a change to the owner of an association. Each is returned once, in order. Stream
// and Err are set only for the kinds whose comments mention them.
type Event struct {
	Kind   EventKind
	Stream uint16
	Err    error
}

// Event returns the next event, if there is one. Resets of the peer's streams are in order with the
// messages that ReadMessage returns.
func (a *Association) Event() (Event, bool) {
	if e, ok := a.nextEvent(); ok {
		return e, true
	}
	r := &a.reasm
	next := r.ready.Front()
	if next == nil || !next.reset {
		return Event{}, false
	}
	m, _ := r.ready.Pop()
	r.resetQueued.remove(m.Stream)
	return Event{Kind: EventStreamReset, Stream: m.Stream}, true
}

// nextEvent returns the next event that is not in order with messages.
func (a *Association) nextEvent() (Event, bool) {
	if e, ok := a.events.Pop(); ok {
		return e, true
	}
	if a.send.notifyDry && a.send.buffered == 0 && a.open {
		a.send.notifyDry = false
		return Event{Kind: EventSenderDry}, true
	}
	return Event{}, false
}

// NotifySenderDry requests one EventSenderDry, as soon as nothing that Send took is left to be
// sent, retransmitted or acknowledged: at once if that is so already. It is the
// SCTP_SENDER_DRY_EVENT of RFC 6458, section 6.1.9. The event does not come after EventClosed; see
// [Association.Undelivered].
func (a *Association) NotifySenderDry() { a.send.notifyDry = true }
