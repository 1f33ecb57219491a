package websocket

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// maxPending is the size of the pending frames, in bytes, from which on further writes wait.
	maxPending = 64 << 10

	// maxHeld is the size of the pending frames, in bytes, from which on they are not held back.
	maxHeld = 64 << 10

	// minHold is the time for which frames are held back at first, and after the program has not
	// returned to Read in time. The time doubles, up to maxHold, whenever the program has. Setting
	// a timer that expires soon costs more than sending the frames, because the runtime then
	// reprograms the hardware timer each time a goroutine waits for a socket.
	minHold = time.Millisecond
	maxHold = 16 * time.Millisecond

	// maxCopy is the size of the largest message of a server that is copied behind its header. A
	// larger one is written from the caller's memory by a gathering system call, which costs about
	// as much as copying this many bytes.
	maxCopy = 16 << 10

	// maxMaskedCopy is the same for a client, which has to copy in order to mask. A larger message
	// is masked and written in chunks of this size.
	maxMaskedCopy = 64 << 10

	// maxRounds is the number of times that a writer writes frames of other goroutines, before it
	// starts a goroutine for that.
	maxRounds = 4
)

// connWriter is the writing side of a Conn. The connection's mutex protects it.
//
// One goroutine at a time writes to the stream: the one that has set busy. It works without the
// mutex. Others append to pending, which it writes before it clears busy.
type connWriter struct {
	sender    Sender
	maxCopy   int
	pending   *bufpool.Buffer // frames that are not being written yet; nil: none
	usual     int             // the size of the pending frames when they were last taken
	busy      bool            // a goroutine is writing
	noDelay   bool            // nothing is held back for the reader
	takers    int             // the number of goroutines waiting for busy to clear, to write all pending frames
	waiting   int             // the number of goroutines waiting for any reason
	inMessage bool            // a message is being sent in parts: other messages wait
	latePong  *bufpool.Buffer // the payload of the last ping, if pending was full when it came
	flush     func()          // writes the pending frames; busy must be set

	held      atomic.Bool // busy is not set, and pending waits for the reader
	holdTimer *time.Timer // ends the wait
	holding   bool        // holdTimer is running
	holdFor   time.Duration
	taken     uint // the number of times that the pending frames were taken
	holdTaken uint // the value of taken when holdTimer was started

	watch   watch
	parts   [2][]byte // of buffers
	buffers net.Buffers
}

func (o *connWriter) init(c *Conn, cfg *connConfig) {
	o.sender.init(cfg.client, cfg.compression, cfg.compressionThreshold, nil)
	o.watch.interrupt = c.stream.SetWriteDeadline
	o.noDelay = cfg.noDelay
	o.maxCopy = maxCopy
	if cfg.client {
		o.maxCopy = maxMaskedCopy
	}
	o.flush = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writeAll(context.Background(), -1)
	}
}

// stop releases the memory that writing needs. A goroutine that is writing keeps the buffer it
// writes.
func (o *connWriter) stop() {
	o.pending.Free()
	o.latePong.Free()
	o.pending, o.latePong = nil, nil
	o.held.Store(false)
	if o.holdTimer != nil {
		o.holdTimer.Stop()
	}
	if !o.inMessage {
		o.sender.deflate.release()
	}
	o.watch.release()
}

// Write sends p as one message. It does not keep p. It does not check that text is UTF-8, which the
// protocol requires.
//
// It waits while the peer does not read. After the connection has ended, or this side has begun to
// close it, the error is that of Read: a [*CloseError], one that matches ErrClosed, or the failure.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	return c.write(ctx, typ, p, false)
}

// WriteBuffered is Write for one of many messages in a row: if there is room, the message remains
// in a buffer until Flush or Write is called, for at most 16 ms.
func (c *Conn) WriteBuffered(ctx context.Context, typ MessageType, p []byte) error {
	return c.write(ctx, typ, p, true)
}

// Flush sends the messages that Write or WriteBuffered has held back, and waits until the stream
// has accepted them, unless another goroutine is writing already.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil {
		return ErrClosed
	}
	if c.err != nil {
		return c.err
	}
	if err := ended(ctx); err != nil {
		return &opError{"flush", err}
	}
	return c.writeOut(ctx)
}

