package rtc

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/deadline"
)

// netConnWriteSize is the size of the largest message that NetConn sends. RFC 8841, section 6.1: it
// is the size that a peer accepts by default.
const netConnWriteSize = 65536

// NetConn returns a stream of bytes over the channel, for programs that are written for TCP. A
// Write becomes one binary message, or several if it is longer than 64 KiB or the channel's
// maximum. Read concatenates the messages, text messages too. It returns io.EOF if the peer has
// closed the channel in order, otherwise the errors of ReadMessage; Write returns those of
// WriteMessage. Read and Write may be called concurrently; after a deadline they return
// os.ErrDeadlineExceeded. While OnMessage is set, Read waits.
//
// Close closes the channel: bytes that were written are still sent, and bytes that have not been
// read are dropped. A Read or Write that is blocked returns an error that matches net.ErrClosed at
// once.
func (c *channel) NetConn() net.Conn {
	n := &netConn{c: c, closed: make(chan struct{})}
	n.readDeadline.Init()
	n.writeDeadline.Init()
	if c.isZero() {
		n.closing.Do(func() { close(n.closed) })
	}
	return n
}

type netConn struct {
	c                           *channel
	reading, writing            sync.Mutex // one Read, one Write at a time
	closing                     sync.Once
	closed                      chan struct{} // by Close
	readDeadline, writeDeadline deadline.Deadline
}

func (n *netConn) Read(p []byte) (int, error) {
	n.reading.Lock()
	defer n.reading.Unlock()
	for {
		expired := n.readDeadline.Expired()
		switch {
		case isDone(n.closed):
			n.passOn(&n.c.readers)
			return 0, errClosed
		case isDone(expired):
			n.passOn(&n.c.readers)
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		n.c.owner.lock()
		if read := n.c.readSome(p); read > 0 {
			n.c.readers.wake()
			n.c.owner.unlock()
			return read, nil
		}
		err := n.c.waitReadable()
		n.c.owner.unlock()
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return 0, io.EOF // not wrapped, as io.Reader requires
		case err != nil:
			return 0, err
		}
		n.c.readers.wait(expired, n.closed)
	}
}

// passOn wakes the next waiter, because this one may have consumed a wake-up for another one.
func (n *netConn) passOn(w *waiters) {
	if n.c.isZero() {
		return
	}
	n.c.owner.lock()
	w.wake()
	n.c.owner.unlock()
}

// readSome moves bytes of the first message that is not empty to p. The rest of the message remains
// at the front of the queue.
func (c *channel) readSome(p []byte) int {
	for c.pending() {
		m := c.inbox.front()
		n := copy(p, m.Data)
		m.Data = m.Data[n:]
		c.inbox.bytes -= n
		if len(m.Data) == 0 {
			c.takeOne()
		}
		if n > 0 {
			return n
		}
	}
	return 0
}

func (n *netConn) Write(p []byte) (int, error) {
	n.writing.Lock()
	defer n.writing.Unlock()
	written := 0
	for {
		expired := n.writeDeadline.Expired()
		switch {
		case isDone(n.closed):
			n.passOn(&n.c.writers)
			return written, errClosed
		case isDone(expired):
			n.passOn(&n.c.writers)
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		}
		n.c.owner.lock()
		wait, err := n.c.waitWritable()
		if !wait && err == nil {
			size := min(len(p)-written, netConnWriteSize, max(n.c.owner.maxMessageSize(), 1))
			if err = n.c.owner.send(p[written:written+size], false); err == nil {
				written += size
			}
			n.c.writers.wake()
		}
		n.c.owner.unlock()
		switch {
		case written == len(p):
			return written, nil
		case isDone(n.closed):
			return written, errClosed
		case err != nil:
			return written, err
		case wait:
			n.c.writers.wait(expired, n.closed)
		}
	}
}

func (n *netConn) Close() error {
	n.closing.Do(func() { close(n.closed) })
	if n.c.isZero() {
		return nil
	}
	n.c.owner.lock()
	defer n.c.owner.unlock()
	n.c.detached = true
	n.c.owner.close()
	n.c.owner.reconsider()
	return nil
}

func (n *netConn) LocalAddr() net.Addr  { return channelAddr{} }
func (n *netConn) RemoteAddr() net.Addr { return channelAddr{} }

func (n *netConn) SetDeadline(t time.Time) error {
	n.readDeadline.Set(t)
	n.writeDeadline.Set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.readDeadline.Set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.writeDeadline.Set(t)
	return nil
}

// channelAddr is the address of both ends of every channel.
type channelAddr struct{}

func (channelAddr) Network() string { return "webrtc" }
func (channelAddr) String() string  { return "webrtc" }

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
