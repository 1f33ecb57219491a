package websocket

import (
	"context"
	"io"
	"time"
	"unicode/utf8"
)

// Close performs the closing handshake: it sends a close frame, waits for the peer's close frame,
// and closes the stream. If the close timeout of the connection's options passes first (see
// [DefaultCloseTimeout]), it closes the stream and returns ErrCloseTimeout. It returns nil if the
// peer has already closed the connection, and the reason if the connection ended in another way.
//
// Messages written before are sent first. Messages that the peer sends in the meantime are
// discarded; a concurrent Read returns ErrClosed at the end.
//
// code must be one that may be sent, or StatusNoStatusReceived for a close frame without a code;
// otherwise the error matches ErrStatus. reason must be UTF-8, or the error matches ErrInvalidUTF8;
// it is truncated to MaxCloseReason bytes. After these two errors the connection is unchanged.
//
// RFC 6455, section 7.1.2.
func (c *Conn) Close(code StatusCode, reason string) error {
	return c.CloseContext(context.Background(), code, reason)
}

// CloseContext is Close with a context, which ends the wait like the close timeout, whichever comes
// first: the stream is then closed without a closing handshake, and the error matches ctx.Err(),
// context.Cause(ctx) and ErrClosed. If ctx has ended before the call, no close frame is sent.
func (c *Conn) CloseContext(ctx context.Context, code StatusCode, reason string) error {
	if c.stream == nil {
		return ErrClosed
	}
	if !code.MayBeSent() && (code != StatusNoStatusReceived || reason != "") {
		return &opError{"close with " + code.String(), ErrStatus}
	}
	if !utf8.ValidString(reason) {
		return &opError{"close reason", ErrInvalidUTF8}
	}
	if ended(ctx) != nil {
		c.end(c.closeInterrupted(ctx))
	} else if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { c.end(c.closeInterrupted(ctx)) })
		defer stop()
	}
	c.mu.Lock()
	if c.err != nil || c.closeQueued {
		c.mu.Unlock()
		return c.closed()
	}
	c.localClose = true
	c.queueClose(code, reason)
	if c.closeTimeout > 0 {
		timer := time.AfterFunc(c.closeTimeout, func() { c.end(ErrCloseTimeout) })
		defer timer.Stop()
		c.writeOut(context.Background())
		c.mu.Unlock()
	} else {
		defer c.boundLinger(ErrClosed)()
		c.finishWriting()
		c.mu.Unlock()
		c.end(ErrClosed)
	}
	return c.closed()
}

// closeInterrupted returns the reason for the end of a connection whose CloseContext was
// interrupted by ctx.
func (c *Conn) closeInterrupted(ctx context.Context) error {
	return closingError{&opError{"close", contextError(ctx)}}
}

// closed waits until the connection is over and returns the result of Close. It reads from the
// stream in the meantime, unless another goroutine does.
func (c *Conn) closed() error {
	for {
		c.mu.Lock()
		left := c.readersLeft
		c.mu.Unlock()
		if c.in.mu.TryLock() {
			err := c.readToTheEnd()
			c.in.mu.Unlock()
			return err
		}
		c.mu.Lock()
		for c.err == nil && c.readersLeft == left {
			c.cond.Wait()
		}
		if c.err != nil {
			defer c.mu.Unlock()
			return c.closeResult()
		}
		c.mu.Unlock()
	}
}

// readToTheEnd reads until the connection is over.
func (c *Conn) readToTheEnd() error {
	for {
		c.mu.Lock()
		if c.err != nil {
			defer c.mu.Unlock()
			c.in.release()
			return c.closeResult()
		}
		c.mu.Unlock()
		if _, _, err := c.receive(context.Background(), c.in.scratch[:0], len(c.in.buf), true); err != nil {
			c.end(err) // the program has set a deadline on the stream; other errors are already final
		}
	}
}

// closeResult is the result of Close for a connection that is over.
func (c *Conn) closeResult() error {
	if c.peerClose != nil || c.closeTimeout < 0 && c.err == ErrClosed {
		return nil
	}
	return c.err
}

// leaveRead unlocks the reading side, and signals it to Close. Close waits on the condition
// variable instead of in.mu because a bubble of testing/synctest does not see a goroutine blocked
// on a mutex.
func (c *Conn) leaveRead() {
	c.in.mu.Unlock()
	if c.over.Load() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.readersLeft++
		c.cond.Broadcast()
	}
}

