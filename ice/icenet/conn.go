package icenet

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/stun"
)

// Conn is an ice.Agent with its sockets: a net.Conn for datagrams. Read and Write carry one
// datagram each, over the selected pair. Create it with [NewConn]; the zero value is a closed Conn.
//
// Only the connectivity checks are authenticated, and nothing is encrypted: use DTLS or QUIC over
// it. Datagrams can be lost. A controlled Conn sends where the peer's datagrams come from, if that
// is a valid pair: see ice.Agent.ReceivedData.
//
// A peer that closes its side is silent, and consent expires after 30 seconds: RFC 8445 has no
// message for the end of a connection. The protocol above should have one.
//
// All methods may be called concurrently. A Conn has one goroutine for each socket until Close, and
// one for callbacks while there are some to make. It closes sockets that neither side uses some
// time after the nomination.
type Conn struct {
	mu       sync.Mutex
	driver   *Driver
	batch    link.Batch
	stats    Stats
	timer    *time.Timer
	options  Options
	locals   []ice.Candidate // of the latest credentials
	addr     net.Addr        // for LocalAddr
	remote   net.Addr        // for RemoteAddr
	isClosed bool

	callbacks callbackQueue

	gathered gate // all local candidates are known
	path     gate // a pair is selected
	failed   gate // the agent has failed
	closed   chan struct{}

	queue                       chan *bufpool.Buffer
	queued                      atomic.Int64 // bytes in queue
	sent                        atomic.Uint64
	readDeadline, writeDeadline deadline.Deadline
}

var _ net.Conn = (*Conn)(nil)

// gate is a condition that goroutines wait for. The mutex of the Conn guards its fields.
type gate struct {
	open bool
	c    chan struct{} // closed while it is open
}

func (g *gate) set(open bool) {
	if g.c == nil || g.open && !open {
		g.c, g.open = make(chan struct{}), false
	}
	if open && !g.open {
		g.open = true
		close(g.c)
	}
}

// NewConn opens sockets and begins to gather candidates. The context bounds the call only. The
// error wraps that of ice.NewAgent, of the context or, if no socket works, of the last socket. A
// socket may also fail later: the Conn then continues with the others, if there are any.
func NewConn(ctx context.Context, config ice.Config, options Options) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		closeAll(options.Sockets)
		return nil, fmt.Errorf("icenet: %w", err)
	}
	size := cmp.Or(max(options.ReceiveQueue, 0), defaultReceiveQueue)
	c := &Conn{options: options, closed: make(chan struct{}), queue: make(chan *bufpool.Buffer, size)}
	c.callbacks.init(&c.mu)
	c.gathered.set(false)
	c.path.set(false)
	c.failed.set(false)
	c.readDeadline.Init()
	c.writeDeadline.Init()
	var links []link.Link
	for _, conn := range options.Sockets {
		s, err := udp.New(conn, udp.Options{})
		if err != nil {
			closeAll(options.Sockets)
			return nil, fmt.Errorf("icenet: %w", err)
		}
		links = append(links, s)
	}
	driver, err := NewDriver(config, DriverConfig{
		Servers: options.STUNServers,
		Lock:    c.mu.Lock, Unlock: c.unlock, Receive: c.receive,
		Bind: options.BindAddress, FallBackToLoopback: options.FallBackToLoopback,
		PortFirst: options.PortFirst, PortLast: options.PortLast,
		Network: options.network, Links: links, Logger: config.Logger,
	})
	if err != nil {
		closeAll(options.Sockets)
		return nil, err
	}
	c.driver = driver
	c.timer = time.AfterFunc(time.Hour, c.advance)
	var addr netip.AddrPort
	opened := make(chan error, 1)
	go func() {
		var err error
		addr, err = driver.openNow()
		opened <- err
	}()
	select {
	case err = <-opened:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("icenet: no socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addr == nil {
		c.addr = net.UDPAddrFromAddrPort(addr)
	}
	return c, nil
}

// closeAll closes the sockets that a Conn was to own.
func closeAll(sockets []net.PacketConn) {
	for _, s := range sockets {
		if s != nil {
			_ = s.Close()
		}
	}
}

// ended reports whether the Conn is closed, or is the zero value. The mutex is held.
func (c *Conn) ended() bool { return c.isClosed || c.driver == nil }

// done returns the channel that is closed by Close.
func (c *Conn) done() <-chan struct{} {
	if c.closed == nil {
		return alwaysClosed
	}
	return c.closed
}

