package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// pinger sends pings and waits for their pongs. The connection's mutex protects
// it. The payload of a ping is its number.
type pinger struct {
	interval       time.Duration
	maxOutstanding int
	timer          *time.Timer // of the next ping; nil: none
	unanswered     int         // pings that the timer has sent since the last pong
	sent           uint64      // number of the last ping
	waiting        []pingWaiter
}

// pingWaiter is a Ping under way.
type pingWaiter struct {
	number   uint64
	answered chan error // gets nil from the pong, or why the connection is over
}

func (p *pinger) init(c *Conn, interval time.Duration, maxOutstanding int) {
	p.interval, p.maxOutstanding = interval, maxOutstanding
	if interval > 0 {
		c.mu.Lock() // it may fire at once
		defer c.mu.Unlock()
		p.timer = time.AfterFunc(interval, c.keepAlive)
	}
}

// stop is called at the end of the connection.
func (p *pinger) stop(err error) {
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, w := range p.waiting {
		w.answered <- err
	}
	p.waiting = nil
}

// Ping sends a ping and waits for its pong, which a concurrent Read has to see.
// It measures the way to the program of the peer and back: what was sent before
// goes first, and a peer may have something else to do.
func (c *Conn) Ping(ctx context.Context) error {
	answered := make(chan error, 1)
	c.mu.Lock()
	if err := c.admit(ctx, false, false); err != nil {
		c.mu.Unlock()
		return err
	}
	number := c.queuePing()
	p := &c.pings
	p.waiting = append(p.waiting, pingWaiter{number, answered})
	err := c.writeOut(ctx)
	c.mu.Unlock()
	if err != nil {
		return err // and the connection is over
	}

	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, w := range p.waiting {
			if w.answered == answered {
				p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
				break
			}
		}
		return fmt.Errorf("websocket: ping: %w", contextError(ctx))
	}
}

// queuePing makes a ping pending and returns its number.
func (c *Conn) queuePing() uint64 {
	c.pings.sent++
	var payload [8]byte
	binary.BigEndian.PutUint64(payload[:], c.pings.sent)
	c.out.grow(MaxFrameHeader + len(payload))
	c.out.pending.B = c.out.sender.AppendPing(c.out.pending.B, payload[:])
	c.out.held.Store(false)
	return c.pings.sent
}

// keepAlive is called by the timer. A peer can only be blamed for pongs that have
// not come while somebody is waiting for them: a program that does not read for a
// while must not lose its connection.
func (c *Conn) keepAlive() {
	c.mu.Lock()
	p := &c.pings
	if c.err != nil || c.closeQueued {
		c.mu.Unlock()
		return
	}
	if c.readState.Load() == readAtSocket {
		if p.maxOutstanding > 0 && p.unanswered >= p.maxOutstanding {
			c.mu.Unlock()
			c.end(ErrPingTimeout)
			return
		}
		p.unanswered++
	}
	p.timer.Reset(p.interval) // before writing, which can take for ever
	if o := &c.out; o.pending == nil || len(o.pending.B) < maxPending {
		c.queuePing()
		c.writeOut(context.Background())
	}
	c.mu.Unlock()
}

// answered takes a pong. It answers the ping of its number and those before: "If
// an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response
// to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only
// the most recently processed Ping frame."
// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5.3
func (p *pinger) answered(c *Conn, payload []byte) {
	if len(payload) != 8 {
		return // a pong nobody has asked for
	}
	number := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if number == 0 || number > p.sent {
		return
	}
	p.unanswered = 0
	n := 0
	for n < len(p.waiting) && p.waiting[n].number <= number {
		p.waiting[n].answered <- nil
		n++
	}
	if p.waiting = append(p.waiting[:0], p.waiting[n:]...); len(p.waiting) == 0 {
		p.waiting = nil
	}
}

// queuePong makes the answer to a ping pending. It leaves before the reader waits
// for the peer. Of a flood of pings that a peer does not read the answers to,
// only the last is remembered when enough are pending.
func (c *Conn) queuePong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	if c.err != nil || c.closeQueued {
		return
	}
	if o.busy && o.pending != nil && len(o.pending.B) >= maxPending {
		if o.latePong == nil {
			o.latePong = bufpool.Get(MaxControlPayload)
		}
		o.latePong.B = append(o.latePong.B[:0], payload...)
		return
	}
	o.grow(MaxFrameHeader + len(payload))
	o.pending.B = o.sender.AppendPong(o.pending.B, payload)
	if !o.busy {
		o.held.Store(true)
		c.in.queued = true
	}
}

// flushPongs sends queued pongs before a message is handed out or, with hold,
// lets them wait for the next Read as Write does.
func (c *Conn) flushPongs(hold bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := &c.out; o.pending != nil && !o.busy && !(hold && !o.noDelay && c.hold(true)) {
		c.writeFromReader()
	}
}

// flushHeld writes what was held back for the reader, or by it.
func (c *Conn) flushHeld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.pending != nil && !c.out.busy {
		c.writeFromReader()
	}
}

// writeFromReader writes what is pending without ever waiting for the peer to
// read: two peers that do so, each in its reader, would wait for each other. What
// the socket does not take at once, a goroutine writes; on other streams, all.
func (c *Conn) writeFromReader() {
	o := &c.out
	o.busy = true
	if c.socket.usable() {
		b := c.take()
		c.mu.Unlock()
		n, err := c.socket.tryWrite(b.B)
		if err != nil {
			c.end(fmt.Errorf("websocket: write: %w", err))
		}
		c.mu.Lock()
		if c.err != nil || n == len(b.B) {
			b.Free()
		} else {
			b.B = append(b.B[:0], b.B[n:]...)
			if later := o.pending; later != nil {
				b = b.Grow(len(later.B))
				b.B = append(b.B, later.B...)
				later.Free()
			}
			o.pending = b
		}
		if o.pending == nil {
			o.busy = false
			c.wake()
			return
		}
	} else {
		o.held.Store(false)
	}
	go o.flush()
}
