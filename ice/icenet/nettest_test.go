package icenet

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// TestNetConn runs the tests of the Go project for implementations of net.Conn. They assume
// connections without losses whose Read returns io.EOF after the peer's Close, neither of which a
// Conn promises. So the Conns under test are on a network without loss, and signal their end: see
// lossless. Everything else is tested: waits of Read, deadlines, Close, concurrent calls.
func TestNetConn(t *testing.T) {
	t.Parallel() // it mostly waits
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := connectedConns(t)
		toA, toB := make(chan struct{}, maxUnread), make(chan struct{}, maxUnread)
		stop = func() {
			a.Close()
			b.Close()
		}
		return &lossless{a, toA, toB}, &lossless{b, toB, toA}, stop, nil
	})
}

// lossless is a Conn whose Write waits until the peer has room in its receive queue, and whose Read
// takes an empty datagram for the peer's end.
type lossless struct {
	*testConn
	unread       chan struct{} // an element for each datagram that Read has not returned yet
	unreadByPeer chan struct{}
}

// maxUnread leaves room for the empty datagram in the queue of loopbackConn.
const maxUnread = 3

func (c *lossless) Read(p []byte) (int, error) {
	n, err := c.testConn.Read(p)
	if err != nil && !errors.Is(err, io.ErrShortBuffer) {
		return n, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	<-c.unread
	return n, err
}

func (c *lossless) Write(p []byte) (int, error) {
	select {
	case c.unreadByPeer <- struct{}{}:
	case <-c.writeDeadline.Expired():
		return 0, errDeadline
	case <-c.closed:
		return 0, net.ErrClosed
	}
	n, err := c.testConn.Write(p)
	if err != nil {
		<-c.unreadByPeer
	}
	return n, err
}

func (c *lossless) Close() error {
	_ = c.SetWriteDeadline(time.Time{}) // if it fails, so does the next call
	_, _ = c.testConn.Write(nil)
	return c.testConn.Close()
}
