package websocket

import (
	"context"
	"fmt"
	"io"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// writerBuffer is how much of a message a writer collects before it sends a
// fragment.
const writerBuffer = 16 << 10

// Reader returns the type of the next message as soon as its first frame begins,
// and a stream of its bytes, which ends with io.EOF. ctx is for all of it. Text
// that is not UTF-8 is handed out up to that place. A message that is not read to
// its end is skipped by the next Read, ReadInto or Reader, after which its stream
// returns an error. The errors are those of [Conn.ReadInto].
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
			in.sink, _, err = c.receive(ctx, in.sink[:0], len(in.buf), true)
		} else {
			// No byte of the message is taken with its header: what is passed in ends there.
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

// pauseRead is called when a part of a message is about to be handed out: who asks
// for the next one may do so much later, and nobody waits for the peer until then.
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
	spare     []byte // decompressed, but not asked for yet
}

// decompressBite is how many compressed bytes a messageReader takes at a time:
// they can become a thousand times as many.
const decompressBite = 256

// maxKeptSink is the largest buffer for what they become that is kept for the next
// message.
const maxKeptSink = 16 << 10

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
			return 0, fmt.Errorf("websocket: read: %w", errMessageSkipped(r.c))
		case len(r.spare) > 0 && ended(r.ctx) == nil:
			n := copy(p, r.spare)
			r.spare = r.spare[n:]
			return n, nil
		case r.complete && len(r.spare) == 0:
			in.stream = nil
			if r.spare = nil; cap(in.sink) > maxKeptSink {
				in.sink = nil
			}
			r.c.endRead()
			return 0, io.EOF
		}
		if err := ended(r.ctx); err != nil {
			return 0, r.c.interruptedRead(err, !r.resumable)
		}
		var message []byte
		if in.receiver.compressed {
			in.sink, r.complete, err = r.c.receive(r.ctx, in.sink[:0], min(len(in.buf), decompressBite), true)
			r.spare = in.sink
		} else {
			message, r.complete, err = r.c.receive(r.ctx, p[:0:len(p)], min(len(in.buf), len(p)), false)
		}
		if err != nil {
			return len(message), r.c.interruptedRead(err, !r.resumable)
		}
		if !r.complete && r.c.over.Load() {
			message, r.spare = nil, nil // it may be of a later message already
		}
		if len(message) > 0 || len(r.spare) > 0 {
			r.c.pauseRead()
		}
		if len(message) > 0 {
			return len(message), nil
		}
	}
}

// errMessageSkipped says why a messageReader is not the current one.
func errMessageSkipped(c *Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return io.ErrClosedPipe
}

// Writer returns a stream whose bytes become one message when it is closed. They
// are sent, in fragments, as they come, if not before; other messages have to wait
// until then. ctx is for all of it: a context that ends in between closes the
// connection, as there is no way to take back half a message.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, fmt.Errorf("websocket: write: %w", ErrMessageType)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(ctx, false, true); err != nil {
		return nil, err
	}
	c.out.inMessage = true
	c.leave() // nothing is written yet that what is pending could go with
	return &messageWriter{c: c, ctx: ctx, typ: typ}, nil
}

// messageWriter is the stream of one message to send.
type messageWriter struct {
	c    *Conn
	ctx  context.Context
	typ  MessageType
	buf  *bufpool.Buffer // not sent yet
	done bool
	sent bool // a fragment
	err  error
}

// Write implements io.Writer.
func (w *messageWriter) Write(p []byte) (n int, err error) {
	if w.done && w.err == nil {
		return 0, fmt.Errorf("websocket: write: %w", io.ErrClosedPipe)
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

// checkContext ends the message if its context has ended. The connection can be used on if no
// fragment was sent.
func (w *messageWriter) checkContext() {
	err := ended(w.ctx)
	if w.done || err == nil {
		return
	}
	w.err = fmt.Errorf("websocket: write: %w", err)
	w.c.mu.Lock()
	closing := w.c.closeQueued
	w.c.mu.Unlock()
	if w.sent && !closing {
		w.c.end(ErrClosed)
	}
	w.end()
}

// send sends what is buffered as a fragment.
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
		w.c.end(ErrClosed) // the peer waits for the rest of a message that will not come
	}
	if w.err != nil || last {
		w.end()
	}
	w.sent = true
}

// end lets other messages be sent.
func (w *messageWriter) end() {
	w.done = true
	w.buf.Free()
	w.buf = nil
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.endMessage()
}
