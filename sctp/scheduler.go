package sctp

import "fmt"

// Scheduler selects the stream whose message is sent next when several wait: RFC 8260, section 3.
//
// With interleaving (RFC 8260) it selects anew for each chunk, so that a large message on one
// stream does not block a small one on another. Without it, it selects for each message, because
// the fragments of a message must not be separated.
type Scheduler uint8

// The schedulers.
const (
	// SchedulerDefault is SchedulerWeightedFair; streams of the same priority share the bandwidth
	// equally.
	SchedulerDefault Scheduler = iota
	// SchedulerFirstCome (SCTP_SS_FCFS) sends messages in the order of Send.
	SchedulerFirstCome
	// SchedulerRoundRobin (SCTP_SS_RR) serves the streams in turn.
	SchedulerRoundRobin
	// SchedulerRoundRobinPacket (SCTP_SS_RR_PKT) serves the streams in turn, a packet each: chunks
	// of different streams are not bundled, so that a lost packet delays only one stream.
	SchedulerRoundRobinPacket
	// SchedulerPriority (SCTP_SS_PRIO) serves the stream of the highest priority, and streams of
	// the same priority in turn.
	SchedulerPriority
	// SchedulerFair (SCTP_SS_FC) shares the bandwidth equally among the streams.
	SchedulerFair
	// SchedulerWeightedFair (SCTP_SS_WFQ) shares the bandwidth among the streams in proportion to
	// their priorities.
	SchedulerWeightedFair
)

var schedulerNames = [...]string{"default", "first-come", "round-robin", "round-robin-packet", "priority", "fair", "weighted-fair"}

func (s Scheduler) String() string {
	if int(s) < len(schedulerNames) {
		return schedulerNames[s]
	}
	return fmt.Sprintf("scheduler %d", uint8(s))
}

// DefaultPriority is the priority of a stream before SetStreamPriority, the normal one of RFC 8831,
// section 6.4.
const DefaultPriority = 256

// schedule is the set of streams that have something to send, as a binary heap by key: the stream
// with the lowest key is next. The scheduler determines the meaning of a key: a number of arrival,
// of turns, or of bytes sent.
type schedule struct {
	kind   Scheduler
	heap   []*outStream
	turn   uint64 // counts turns, or arrivals
	clock  uint64 // virtual time of the fair schedulers: the key last served
	pinned *outStream
}

const (
	// weightScale makes the unit of virtual time small enough for any weight.
	weightScale = 1 << 16
	// priorityShift puts the priority above any number of turns.
	priorityShift = 48
)

// add inserts a stream that had nothing to send.
func (q *schedule) add(s *outStream) {
	q.rekey(s, 0)
	s.index = len(q.heap)
	q.heap = append(q.heap, s)
	q.up(s.index)
}

// rekey assigns the next key of a stream, after size bytes of it were sent; 0: it had nothing to
// send before.
func (q *schedule) rekey(s *outStream, size int) {
	switch q.kind {
	case SchedulerFirstCome:
		s.key = s.head.arrival
	case SchedulerRoundRobin, SchedulerRoundRobinPacket:
		q.turn++
		s.key = q.turn
	case SchedulerPriority:
		q.turn++
		s.key = uint64(^s.priority)<<priorityShift | q.turn
	default:
		weight := uint64(s.priority)
		if q.kind == SchedulerFair || weight == 0 {
			weight = 1
		}
		// A stream has no advantage from the time that it was idle.
		s.key = max(s.key, q.clock) + uint64(size)*weightScale/weight
	}
}

// next returns the stream to send from, nil if there is none.
func (q *schedule) next() *outStream {
	if q.pinned != nil {
		return q.pinned
	}
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// served accounts for size bytes of s that were sent. With hold, s keeps its turn.
func (q *schedule) served(s *outStream, size int, hold bool) {
	q.pinned = nil
	if s.head == nil {
		q.remove(s)
		return
	}
	if hold {
		q.pinned = s
	}
	q.clock = max(q.clock, s.key)
	q.rekey(s, size)
	q.fix(s.index)
}

// dropped accounts for the first message of s, which was abandoned.
func (q *schedule) dropped(s *outStream) {
	if q.pinned == s {
		q.pinned = nil
	}
	if s.head == nil {
		q.remove(s)
		return
	}
	q.rekey(s, 0)
	q.fix(s.index)
}

// beginPacket ends the turn of a stream that lasts one packet.
func (q *schedule) beginPacket(interleaving bool) {
	if s := q.pinned; s != nil && (interleaving || s.head.sent == 0) {
		q.pinned = nil
	}
}

// remove removes a stream that has nothing to send any more.
func (q *schedule) remove(s *outStream) {
	if q.pinned == s {
		q.pinned = nil
	}
	i, last := s.index, len(q.heap)-1
	if i < 0 {
		return
	}
	q.heap[i] = q.heap[last]
	q.heap[i].index = i
	q.heap[last] = nil
	q.heap = q.heap[:last]
	s.index = -1
	if i < last {
		q.fix(i)
	}
}

func (q *schedule) fix(i int) {
	if !q.down(i) {
		q.up(i)
	}
}

func (q *schedule) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].index, q.heap[j].index = i, j
}

func (q *schedule) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if q.heap[parent].key <= q.heap[i].key {
			return
		}
		q.swap(parent, i)
		i = parent
	}
}

func (q *schedule) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return moved
		}
		if child+1 < len(q.heap) && q.heap[child+1].key < q.heap[child].key {
			child++
		}
		if q.heap[i].key <= q.heap[child].key {
			return moved
		}
		q.swap(i, child)
		i = child
		moved = true
	}
}

// partialMessages are the messages that are partly sent, while fragments of several alternate.
// Their total size is bounded by the receive window of the peer: a receiver whose window is full of
// incomplete messages could not accept the data that completes them.
type partialMessages struct {
	streams []*outStream // whose first message is one
	bytes   int          // the sum of their sizes
	budget  int          // half of the window that the peer began with
}

// full reports whether a message of that size must wait until others are wholly sent.
func (p *partialMessages) full(size int) bool {
	return len(p.streams) > 0 && p.bytes+size > p.budget
}

// next returns the stream among them whose turn is first.
func (p *partialMessages) next() *outStream {
	first := p.streams[0]
	for _, s := range p.streams[1:] {
		if s.key < first.key {
			first = s
		}
	}
	return first
}

func (p *partialMessages) add(m *outMessage) {
	p.streams = append(p.streams, m.queue)
	p.bytes += len(m.buf.B)
}

// remove removes a message that is wholly sent or abandoned.
func (p *partialMessages) remove(m *outMessage) {
	for i, s := range p.streams {
		if s == m.queue {
			last := len(p.streams) - 1
			p.streams[i], p.streams[last] = p.streams[last], nil
			p.streams = p.streams[:last]
			p.bytes -= len(m.buf.B)
			return
		}
	}
}

// SetStreamPriority sets the priority of the outgoing stream id, which the priority and weighted
// fair schedulers use: a higher number is served sooner, or gets more. It takes effect with the
// next message or fragment. ErrInvalidStream beyond the number of streams.
func (a *Association) SetStreamPriority(id, priority uint16) error {
	if id >= a.hand.outStreams {
		return ErrInvalidStream
	}
	a.send.stream(id).priority = priority
	return nil
}
