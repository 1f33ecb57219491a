package websocket

import (
	"context"
	"io"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// writerBuffer is the number of bytes that a writer collects before it sends them as a fragment.
const writerBuffer = 16 << 10

// Reader waits for the first frame of the next message, and returns the type of the message and a
// stream of its bytes, which ends with io.EOF. ctx applies to the whole message. Of text with
// invalid UTF-8, the part before the first invalid byte is returned. If the message is not read to
// its end, the next Read, ReadInto or Reader skips the rest, after which the stream returns an
// error. The errors are those of [Conn.ReadInto].
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	in := &c.in
	in.mu.Lock()
	defer c.leaveRead()
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	r := &messageReader{c: c, ctx: ctx}
	for !r.complete && (!in.receiver.inMessage || c.over.Load()) {
		var err error
		if c.over.Load() {
			in.scratch, _, err = c.receive(ctx, in.scratch[:0], len(in.buf), true)
		} else {
			// Byte by byte, so that no byte of the message is taken together with its header.
			_, r.complete, err = c.receive(ctx, nil, min(len(in.buf), 1), false)
		}
		if err != nil {
			return 0, nil, c.interruptedRead(err, false)
		}
	}
	in.stream = r
	c.pauseRead()
	return in.receiver.typ, r, nil
}

// pauseRead is called when a part of a message is about to be returned: the program may read the
// next part much later, and until then no call waits for the peer.
func (c *Conn) pauseRead() {
	if c.readState.Load() == readAtSocket {
		c.readState.Store(readIdle)
	}
	if c.in.queued {
		c.in.queued = false
		c.flushPongs(false)
	}
}

// messageReader is the stream of one message.
type messageReader struct {
	c         *Conn
	ctx       context.Context
	complete  bool
	resumable bool   // a read that a deadline has interrupted loses nothing
	spare     []byte // decompressed bytes that the program has not read yet
}

const (
	// decompressStep is the number of compressed bytes that a messageReader decompresses at a time:
	// the result can be a thousand times as large.
	decompressStep = 256

	// maxIdleScratch is the largest buffer for decompressed bytes that is kept between messages.
	maxIdleScratch = 16 << 10
)

func (r *messageReader) Read(p []byte) (n int, err error) {
	in := &r.c.in
	in.mu.Lock()
	defer r.c.leaveRead()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		switch {
		case in.stream != r && r.complete && len(r.spare) == 0:
			return 0, io.EOF
		case in.stream != r:
			return 0, &opError{"read", errMessageSkipped(r.c)}
		case len(r.spare) > 0 && ended(r.ctx) == nil:
			n := copy(p, r.spare)
			r.spare = r.spare[n:]
			return n, nil
		case r.complete && len(r.spare) == 0:
			in.stream = nil
			if r.spare = nil; cap(in.scratch) > maxIdleScratch {
				in.scratch = nil
			}
			r.c.endRead()
			return 0, io.EOF
		}
		if err := ended(r.ctx); err != nil {
			return 0, r.c.interruptedRead(err, !r.resumable)
		}
		var message []byte
		if in.receiver.compressed {
			in.scratch, r.complete, err = r.c.receive(r.ctx, in.scratch[:0], min(len(in.buf), decompressStep), true)
			r.spare = in.scratch
		} else {
			message, r.complete, err = r.c.receive(r.ctx, p[:0:len(p)], min(len(in.buf), len(p)), false)
		}
		if err != nil {
			return len(message), r.c.interruptedRead(err, !r.resumable)
		}
		if !r.complete && r.c.over.Load() {
			message, r.spare = nil, nil // these bytes may belong to a later message
		}
		if len(message) > 0 || len(r.spare) > 0 {
			r.c.pauseRead()
		}
		if len(message) > 0 {
			return len(message), nil
		}
	}
}

// errMessageSkipped returns the error of a messageReader that is no longer the current one.
func errMessageSkipped(c *Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return io.ErrClosedPipe
}

// Writer returns a stream whose bytes form one message, which closing the stream completes. The
// bytes are sent in fragments of 16 KiB; other messages wait until the stream is closed. ctx
// applies to the whole message. If it ends after the first fragment has been sent, the connection
// is closed, because half a message cannot be taken back.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, &opError{"write", ErrMessageType}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(ctx, false, true); err != nil {
		return nil, err
	}
	c.out.inMessage = true
	c.leave() // the pending frames do not wait for the first fragment
	return &messageWriter{c: c, ctx: ctx, typ: typ}, nil
}

// messageWriter is the stream of one message to send.
type messageWriter struct {
	c    *Conn
	ctx  context.Context
	typ  MessageType
	buf  *bufpool.Buffer // bytes not sent yet
	done bool
	sent bool // a fragment has been sent
	err  error
}

// Write implements io.Writer.
func (w *messageWriter) Write(p []byte) (n int, err error) {
	if w.done && w.err == nil {
		return 0, &opError{"write", io.ErrClosedPipe}
	}
	w.checkContext()
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = bufpool.Get(writerBuffer)
		}
		take := min(len(p), writerBuffer-len(w.buf.B))
		w.buf.B = append(w.buf.B, p[:take]...)
		p = p[take:]
		n += take
		if len(w.buf.B) == writerBuffer && len(p) > 0 {
			w.send(false)
		}
	}
	return n, w.err
}

// Close sends the end of the message. It does not close the connection.
func (w *messageWriter) Close() error {
	if w.checkContext(); !w.done {
		if w.send(true); !w.done {
			w.end()
		}
	}
	return w.err
}

// checkContext ends the message if its context has ended. The connection remains usable if no
// fragment was sent.
func (w *messageWriter) checkContext() {
	err := ended(w.ctx)
	if w.done || err == nil {
		return
	}
	w.err = &opError{"write", err}
	w.c.mu.Lock()
	closing := w.c.closeQueued
	w.c.mu.Unlock()
	if w.sent && !closing {
		w.c.end(ErrClosed)
	}
	w.end()
}

// send sends the buffered bytes as a fragment.
func (w *messageWriter) send(last bool) {
	var p []byte
	if w.buf != nil {
		p = w.buf.B
	}
	frames := bufpool.Get(compressBound(len(p)) + MaxFrameHeader)
	frames.B = w.c.out.sender.AppendFragment(frames.B, w.typ, p, last)
	w.c.mu.Lock()
	w.err = w.c.writeFrames(w.ctx, frames.B)
	closing := w.c.closeQueued
	w.c.mu.Unlock()
	frames.Free()
	if w.buf != nil {
		w.buf.B = w.buf.B[:0]
	}
	if w.err != nil && !closing {
		w.c.end(ErrClosed) // the rest of the message, for which the peer waits, cannot be sent
	}
	if w.err != nil || last {
		w.end()
	}
	w.sent = true
}

// end ends the message, so that others can be sent.
func (w *messageWriter) end() {
	w.done = true
	w.buf.Free()
	w.buf = nil
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.endMessage()
}
