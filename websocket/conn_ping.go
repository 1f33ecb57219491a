package websocket

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// The defaults of PingInterval and MaxOutstandingPings.
const (
	// DefaultPingInterval is the interval of pings if PingInterval is 0: less than the time after
	// which NATs and HTTP proxies drop the state of an idle connection, which is often 30 to 60 s.
	DefaultPingInterval = 10 * time.Second
	// DefaultPingTimeout is the time that a peer may leave pings unanswered if PingInterval is set
	// and MaxOutstandingPings is not: enough for a short loss of the network.
	DefaultPingTimeout = 30 * time.Second

	// minOutstandingPings is the least limit that follows from DefaultPingTimeout: a peer that
	// answers one ping late is not dead.
	minOutstandingPings = 2
)

// pingSettings returns the interval and the limit for the options PingInterval and
// MaxOutstandingPings.
func pingSettings(interval time.Duration, maxOutstanding int) (time.Duration, int) {
	if interval > 0 && maxOutstanding == 0 {
		n := (DefaultPingTimeout + interval - 1) / interval
		maxOutstanding = int(min(max(n, minOutstandingPings), math.MaxInt32))
	}
	return cmp.Or(interval, DefaultPingInterval), maxOutstanding
}

// pinger sends pings and waits for their pongs. The connection's mutex protects it. The payload of
// a ping is its number.
type pinger struct {
	interval       time.Duration
	maxOutstanding int
	timer          *time.Timer // of the next ping; nil: none
	outstanding    int         // pings that the timer has sent since the last pong
	sent           uint64      // the number of the last ping
	waiting        []pingWaiter
}

// pingWaiter is a call of Ping in progress.
type pingWaiter struct {
	number   uint64
	answered chan error // receives nil after the pong, or the reason that the connection is over
}

func (p *pinger) init(c *Conn, interval time.Duration, maxOutstanding int) {
	p.interval, p.maxOutstanding = interval, maxOutstanding
	if interval > 0 {
		c.mu.Lock() // keepAlive may be called at once, and uses timer
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

// Ping sends a ping and waits for its pong, which a concurrent Read has to receive. The time that
// it takes is that of a round trip between the programs: messages sent before go first, and the
// peer may be busy.
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
		return err // the connection is over
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
		return &opError{"ping", contextError(ctx)}
	}
}

// queuePing appends a ping to the pending frames and returns its number.
func (c *Conn) queuePing() uint64 {
	c.pings.sent++
	var payload [8]byte
	binary.BigEndian.PutUint64(payload[:], c.pings.sent)
	c.out.grow(MaxFrameHeader + len(payload))
	c.out.pending.B = c.out.sender.AppendPing(c.out.pending.B, payload[:])
	c.out.held.Store(false)
	return c.pings.sent
}

// keepAlive sends a ping when the timer fires. A missing pong counts only if a Read was waiting for
// it: a program that does not read for a while must not lose its connection.
func (c *Conn) keepAlive() {
	c.mu.Lock()
	p := &c.pings
	if c.err != nil || c.closeQueued {
		c.mu.Unlock()
		return
	}
	if c.readState.Load() == readAtSocket {
		if p.maxOutstanding > 0 && p.outstanding >= p.maxOutstanding {
			c.mu.Unlock()
			c.end(ErrPingTimeout)
			return
		}
		p.outstanding++
	}
	p.timer.Reset(p.interval) // before writing, which may block
	if o := &c.out; o.pending == nil || len(o.pending.B) < maxPending {
		c.queuePing()
		c.writeOut(context.Background())
	}
	c.mu.Unlock()
}

// answered handles a pong. It answers the ping of its number and all earlier ones.
//
// RFC 6455, section 5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s)
// in response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the
// most recently processed Ping frame."
func (p *pinger) answered(c *Conn, payload []byte) {
	if len(payload) != 8 {
		return // an unsolicited pong
	}
	number := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if number == 0 || number > p.sent {
		return
	}
	p.outstanding = 0
	n := 0
	for n < len(p.waiting) && p.waiting[n].number <= number {
		p.waiting[n].answered <- nil
		n++
	}
	if p.waiting = append(p.waiting[:0], p.waiting[n:]...); len(p.waiting) == 0 {
		p.waiting = nil
	}
}

// queuePong appends the answer to a ping to the pending frames. It is sent before the reader waits
// for the peer. If a peer sends many pings and does not read the pongs, only the last ping is
// remembered once maxPending bytes are pending.
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

// flushPongs sends the queued pongs before a message is returned to the program or, if hold is
// true, holds them back until the next Read, as Write does.
func (c *Conn) flushPongs(hold bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := &c.out; o.pending != nil && !o.busy && !(hold && !o.noDelay && c.hold(true)) {
		c.writeFromReader()
	}
}

// flushHeld writes the frames that were held back for the reader, or by it.
func (c *Conn) flushHeld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.pending != nil && !c.out.busy {
		c.writeFromReader()
	}
}

// writeFromReader writes the pending frames without waiting for the peer to read: if both peers
// waited in their readers, they would wait for each other. A goroutine writes the bytes that the
// socket does not accept at once, and all bytes if the stream is not a socket.
func (c *Conn) writeFromReader() {
	o := &c.out
	o.busy = true
	if c.socket.usable() {
		b := c.take()
		c.mu.Unlock()
		n, err := c.socket.tryWrite(b.B)
		if err != nil {
			c.end(&opError{"write", err})
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