func (c *Conn) write(ctx context.Context, typ MessageType, p []byte, buffered bool) error {
	if typ != MessageText && typ != MessageBinary {
		return &opError{"write", ErrMessageType}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	large := len(p) > o.maxCopy
	if err := c.admit(ctx, large, true); err != nil {
		return err
	}
	switch {
	case !large:
		room := len(p) + MaxFrameHeader
		if o.sender.compresses(len(p)) {
			room = compressBound(len(p)) + MaxFrameHeader
		}
		o.grow(room)
		o.pending.B = o.sender.AppendMessage(o.pending.B, typ, p)
		return c.writeOrHold(ctx, buffered)
	case o.sender.compresses(len(p)):
		return c.writeCompressed(ctx, typ, p)
	case c.client:
		return c.writeMasked(ctx, firstByte(Opcode(typ), true), p)
	default:
		o.grow(MaxFrameHeader)
		o.pending.B, _ = o.sender.appendHeader(o.pending.B, firstByte(Opcode(typ), true), len(p))
		return c.writeWith(ctx, p)
	}
}

// writeOrHold writes the pending frames, the last of which is a new message, unless they may wait
// for the reader or, if buffered, for a later call.
func (c *Conn) writeOrHold(ctx context.Context, buffered bool) error {
	if !c.out.busy && (buffered || c.maySoonRead()) && c.hold(buffered) {
		return nil
	}
	return c.writeOut(ctx)
}

// admit waits until frames may be appended to the pending ones or, if they are large, until they
// may be written. A message also waits for one that is being sent in parts.
func (c *Conn) admit(ctx context.Context, large, message bool) error {
	if err := ended(ctx); err != nil {
		return &opError{"write", err}
	}
	o := &c.out
	var stop func() bool
	waited := false
	for {
		err := c.writeError()
		if waited && err == nil {
			if err = ended(ctx); err != nil {
				err = &opError{"write", err}
			}
		}
		inMessage := message && o.inMessage
		full := o.busy && (large || o.pending != nil && len(o.pending.B) >= maxPending)
		if waited && (err != nil || inMessage) {
			c.leave()
		}
		if err != nil || !inMessage && !full {
			return err
		}
		if ctx.Done() != nil && stop == nil {
			stop = context.AfterFunc(ctx, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.cond.Broadcast()
			})
			defer stop()
		}
		waited = true
		o.waiting++
		if !inMessage {
			o.takers++
		}
		c.cond.Wait()
		o.waiting--
		if !inMessage {
			o.takers--
		}
	}
}

// writeError returns the reason that nothing more can be written, nil if there is none.
func (c *Conn) writeError() error {
	switch {
	case c.stream == nil:
		return ErrClosed
	case c.err != nil:
		return c.err
	case !c.closeQueued:
		return nil
	case c.verdict != nil:
		return c.verdict
	}
	return ErrClosed
}

// leave starts a flush if a goroutine that was to write the pending frames has ended its wait.
func (c *Conn) leave() {
	if o := &c.out; !o.busy && o.pending != nil && !o.held.Load() {
		o.busy = true
		go o.flush()
	}
}

// wake wakes the goroutines that wait for their turn to write.
func (c *Conn) wake() {
	if c.out.waiting > 0 {
		c.cond.Broadcast()
	}
}

// grow ensures room for n more pending bytes.
func (o *connWriter) grow(n int) {
	if o.pending == nil {
		o.pending = bufpool.Get(max(n, o.usual))
	} else {
		o.pending = o.pending.Grow(n)
	}
}

// maySoonRead reports whether a frame that is written now may wait for the next Read.
func (c *Conn) maySoonRead() bool { return !c.out.noDelay && c.readState.Load() == readMore }

// hold holds the pending frames back, for the reader or, if buffered, for a later call. It reports
// whether it did.
func (c *Conn) hold(buffered bool) bool {
	o := &c.out
	if len(o.pending.B) >= maxHeld {
		return false
	}
	// The reader sets readState before it checks held, and this function sets held before it checks
	// readState, so at least one of them sees the other's change.
	o.held.Store(true)
	if !buffered && c.readState.Load() != readMore {
		o.held.Store(false)
		return false
	}
	if !o.holding {
		o.holding, o.holdTaken = true, o.taken
		if o.holdTimer == nil {
			o.holdFor = minHold
			o.holdTimer = time.AfterFunc(o.holdFor, c.holdExpired)
		} else {
			o.holdTimer.Reset(o.holdFor)
		}
	}
	return true
}

// holdExpired writes the frames that have been held for up to holdFor. The timer is neither moved
// nor stopped while messages come and go, because that would cost more than it saves.
func (c *Conn) holdExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	o.holding = false
	if o.holdFor = min(2*o.holdFor, maxHold); o.taken == o.holdTaken {
		o.holdFor = minHold // the frames that started the timer are still held
	}
	if c.out.held.Load() {
		c.writeOut(context.Background())
	}
}

// writeOut writes the pending frames, or leaves them to the goroutine that is writing.
func (c *Conn) writeOut(ctx context.Context) error {
	o := &c.out
	if o.busy || o.pending == nil {
		return nil
	}
	o.busy = true
	return c.writeAll(ctx, maxRounds)
}

// writeAll writes until nothing is pending, and clears busy, which the caller has set. After the
// given number of rounds it starts a goroutine to continue; a waiting writer takes over at once.
// The context and the error are those of the first round.
func (c *Conn) writeAll(ctx context.Context, rounds int) (err error) {
	o := &c.out
	for first := true; o.pending != nil && (first || o.takers == 0); first = false {
		if rounds == 0 {
			go o.flush()
			return err
		}
		rounds--
		b := c.take()
		c.mu.Unlock()
		failed := c.writeStream(ctx, b.B, nil)
		b.Free()
		c.mu.Lock()
		if first {
			ctx, err = context.Background(), failed
		}
	}
	o.busy = false
	c.wake()
	return err
}

