package rtc

import (
	"slices"
	"sync"

	"github.com/rtcstack/rtcstack/internal/goroutine"
	"github.com/rtcstack/rtcstack/internal/ring"
)

// maxQueuedEvents is the number of waiting events at which the connection stops reading messages,
// so that a peer cannot fill the memory while a callback does not return.
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
	eventMessages // for OnMessage or OnAvailable, whichever is set at its delivery
	eventLow
	eventStored // a callback was set for a stored event, which is delivered before any other
	eventClient // of a WebSocketServer
)

// event is a callback that is due. The function is looked up when the event is delivered, so that a
// function that one callback sets is called by the next event.
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

// eventTarget is an object that callbacks are set on: a PeerConnection or one of its channels.
// deliver is called with the mutex held and returns with it held; around the program's function it
// calls enter and leave.
type eventTarget interface {
	deliver(q *callbackQueue, e event)
}

// callbackQueue calls the program's functions, in the order of the events, one at a time, never
// with the mutex held and never inside the function that caused them. Its goroutine, the
// dispatcher, exists only while events wait, and between them while the owner says so: another one
// for each message costs 2 µs, for its id and for a stack that grows again.
type callbackQueue struct {
	mu      *sync.Mutex // the connection's one mutex; guards everything here
	events  ring.Queue[event]
	run     func()   // dispatch, bound once
	stack   [64]byte // a buffer of the dispatcher, to read its id
	id      uint64   // the goroutine id of the dispatcher
	running bool     // the dispatcher exists
	parked  bool     // it waits for an event
	staying bool     // it waits for further events when there is none
	calling bool     // it is inside a function of the program, for kind and target
	kind    eventKind
	stopped bool // no function is called any more
	full    bool // overloaded has reported true, and room is to be called
	target  eventTarget
	batch   []received // the messages being delivered, for reuse
	room    func()     // called, with the mutex held, when few events wait again
	changed sync.Cond  // a function of the program has returned, or one of the states above has changed
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

// start starts the dispatcher, or wakes it, unless it is running.
func (q *callbackQueue) start() {
	if !q.running {
		q.running = true
		go q.run()
	}
	q.unpark()
}

func (q *callbackQueue) unpark() {
	if q.parked {
		q.parked = false
		q.changed.Broadcast()
	}
}

// stay tells the dispatcher whether to wait for further events.
func (q *callbackQueue) stay(staying bool) {
	q.staying = staying
	if !staying {
		q.unpark()
	}
}

// idle reports that no event waits and no function is running.
func (q *callbackQueue) idle() bool { return (!q.running || q.parked) && q.events.Len() == 0 }

// waiting returns how many events of a kind wait for a target.
func (q *callbackQueue) waiting(target eventTarget, kind eventKind) (n int) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target && e.kind == kind && !e.cancelled {
			n++
		}
	}
	return n
}

// trim releases the memory of an idle queue.
func (q *callbackQueue) trim() {
	if q.idle() {
		q.events.Trim()
		q.batch = nil
	}
}

func (q *callbackQueue) dispatch() {
	// The id is read once for each dispatcher, in about 1 µs. A function that waits for a callback
	// to end needs it to find out whether it was called from inside that callback.
	id := goroutine.IDUsing(&q.stack)
	q.mu.Lock()
	q.id = id
	defer q.ended()
	for !q.stopped {
		e, ok := q.events.Pop()
		if !ok {
			if !q.staying {
				return
			}
			for q.parked = true; q.parked; {
				q.changed.Wait()
			}
			continue
		}
		if !e.cancelled {
			e.target.deliver(q, e)
		}
		if q.full && q.events.Len() <= maxQueuedEvents/2 {
			q.full = false
			q.room()
		}
	}
}

// overloaded reports whether too many events wait, so that no more messages of the peer must be
// read. If it reports true, room is called later.
func (q *callbackQueue) overloaded() bool {
	q.full = q.full || q.events.Len() >= maxQueuedEvents
	return q.full
}

// ended is called when the dispatcher ends, usually because the queue is empty. If a function of
// the program has called runtime.Goexit (FailNow of a test does), another dispatcher delivers the
// remaining events.
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

// enter releases the mutex before a call of a function of the program.
func (q *callbackQueue) enter(target eventTarget, kind eventKind) {
	q.calling, q.target, q.kind = true, target, kind
	q.mu.Unlock()
}

// leave takes the mutex after the call.
func (q *callbackQueue) leave() {
	q.mu.Lock()
	q.left()
}

// left is leave for a caller that already holds the mutex.
func (q *callbackQueue) left() {
	q.calling, q.target = false, nil
	q.changed.Broadcast()
}

// cancel drops the waiting events of one kind, because the program has set its function to nil.
func (q *callbackQueue) cancel(target eventTarget, kind eventKind) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target && e.kind == kind {
			e.cancelled = true
		}
	}
}

// cancelAll drops all waiting events of one target.
func (q *callbackQueue) cancelAll(target eventTarget) {
	for i := range q.events.Len() {
		if e := q.events.At(i); e.target == target {
			e.cancelled = true
		}
	}
}

// stop drops all events, and ignores further ones. A function that is running is not interrupted.
func (q *callbackQueue) stop() {
	q.stopped, q.parked = true, false
	q.events.Clear()
	q.changed.Broadcast()
}

// wait blocks while the program's function of this target and kind is running (kind 0: any of this
// target; target nil: any). It does not block if it is called from inside a function of the
// program.
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

// inside reports whether the calling goroutine is the dispatcher.
func (q *callbackQueue) inside() bool { return q.running && q.id == goroutine.ID() }
