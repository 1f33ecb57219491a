// Package deadline implements the deadlines of a net.Conn: times that goroutines can wait for, and
// that can be changed in the meantime.
package deadline

import (
	"sync"
	"time"
)

// Deadline is a deadline. It must be initialized by Init, and may be used by several goroutines.
type Deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{}
}

// Init initializes a deadline that never passes.
func (d *Deadline) Init() { d.passed = make(chan struct{}) }

// Expired returns the channel that is closed when the deadline passes. After a deadline has passed,
// the next Set replaces the channel.
func (d *Deadline) Expired() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// Set sets the deadline; the zero time is no deadline. A goroutine that waits on the channel of a
// deadline that has not passed waits for the new one.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the function of the timer is running, or has run
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
