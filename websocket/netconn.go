package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn returns a stream of bytes over the messages of c. From now on the program must not read,
// write or close c in another way. The stream follows the contract of net.Conn, with deadlines and
// concurrent calls, as golang.org/x/net/nettest tests it. It differs from a TCP connection as
// follows:
//
//   - Each Write sends one message of the type typ, an empty Write an empty one. Read joins
//     messages, and ignores empty ones. If the peer sends a message of the other type, Read closes
//     the connection with StatusUnsupportedData (ErrUnexpectedMessageType). If a message is larger
//     than MaxMessageSize, Read fails; so MaxMessageSize bounds the size of each Write of the peer.
//   - There is no half-closed state: the peer's close ends both directions. Read then returns
//     io.EOF if the status was StatusNormalClosure, StatusGoingAway or none, and the [*CloseError]
//     otherwise.
//
// Write copies p and returns when the message is on its way. It waits while 64 KiB are pending that
// the stream has not accepted. A Write that ends by its deadline has sent no part of its message;
// it can be repeated, and so can such a Read.
//
// Close returns at once, and so do all other calls, with ErrClosed. In the background the pending
// messages are sent, and then a close frame with StatusNormalClosure; the peer has the close
// timeout of the connection's options to receive them and to answer. Only a Read that is answering
// the close frame of a peer which does not read continues, for a second.
//
// The stream of c must support deadlines, as those of net, net.Pipe and crypto/tls do: Close and
// SetReadDeadline use them to interrupt a Read.
func (c *Conn) NetConn(typ MessageType) net.Conn {
	return &netConn{c: c, typ: typ, reading: make(chan struct{}, 1)}
}

type netConn struct {
	c   *Conn
	typ MessageType

	reading chan struct{}  // has a token during a Read; protects the next two
	r       *messageReader // of the current message, or nil
	ends    error          // the final error of Read, once there is one

	mu           sync.Mutex // protects the next two; locked after reading and before the Conn's mutex
	closed       bool
	readDeadline time.Time // also set on the stream, until it is closed

	// The Conn's mutex protects these. The deadline is not set on the stream: an interrupted write
	// would break a frame and, with TLS, the connection.
	writeDeadline time.Time
	writeTimer    *time.Timer // wakes the waiting calls when the deadline passes; nil: there never was one
}

// Read implements net.Conn.
func (n *netConn) Read(p []byte) (int, error) {
	// A channel instead of a mutex, because a bubble of testing/synctest does not see a goroutine
	// blocked on a mutex.
	n.reading <- struct{}{}
	defer func() { <-n.reading }()
	for n.ends == nil {
		if err := n.mayRead(); err != nil || len(p) == 0 {
			return 0, err
		}
		if n.r == nil {
			typ, r, err := n.c.Reader(context.Background())
			if err != nil {
				return 0, n.readError(err)
			}
			if typ != n.typ {
				n.ends = &opError{"read", fmt.Errorf("%w: %v", ErrUnexpectedMessageType, typ)}
				n.beginClose(StatusUnsupportedData, "unexpected message type")
				break
			}
			n.r = r.(*messageReader)
			n.r.resumable = true
		}
		k, err := n.r.Read(p)
		if err == io.EOF {
			n.r, err = nil, nil
		}
		if k > 0 {
			return k, nil
		}
		if err != nil {
			return 0, n.readError(err)
		}
	}
	return 0, n.ends
}

// mayRead returns an error if the connection is closed or the deadline has passed.
func (n *netConn) mayRead() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed:
		return ErrClosed
	case passed(n.readDeadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// passed reports whether a deadline has passed.
func passed(deadline time.Time) bool { return !deadline.IsZero() && time.Until(deadline) <= 0 }

// readError translates an error of the connection into that of Read.
func (n *netConn) readError(err error) error {
	if n.isClosed() {
		return ErrClosed
	}
	if !n.c.over.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded // not wrapped: users of a net.Conn assert net.Error
	}
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway, StatusNoStatusReceived:
		err = io.EOF
	}
	if !errors.Is(err, ErrClosed) {
		n.ends = err
	}
	return err
}

func (n *netConn) isClosed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