// alwaysClosed is the done channel of the zero value.
var alwaysClosed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// agent returns the agent. That of the zero value is closed. The mutex is held.
func (c *Conn) agent() *ice.Agent {
	if c.driver == nil {
		return new(ice.Agent)
	}
	return c.driver.Agent()
}

// receive handles the packets that the reader of a base has read.
func (c *Conn) receive(base ice.BaseID, in *link.Inbound) {
	c.mu.Lock()
	defer c.unlock()
	if c.isClosed {
		return
	}
	agent, now := c.agent(), time.Now()
	selected, _ := agent.Selected()
	for i := range in.Len() {
		data, from := in.At(i)
		path := ice.Path{Base: base, Remote: from}
		switch {
		case stun.Is(data):
			agent.Receive(now, path, data)
		case !agent.Permits(path):
			c.stats.StrangersDropped++
		default:
			c.enqueue(data)
			if path != selected.Path {
				agent.ReceivedData(now, path)
			}
		}
	}
}

// enqueue queues a datagram for Read, or drops it as a full socket buffer would. The mutex is held.
func (c *Conn) enqueue(data []byte) {
	if len(c.queue) == cap(c.queue) || c.queued.Load()+int64(len(data)) > maxQueuedBytes {
		c.stats.QueueDropped++
		return
	}
	b := bufpool.Get(len(data))
	b.B = append(b.B, data...)
	c.queued.Add(int64(len(data)))
	c.queue <- b // does not block: only this function fills the queue
	c.stats.DatagramsReceived++
}

func (c *Conn) advance() {
	c.mu.Lock()
	defer c.unlock()
	if !c.ended() {
		c.agent().Advance(time.Now())
	}
}

// unlock ends every input: it handles the events, sends the packets of the agent, and releases the
// mutex.
func (c *Conn) unlock() {
	defer c.mu.Unlock()
	if !c.ended() {
		now := time.Now()
		c.handleEvents()
		for {
			if _, ok := c.driver.Transmit(now, &c.batch); !ok {
				break
			}
		}
		// An error means that a path does not work, which the agent finds out by itself.
		_ = c.batch.Flush()
		c.handleEvents()
		if d := c.agent().Deadline(); !d.IsZero() {
			c.timer.Reset(max(d.Sub(now), 0))
		}
	}
}

// handleEvents turns the agent's events into callbacks, and updates the conditions of Wait, Gather
// and Read.
func (c *Conn) handleEvents() {
	for {
		e, ok := c.driver.Event()
		if !ok {
			return
		}
		switch e.Kind {
		case ice.EventLocalCandidate:
			if ufrag, _ := c.agent().LocalCredentials(); ufrag == e.Ufrag {
				c.locals = append(c.locals, *e.Candidate)
			}
			if f := c.options.OnCandidate; f != nil {
				c.callbacks.push(func() { f(*e.Candidate, e.Ufrag) })
			}
		case ice.EventGatheringComplete:
			if ufrag, _ := c.agent().LocalCredentials(); ufrag == e.Ufrag {
				c.gathered.set(true)
			}
			if f := c.options.OnGatheringComplete; f != nil {
				c.callbacks.push(func() { f(e.Ufrag) })
			}
		case ice.EventSelectedPair:
			c.addr = net.UDPAddrFromAddrPort(e.Pair.Base)
			c.remote = net.UDPAddrFromAddrPort(e.Pair.Path.Remote)
			c.path.set(true)
		case ice.EventPathLost:
			c.path.set(false)
		case ice.EventState:
			c.failed.set(e.State == ice.StateFailed)
			if f := c.options.OnStateChange; f != nil {
				c.callbacks.push(func() { f(e.State) })
			}
		}
	}
}

// LocalCredentials returns the ufrag and password to be signalled to the peer, both empty for the
// zero value.
func (c *Conn) LocalCredentials() (ufrag, pwd string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent().LocalCredentials()
}

// Gather waits until all local candidates are known and returns them, for signalling without
// trickle. The slice belongs to the caller. The error wraps that of ctx, or net.ErrClosed.
func (c *Conn) Gather(ctx context.Context) ([]ice.Candidate, error) {
	for {
		c.mu.Lock()
		gathered, open, locals := c.gathered.c, c.gathered.open, slices.Clone(c.locals)
		c.mu.Unlock()
		if open {
			return locals, nil
		}
		select {
		case <-gathered:
		case <-ctx.Done():
			return nil, fmt.Errorf("icenet: gather: %w", ctx.Err())
		case <-c.done():
			return nil, fmt.Errorf("icenet: gather: %w", net.ErrClosed)
		}
	}
}

