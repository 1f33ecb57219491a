package rtc

import (
	"runtime"
	"slices"
	"sync"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// maxQueuedEvents is how many callbacks may wait before the connection stops taking more from its peer: a callback
// that does not return must not let a peer fill the memory.
const maxQueuedEvents = 4096

// eventKind names a callback.
type eventKind uint8

const (
	eventDescription eventKind = iota + 1
	eventCandidate
	eventState
	eventICEState
	eventGatheringState
	eventSignalingState
	eventDataChannel
	eventOpen
	eventClosed
	eventError
	eventMessages // and OnAvailable: what is called is decided when its turn comes
	eventLow
	eventStored // and nothing else: a callback was set for what happened before
	eventClient // of a WebSocketServer
)

// event is a callback that is due. Which function is called is looked up when its turn comes, so that whatever one
// callback sets is in force for the next.
type event struct {
	target    eventTarget
	kind      eventKind
	cancelled bool
	value     int
	text      string
	text2     string
	err       error
	channel   eventTarget // that the peer has opened
}

// eventTarget is what callbacks are set on: a PeerConnection or one of its channels. deliver is called with the
// mutex held and returns with it held; around the user's function it calls enter and leave.
type eventTarget interface {
	deliver(q *callbackQueue, e event)
}

// callbackQueue calls the user's functions, in the order of the events, one at a time, never under the mutex and
// never inside the function that caused them. A goroutine exists only while there is something to call.
type callbackQueue struct {
	mu      *sync.Mutex // the connection's one mutex; guards everything here
	events  ring.Queue[event]
	run     func()   // dispatch, bound once
	stack   [64]byte // the dispatcher's, to read its id
	id      uint64   // its goroutine id
	running bool     // a dispatcher goroutine exists
	calling bool     // it is inside a user's function, of kind and target
	kind    eventKind
	stopped bool // nothing is called any more
	full    bool // somebody waits for room
	target  eventTarget
	batch   []received // the messages being delivered, for reuse
	room    func()     // is called, with the mutex held, when there is
	changed sync.Cond  // a user's function returned, or the dispatcher ended
}

func (q *callbackQueue) init(mu *sync.Mutex, room func()) {
	q.mu = mu
	q.room = room
	q.changed.L = mu
	q.run = q.dispatch
}

// push queues an event.
func (q *callbackQueue) push(e event) {
	if q.stopped {
		return
	}
	q.events.Push(e)
	q.start()
}

// pushFront queues events in front of all others, in their order.
func (q *callbackQueue) pushFront(events []event) {
	if q.stopped || len(events) == 0 {
		return
	}
	for _, e := range slices.Backward(events) {
		q.events.PushFront(e)
	}
	q.start()
}

// start starts the dispatcher, unless it is running.
func (q *callbackQueue) start() {
	if !q.running {
		q.running = true
		go q.run()
	}
}

// waiting returns how many events of a kind wait for a target.
func (q *callbackQueue) waiting(target eventTarget, kind eventKind) (n int) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target && e.kind == kind && !e.cancelled {
			n++
		}
	}
	return n
}

// trim gives the memory of an idle queue back.
func (q *callbackQueue) trim() {
	if !q.running && q.events.Len() == 0 {
		q.events.Trim()
		q.batch = nil
	}
}

func (q *callbackQueue) dispatch() {
	// Taken once per wake-up (about 1 µs) and needed only by those who wait for a callback to end: they must know
	// whether they are called from inside it, and a goroutine has no other identity to ask for.
	id := readGoroutineID(q.stack[:])
	q.mu.Lock()
	q.id = id
	defer q.ended()
	for !q.stopped && q.events.Len() > 0 {
		e, _ := q.events.Pop()
		if !e.cancelled {
			e.target.deliver(q, e)
		}
		if q.full && q.events.Len() <= maxQueuedEvents/2 {
			q.full = false
			q.room()
		}
	}
}

// overloaded tells whether so many events wait that the peer must not cause more. When it was so, room is called later.
func (q *callbackQueue) overloaded() bool {
	q.full = q.full || q.events.Len() >= maxQueuedEvents
	return q.full
}

// ended runs when the dispatcher ends: usually because the queue is empty, but a user's function may also have left
// by runtime.Goexit (a test's FailNow does), and then the callbacks after it must still come.
func (q *callbackQueue) ended() {
	if q.calling {
		q.leave()
	}
	q.running, q.id = false, 0
	if q.events.Len() > 0 && !q.stopped {
		q.running = true
		go q.run()
	}
	q.changed.Broadcast()
	q.mu.Unlock()
}

// enter releases the mutex to call a user's function.
func (q *callbackQueue) enter(target eventTarget, kind eventKind) {
	q.calling, q.target, q.kind = true, target, kind
	q.mu.Unlock()
}

// leave takes the mutex again.
func (q *callbackQueue) leave() {
	q.mu.Lock()
	q.left()
}

// left is leave for one who has the mutex already.
func (q *callbackQueue) left() {
	q.calling, q.target = false, nil
	q.changed.Broadcast()
}

// cancel forgets the waiting events of one kind, because the user took its function away.
func (q *callbackQueue) cancel(target eventTarget, kind eventKind) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target && e.kind == kind {
			e.cancelled = true
		}
	}
}

// cancelAll forgets everything that waits for one target.
func (q *callbackQueue) cancelAll(target eventTarget) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target {
			e.cancelled = true
		}
	}
}

// stop makes sure that nothing is called any more, except a function that is running already.
func (q *callbackQueue) stop() {
	q.stopped = true
	q.events.Clear()
	q.changed.Broadcast()
}

// wait blocks while the user's function of this target and kind is running (kind 0: any of this target; target nil:
// any at all), except when called from inside the dispatcher: a function cannot wait for itself.
func (q *callbackQueue) wait(target eventTarget, kind eventKind) {
	matches := func() bool {
		return q.calling && (target == nil || q.target == target) && (kind == 0 || q.kind == kind)
	}
	if !matches() || q.inside() {
		return
	}
	for matches() {
		q.changed.Wait()
	}
}

// inside tells whether the calling goroutine is the dispatcher.
func (q *callbackQueue) inside() bool { return q.running && q.id == goroutineID() }

// goroutineID reads the number from the first line of a stack trace, "goroutine 123 [running]:".
func goroutineID() uint64 {
	var buf [64]byte
	return readGoroutineID(buf[:])
}

// readGoroutineID is goroutineID with a buffer that need not be allocated.
func readGoroutineID(buf []byte) uint64 {
	n := runtime.Stack(buf, false)
	var id uint64
	for _, c := range buf[len("goroutine "):n] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + uint64(c-'0')
	}
	return id
}