// Write implements net.Conn.
func (n *netConn) Write(p []byte) (int, error) {
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := n.admit(); err != nil {
		return 0, err
	}
	o := &c.out
	switch compresses := o.sender.compresses(len(p)); {
	case compresses && len(p) > o.maxCopy:
		if err := c.appendCompressed(n.typ, p); err != nil {
			return 0, err
		}
	case compresses:
		o.grow(compressBound(len(p)) + MaxFrameHeader)
		o.pending.B = o.sender.AppendMessage(o.pending.B, n.typ, p)
	default:
		o.grow(len(p) + MaxFrameHeader)
		o.pending.B = o.sender.AppendMessage(o.pending.B, n.typ, p)
	}
	if !o.busy && !(c.maySoonRead() && c.hold(false)) {
		c.writeFromReader()
		if c.err != nil {
			return 0, c.err
		}
	}
	return len(p), nil
}

// admit waits, like Conn.admit, until a message may be appended to the pending frames.
func (n *netConn) admit() error {
	c := n.c
	o := &c.out
	for waited := false; ; waited = true {
		err := c.writeError()
		if err == nil && passed(n.writeDeadline) {
			err = os.ErrDeadlineExceeded
		}
		full := o.busy && o.pending != nil && len(o.pending.B) >= maxPending
		if waited && (err != nil || o.inMessage) {
			c.leave()
		}
		if err != nil || !full && !o.inMessage {
			return err
		}
		takes := !o.inMessage
		o.waiting++
		if takes {
			o.takers++
		}
		c.cond.Wait()
		o.waiting--
		if takes {
			o.takers--
		}
	}
}

// appendCompressed compresses a large message without the mutex, and appends it to the pending
// frames.
func (c *Conn) appendCompressed(typ MessageType, p []byte) error {
	b := c.compress(typ, p)
	defer b.Free()
	defer c.endMessage()
	if err := c.writeError(); err != nil {
		return err
	}
	c.out.grow(len(b.B))
	c.out.pending.B = append(c.out.pending.B, b.B...)
	return nil
}

// Close implements net.Conn.
func (n *netConn) Close() error { return n.beginClose(StatusNormalClosure, "") }

// beginClose appends our close frame to the pending frames, ends all calls, and starts a goroutine
// for the rest of the closing handshake.
func (n *netConn) beginClose(code StatusCode, reason string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stream == nil:
		return ErrClosed
	case c.err != nil:
		return c.closeResult()
	case c.closeQueued: // a Read has answered the peer's close frame
		if !c.out.busy && c.out.pending == nil {
			go c.end(ErrClosed) // it only waits for the peer to close the stream
		}
		return nil
	}
	c.localClose = true
	c.queueClose(code, reason)
	if !c.out.busy {
		c.writeFromReader()
	}
	if n.writeTimer != nil {
		n.writeTimer.Stop()
	}
	c.stream.SetReadDeadline(time.Unix(1, 0))
	go n.finishClose()
	return nil
}

// finishClose waits for the peer's part of the closing handshake.
func (n *netConn) finishClose() {
	c := n.c
	if c.closeTimeout < 0 {
		defer c.boundLinger(ErrClosed)()
		c.mu.Lock()
		c.finishWriting()
		c.mu.Unlock()
		c.end(ErrClosed)
		return
	}
	timeout := time.AfterFunc(c.closeTimeout, func() { c.end(ErrCloseTimeout) })
	defer timeout.Stop()
	n.reading <- struct{}{} // waits until the interrupted Read has returned; a later one does not use the stream
	c.stream.SetReadDeadline(time.Time{})
	<-n.reading
	c.closed()
}

// LocalAddr implements net.Conn.
func (n *netConn) LocalAddr() net.Addr { return n.c.LocalAddr() }

// RemoteAddr implements net.Conn.
func (n *netConn) RemoteAddr() net.Addr { return n.c.RemoteAddr() }

// SetDeadline implements net.Conn.
func (n *netConn) SetDeadline(t time.Time) error {
	return errors.Join(n.SetReadDeadline(t), n.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (n *netConn) SetReadDeadline(t time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	if n.c.stream == nil {
		return ErrClosed
	}
	n.readDeadline = t
	return n.c.stream.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (n *netConn) SetWriteDeadline(t time.Time) error {
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.writeError(); err != nil {
		return err
	}
	n.writeDeadline = t
	switch {
	case passed(t):
		c.wake()
	case t.IsZero():
	case n.writeTimer == nil:
		n.writeTimer = time.AfterFunc(time.Until(t), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.wake()
		})
	default:
		n.writeTimer.Reset(time.Until(t))
	}
	return nil
}
