package websocket

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// maxPending is how many bytes of frames may be pending before those who want
	// to write more have to wait.
	maxPending = 64 << 10

	// maxHeld is how many of them may be held back.
	maxHeld = 64 << 10

	// minHold is how long they may when the program has lately not come back to
	// read in that time, and at first. It is twice as long whenever it has, up to
	// maxHold: to arm a timer that is due soon costs more than to send what it waits
	// for, as every goroutine that waits for a socket has the hardware set to it.
	minHold = time.Millisecond
	maxHold = 16 * time.Millisecond

	// maxCopy is the largest message of a server that is copied behind its header;
	// a larger one is written from where it is, by a gathering system call, which
	// costs about as much as copying this.
	maxCopy = 16 << 10

	// maxMaskedCopy is the same for a client, which has to copy in order to mask. A
	// larger message is masked and written in chunks of this size.
	maxMaskedCopy = 64 << 10

	// maxRounds is how often a writer writes for others before a goroutine does.
	maxRounds = 4
)

// connWriter is the writing side of a Conn. The connection's mutex protects it.
//
// One goroutine at a time writes to the stream: it has set busy, and works
// without the mutex. Others append to pending, which it writes before it leaves.
type connWriter struct {
	sender    Sender
	maxCopy   int
	pending   *bufpool.Buffer // frames that nobody is writing yet; nil: none
	usual     int             // bytes that were pending the last time
	busy      bool            // somebody is writing
	noDelay   bool            // nothing is held back for the reader
	takers    int             // how many wait until nobody is, to write themselves all that is pending
	waiting   int             // how many wait for anything
	inMessage bool            // somebody is sending a message in parts: other messages have to wait
	latePong  *bufpool.Buffer // the payload of the last ping, if pending was full when it came
	flush     func()          // writes what is pending; busy must be set

	held      atomic.Bool // nobody is writing, and pending waits for the reader
	holdTimer *time.Timer // ends the wait
	holding   bool        // it runs
	holdFor   time.Duration
	taken     uint // how often what was pending has been taken
	holdTaken uint // what taken was when the timer was started

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

// stop gives back what writing has needed. Who is writing keeps what it uses.
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

// Write sends p as one message. It is done with p when it returns. Text is sent
// as it is: that it is UTF-8 is for the caller to know, and for the peer to check.
//
// It waits while the peer does not read. After the connection has ended, or this
// side has begun to close it, it returns what Read does: a [*CloseError], or an
// error that matches ErrClosed, or what went wrong.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	return c.write(ctx, typ, p, false)
}

// WriteBuffered is Write for one of many messages in a row: it leaves the message
// in a buffer, if that has room, until Flush or Write is called, or for 16 ms at most.
func (c *Conn) WriteBuffered(ctx context.Context, typ MessageType, p []byte) error {
	return c.write(ctx, typ, p, true)
}

// Flush sends what Write or WriteBuffered has held back, and waits until the
// stream has taken it, unless another goroutine is writing already.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := ended(ctx); err != nil {
		return fmt.Errorf("websocket: flush: %w", err)
	}
	return c.writeOut(ctx)
}

func (c *Conn) write(ctx context.Context, typ MessageType, p []byte, buffered bool) error {
	if typ != MessageText && typ != MessageBinary {
		return fmt.Errorf("websocket: write: %w", ErrMessageType)
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
		if !o.busy && (buffered || c.maySoonRead()) && c.hold(buffered) {
			return nil
		}
		return c.writeOut(ctx)
	case o.sender.compresses(len(p)):
		return c.writeCompressed(ctx, typ, p)
	case c.client:
		return c.writeMasked(ctx, typ, p)
	default:
		o.grow(MaxFrameHeader)
		o.pending.B, _ = o.sender.appendHeader(o.pending.B, Opcode(typ), true, len(p))
		return c.writeWith(ctx, p)
	}
}

