package sctp

import (
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/ring"
)

// SendOptions holds the reliability and order of one message. The zero value is reliable and
// ordered. RFC 7496 and RFC 3758 take effect only if the peer supports RFC 3758.
type SendOptions struct {
	// Unordered lets the message overtake others of its stream.
	Unordered bool
	// LimitRetransmits abandons the message when a fragment of it would have to be retransmitted
	// more than MaxRetransmits times; 0 means never retransmitted (RFC 7496, section 3.1).
	LimitRetransmits bool
	MaxRetransmits   uint32
	// Lifetime abandons the message when it is not acknowledged this long after Since (RFC 3758,
	// section 4.1): its unsent part is dropped, and the rest is not retransmitted. 0 or negative:
	// no limit. If both limits are set, the first one reached counts.
	Lifetime time.Duration
	// Since is when Lifetime began, for a message that has waited before Send. The zero time, or a
	// later one than that of Send: it begins with Send. Send takes a message whose lifetime is
	// over, and drops it.
	Since time.Time
	// UsePriority applies the priority policy of RFC 7496, section 3.2: when the send buffer is
	// full, a message that waits to be sent is dropped for a more important one, if both use the
	// policy. The lowest Priority is the most important, as in RFC 7496. It is independent of the
	// priority of a stream.
	UsePriority bool
	Priority    uint32
}

// outMessage is a message that Send took and the peer has not acknowledged.
type outMessage struct {
	buf         *bufpool.Buffer
	next        *outMessage // in its stream's queue
	prev        *outMessage
	expires     instant // 0: never
	expiry      int     // its index in sendQueue.expiry, plus 1; 0: not in there
	ppid        uint32
	queue       *outStream
	arrival     uint64 // counts messages, for the first-come scheduler
	ordinal     uint32 // SSN or MID, assigned with the first fragment
	fsn         uint32 // of the next fragment
	maxRtx      uint32
	sent        int    // bytes that are in chunks
	refs        int    // chunks outstanding
	lost        int    // those of them that wait for retransmission
	firstTSN    uint32 // of the fragments sent
	lastTSN     uint32
	stream      uint16
	unordered   bool
	limitRtx    bool
	abandoned   bool
	priority    uint32
	prioritized bool // SendOptions.UsePriority
}

// outStream is one outgoing stream.
type outStream struct {
	id         uint16
	priority   uint16
	nextMID    uint32 // of ordered messages; its lower half is the SSN
	nextUMID   uint32 // of unordered messages (RFC 8260, section 2.1)
	head, tail *outMessage
	key        uint64 // in sendQueue.schedule
	index      int    // in its heap; -1: nothing to send
	resetting  bool   // ResetStream was called
	used       bool
	lastTSN    uint32 // of the last chunk sent
	low        int    // the threshold of EventBufferedAmountLow
	notifyLow  bool   // it is set
	stats      StreamStats
}

// sendQueue holds the messages that wait for their first transmission, by stream.
type sendQueue struct {
	streams      map[uint16]*outStream
	schedule     schedule
	arrivals     uint64
	partial      partialMessages
	unsent       int // bytes waiting for their first transmission
	buffered     int // bytes not acknowledged or given up
	prioritized  int // messages waiting to which the priority policy applies
	expiry       expiryQueue
	refused      bool               // Send failed because there was no room
	notifyDry    bool               // NotifySenderDry was called
	events       *ring.Queue[Event] // of the association
	acknowledged uint64             // bytes of user data that the peer has acknowledged
	suspended    bool               // no new message is begun: an SSN/TSN reset is imminent (RFC 6525, section 5.1.4)
}

// messagePool holds message headers for reuse. A full send buffer of small messages has thousands
// of them; an idle association holds none.
var messagePool = sync.Pool{New: func() any { return new(outMessage) }}

func (q *sendQueue) stream(id uint16) *outStream {
	s := q.streams[id]
	if s == nil {
		if q.streams == nil {
			q.streams = make(map[uint16]*outStream)
		}
		s = &outStream{id: id, priority: DefaultPriority, index: -1}
		q.streams[id] = s
	}
	return s
}

// done frees a message that is wholly sent, or dropped, and has no chunk outstanding.
func (q *sendQueue) done(m *outMessage) {
	q.expiry.remove(m)
	m.buf.Free()
	*m = outMessage{}
	messagePool.Put(m)
}