// SetRemote sets the parameters that the peer has signalled, and begins the checks: see
// ice.Agent.SetRemote, also for the errors.
func (c *Conn) SetRemote(r ice.RemoteParameters) error {
	c.mu.Lock()
	defer c.unlock()
	return c.agent().SetRemote(time.Now(), r)
}

// AddRemoteCandidate adds a candidate of the peer: see ice.Agent.AddRemoteCandidate, also for the
// errors. If the candidate has a name, the Conn resolves it, and ignores the candidate if that
// fails within 5 seconds or 16 names are being resolved.
func (c *Conn) AddRemoteCandidate(candidate ice.Candidate) error {
	c.mu.Lock()
	defer c.unlock()
	if c.driver == nil {
		return c.agent().AddRemoteCandidate(time.Now(), candidate)
	}
	return c.driver.AddRemoteCandidate(time.Now(), candidate)
}

// SetRemoteComplete states that the peer will signal no more candidates.
func (c *Conn) SetRemoteComplete() {
	c.mu.Lock()
	defer c.unlock()
	if !c.ended() {
		c.agent().SetRemoteComplete(time.Now())
	}
}

// Restart begins an ICE restart over the present networks: see ice.Agent.Restart. The new
// credentials and candidates have to be signalled to the peer. After SetRemote with those of the
// peer, the agent searches for a new path, and uses the old one meanwhile. The error wraps
// ice.ErrState after Close.
func (c *Conn) Restart() (ufrag, pwd string, err error) {
	c.mu.Lock()
	defer c.unlock()
	if err := c.agent().Restart(time.Now(), "", ""); err != nil {
		return "", "", err
	}
	c.locals = nil
	c.gathered.set(false)
	c.driver.Gather()
	ufrag, pwd = c.agent().LocalCredentials()
	return ufrag, pwd, nil
}

// Wait waits until there is a path to the peer. The error is [ErrFailed], or wraps that of ctx or
// net.ErrClosed.
func (c *Conn) Wait(ctx context.Context) error {
	for {
		c.mu.Lock()
		path, open, failed, isFailed := c.path.c, c.path.open, c.failed.c, c.failed.open
		c.mu.Unlock()
		switch {
		case open:
			return nil
		case isFailed:
			return ErrFailed
		}
		select {
		case <-path:
		case <-failed:
		case <-ctx.Done():
			return fmt.Errorf("icenet: wait: %w", ctx.Err())
		case <-c.done():
			return fmt.Errorf("icenet: wait: %w", net.ErrClosed)
		}
	}
}

// State returns the agent's state.
func (c *Conn) State() ice.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent().State()
}

// Stats returns a snapshot of the counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Stats, s.DatagramsSent = c.agent().Stats(), c.sent.Load()
	return s
}

// Selected returns the selected pair. If there is none, ok is false and pair is the last one.
func (c *Conn) Selected() (pair ice.Pair, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent().Selected()
}

// Close closes the sockets and ends the goroutines. Read and Write calls in progress return
// net.ErrClosed at once. Close does not wait for the peer, and always returns nil.
//
// When Close returns, no callback is running or will run, except the one that Close is called from.
// So a caller of Close must not hold a lock that a callback takes. If callbacks of two Conns close
// each other's Conn, both block for ever.
//
// A socket on which datagrams are queued for lack of room sends them first: it is closed after
// Close has returned, half a second later at most.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended() {
		c.end()
	}
	c.callbacks.close()
	return nil
}

// end makes the Conn a closed one. The mutex is held.
func (c *Conn) end() {
	c.isClosed = true
	c.driver.Close()
	close(c.closed)
	c.timer.Stop()
	c.readDeadline.Set(time.Time{})
	c.writeDeadline.Set(time.Time{})
	for len(c.queue) > 0 {
		select {
		case b := <-c.queue:
			b.Free()
		default:
		}
	}
}

// LocalAddr returns the address of the socket of the selected pair or, without one, of the last
// pair or of some socket. It is a *net.UDPAddr, or nil for the zero value.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addr
}

// RemoteAddr returns the peer's address of the selected pair or, without one, of the last pair. It
// is a *net.UDPAddr, or nil if there was no pair.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}
