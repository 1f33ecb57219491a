package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// socketBuffer is the size of the read buffer that is there while a socket has
	// something to read. It is large enough for a message of 64 KiB, or several of 16
	// KiB, as a system call costs more than copying 16 KiB.
	socketBuffer = 128 << 10

	// minStreamBuffer and maxStreamBuffer bound that of other streams, which is there
	// while a Read waits: small ones grow when they are filled. TLS hands out a
	// record at a time, of at most 16 KiB.
	minStreamBuffer = 4 << 10
	maxStreamBuffer = 32 << 10

	// headBuffer is how much is read of what is likely to be another large message,
	// so that most of it is read to where it belongs.
	headBuffer = 2 << 10

	// shrinkAfter is how many reads in a row must have left three quarters of the
	// buffer empty before the next one is half the size.
	shrinkAfter = 16

	// minDirect is how much of a message must be missing to read it into the
	// message's own buffer. With less, the read buffer may get the next message, too.
	minDirect = 8 << 10

	// minGrow is what a message's buffer grows by at least. It grows to no more than
	// twice what has arrived, whatever was announced.
	minGrow = 4 << 10
)

// connReader is the reading side of a Conn. Its mutex is held while reading.
type connReader struct {
	mu       sync.Mutex
	receiver Receiver
	buf      []byte          // what was read from the stream and not yet received
	mem      *bufpool.Buffer // which it is in; nil: nothing, or bytes that came with the handshake
	size     int             // of the next buffer, if the stream is not a socket
	small    int             // how many reads in a row left it almost empty
	watch    watch
	large    bool           // the last message was larger than the buffer
	queued   bool           // pongs were queued since the last flush
	stream   *messageReader // of the current message, if any
	sink     []byte         // what is not wanted is received here
}

func (in *connReader) init(stream net.Conn, cfg *connConfig) {
	in.receiver.init(cfg.client, cfg.maxMessageSize, cfg.compression)
	in.buf = cfg.early
	in.size = minStreamBuffer
	in.watch.interrupt = stream.SetReadDeadline
}

// release gives back what reading has needed.
func (in *connReader) release() {
	in.freeBuffer()
	in.buf, in.sink, in.stream = nil, nil, nil
	in.receiver.inflate.release()
	in.watch.release()
}

func (in *connReader) freeBuffer() {
	in.mem.Free()
	in.mem = nil
}

// Read returns the next message, in memory of its own. See [Conn.ReadInto], which
// it is but for that.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.ReadInto(ctx, nil)
}

// ReadInto reads the next message into buf, which it grows if the message does
// not fit into its capacity: pass in message[:0] the next time, and reading does
// not allocate any more. An empty message is not nil unless buf is.
//
// After the peer's close frame, which it answers, it returns a [*CloseError]; one
// of ErrClosed after Close and CloseNow; a [*ProtocolError] when the peer has
// broken the protocol and was told so; one that wraps io.ErrUnexpectedEOF when
// the stream has ended without a close frame; otherwise the error of the stream.
// All of these are final, and the stream is closed when they are returned. The
// last part of a message that was left by [Conn.Reader] is skipped.
func (c *Conn) ReadInto(ctx context.Context, buf []byte) (typ MessageType, message []byte, err error) {
	in := &c.in
	in.mu.Lock()
	defer c.leaveRead()
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	message = buf[:0]
	for {
		var complete bool
		message, complete, err = c.receive(ctx, message, len(in.buf), true)
		if err != nil {
			return 0, nil, c.interruptedRead(err, len(message) > 0)
		}
		if complete {
			in.large = len(message) > socketBuffer
			c.endRead()
			return in.receiver.typ, message, nil
		}
	}
}

// beginRead checks whether a message may be read, and skips what is left of the last one.
func (c *Conn) beginRead(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return fmt.Errorf("websocket: read: %w", err)
	}
	if c.over.Load() {
		c.mu.Lock()
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return err
		}
		// Close has sent our close frame and waits: this Read sees to the peer's.
	}
	if c.in.stream == nil {
		return nil
	}
	if err := c.skip(ctx); err != nil {
		return c.interruptedRead(err, false)
	}
	c.in.stream = nil
	return nil
}

// skip throws away what is left of the current message.
func (c *Conn) skip(ctx context.Context) error {
	for c.in.receiver.inMessage {
		var err error
		if c.in.sink, _, err = c.receive(ctx, c.in.sink[:0], len(c.in.buf), true); err != nil {
			return err
		}
	}
	c.in.sink = nil
	return nil
}

// endRead is called when Read is about to hand out a message: it says whether
// another Read is likely to come soon, and to find what it needs.
func (c *Conn) endRead() {
	state := readIdle
	if len(c.in.buf) > 0 {
		if h, n, _ := ParseFrameHeader(c.in.buf); n > 0 && h.PayloadLength <= int64(len(c.in.buf)-n) {
			state = readMore
		}
	}
	if c.readState.Load() != state {
		c.readState.Store(state)
	}
	if c.in.queued {
		c.in.queued = false
		c.flushPongs(state == readMore)
	}
}

