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

// errDeadline is a net.Error with Timeout() true, as net.Conn requires.
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

// Read waits for the next datagram and copies it to p. If p is too small, Read drops the rest and
// returns io.ErrShortBuffer. The error is net.ErrClosed after Close, os.ErrDeadlineExceeded after
// the read deadline, and [ErrFailed] in ice.StateFailed once the queue is empty.
func (c *Conn) Read(p []byte) (int, error) {
	switch {
	case passed(c.done()):
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
		case <-c.done():
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

// take copies a datagram from the queue to p.
func (c *Conn) take(p []byte, b *bufpool.Buffer) (int, error) {
	n, size := copy(p, b.B), len(b.B)
	c.queued.Add(-int64(size))
	b.Free()
	if n < size {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

// Write sends p as one datagram on the selected pair. It waits while the socket has no room, but
// not for a pair. A datagram that is sent may be lost. The error is [ErrNotConnected], [ErrFailed],
// [ErrLooksLikeSTUN], [ErrTooLarge], os.ErrDeadlineExceeded after the write deadline, net.ErrClosed
// after Close, or wraps that of the socket.
func (c *Conn) Write(p []byte) (int, error) {
	switch {
	case len(p) > maxDatagram:
		return 0, ErrTooLarge
	case stun.Is(p):
		return 0, ErrLooksLikeSTUN
	}
	for {
		switch {
		case passed(c.done()):
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
		case <-c.done():
		case <-c.writeDeadline.Expired():
		}
	}
}

// writePath returns the present path of data.
func (c *Conn) writePath() (link.Path, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended() {
		return link.Path{}, net.ErrClosed
	}
	switch p := c.driver.Path(); {
	case p != nil:
		return *p, nil
	case c.agent().State() == ice.StateFailed:
		return link.Path{}, ErrFailed
	}
	return link.Path{}, ErrNotConnected
}

func (c *Conn) write(p []byte, to link.Path) (int, error) {
	var b link.Batch
	b.Commit(&to, append(b.Reserve(&to, len(p)), p...))
	if err := b.Flush(); err != nil {
		if errors.Is(err, net.ErrClosed) || passed(c.done()) {
			return 0, net.ErrClosed
		}
		return 0, fmt.Errorf("icenet: %w", err)
	}
	c.sent.Add(1)
	return len(p), nil
}

// SetDeadline sets the read and the write deadline, as net.Conn describes. The error is
// net.ErrClosed after Close.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time at which Read fails with os.ErrDeadlineExceeded; zero means never.
// The error is net.ErrClosed after Close.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if passed(c.done()) {
		return net.ErrClosed
	}
	c.readDeadline.Set(t)
	return nil
}

// SetWriteDeadline sets the time at which Write fails with os.ErrDeadlineExceeded; zero means
// never. The error is net.ErrClosed after Close.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if passed(c.done()) {
		return net.ErrClosed
	}
	c.writeDeadline.Set(t)
	return nil
}