// admit waits until frames may be appended to what is pending or, if they are
// large, may be written. A message also waits for one that is being sent in parts.
func (c *Conn) admit(ctx context.Context, large, message bool) error {
	if err := ended(ctx); err != nil {
		return fmt.Errorf("websocket: write: %w", err)
	}
	o := &c.out
	var stop func() bool
	waited := false
	for {
		err := c.writeError()
		if waited && err == nil {
			if err = ended(ctx); err != nil {
				err = fmt.Errorf("websocket: write: %w", err)
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

// writeError returns why nothing more can be written, if so.
func (c *Conn) writeError() error {
	switch {
	case c.err != nil:
		return c.err
	case !c.closeQueued:
		return nil
	case c.verdict != nil:
		return c.verdict
	}
	return ErrClosed
}

// leave makes up for a writer that others have relied on to write what is pending.
func (c *Conn) leave() {
	if o := &c.out; !o.busy && o.pending != nil && !o.held.Load() {
		o.busy = true
		go o.flush()
	}
}

// wake wakes those who wait for their turn to write.
func (c *Conn) wake() {
	if c.out.waiting > 0 {
		c.cond.Broadcast()
	}
}

// grow makes room for n more pending bytes.
func (o *connWriter) grow(n int) {
	if o.pending == nil {
		o.pending = bufpool.Get(max(n, o.usual))
	} else {
		o.pending = o.pending.Grow(n)
	}
}

// maySoonRead reports whether a frame that is written now may wait for the next Read.
func (c *Conn) maySoonRead() bool { return !c.out.noDelay && c.readState.Load() == readMore }

// hold leaves what is pending to the reader or, if it is buffered, to a later
// call, and reports whether it may.
func (c *Conn) hold(buffered bool) bool {
	o := &c.out
	if len(o.pending.B) >= maxHeld {
		return false
	}
	// The reader announces that it goes to the socket before it looks whether
	// something is held, so one of the two sees what the other does.
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

// holdExpired writes what has been held for up to holdFor. The timer is not moved
// or stopped while messages come and go, as this would cost more than it saves.
func (c *Conn) holdExpired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	o.holding = false
	if o.holdFor = min(2*o.holdFor, maxHold); o.taken == o.holdTaken {
		o.holdFor = minHold // what has started the timer is still there
	}
	if c.out.held.Load() {
		c.writeOut(context.Background())
	}
}

// writeOut writes what is pending, or leaves it to who is writing.
func (c *Conn) writeOut(ctx context.Context) error {
	o := &c.out
	if o.busy || o.pending == nil {
		return nil
	}
	o.busy = true
	return c.writeAll(ctx, maxRounds)
}

// writeAll writes until nothing is pending; busy is set, and not afterwards. After
// so many rounds it hands over to a goroutine, and at once to one who waits to
// write. The context and the error are those of the first round.
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

// take takes what is pending, to write it.
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

// writeWith writes what is pending and then p, in one system call if the stream
// is a socket. Nobody is writing.
func (c *Conn) writeWith(ctx context.Context, p []byte) error {
	o := &c.out
	o.busy = true
	if o.pending != nil && !c.socket.usable() {
		n := min(len(p), maxCopy) // the header should not go alone
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

// wrote lets others write, after this goroutine has written something large, and
// returns the error of that.
func (c *Conn) wrote(err error) error {
	if o := &c.out; o.takers == 0 && o.pending != nil {
		c.writeAll(context.Background(), maxRounds)
	} else {
		o.busy = false
		c.wake()
	}
	return err
}

// writeMasked writes a large message of a client, in chunks: one that has room for
// what is pending goes first. Nobody is writing.
func (c *Conn) writeMasked(ctx context.Context, typ MessageType, p []byte) error {
	o := &c.out
	o.busy = true
	o.grow(MaxFrameHeader + maxMaskedCopy)
	var key uint32
	o.pending.B, key = o.sender.appendHeader(o.pending.B, Opcode(typ), true, len(p))
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

// compress returns the frames of a large message, made without the mutex. The messages of others wait until endMessage.
func (c *Conn) compress(typ MessageType, p []byte) *bufpool.Buffer {
	c.out.inMessage = true
	c.leave()
	c.mu.Unlock()
	b := bufpool.Get(compressBound(len(p)) + MaxFrameHeader)
	b.B = c.out.sender.AppendMessage(b.B, typ, p)
	c.mu.Lock()
	return b
}

// endMessage ends the time that messages of others have to wait.
func (c *Conn) endMessage() {
	c.out.inMessage = false
	if c.err != nil {
		c.out.sender.deflate.release()
	}
	c.wake()
}

// writeFrames writes frames of the message that is being sent in parts.
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

// writeStream writes a and b to the stream. An error is final: the connection
// is over.
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
			return c.end(fmt.Errorf("websocket: write: %w", err))
		}
	}
	c.end(ErrClosed)
	return closingError{fmt.Errorf("websocket: write: %w", cancelled)}
}
