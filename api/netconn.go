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

// netConnWriteSize is the largest message that NetConn makes of a write: large enough to be cheap, small enough for
// every implementation (https://www.rfc-editor.org/rfc/rfc8831.html#section-6.6 and the 64 KiB of RFC 8841).
const netConnWriteSize = 65536

// NetConn gives a stream of bytes over the channel, for programs that are written for TCP. A Write becomes one binary
// message, or several when it is longer than 64 KiB or the channel's maximum; Read joins them, text messages too, and
// gives io.EOF when the channel is closed. Reading and writing may go on concurrently, with deadlines. While OnMessage
// is set Read gets nothing. Close closes the channel.
func (c *channel) NetConn() net.Conn {
	n := &netConn{c: c}
	n.readDeadline.Init()
	n.writeDeadline.Init()
	return n
}

type netConn struct {
	c                           *channel
	reading, writing            sync.Mutex // one Read, one Write at a time
	rest                        []byte     // of the message that is being read
	current                     received   // that message, whose buffer goes back when it is read
	readDeadline, writeDeadline deadline.Deadline
}

func (n *netConn) Read(p []byte) (int, error) {
	n.reading.Lock()
	defer n.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		expired := n.readDeadline.Expired()
		if isDone(expired) {
			return 0, os.ErrDeadlineExceeded
		}
		n.c.owner.lock()
		if len(n.rest) > 0 || n.next() {
			read := copy(p, n.rest)
			n.rest = n.rest[read:]
			if len(n.rest) == 0 {
				n.release()
			}
			n.c.readers.wake()
			n.c.owner.unlock()
			return read, nil
		}
		err := n.c.waitReadable()
		n.c.owner.unlock()
		if err != nil {
			return 0, io.EOF
		}
		n.c.readers.wait(expired)
	}
}

// next takes the next message that is not empty; the mutex is held.
func (n *netConn) next() bool {
	for n.c.pending() {
		n.current = n.c.inbox.take()
		n.rest = n.current.Data
		if len(n.rest) > 0 {
			return true
		}
		n.release()
	}
	return false
}

func (n *netConn) release() {
	n.c.inbox.one[0] = n.current
	n.c.owner.released(n.c.inbox.one[:])
	n.c.inbox.one[0] = received{}
	n.current, n.rest = received{}, nil
}

func (n *netConn) Write(p []byte) (int, error) {
	n.writing.Lock()
	defer n.writing.Unlock()
	written := 0
	for written < len(p) {
		expired := n.writeDeadline.Expired()
		if isDone(expired) {
			return written, os.ErrDeadlineExceeded
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
		case errors.Is(err, errClosed):
			return written, io.ErrClosedPipe
		case err != nil:
			return written, err
		case wait:
			n.c.writers.wait(expired)
		}
	}
	return written, nil
}

// Close closes the channel. A Read that is waiting ends when the channel has closed.
func (n *netConn) Close() error {
	n.readDeadline.Set(time.Time{})
	return n.c.Close()
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

// channelAddr is the address of a channel, which has none of its own.
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
