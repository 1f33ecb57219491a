package ice

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/udp"
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
// io.ErrShortBuffer. After Close the error is net.ErrClosed, at once; after failure it is ErrFailed, when all that had arrived is read.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case passed(c.closed):
		return 0, net.ErrClosed
	case passed(c.readDeadline.Expired()):
		return 0, errDeadline
	}
	select {
	case b := <-c.queue:
		return c.take(p, b)
	case <-c.readDeadline.Expired():
		return 0, errDeadline
	case <-c.done:
	}
	if passed(c.closed) {
		return 0, net.ErrClosed
	}
	select {
	case b := <-c.queue:
		return c.take(p, b)
	default:
		return 0, c.reason()
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

// Write sends p as one datagram on the selected pair. It does not wait for one: without, the error is ErrNotConnected. Other errors
// are ErrLooksLikeSTUN, ErrLimit for more than 65,507 bytes, ErrFailed, net.ErrClosed, and what the socket says. A datagram that
// is sent may still be lost.
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case passed(c.closed):
		return 0, net.ErrClosed
	case passed(c.writeDeadline.Expired()):
		return 0, errDeadline
	case len(p) > maxDatagram:
		return 0, fmt.Errorf("ice: datagram of %d bytes: %w", len(p), ErrLimit)
	case stun.Is(p):
		return 0, ErrLooksLikeSTUN
	}
	c.mu.Lock()
	to, err := c.path, c.err
	if err == nil && c.agent.selected == nil {
		err = ErrNotConnected
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var w udp.Writer
	w.Commit(append(w.Reserve(len(p)), p...), to.remote)
	if err := w.Flush(to.socket); err != nil {
		if errors.Is(err, net.ErrClosed) || passed(c.closed) {
			return 0, net.ErrClosed
		}
		return 0, fmt.Errorf("ice: %w", err)
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
