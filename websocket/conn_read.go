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
	"sync/atomic"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// socketBuffer is the size of the read buffer, which exists while a socket has bytes to read.
	// It is large enough for a message of 64 KiB, or several of 16 KiB, because a system call costs
	// more than copying 16 KiB.
	socketBuffer = 128 << 10

	// minStreamBuffer and maxStreamBuffer bound the read buffer of other streams, which also exists
	// while a Read waits. It starts small and grows when it is filled. TLS returns one record at a
	// time, of at most 16 KiB.
	minStreamBuffer = 4 << 10
	maxStreamBuffer = 32 << 10

	// headBuffer is the number of bytes read at once when the next message is likely to be large,
	// so that most of it can be read directly into the message's own buffer.
	headBuffer = 2 << 10

	// shrinkAfter is the number of successive reads that leave three quarters of the buffer empty,
	// after which the buffer is halved.
	shrinkAfter = 16

	// minDirect is the least number of missing bytes of a message that are read directly into the
	// message's own buffer. With fewer, a read into the read buffer may also read the next message.
	minDirect = 8 << 10

	// minGrow is the least growth of a message's buffer. The buffer grows to at most twice the
	// bytes received, independent of the announced length.
	minGrow = 4 << 10
)

// connReader is the reading side of a Conn. Its mutex is held while reading.
type connReader struct {
	mu       sync.Mutex
	receiver Receiver
	limit    atomic.Int64    // the maximum message size from the next message on
	buf      []byte          // the bytes read from the stream and not yet received
	mem      *bufpool.Buffer // the memory of buf; nil: none, or bytes that came with the handshake
	size     int             // of the next buffer, if the stream is not a socket
	small    int             // the number of successive reads that left it almost empty
	watch    watch
	large    bool           // the last message was larger than the buffer
	queued   bool           // pongs were queued since the last flush
	stream   *messageReader // of the current message, if any
	scratch  []byte         // receives discarded and decompressed bytes
}

func (in *connReader) init(stream net.Conn, cfg *connConfig) {
	in.receiver.init(cfg.client, cfg.maxMessageSize, cfg.compression)
	in.limit.Store(int64(in.receiver.max))
	in.buf = cfg.early
	in.size = minStreamBuffer
	in.watch.interrupt = stream.SetReadDeadline
}

// release releases the memory that reading needs.
func (in *connReader) release() {
	in.freeBuffer()
	in.buf, in.scratch, in.stream = nil, nil, nil
	in.receiver.inflate.release()
	in.watch.release()
}

func (in *connReader) freeBuffer() {
	in.mem.Free()
	in.mem = nil
}

// SetMaxMessageSize changes the size of the largest message that is accepted, in bytes,
// decompressed: for example, a server may accept only small messages until a client has
// authenticated. 0 is DefaultMaxMessageSize, a negative size is no limit.
//
// It may be called at any time, also concurrently with a Read, and applies from the next call of
// Read, ReadInto or Reader on; a message of which a part has been received keeps the limit that it
// began with.
func (c *Conn) SetMaxMessageSize(size int) { c.in.limit.Store(int64(messageLimit(size))) }

// Read returns the next message, in memory of its own. Otherwise it is [Conn.ReadInto].
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.ReadInto(ctx, nil)
}

// ReadInto reads the next message into buf, which it grows if the message does not fit into its
// capacity. If message[:0] is passed in the next time, reading does not allocate. An empty message
// is nil only if buf is.
//
// The error is a [*CloseError] after the peer's close frame, which ReadInto answers; ErrClosed
// after Close or CloseNow; a [*ProtocolError] after the peer has broken the protocol, which
// ReadInto answers by a close frame; an error that matches io.ErrUnexpectedEOF if the stream has
// ended without a close frame; ErrPingTimeout; otherwise the error of the stream. All of these are
// final, and the stream is closed when they are returned. The unread part of a message from
// [Conn.Reader] is skipped.
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

// beginRead checks whether a message may be read, and skips the rest of the last one.
func (c *Conn) beginRead(ctx context.Context) error {
	if c.stream == nil {
		return ErrClosed
	}
	if err := ended(ctx); err != nil {
		return &opError{"read", err}
	}
	if c.over.Load() {
		c.mu.Lock()
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return err
		}
		// Close has sent our close frame and waits: this Read receives the peer's.
	}
	in := &c.in
	if in.stream != nil {
		if err := c.skip(ctx); err != nil {
			return c.interruptedRead(err, false)
		}
		in.stream = nil
	}
	if limit := int(in.limit.Load()); limit != in.receiver.max && !in.receiver.inMessage {
		in.receiver.max = limit
	}
	return nil
}

// skip discards the rest of the current message.
func (c *Conn) skip(ctx context.Context) error {
	for c.in.receiver.inMessage {
		var err error
		if c.in.scratch, _, err = c.receive(ctx, c.in.scratch[:0], len(c.in.buf), true); err != nil {
			return err
		}
	}
	c.in.scratch = nil
	return nil
}

// endRead is called when Read is about to return a message. It records whether the next message has
// already been received completely, and sends the queued pongs.
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

// interruptedRead translates an error of receive into that of Read. If a context or a deadline has
// ended and a part of a message is lost, it closes the connection.
func (c *Conn) interruptedRead(err error, lost bool) error {
	if c.over.Load() {
		return err
	}
	c.readState.Store(readIdle)
	if !lost {
		return &opError{"read", err}
	}
	c.end(ErrClosed)
	c.in.release()
	return closingError{&opError{"read", fmt.Errorf("%w within a message", err)}}
}

// receive appends the next bytes of a message to message: from at most most of the buffered bytes
// or, if there are none, from the stream. If grow is true, message grows as needed. receive answers
// control frames. An error is final if c.over is set, and otherwise that of a context or deadline.
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
			// After our close frame, data is discarded: only the peer's close frame matters.
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

// fill reads from the stream into the empty read buffer.
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

// resize chooses the size of the next buffer by the number of bytes that the last read returned.
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

// readStream reads from the stream into b. The read buffer is empty.
func (c *Conn) readStream(ctx context.Context, b []byte) (n int, err error) {
	c.in.freeBuffer()
	if err := c.beforeStream(ctx); err != nil {
		return 0, err
	}
	n, err = c.stream.Read(b)
	return n, c.afterStream(ctx, n, err)
}

// beforeStream is called before the reader waits for the peer. It sends the frames that were held
// back for the reader.
func (c *Conn) beforeStream(ctx context.Context) error {
	c.readState.Store(readAtSocket)
	if c.out.held.Load() {
		c.flushHeld()
	}
	c.in.queued = false
	return c.in.watch.begin(ctx)
}

// afterStream translates the result of reading from the stream into that of receive.
func (c *Conn) afterStream(ctx context.Context, n int, err error) error {
	cancelled := c.in.watch.end(ctx)
	if err == nil || n > 0 {
		return nil // a lasting error is returned again by the next read
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cancelled != nil {
			return cancelled
		}
		return err
	}
	if err == io.EOF {
		return c.endOfStream(&opError{"read", io.ErrUnexpectedEOF})
	}
	return c.ended(&opError{"read", err})
}