// chunkDone releases a chunk that is no longer outstanding from its message.
func (q *sendQueue) chunkDone(c *sentChunk) {
	m := c.msg
	if m == nil {
		return
	}
	c.msg = nil
	if m.refs--; m.refs == 0 && (m.abandoned || m.sent == len(m.buf.B)) {
		q.done(m)
	}
}

// take counts size bytes of a message that Send has taken.
func (q *sendQueue) take(s *outStream, size int) {
	q.unsent += size
	q.buffered += size
	s.stats.Unsent += size
	s.stats.Buffered += size
}

// unqueue counts size bytes that are not waiting for their first transmission any more.
func (q *sendQueue) unqueue(s *outStream, size int) {
	q.unsent -= size
	s.stats.Unsent -= size
}

// remove counts size bytes that are acknowledged or abandoned.
func (q *sendQueue) remove(s *outStream, size int) {
	q.buffered -= size
	before := s.stats.Buffered
	s.stats.Buffered -= size
	if s.notifyLow && before > s.low && s.stats.Buffered <= s.low {
		q.events.Push(Event{Kind: EventBufferedAmountLow, Stream: s.id})
	}
}

// streamRun sums up consecutive chunks of one stream that are acknowledged or abandoned, so that the
// sums of the stream are not updated for each chunk.
type streamRun struct {
	stream             *outStream
	size, acknowledged int // bytes
}

// removeRun counts the bytes of a run.
func (q *sendQueue) removeRun(r *streamRun) {
	if s := r.stream; s != nil {
		q.acknowledged += uint64(r.acknowledged)
		s.stats.Acknowledged += uint64(r.acknowledged)
		q.remove(s, r.size)
	}
}

// push appends a message to its stream.
func (q *sendQueue) push(s *outStream, m *outMessage) {
	if s.tail == nil {
		s.head = m
	} else {
		s.tail.next, m.prev = m, s.tail
	}
	s.tail = m
	q.arrivals++
	m.queue, m.arrival = s, q.arrivals
	if s.index < 0 {
		q.schedule.add(s)
	}
}

// first returns the message from which the next fragment is taken, nil if there is none.
func (q *sendQueue) first() *outMessage {
	s := q.schedule.next()
	if s == nil {
		return nil
	}
	if q.suspended {
		if s = q.partlySent(); s == nil {
			return nil
		}
		return s.head
	}
	if m := s.head; m.sent > 0 || !q.partial.full(len(m.buf.B)) {
		return m
	}
	return q.partial.next().head
}

// partlySent returns a stream whose first message is partly sent, nil if there is none.
func (q *sendQueue) partlySent() *outStream {
	if s := q.schedule.pinned; s != nil && s.head.sent > 0 {
		return s
	}
	if len(q.partial.streams) > 0 {
		return q.partial.next()
	}
	return nil
}

// unlinkHead removes the first message from the queue of a stream. The caller updates the schedule.
func (q *sendQueue) unlinkHead(s *outStream) {
	m := s.head
	if s.head = m.next; s.head == nil {
		s.tail = nil
	} else {
		s.head.prev = nil
	}
	m.next = nil
	q.dequeued(m)
}