// CloseNow closes the stream without a closing handshake. All other calls of this Conn, and those
// of the peer, return an error. CloseNow returns nil, or the reason that the connection was already
// over.
func (c *Conn) CloseNow() error {
	if err := c.end(ErrClosed); err != ErrClosed {
		return err
	}
	if c.in.mu.TryLock() { // otherwise the reader releases its memory
		defer c.in.mu.Unlock()
		c.in.release()
	}
	return nil
}

// queueClose appends our close frame to the pending frames. It is the last one.
func (c *Conn) queueClose(code StatusCode, reason string) {
	c.closeQueued = true
	c.over.Store(true)
	c.out.grow(MaxFrameHeader + MaxControlPayload)
	c.out.pending.B = c.out.sender.AppendClose(c.out.pending.B, code, reason)
	c.out.held.Store(false)
	c.cond.Broadcast()
}

// boundLinger starts a timer that ends the connection if the stream ignores its deadlines. The
// caller calls stop when the connection is over.
func (c *Conn) boundLinger(err error) (stop func() bool) {
	return time.AfterFunc(maxLinger, func() { c.end(err) }).Stop
}

// finishWriting writes the pending frames, or waits until other goroutines have written them, for
// at most lingerTimeout.
func (c *Conn) finishWriting() {
	o := &c.out
	c.stream.SetWriteDeadline(time.Now().Add(lingerTimeout))
	for c.err == nil && (o.busy || o.pending != nil) {
		if !o.busy {
			c.writeOut(context.Background())
			continue
		}
		o.waiting++
		c.cond.Wait()
		o.waiting--
	}
}

// closedByPeer handles the peer's close frame: it answers it, unless it is the answer to ours, and
// closes the stream.
func (c *Conn) closedByPeer(closed *CloseError) error {
	c.mu.Lock()
	c.peerClose = closed
	local := c.localClose
	if c.verdict = closed; local {
		c.verdict = ErrClosed
	}
	c.callBeforeClose(closed)
	defer c.boundLinger(closed)()
	if c.err == nil && !c.closeQueued {
		// RFC 6455, section 5.5.1: "When sending a Close frame in response, the endpoint typically
		// echos the status code it received."
		c.queueClose(closed.Code, "")
	}
	c.finishWriting()
	c.mu.Unlock()
	// RFC 6455, section 5.5.1: "After both sending and receiving a Close message, an endpoint
	// considers the WebSocket connection closed and MUST close the underlying TCP connection. The
	// server MUST close the underlying TCP connection immediately; the client SHOULD wait for the
	// server to close the connection".
	if !local || c.client {
		c.shutdown()
	}
	return c.ended(closed)
}

// fail fails the connection because the peer has broken the protocol.
//
// RFC 6455, section 7.1.7.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	c.verdict = err
	c.callBeforeClose(err)
	defer c.boundLinger(err)()
	if c.err == nil && !c.closeQueued {
		code := StatusProtocolError
		if protocol, ok := err.(*ProtocolError); ok {
			code = protocol.Code
		}
		c.queueClose(code, "")
	}
	c.finishWriting()
	c.mu.Unlock()
	c.shutdown()
	return c.ended(err)
}

// endOfStream ends the connection after the peer has ended its side of the stream without a close
// frame. The other side may still be open, so the pending frames are sent first.
func (c *Conn) endOfStream(err error) error {
	c.mu.Lock()
	if c.err == nil && !c.closeQueued {
		c.verdict = err
		c.callBeforeClose(err)
	}
	defer c.boundLinger(err)()
	c.finishWriting()
	c.mu.Unlock()
	return c.ended(err)
}

// callBeforeClose calls the program's BeforeClose if the program can still write. The mutex is held
// by the caller, and released during the call.
func (c *Conn) callBeforeClose(err error) {
	if c.beforeClose == nil || c.err != nil || c.closeQueued {
		return
	}
	c.readState.Store(readIdle) // a Write is not held back for this reader
	if c.out.pending != nil && !c.out.busy {
		c.writeFromReader()
	}
	c.mu.Unlock()
	c.beforeClose(err)
	c.mu.Lock()
}

// ended ends the connection and releases the memory of the reader, which calls it.
func (c *Conn) ended(err error) error {
	err = c.end(err)
	c.in.release()
	return err
}

// shutdown waits until the peer has closed its side of the stream, for at most lingerTimeout. A
// server closes its own side first. Closing a socket with unread data would reset the TCP
// connection, and the peer might lose our last frames.
func (c *Conn) shutdown() {
	if !c.client {
		half, ok := c.stream.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	c.stream.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.CopyN(io.Discard, c.stream, maxLingerBytes)
}