// interruptedRead returns what reading returns for an error of receive: a context
// or a deadline that ended closes the connection if a part of a message is lost.
func (c *Conn) interruptedRead(err error, lost bool) error {
	if c.over.Load() {
		return err
	}
	c.readState.Store(readIdle)
	if !lost {
		return fmt.Errorf("websocket: read: %w", err)
	}
	c.end(ErrClosed)
	c.in.release()
	return closingError{fmt.Errorf("websocket: read: %w within a message", err)}
}

// receive appends to message what comes next of it: of what is buffered no more
// than most bytes, or what the stream has if nothing is. With grow, message grows
// to whatever is needed. It answers control frames. An error is final if c.over,
// and otherwise that of a context or a deadline that has ended.
func (c *Conn) receive(ctx context.Context, message []byte, most int, grow bool) (grown []byte, complete bool, err error) {
	in := &c.in
	var event Event
	if len(in.buf) > 0 {
		var n int
		message, n, event, err = in.receiver.Receive(message, in.buf[:most])
		in.buf = in.buf[n:]
	} else {
		rest, room := in.receiver.Direct(), cap(message)-len(message)
		if rest < minDirect || !grow && room < minDirect {
			return message, false, c.fill(ctx)
		}
		if int64(room) < min(rest, minGrow) {
			message = slices.Grow(message, int(min(rest, int64(max(len(message), minGrow)))))
			room = cap(message) - len(message)
		}
		start := len(message)
		n, err := c.readStream(ctx, message[start:start+int(min(rest, int64(room)))])
		if err != nil {
			return message, false, err
		}
		message = message[:start+n]
		event, err = in.receiver.ReceiveDirect(message[start:])
		if err != nil {
			return message, false, c.fail(err)
		}
		return message, event == EventMessage && !c.over.Load(), nil
	}
	if err != nil {
		return message, false, c.fail(err)
	}
	switch event {
	case EventMessage:
		if c.over.Load() {
			// After our close frame, "any data received […] is discarded"; the
			// peer's close frame is all we wait for.
			return message[:0], false, nil
		}
		return message, true, nil
	case EventPing:
		c.queuePong(in.receiver.ControlPayload())
	case EventPong:
		c.pings.answered(c, in.receiver.ControlPayload())
	case EventClose:
		return message, false, c.closedByPeer(in.receiver.CloseError())
	}
	return message, false, nil
}

// fill waits for bytes of the stream and puts them into the empty read buffer.
func (c *Conn) fill(ctx context.Context) error {
	in := &c.in
	if err := c.beforeStream(ctx); err != nil {
		return err
	}
	var n int
	var err error
	if c.socket.usable() {
		n, err = c.socket.read()
	} else {
		if in.mem != nil && in.size != cap(in.mem.B) {
			in.freeBuffer()
		}
		if in.mem == nil {
			in.mem = bufpool.Get(in.size)
		}
		n, err = c.stream.Read(in.mem.B[:in.size])
		in.resize(n)
	}
	if err = c.afterStream(ctx, n, err); err != nil {
		in.freeBuffer()
		return err
	}
	in.buf = in.mem.B[:n]
	return nil
}

// resize chooses the size of the next buffer by what the last one got.
func (in *connReader) resize(n int) {
	switch {
	case n == in.size:
		in.size, in.small = min(2*in.size, maxStreamBuffer), 0
	case n > in.size/4 || in.size == minStreamBuffer:
		in.small = 0
	default:
		if in.small++; in.small == shrinkAfter {
			in.size, in.small = in.size/2, 0
		}
	}
}

// readStream reads from the stream into b, beside the buffer, which is empty.
func (c *Conn) readStream(ctx context.Context, b []byte) (n int, err error) {
	c.in.freeBuffer()
	if err := c.beforeStream(ctx); err != nil {
		return 0, err
	}
	n, err = c.stream.Read(b)
	return n, c.afterStream(ctx, n, err)
}

// beforeStream is called before the reader waits for the peer: what was held back
// for the reader's sake leaves now.
func (c *Conn) beforeStream(ctx context.Context) error {
	c.readState.Store(readAtSocket)
	if c.out.held.Load() {
		c.flushHeld()
	}
	c.in.queued = false
	return c.in.watch.begin(ctx)
}

// afterStream makes of what the stream has returned what receive returns.
func (c *Conn) afterStream(ctx context.Context, n int, err error) error {
	cancelled := c.in.watch.end(ctx)
	if err == nil || n > 0 {
		return nil // an error comes again, if it is one that lasts
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cancelled != nil {
			return cancelled
		}
		return err
	}
	if err == io.EOF {
		return c.endOfStream(fmt.Errorf("websocket: read: %w", io.ErrUnexpectedEOF))
	}
	return c.ended(fmt.Errorf("websocket: read: %w", err))
}
