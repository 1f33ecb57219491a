package rtc

import (
	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/sctp"
)

// received is a message in a receive queue. The bytes of one that came over SCTP are those of the association, counted
// in its receive window until they are released, so that a slow receiver slows its peer down and nothing else.
type received struct {
	Message
	source sctp.Message    // the zero value: the bytes belong to the queue
	buffer *bufpool.Buffer // of a WebSocket: what holds the bytes
}

// inbox is the queue of received messages of a channel, a ring that grows by doubling.
type inbox struct {
	ring   []received
	head   int
	count  int
	bytes  int
	filled bool        // it went from empty to one message, and nobody was told yet
	one    [1]received // the message that Receive takes, for reuse
}

func (q *inbox) len() int { return q.count }

// push appends a message and tells whether the queue was empty.
func (q *inbox) push(m received) bool {
	if q.count == len(q.ring) {
		q.grow(max(2*len(q.ring), 4))
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = m
	q.count++
	q.bytes += len(m.Data)
	return q.count == 1
}

func (q *inbox) grow(size int) {
	ring := make([]received, size)
	for i := range q.count {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

func (q *inbox) front() *received { return &q.ring[q.head] }

// take removes the first message; there must be one.
func (q *inbox) take() received {
	m := q.ring[q.head]
	q.ring[q.head] = received{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.count--
	q.bytes -= len(m.Data)
	return m
}

// trim gives the ring of an empty queue back.
func (q *inbox) trim() {
	if q.count == 0 {
		q.ring, q.head = nil, 0
	}
}

// putBack returns a message to the front.
func (q *inbox) putBack(m received) {
	if q.count == len(q.ring) {
		q.grow(max(2*len(q.ring), 4))
	}
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = m
	q.count++
	q.bytes += len(m.Data)
}
