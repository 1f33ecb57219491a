package sctp

import "fmt"

// Scheduler decides which stream's message is sent next when several wait:
// https://www.rfc-editor.org/rfc/rfc8260.html#section-3
//
// With interleaving (RFC 8260) the choice is made anew for each chunk, so that
// a large message on one stream does not hold up a small one on another;
// without it, for each message, as the fragments of one must not be separated.
type Scheduler uint8

// The schedulers.
const (
	// SchedulerDefault is SchedulerWeightedFair; while all streams have the
	// same priority, they share the bandwidth equally.
	SchedulerDefault Scheduler = iota
	// SchedulerFirstCome sends messages in the order of Send.
	SchedulerFirstCome
	// SchedulerRoundRobin gives the streams turns.
	SchedulerRoundRobin
	// SchedulerRoundRobinPacket gives the streams turns, a packet each: chunks
	// of different streams are not bundled, so that a lost packet holds up one
	// stream only.
	SchedulerRoundRobinPacket
	// SchedulerPriority sends what has the highest priority, and gives turns
	// to streams of the same.
	SchedulerPriority
	// SchedulerFair gives each stream the same bandwidth.
	SchedulerFair
	// SchedulerWeightedFair gives the streams bandwidth in proportion to their
	// priorities.
	SchedulerWeightedFair
)

var schedulerNames = [...]string{"default", "first-come", "round-robin", "round-robin-packet", "priority", "fair", "weighted-fair"}

func (s Scheduler) String() string {
	if int(s) < len(schedulerNames) {
		return schedulerNames[s]
	}
	return fmt.Sprintf("scheduler %d", uint8(s))
}

// DefaultPriority is a stream's priority before SetStreamPriority, the "normal"
// of https://www.rfc-editor.org/rfc/rfc8831.html#section-6.4
const DefaultPriority = 256

// schedule is the set of streams that have something to send, as a binary heap
// by key: the stream with the least is next. What a key means is the
// scheduler's: a number of arrival, of turns, or of bytes sent.
type schedule struct {
	kind   Scheduler
	heap   []*outStream
	turn   uint64 // counts turns, or arrivals
	clock  uint64 // virtual time of the fair schedulers: the key last served
	pinned *outStream
}

const (
	// weightScale makes virtual time fine enough for any weight.
	weightScale = 1 << 16
	// priorityShift puts the priority above any number of turns.
	priorityShift = 48
)

// add puts a stream that had nothing to send into the set.
func (q *schedule) add(s *outStream) {
	q.rekey(s, 0)
	s.index = len(q.heap)
	q.heap = append(q.heap, s)
	q.up(s.index)
}

// rekey gives a stream its next key, after size bytes of it were sent (0: it
// had nothing to send before).
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
		// A stream that was idle does not get its silence back.
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

// served is told that size bytes of s were sent. hold keeps s in its turn.
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

// dropped is told that the first message of s was given up.
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

// beginPacket ends the turn of a stream that was held for a packet only.
func (q *schedule) beginPacket(interleaving bool) {
	if s := q.pinned; s != nil && (interleaving || s.head.sent == 0) {
		q.pinned = nil
	}
}

// remove takes a stream out that has nothing to send any more.
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

// partialMessages are the messages of which some fragments are sent and some
// are not, while fragments of several alternate. Their sizes are bounded by what
// the peer can hold: a receiver whose window is full of incomplete messages
// could not take what would complete them.
type partialMessages struct {
	streams []*outStream // whose first message is one
	bytes   int          // the sum of their sizes
	budget  int          // half of the window that the peer began with
}

// full reports whether a message of that size must wait for others to be sent
// completely.
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

// remove is told of each message that is wholly sent or given up.
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

// SetStreamPriority sets the priority of our outgoing stream id, which the
// priority and weighted fair schedulers look at: the higher, the sooner, or the
// more. It takes effect with the next message or fragment. ErrInvalidStream
// beyond the number of streams.
func (a *Association) SetStreamPriority(id, priority uint16) error {
	if id >= a.hand.outStreams {
		return ErrInvalidStream
	}
	a.send.stream(id).priority = priority
	return nil
}
