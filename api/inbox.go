package rtc

import (
	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/sctp"
)

// received is a message in a receive queue. The bytes of a message that has arrived over SCTP
// belong to the association, and count in its receive window until they are released, so that a
// slow receiver slows its peer down.
type received struct {
	Message
	source sctp.Message    // the zero value: the bytes belong to the queue
	buffer *bufpool.Buffer // of a WebSocket: it holds the bytes
}

// maxEmptyInbox is the capacity, in messages, of the largest queue whose memory is retained when it
// becomes empty under load. A reader as fast as the sender never has so many messages waiting, so
// that the memory is not allocated again for each burst.
const maxEmptyInbox = 16384

// inbox is the queue of received messages of a channel.
type inbox struct {
	queue  ring.Queue[received]
	bytes  int         // of the messages' data
	filled bool        // it is no longer empty, and OnAvailable is not called yet
	one    [1]received // the message that Receive removes, for reuse
}

func (q *inbox) len() int { return q.queue.Len() }

// push appends a message and reports whether the queue was empty.
func (q *inbox) push(m received) bool {
	q.queue.Push(m)
	q.bytes += len(m.Data)
	return q.queue.Len() == 1
}

func (q *inbox) front() *received { return q.queue.Front() }

// take removes and returns the first message; there must be one.
func (q *inbox) take() received {
	m, _ := q.queue.Pop()
	q.bytes -= len(m.Data)
	if q.queue.Len() == 0 && q.queue.Cap() > maxEmptyInbox {
		q.queue.Clear()
	}
	return m
}

// trim releases the memory of an empty queue.
func (q *inbox) trim() { q.queue.Trim() }

// putBack returns a message to the front.
func (q *inbox) putBack(m received) {
	q.queue.PushFront(m)
	q.bytes += len(m.Data)
}
