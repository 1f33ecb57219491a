// Package deadline is the deadline of a net.Conn: a time that can be waited for
// and moved.
package deadline

import (
	"sync"
	"time"
)

// Deadline is a time, seen as a channel that is closed when it has passed. It
// must be initialized, and may be used by several goroutines.
type Deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{}
}

// Init makes it a deadline that never passes.
func (d *Deadline) Init() { d.passed = make(chan struct{}) }

// Expired returns the channel that is closed when the deadline passes. A
// deadline that is set anew after it has passed has another channel.
func (d *Deadline) Expired() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// Set moves the deadline; the zero time is never. Who waits for one that has
// not passed waits for the new one.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // its function runs, or has run
	}
	d.timer = nil
	select {
	case <-d.passed:
		d.passed = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if until := time.Until(t); until > 0 {
		d.timer = time.AfterFunc(until, func() { close(passed) })
	} else {
		close(passed)
	}
}
