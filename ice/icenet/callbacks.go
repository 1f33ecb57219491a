package icenet

import (
	"sync"

	"github.com/rtcstack/rtcstack/internal/goroutine"
)

// callbackQueue calls functions of the program in order, one at a time and without a lock. Its
// goroutine exists only while there are functions to call. The zero value does not accept any.
type callbackQueue struct {
	mu      *sync.Mutex // guards the fields
	pending []func()
	open    bool      // functions are accepted
	running bool      // the goroutine exists
	id      uint64    // its id; 0 before it has begun
	ended   sync.Cond // running has become false
}

func (q *callbackQueue) init(mu *sync.Mutex) {
	q.mu, q.open = mu, true
	q.ended.L = mu
}

// push queues a call. The mutex is held.
func (q *callbackQueue) push(call func()) {
	if !q.open {
		return
	}
	q.pending = append(q.pending, call)
	q.start()
}

func (q *callbackQueue) start() {
	if !q.running {
		q.running = true
		go q.run()
	}
}

func (q *callbackQueue) run() {
	id := goroutine.ID()
	q.mu.Lock()
	q.id = id
	defer q.end()
	for len(q.pending) > 0 {
		call := q.pending[0]
		q.pending[0] = nil
		q.pending = q.pending[1:]
		q.call(call)
	}
}

// call calls a function without the mutex. It takes the mutex again also if the function ends the
// goroutine by runtime.Goexit, as FailNow of a test does.
func (q *callbackQueue) call(f func()) {
	q.mu.Unlock()
	defer q.mu.Lock()
	f()
}

// end ends the goroutine. If a function has ended it early, another goroutine makes the calls that
// are left.
func (q *callbackQueue) end() {
	q.running, q.id = false, 0
	if len(q.pending) > 0 {
		q.start()
	} else {
		q.pending = nil
	}
	if !q.running {
		q.ended.Broadcast()
	}
	q.mu.Unlock()
}

// close drops the pending calls and all later ones, and waits until the function that is being
// called has returned, unless close is called from inside it. The mutex is held, and not during the
// wait.
func (q *callbackQueue) close() {
	q.open = false
	q.pending = nil
	if !q.running || q.id == goroutine.ID() {
		return
	}
	for q.running {
		q.ended.Wait()
	}
}
