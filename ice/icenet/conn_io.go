package icenet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/stun"
)

// errDeadline satisfies net.Error with Timeout() true, as net.Conn asks.
var errDeadline = os.ErrDeadlineExceeded

// passed reports whether a channel is closed.
func passed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Read waits for the next datagram and copies it to p. If p is too small, the rest is lost and the error is
// io.ErrShortBuffer. After Close the error is net.ErrClosed, at once; in StateFailed it is ErrFailed, when all that had arrived is read.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case passed(c.closed):
		return 0, net.ErrClosed
	case passed(c.readDeadline.Expired()):
		return 0, errDeadline
	}
	for {
		c.mu.Lock()
		failed := c.failed.c
		c.mu.Unlock()
		select {
		case b := <-c.queue:
			return c.take(p, b)
		case <-c.readDeadline.Expired():
			return 0, errDeadline
		case <-c.closed:
			return 0, net.ErrClosed
		case <-failed:
		}
		select {
		case b := <-c.queue:
			return c.take(p, b)
		default:
		}
		if c.State() == ice.StateFailed {
			return 0, ErrFailed
		}
	}
}

// take copies a datagram that was in the queue to p.
func (c *Conn) take(p []byte, b *bufpool.Buffer) (int, error) {
	n, size := copy(p, b.B), len(b.B)
	c.queued.Add(-int64(size))
	b.Free()
	if n < size {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// Write sends p as one datagram on the selected pair. It does not wait for one: without, the error is ErrNotConnected. It waits while the
// socket has no room for it. Other errors are ErrLooksLikeSTUN, ErrTooLarge, ErrFailed, net.ErrClosed, and what the socket says. A
// datagram that is sent may still be lost.
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case len(p) > maxDatagram:
		return 0, ErrTooLarge
	case stun.Is(p):
		return 0, ErrLooksLikeSTUN
	}
	for {
		switch {
		case passed(c.closed):
			return 0, net.ErrClosed
		case passed(c.writeDeadline.Expired()):
			return 0, errDeadline
		}
		to, err := c.writePath()
		if err != nil {
			return 0, err
		}
		if !to.Link.Congested() {
			return c.write(p, to)
		}
		room := make(chan struct{})
		if !to.Link.NotifyClear(func() { close(room) }) {
			continue
		}
		select {
		case <-room:
		case <-c.closed:
		case <-c.writeDeadline.Expired():
		}
	}
}

// writePath returns the path that a datagram takes now.
func (c *Conn) writePath() (link.Path, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch p := c.driver.Path(); {
	case c.isClosed:
		return link.Path{}, net.ErrClosed
	case p != nil:
		return *p, nil
	case c.driver.Agent().State() == ice.StateFailed:
		return link.Path{}, ErrFailed
	}
	return link.Path{}, ErrNotConnected
}

func (c *Conn) write(p []byte, to link.Path) (int, error) {
	var b link.Batch
	b.Commit(&to, append(b.Reserve(&to, len(p)), p...))
	if err := b.Flush(); err != nil {
		if errors.Is(err, net.ErrClosed) || passed(c.closed) {
			return 0, net.ErrClosed
		}
		return 0, fmt.Errorf("icenet: %w", err)
	}
	c.sent.Add(1)
	return len(p), nil
}

// SetDeadline sets both deadlines, as net.Conn describes. After Close the error is net.ErrClosed.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time after which Read fails with os.ErrDeadlineExceeded; zero is never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if passed(c.closed) {
		return net.ErrClosed
	}
	c.readDeadline.Set(t)
	return nil
}

// SetWriteDeadline sets the time after which Write fails with os.ErrDeadlineExceeded; zero is never. A Write that has begun is not
// interrupted: it does not wait for the peer, but at most for room in the socket's buffer.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if passed(c.closed) {
		return net.ErrClosed
	}
	c.writeDeadline.Set(t)
	return nil
}
