package rtc

import "sync/atomic"

// waiters are the goroutines that wait for something that the owner's mutex guards. wake lets one of them look; one that
// has looked wakes the next. Closing a channel for all of them would allocate one for every wait.
type waiters struct {
	n      atomic.Int32
	tokens chan struct{} // holds one; made for the first who waits
}

// join is called with the mutex held, wait after it without.
func (w *waiters) join() {
	if w.tokens == nil {
		w.tokens = make(chan struct{}, 1)
	}
	w.n.Add(1)
}

// wait waits until there is reason to look again, or one of the other channels is closed; they may be nil.
func (w *waiters) wait(done, closed <-chan struct{}) {
	defer w.n.Add(-1)
	select {
	case <-w.tokens:
	case <-done:
	case <-closed:
	}
}

// wake is called with the mutex held.
func (w *waiters) wake() {
	if w.n.Load() == 0 {
		return
	}
	select {
	case w.tokens <- struct{}{}:
	default: // somebody is about to look
	}
}
