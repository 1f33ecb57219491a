package sctp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// maxPacketSize bounds the packets that are received: the 16-bit length of UDP.
	maxPacketSize = 1 << 16
	// maxReadErrors is how many errors in a row show that a transport has failed. A connected UDP
	// socket reports one, "connection refused", for each packet that finds no socket; the
	// retransmissions of the handshake are fewer.
	maxReadErrors = 64
	// maxCloseDelay bounds the time in which Close waits for a Write of the transport.
	maxCloseDelay = 500 * time.Millisecond
)

// read takes packets from the transport until it fails or is closed.
func (c *Conn) read() {
	defer close(c.done)
	buf := make([]byte, maxPacketSize)
	for failures := 0; ; {
		n, err := c.transport.Read(buf)
		c.mu.Lock()
		if n > 0 {
			failures = 0
			c.a.Receive(time.Now(), buf[:n])
		}
		if err != nil {
			failures++
			if failures >= maxReadErrors || errors.Is(err, io.EOF) {
				c.a.close(fmt.Errorf("sctp: transport: %w", err))
				c.update()
				c.stop()
			}
		} else {
			c.update()
		}
		stopped := c.stopped
		c.mu.Unlock()
		if stopped {
			return
		}
	}
}

// timeout is called by the timer, in a goroutine of its own.
func (c *Conn) timeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timerAt = time.Time{}
	if !c.stopped {
		c.a.Advance(time.Now())
		c.update()
	}
}

// update processes the results of the last call of the association: events, messages, packets to
// send, and the next deadline. The lock is not held while a packet is written. If another goroutine
// is writing, that one also writes the new packets.
func (c *Conn) update() {
	wrote := false
	for {
		for e, ok := c.a.nextEvent(); ok; e, ok = c.a.nextEvent() {
			c.handle(e)
		}
		if c.a.reasm.ready.Len() > 0 {
			c.readable.broadcast()
		}
		if c.writing || c.stopped {
			break
		}
		packet, ok := c.a.Transmit(time.Now(), c.packet[:0])
		if !ok {
			break
		}
		c.writing, wrote, c.packet = true, true, packet
		c.mu.Unlock()
		_, _ = c.transport.Write(packet) // a packet that is lost is retransmitted
		c.mu.Lock()
		c.writing = false
	}
	if wrote {
		c.written.broadcast()
	}
	c.setTimer()
	if c.closed && !c.writing && c.a.Deadline().IsZero() {
		c.stop() // the peer needs no answer any more
	}
}

// setTimer makes the timer fire at the association's deadline, or before: calling Advance early is
// allowed, and a deadline that moves with each acknowledgement does not set it each time.
func (c *Conn) setTimer() {
	at := c.a.Deadline()
	if c.stopped || at.IsZero() || !c.timerAt.IsZero() && !at.Before(c.timerAt) {
		return
	}
	c.timerAt = at
	c.timer.Reset(time.Until(at))
}

// handle processes an event of the association.
func (c *Conn) handle(e Event) {
	switch e.Kind {
	case EventConnected:
		c.connected = true
		c.changed.broadcast()
	case EventSenderDry:
		c.changed.broadcast()
	case EventWritable:
		c.writable.broadcast()
	case EventStreamResetComplete:
		c.completeReset(e.Stream, e.Err)
	case EventRestarted:
		c.restarted = true
		c.readable.broadcast()
		c.completeResets(ErrRestarted)
	case EventClosed:
		c.closed, c.err = true, e.Err
		c.readable.broadcast()
		c.writable.broadcast()
		c.changed.broadcast()
		c.completeResets(c.endError())
	}
	if c.onEvent != nil {
		c.onEvent(e)
	}
}

// completeReset ends the ResetStream that waits for the stream, if there is one.
func (c *Conn) completeReset(id uint16, err error) {
	if p := c.resets[id]; p != nil {
		p.err = err
		close(p.done)
		delete(c.resets, id)
	}
}

func (c *Conn) completeResets(err error) {
	for id := range c.resets {
		c.completeReset(id, err)
	}
}

// awaitWriter waits until the goroutine that is in transport.Write, if there is one, has written
// all packets, which include that of an ABORT.
func (c *Conn) awaitWriter() {
	if !c.writing || c.stopped {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxCloseDelay)
	defer cancel()
	for c.writing && !c.stopped {
		if c.wait(ctx, &c.written) != nil {
			return
		}
	}
}

// stop closes the transport, which ends the reading goroutine.
func (c *Conn) stop() {
	if c.stopped {
		return
	}
	c.stopped = true
	c.timer.Stop()
	c.mu.Unlock()
	err := c.transport.Close()
	c.mu.Lock()
	c.stopErr = err
	close(c.transportClosed)
}
