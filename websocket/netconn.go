package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// NetConn returns a stream of bytes over the messages of c, which nothing else
// may read, write or close from now on. Each Write is one message of the type;
// reading pays no attention to where messages end, and closes the connection with
// StatusUnsupportedData when one is of the other type (ErrUnexpectedMessageType).
// It ends with io.EOF when the peer has closed the connection with
// StatusNormalClosure, StatusGoingAway or no status.
//
// Close does the closing handshake with StatusNormalClosure. Deadlines work as
// they do for TLS: a Read that was late can be repeated, a Write that was late
// leaves a connection to which nothing more can be written.
func (c *Conn) NetConn(typ MessageType) net.Conn { return &netConn{c: c, typ: typ} }

type netConn struct {
	c    *Conn
	typ  MessageType
	r    *messageReader // of the current message, or nil; used by the one reader
	ends error          // why there will be nothing more to read

	// The connection's mutex protects these. A deadline is for calls of Write: it is
	// the stream's only while there are any, or a pong would be late, too.
	writes        int
	writeDeadline time.Time
}

// Read implements net.Conn.
func (n *netConn) Read(p []byte) (int, error) {
	for n.ends == nil {
		if len(p) == 0 {
			return 0, nil
		}
		if n.r == nil {
			typ, r, err := n.c.Reader(context.Background())
			if err != nil {
				return 0, n.readError(err)
			}
			if typ != n.typ {
				n.ends = fmt.Errorf("websocket: read: %w: %v", ErrUnexpectedMessageType, typ)
				n.c.Close(StatusUnsupportedData, "unexpected message type")
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

// readError returns what Read does for an error of the connection.
func (n *netConn) readError(err error) error {
	if !n.c.over.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded // as it is: users of a net.Conn ask for its Timeout
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

// Write implements net.Conn.
func (n *netConn) Write(p []byte) (int, error) {
	n.countWrite(1)
	err := n.c.Write(context.Background(), n.typ, p)
	n.countWrite(-1)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return 0, err
	}
	return len(p), nil
}

// countWrite is called at the beginning and at the end of Write.
func (n *netConn) countWrite(change int) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.writes += change
	switch {
	case n.writeDeadline.IsZero() || n.c.closeQueued: // closing has deadlines of its own
	case n.writes == 0:
		n.c.stream.SetWriteDeadline(time.Time{})
	case n.writes == 1 && change > 0:
		n.c.stream.SetWriteDeadline(n.writeDeadline)
	}
}

// Close implements net.Conn.
func (n *netConn) Close() error { return n.c.Close(StatusNormalClosure, "") }

// LocalAddr implements net.Conn.
func (n *netConn) LocalAddr() net.Addr { return n.c.LocalAddr() }

// RemoteAddr implements net.Conn.
func (n *netConn) RemoteAddr() net.Addr { return n.c.RemoteAddr() }

// SetDeadline implements net.Conn.
func (n *netConn) SetDeadline(t time.Time) error {
	return errors.Join(n.SetReadDeadline(t), n.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (n *netConn) SetReadDeadline(t time.Time) error { return n.c.stream.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.writeDeadline = t
	switch {
	case n.c.err != nil:
		return n.c.err
	case n.c.closeQueued || n.writes == 0:
		return nil
	}
	return n.c.stream.SetWriteDeadline(t)
}
