package ice

import (
	"os"
	"sync"
	"time"
)

// errDeadline satisfies net.Error with Timeout() true, as net.Conn asks.
var errDeadline = os.ErrDeadlineExceeded

// SetDeadline sets both deadlines, as net.Conn describes.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readDeadline.set(t)
	c.writeDeadline.set(t)
	return nil
}

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded; zero is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readDeadline.set(t)
	return nil
}

// SetWriteDeadline sets the time after which Write fails with os.ErrDeadlineExceeded; zero is never. Write does not
// block for long.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeDeadline.set(t)
	return nil
}

// deadline is a time that can be waited for and moved.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{} // closed when the time has come
}

func makeDeadline() deadline { return deadline{passed: make(chan struct{})} }

// wait returns the channel that is closed when the deadline passes.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// set moves the deadline. Who waits for one that has not passed sees the new one.
func (d *deadline) set(t time.Time) {
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