// take removes the pending frames and returns them, to be written.
func (c *Conn) take() *bufpool.Buffer {
	o := &c.out
	b := o.pending
	o.pending, o.usual = nil, len(b.B)
	o.taken++
	if o.held.Load() {
		o.held.Store(false)
	}
	if o.latePong != nil {
		if !c.closeQueued {
			o.grow(MaxFrameHeader + MaxControlPayload)
			o.pending.B = o.sender.AppendPong(o.pending.B, o.latePong.B)
		}
		o.latePong.Free()
		o.latePong = nil
	}
	c.wake()
	return b
}

// writeWith writes the pending frames and then p, in one system call if the stream is a socket.
// busy must not be set.
func (c *Conn) writeWith(ctx context.Context, p []byte) error {
	o := &c.out
	o.busy = true
	if o.pending != nil && !c.socket.usable() {
		n := min(len(p), maxCopy) // so that the header is not written alone
		o.grow(n)
		o.pending.B = append(o.pending.B, p[:n]...)
		p = p[n:]
	}
	var head []byte
	b := o.pending
	if b != nil {
		b = c.take()
		head = b.B
	}
	c.mu.Unlock()
	err := c.writeStream(ctx, head, p)
	b.Free()
	c.mu.Lock()
	return c.wrote(err)
}

// wrote is called after this goroutine has written a large message with the given error, which it
// returns. It lets waiting writers take over, or writes the pending frames.
func (c *Conn) wrote(err error) error {
	if o := &c.out; o.takers == 0 && o.pending != nil {
		c.writeAll(context.Background(), maxRounds)
	} else {
		o.busy = false
		c.wake()
	}
	return err
}

// writeMasked writes a large frame of a client, in chunks, the first of which includes the pending
// frames. b0 is the first byte of the header. busy must not be set.
func (c *Conn) writeMasked(ctx context.Context, b0 byte, p []byte) error {
	o := &c.out
	o.busy = true
	o.grow(MaxFrameHeader + maxMaskedCopy)
	var key uint32
	o.pending.B, key = o.sender.appendHeader(o.pending.B, b0, len(p))
	b := c.take()
	c.mu.Unlock()
	var err error
	for len(p) > 0 && err == nil {
		n := min(len(p), cap(b.B)-len(b.B))
		b.B, key = appendMasked(b.B, p[:n], key)
		p = p[n:]
		err = c.writeStream(ctx, b.B, nil)
		b.B = b.B[:0]
	}
	b.Free()
	c.mu.Lock()
	return c.wrote(err)
}

// writeCompressed compresses a large message without the mutex, and writes it.
func (c *Conn) writeCompressed(ctx context.Context, typ MessageType, p []byte) error {
	b := c.compress(typ, p)
	err := c.writeFrames(ctx, b.B)
	b.Free()
	c.endMessage()
	return err
}

// compress returns the frames of a large message, compressed without the mutex. Other messages wait
// until endMessage.
func (c *Conn) compress(typ MessageType, p []byte) *bufpool.Buffer {
	c.out.inMessage = true
	c.leave()
	c.mu.Unlock()
	b := bufpool.Get(compressBound(len(p)) + MaxFrameHeader)
	b.B = c.out.sender.AppendMessage(b.B, typ, p)
	c.mu.Lock()
	return b
}

// endMessage ends a message sent in parts, so that other messages no longer wait.
func (c *Conn) endMessage() {
	c.out.inMessage = false
	if c.err != nil {
		c.out.sender.deflate.release()
	}
	c.wake()
}

// writeFrames writes frames of a message that is being sent in parts.
func (c *Conn) writeFrames(ctx context.Context, frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	large := len(frames) > c.out.maxCopy
	if err := c.admit(ctx, large, false); err != nil {
		return err
	}
	if large {
		return c.writeWith(ctx, frames)
	}
	c.out.grow(len(frames))
	c.out.pending.B = append(c.out.pending.B, frames...)
	return c.writeOut(ctx)
}

// writeStream writes a and b to the stream. After an error the connection is over.
func (c *Conn) writeStream(ctx context.Context, a, b []byte) error {
	o := &c.out
	cancelled := o.watch.begin(ctx)
	if cancelled == nil {
		var err error
		if len(a) > 0 && len(b) > 0 && c.socket.usable() {
			o.parts[0], o.parts[1] = a, b
			o.buffers = o.parts[:]
			_, err = o.buffers.WriteTo(c.stream)
			o.parts = [2][]byte{}
		} else {
			if len(a) > 0 {
				_, err = c.stream.Write(a)
			}
			if err == nil && len(b) > 0 {
				_, err = c.stream.Write(b)
			}
		}
		cancelled = o.watch.end(ctx)
		if err == nil {
			return nil
		}
		if cancelled == nil {
			return c.end(&opError{"write", err})
		}
	}
	c.end(ErrClosed)
	return closingError{&opError{"write", cancelled}}
}
