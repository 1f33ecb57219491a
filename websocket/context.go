package websocket

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// watch makes the end of a context interrupt a call of the stream, by a deadline
// in the past. It stays with one context until there is another, so that a
// context that is the same in each call is registered once.
type watch struct {
	interrupt func(time.Time) error // sets the deadline

	mu          sync.Mutex
	done        <-chan struct{} // of the context
	stop        func() bool     // undoes the registration
	active      bool            // a call is under way that it may interrupt
	ended       bool            // it has
	interrupted bool
	released    bool // the connection is over: no context is remembered any more
}

// begin is called before the stream is; end must follow if it returns nil. It
// returns the context's error if that has ended.
func (w *watch) begin(ctx context.Context) error {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.released {
		return nil // the stream is closed, or about to be
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

// fire is called when the context of done has ended.
func (w *watch) fire(done <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done != done {
		return // a call with another context came first
	}
	w.ended = true
	if w.active {
		w.interrupted = true
		w.interrupt(time.Unix(1, 0))
	}
}

// end is called after the stream was. It returns the context's error if that has
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

// release forgets the context, which may outlive the connection, for good.
func (w *watch) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.released = true
	if w.stop != nil {
		w.stop()
		w.done, w.stop = nil, nil
	}
}

// ended returns the error of a context that has ended, nil for one that goes on.
func ended(ctx context.Context) error {
	if ctx.Done() == nil || ctx.Err() == nil {
		return nil
	}
	return contextError(ctx)
}

// contextError returns an error that matches both ctx.Err() and context.Cause(ctx). ctx has ended.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