// dropWaiting drops a message that waits behind others in its stream, and of which nothing was
// sent.
func (q *sendQueue) dropWaiting(m *outMessage) {
	m.prev.next = m.next
	if m.next == nil {
		m.queue.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
	q.dequeued(m)
	q.unqueue(m.queue, len(m.buf.B))
	q.remove(m.queue, len(m.buf.B))
	q.done(m)
}

// dequeued accounts for a message that does not wait any more.
func (q *sendQueue) dequeued(m *outMessage) {
	q.expiry.remove(m)
	if m.prioritized {
		q.prioritized--
	}
}

// drop abandons the unsent rest of the first message of its stream.
func (q *sendQueue) drop(m *outMessage) {
	rest := len(m.buf.B) - m.sent
	q.unqueue(m.queue, rest)
	q.remove(m.queue, rest)
	q.partial.remove(m)
	q.unlinkHead(m.queue)
	q.schedule.dropped(m.queue)
	m.abandoned = true
	if m.refs == 0 {
		q.done(m)
	}
}

// release frees all messages and streams.
func (q *sendQueue) release() {
	for _, s := range q.streams {
		for m := s.head; m != nil; {
			next := m.next
			m.buf.Free()
			m, m.next = next, nil
		}
	}
	*q = sendQueue{schedule: schedule{kind: q.schedule.kind}, partial: partialMessages{budget: q.partial.budget},
		acknowledged: q.acknowledged, notifyDry: q.notifyDry, events: q.events}
}

// end frees all messages after the end of the association, and keeps the streams for their counts of
// acknowledged bytes.
func (q *sendQueue) end() {
	streams := q.streams
	q.release()
	for _, s := range streams {
		*s = outStream{id: s.id, index: -1, stats: StreamStats{Acknowledged: s.stats.Acknowledged}}
	}
	q.streams = streams
}

// Send queues a message for a stream, with a payload protocol identifier that has no meaning to
// SCTP. data is copied and may be reused at once.
//
// Send works from StateCookieEchoed on: the peer has answered, and the number of streams is known.
// Messages sent in that state leave together with the last packet of the handshake, which saves a
// round trip before [EventConnected].
//
// The message is taken whole or not at all. Errors: ErrSendBufferFull, ErrStreamClosing,
// ErrInvalidStream, ErrMessageEmpty, ErrMessageTooLarge, ErrNotConnected, ErrClosed. SCTP has no
// empty messages; WebRTC signals one by a payload protocol identifier of package dcep.
func (a *Association) Send(now time.Time, stream uint16, ppid uint32, data []byte, opt SendOptions) error {
	t := a.clock(now)
	switch {
	case !a.open || a.state >= StateShutdownPending || a.shutdown.wanted:
		return ErrClosed
	case a.state != StateEstablished && a.state != StateCookieEchoed:
		return ErrNotConnected
	case stream >= a.hand.outStreams:
		return ErrInvalidStream
	case len(data) == 0:
		return ErrMessageEmpty
	case len(data) > MaxBuffer:
		return ErrMessageTooLarge
	}
	q := &a.send
	s := q.streams[stream]
	if s != nil && s.resetting {
		return ErrStreamClosing
	}
	var expires instant
	if a.hand.peerForwardTSN && opt.Lifetime > 0 {
		if expires = a.expires(t, opt); expires <= t {
			a.stats.MessagesSent++
			a.stats.MessagesAbandoned++
			return nil
		}
	}
	if !a.sendRoom(len(data), q.buffered, q.unsent) && !(opt.UsePriority && a.makeRoom(t, len(data), opt.Priority)) {
		q.refused = true
		return ErrSendBufferFull
	}
	if s == nil {
		s = q.stream(stream)
	}
	m := messagePool.Get().(*outMessage)
	m.buf = bufpool.Get(len(data))
	m.buf.B = append(m.buf.B, data...)
	m.stream, m.ppid, m.unordered = stream, ppid, opt.Unordered
	if opt.UsePriority {
		m.prioritized, m.priority = true, opt.Priority
		q.prioritized++
	}
	if a.hand.peerForwardTSN {
		m.limitRtx, m.maxRtx = opt.LimitRetransmits, opt.MaxRetransmits
		if m.expires = expires; expires != 0 {
			q.expiry.add(m)
			a.armExpiry()
		}
	}
	q.take(s, len(data))
	q.push(s, m)
	a.stats.MessagesSent++
	return nil
}

// expires returns when the lifetime ends of a message that is sent now.
func (a *Association) expires(t instant, opt SendOptions) instant {
	began := t
	if !opt.Since.IsZero() {
		began = min(began, opt.Since.Sub(a.epoch))
	}
	return began + opt.Lifetime
}

// BufferedAmount returns the bytes that Send took and the peer has not acknowledged yet. It is 0
// after the end of the association; see Undelivered. StreamStats has the same of one stream.
func (a *Association) BufferedAmount() int { return a.send.buffered }

// Undelivered returns the bytes that Send took and the peer had not acknowledged when the
// association ended; 0 before. Abandoned messages do not count.
func (a *Association) Undelivered() int { return a.undelivered }

// Outstanding returns the bytes in flight, chunk headers included, and the bytes of messages, or
// parts of them, that wait for their first transmission.
func (a *Association) Outstanding() (inFlight, unsent int) { return a.out.inFlight, a.send.unsent }

// notifyWritable reports to a sender that was refused that there is room again. It waits for half
// of the buffer, so that a bulk sender is woken once for many messages.
func (a *Association) notifyWritable() {
	if a.send.refused && a.send.unsent <= a.unsentLimit()/2 && a.send.buffered <= a.cfg.MaxSendBuffer-a.cfg.MaxSendBuffer/8 {
		a.send.refused = false
		a.events.Push(Event{Kind: EventWritable})
	}
}
