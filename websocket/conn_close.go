package websocket

import (
	"context"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Close does the closing handshake: it sends a close frame and waits until the
// peer has answered by its own, and the stream is closed. It waits for the close
// timeout of the connection's options at most (5 s by default), after which it
// closes the stream and returns ErrCloseTimeout. It returns nil if the peer has
// closed the connection already, and the reason if it ended in another way.
//
// What was written before is sent before. What the peer sends in the meantime is
// thrown away. A Read goes on until then, and returns ErrClosed.
//
// The code must be one that may be sent (ErrStatus), or StatusNoStatusReceived to
// send none; the reason must be UTF-8 (ErrInvalidUTF8) of at most MaxCloseReason
// bytes, and is cut to that. The connection stays as it was if they are not.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-7.1.2
func (c *Conn) Close(code StatusCode, reason string) error {
	if !code.MayBeSent() && (code != StatusNoStatusReceived || reason != "") {
		return fmt.Errorf("websocket: close with %v: %w", code, ErrStatus)
	}
	if !utf8.ValidString(reason) {
		return fmt.Errorf("websocket: close reason: %w", ErrInvalidUTF8)
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

// closed returns what Close does when the connection is over. Until it is, it
// reads, unless somebody else does.
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
		if _, _, err := c.receive(context.Background(), c.in.sink[:0], len(c.in.buf), true); err != nil {
			c.end(err) // a deadline that the program has set on the stream; other errors have ended it
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

// leaveRead unlocks the reading side. Close may wait for it, on the condition
// variable and not the mutex: that also works in the bubbles of testing/synctest.
func (c *Conn) leaveRead() {
	c.in.mu.Unlock()
	if c.over.Load() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.readersLeft++
		c.cond.Broadcast()
	}
}

// CloseNow closes the stream without a closing handshake. The peer, and everybody
// who uses the connection, gets an error. It returns nil the first time, and why
// the connection is over if it was already.
func (c *Conn) CloseNow() error {
	if err := c.end(ErrClosed); err != ErrClosed {
		return err
	}
	if c.in.mu.TryLock() { // or who reads does it
		defer c.in.mu.Unlock()
		c.in.release()
	}
	return nil
}

// queueClose makes our close frame pending, after which no other frame will be.
func (c *Conn) queueClose(code StatusCode, reason string) {
	c.closeQueued = true
	c.over.Store(true)
	c.out.grow(MaxFrameHeader + MaxControlPayload)
	c.out.pending.B = c.out.sender.AppendClose(c.out.pending.B, code, reason)
	c.out.held.Store(false)
	c.cond.Broadcast()
}

// boundLinger ends a connection that takes longer to end than its deadlines allow, because the
// stream ignores them. The caller calls stop when the connection has ended.
func (c *Conn) boundLinger(err error) (stop func() bool) {
	return time.AfterFunc(maxLinger, func() { c.end(err) }).Stop
}

// finishWriting writes what is pending, or waits until others have written it,
// but not for long.
func (c *Conn) finishWriting() {
	o := &c.out
	c.stream.SetWriteDeadline(time.Now().Add(lingerClose))
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

// closedByPeer answers the peer's close frame, or takes it for the answer to our
// own, and closes the stream.
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
		c.queueClose(closed.Code, "") // "typically echos the status code it received"
	}
	c.finishWriting()
	c.mu.Unlock()
	// When the peer has our close frame, too, "the server MUST close the underlying
	// TCP connection immediately"; the client waits for that.
	// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5.1
	if !local || c.client {
		c.shutdown()
	}
	return c.ended(closed)
}

// fail fails the connection because of what the peer has done.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-7.1.7
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

// endOfStream ends the connection when the peer has ended its side of the stream without a
// close frame. The other side may still be open: what is pending leaves.
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

// callBeforeClose calls the program's BeforeClose as long as the program can still write. The
// mutex is held, but not during the call.
func (c *Conn) callBeforeClose(err error) {
	if c.beforeClose == nil || c.err != nil || c.closeQueued {
		return
	}
	c.readState.Store(readIdle) // no Write is to be held back for this reader
	if c.out.pending != nil && !c.out.busy {
		c.writeFromReader()
	}
	c.mu.Unlock()
	c.beforeClose(err)
	c.mu.Lock()
}

// ended ends the connection as its reader.
func (c *Conn) ended(err error) error {
	err = c.end(err)
	c.in.release()
	return err
}

// shutdown waits, not long, until the peer has closed its side of the stream. A
// server tells it to by closing its own, as it is the one to close first. Closing
// a socket while data comes in would reset it, and the peer might not get to see
// our last frames.
func (c *Conn) shutdown() {
	if !c.client {
		half, ok := c.stream.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	c.stream.SetReadDeadline(time.Now().Add(lingerClose))
	io.CopyN(io.Discard, c.stream, maxLingerClose)
}
