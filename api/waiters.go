package rtc

import "sync/atomic"

// waiters represents the goroutines that wait for a condition, which the owner's mutex guards. wake
// wakes one of them; that one checks the condition, and wakes the next. Waking all of them by
// closing a channel would require a new channel for every wait.
type waiters struct {
	n      atomic.Int32
	tokens chan struct{} // holds one token; nil before the first wait
}

// join begins a wait. It is called with the mutex held, and wait after it without the mutex.
func (w *waiters) join() {
	if w.tokens == nil {
		w.tokens = make(chan struct{}, 1)
	}
	w.n.Add(1)
}

// wait returns when the condition must be checked again, or one of the channels is closed; they may
// be nil.
func (w *waiters) wait(done, closed <-chan struct{}) {
	defer w.n.Add(-1)
	select {
	case <-w.tokens:
	case <-done:
	case <-closed:
	}
}

// wake wakes one goroutine. It is called with the mutex held.
func (w *waiters) wake() {
	if w.n.Load() == 0 {
		return
	}
	select {
	case w.tokens <- struct{}{}:
	default: // a goroutine is about to check
	}
}
