package websocket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// watch interrupts a call of the stream when a context ends, by a deadline in the past. It remains
// registered with a context until a call has another one, so that a context that is the same in
// each call is registered once.
type watch struct {
	interrupt func(time.Time) error // sets the deadline

	mu          sync.Mutex
	done        <-chan struct{} // of the context
	stop        func() bool     // undoes the registration
	active      bool            // a call that may be interrupted is in progress
	ended       bool            // the context has ended
	interrupted bool            // the call was interrupted
	released    bool            // the connection is over: no context is registered any more
}

// begin is called before a call of the stream. It returns the error of a context that has ended; if
// it returns nil, the call of end must follow.
func (w *watch) begin(ctx context.Context) error {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.released {
		return nil // the stream is closed, or is being closed
	}
	if done != w.done {
		if w.stop != nil {
			w.stop()
		}
		w.done, w.ended = done, false
		w.stop = context.AfterFunc(ctx, func() { w.fire(done) })
	}
	if w.ended {
		return contextError(ctx)
	}
	w.active = true
	return nil
}

// fire is called when the context whose channel is done has ended.
func (w *watch) fire(done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done != done {
		return // a call with another context has replaced it
	}
	w.ended = true
	if w.active {
		w.interrupted = true
		w.interrupt(time.Unix(1, 0))
	}
}

// end is called after a call of the stream. It returns the context's error if the context has
// interrupted the call.
func (w *watch) end(ctx context.Context) error {
	if ctx.Done() == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active = false
	if !w.interrupted {
		return nil
	}
	w.interrupted = false
	w.interrupt(time.Time{})
	return contextError(ctx)
}

// release unregisters the context, which may outlive the connection, for good.
func (w *watch) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.released = true
	if w.stop != nil {
		w.stop()
		w.done, w.stop = nil, nil
	}
}

// ended returns the error of a context that has ended, and nil before.
func ended(ctx context.Context) error {
	if ctx.Done() == nil || ctx.Err() == nil {
		return nil
	}
	return contextError(ctx)
}

// contextError returns the error of a context that has ended. It matches both ctx.Err() and
// context.Cause(ctx).
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
