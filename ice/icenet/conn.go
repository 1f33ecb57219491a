package icenet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

const (
	// defaultReceiveQueue is how many datagrams wait for Read: 64 of full size are 77 KB.
	defaultReceiveQueue = 64
	// maxDatagram is the largest payload of a UDP datagram over IPv4.
	maxDatagram = 65507
	// maxQueuedBytes bounds the memory of what waits for Read, in bytes: large datagrams are as good a way to fill it as many.
	maxQueuedBytes = 1 << 20
)

// Errors of a Conn.
var (
	// ErrNotConnected is returned by Write while there is no selected pair: before the first, and after the path is lost.
	ErrNotConnected = errors.New("icenet: not connected")
	// ErrFailed is returned while the agent has found no path or lost it: in StateFailed, which Restart can leave.
	ErrFailed = errors.New("icenet: connection failed")
	// ErrLooksLikeSTUN is returned by Write for a datagram that the peer could not tell from a connectivity check, see stun.Is: 20
	// bytes or more with STUN's magic cookie in the right place. DTLS, RTP and QUIC have none of these
	// (https://www.rfc-editor.org/rfc/rfc7983.html#section-7).
	ErrLooksLikeSTUN = errors.New("icenet: datagram looks like STUN")
	// ErrTooLarge is returned by Write for a datagram of more than 65,507 bytes.
	ErrTooLarge = errors.New("icenet: datagram is too large")
)

// Options says which sockets a Conn opens, and whom it tells. The zero value is one socket, on a port that the system chooses, on each address
// of the host but loopback and link-local ones, and no STUN server.
type Options struct {
	// BindAddress, if valid, is the only address to use; 0.0.0.0 and :: stand for all of their family.
	BindAddress netip.Addr
	// FallBackToLoopback uses loopback addresses if the host has no others.
	FallBackToLoopback bool
	// PortFirst and PortLast, if PortFirst is not zero, are the range of ports to choose from.
	PortFirst, PortLast uint16
	// Sockets, if there are some, are used instead of opening any, and belong to the Conn. One that is bound to all addresses is
	// signalled with the first of the host. They need not be the operating system's; then each datagram is a call.
	Sockets []net.PacketConn
	// STUNServers are servers besides those of the ice.Config, whose names have to be resolved.
	STUNServers []Server
	// ReceiveQueue is how many datagrams may wait for Read before more are dropped and counted; zero is 64. Together they are not
	// more than 1 MiB.
	ReceiveQueue int

	// OnCandidate is called with each local candidate, to be signalled to the peer with the ufrag that it belongs to.
	// OnGatheringComplete is called when no more are to be expected for the ufrag. OnStateChange is called with each new state. Calls
	// are made one at a time, on goroutines of the Conn, without a lock, and should not block; they may call methods of the Conn.
	OnCandidate         func(c ice.Candidate, ufrag string)
	OnGatheringComplete func(ufrag string)
	OnStateChange       func(ice.State)

	network Network // of tests
}

// Stats are the agent's Stats, and counters of application datagrams.
type Stats struct {
	ice.Stats
	DatagramsSent, DatagramsReceived uint64 // received: given to Read, or waiting for it
	// QueueDropped counts datagrams of the peer that found the receive queue full: Read was not called often enough.
	QueueDropped uint64
	// StrangersDropped counts datagrams from addresses that the peer has not proven to have. Datagrams that look like STUN are
	// the agent's, which counts them in Stats if they are not.
	StrangersDropped uint64
}

// Conn is an ice.Agent with its sockets: a net.Conn whose Read and Write carry one datagram each to and from the peer, over
// whatever pair is selected. Nothing is encrypted or authenticated but the connectivity checks: use DTLS or QUIC over it.
// A controlled Conn sends where the peer's datagrams arrive from, if that is a valid pair: see ice.Agent.ReceivedData.
//
// It is a net.Conn of datagrams. They can be lost, and Read drops what does not fit its buffer. The peer's Close is not seen: to
// Read it is a peer that is silent, until consent expires after 30 seconds. RFC 8445 has no message for it; end a
// connection in the protocol above.
//
// All methods may be called concurrently. A Conn runs one goroutine per socket until Close; sockets that neither side uses are closed
// some time after the nomination.
type Conn struct {
	mu       sync.Mutex
	driver   *Driver
	batch    link.Batch
	stats    Stats
	timer    *time.Timer
	options  Options
	locals   []ice.Candidate // of the last credentials
	addr     net.Addr        // LocalAddr
	remote   net.Addr        // RemoteAddr
	isClosed bool

	pending     []func() // callbacks to make
	dispatching bool

	gathered gate // all local candidates are known
	path     gate // there is a selected pair
	failed   gate // the agent has failed
	closed   chan struct{}

	queue                       chan *bufpool.Buffer
	queued                      atomic.Int64 // bytes in queue
	sent                        atomic.Uint64
	readDeadline, writeDeadline deadline.Deadline
}

var _ net.Conn = (*Conn)(nil)

// gate is a condition that goroutines wait for. Its fields are guarded by the mutex of its Conn.
type gate struct {
	open bool
	c    chan struct{} // closed while it is open
}

func (g *gate) set(open bool) {
	switch {
	case g.c == nil || g.open && !open:
		g.c = make(chan struct{})
		g.open = false
	}
	if open && !g.open {
		g.open = true
		close(g.c)
	}
}

// NewConn opens sockets and begins to gather candidates. The context bounds that only. The error is that of ice.NewAgent or of a
// socket, if there is none that works.
func NewConn(ctx context.Context, config ice.Config, options Options) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("icenet: %w", err)
	}
	if options.ReceiveQueue <= 0 {
		options.ReceiveQueue = defaultReceiveQueue
	}
	c := &Conn{options: options, closed: make(chan struct{}), queue: make(chan *bufpool.Buffer, options.ReceiveQueue)}
	c.gathered.set(false)
	c.path.set(false)
	c.failed.set(false)
	c.readDeadline.Init()
	c.writeDeadline.Init()
	var links []link.Link
	for _, conn := range options.Sockets {
		s, err := udp.New(conn, udp.Options{})
		if err != nil {
			return nil, fmt.Errorf("icenet: %w", err)
		}
		links = append(links, s)
	}
	driver, err := NewDriver(config, DriverConfig{
		Servers: options.STUNServers, Lock: c.mu.Lock, Unlock: c.unlock, Receive: c.receive,
		Bind: options.BindAddress, FallBackToLoopback: options.FallBackToLoopback, PortFirst: options.PortFirst, PortLast: options.PortLast,
		Network: options.network, Links: links, Logger: config.Logger,
	})
	if err != nil {
		return nil, err
	}
	c.driver = driver
	c.timer = time.AfterFunc(time.Hour, c.advance)
	opened := make(chan error, 1)
	go func() { opened <- driver.openNow() }()
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
		c.addr = net.UDPAddrFromAddrPort(driver.bases[0].addr)
	}
	return c, nil
}

// receive handles what the reader of a base has read.
func (c *Conn) receive(base ice.BaseID, in *link.Inbound) {
	c.mu.Lock()
	defer c.unlock()
	if c.isClosed {
		return
	}
	agent, now := c.driver.Agent(), time.Now()
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

// enqueue gives a datagram to Read, or drops it as a full socket buffer would. Called with mu held.
func (c *Conn) enqueue(data []byte) {
	if len(c.queue) == cap(c.queue) || c.queued.Load()+int64(len(data)) > maxQueuedBytes {
		c.stats.QueueDropped++
		return
	}
	b := bufpool.Get(len(data))
	b.B = append(b.B, data...)
	c.queued.Add(int64(len(data)))
	c.queue <- b // there is room: only this function fills it
	c.stats.DatagramsReceived++
}

func (c *Conn) advance() {
	c.mu.Lock()
	defer c.unlock()
	if !c.isClosed {
		c.driver.Agent().Advance(time.Now())
	}
}

// unlock follows every input: it handles what has happened, sends what the agent wants sent, releases the mutex, and makes the
// callbacks.
func (c *Conn) unlock() {
	if !c.isClosed {
		now := time.Now()
		c.handleEvents()
		for {
			if _, ok := c.driver.Transmit(now, &c.batch); !ok {
				break
			}
		}
		_ = c.batch.Flush() // an error is one of a path that does not work, which ICE is there to find out
		c.handleEvents()
		if d := c.driver.Agent().Deadline(); !d.IsZero() {
			c.timer.Reset(max(d.Sub(now), 0))
		}
	}
	c.dispatchAndUnlock()
}

// handleEvents turns the agent's events into callbacks and into what Wait, Gather and Read wait for.
func (c *Conn) handleEvents() {
	for {
		e, ok := c.driver.Event()
		if !ok {
			return
		}
		switch e := e.(type) {
		case ice.EventLocalCandidate:
			if ufrag, _ := c.driver.Agent().LocalCredentials(); ufrag == e.Ufrag {
				c.locals = append(c.locals, e.Candidate)
			}
			if f := c.options.OnCandidate; f != nil {
				c.pending = append(c.pending, func() { f(e.Candidate, e.Ufrag) })
			}
		case ice.EventGatheringComplete:
			if ufrag, _ := c.driver.Agent().LocalCredentials(); ufrag == e.Ufrag {
				c.gathered.set(true)
			}
			if f := c.options.OnGatheringComplete; f != nil {
				c.pending = append(c.pending, func() { f(e.Ufrag) })
			}
		case ice.EventSelectedPair:
			c.addr, c.remote = net.UDPAddrFromAddrPort(e.Pair.Base), net.UDPAddrFromAddrPort(e.Pair.Path.Remote)
			c.path.set(true)
		case ice.EventPathLost:
			c.path.set(false)
		case ice.EventState:
			c.failed.set(e.State == ice.StateFailed)
			if f := c.options.OnStateChange; f != nil {
				c.pending = append(c.pending, func() { f(e.State) })
			}
		}
	}
}

// dispatchAndUnlock makes the pending callbacks in order, one at a time whatever the number of goroutines.
func (c *Conn) dispatchAndUnlock() {
	for len(c.pending) > 0 && !c.dispatching {
		calls := c.pending
		c.pending, c.dispatching = nil, true
		c.mu.Unlock()
		for _, call := range calls {
			call()
		}
		c.mu.Lock()
		c.dispatching = false
	}
	c.mu.Unlock()
}

// LocalCredentials returns the ufrag and pwd to be signalled to the peer.
func (c *Conn) LocalCredentials() (ufrag, pwd string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.driver.Agent().LocalCredentials()
}

// Gather waits until all local candidates are known and returns them: for signalling without trickle. The error is that of
// ctx, or net.ErrClosed.
func (c *Conn) Gather(ctx context.Context) ([]ice.Candidate, error) {
	for {
		c.mu.Lock()
		gathered, open, locals := c.gathered.c, c.gathered.open, append([]ice.Candidate(nil), c.locals...)
		c.mu.Unlock()
		if open {
			return locals, nil
		}
		select {
		case <-gathered:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.closed:
			return nil, net.ErrClosed
		}
	}
}

// SetRemote sets what the peer has signalled, and starts the checks: see ice.Agent.SetRemote.
func (c *Conn) SetRemote(r ice.RemoteParameters) error {
	c.mu.Lock()
	defer c.unlock()
	return c.driver.Agent().SetRemote(time.Now(), r)
}

// AddRemoteCandidate adds a candidate of the peer: see ice.Agent.AddRemoteCandidate. A name in it is resolved.
func (c *Conn) AddRemoteCandidate(candidate ice.Candidate) error {
	c.mu.Lock()
	defer c.unlock()
	return c.driver.AddRemoteCandidate(time.Now(), candidate)
}

// SetRemoteComplete says that the peer will signal no more candidates.
func (c *Conn) SetRemoteComplete() {
	c.mu.Lock()
	defer c.unlock()
	if !c.isClosed {
		c.driver.Agent().SetRemoteComplete(time.Now())
	}
}

// Restart begins an ICE restart, over all networks that there are now: see ice.Agent.Restart. The new credentials and candidates are to
// be signalled to the peer; when its own are set with SetRemote, a new path is looked for, while the old one is used as long as it works.
func (c *Conn) Restart() (ufrag, pwd string, err error) {
	c.mu.Lock()
	defer c.unlock()
	c.locals = nil
	c.gathered.set(false)
	if err := c.driver.Agent().Restart(time.Now(), "", ""); err != nil {
		return "", "", err
	}
	c.driver.Gather()
	ufrag, pwd = c.driver.Agent().LocalCredentials()
	return ufrag, pwd, nil
}

// Wait waits until there is a path to the peer. The error is that of ctx, ErrFailed or net.ErrClosed.
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
			return ctx.Err()
		case <-c.closed:
			return net.ErrClosed
		}
	}
}

// State returns the agent's state.
func (c *Conn) State() ice.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.driver.Agent().State()
}

// Stats returns a snapshot of the counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Stats, s.DatagramsSent = c.driver.Agent().Stats(), c.sent.Load()
	return s
}

// Selected returns the selected pair; ok is false while there is none, and pair is then the one that was selected last.
func (c *Conn) Selected() (pair ice.Pair, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.driver.Agent().Selected()
}

// Close closes the sockets and ends the goroutines; Read and Write that wait return net.ErrClosed at once. It waits neither for the
// peer nor for a callback that runs.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return nil
	}
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
	return nil
}

// LocalAddr returns the address of the socket of the selected pair, the last one if there is none any more, or that of some socket if
// there has been none: a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addr
}

// RemoteAddr returns the peer's address of the selected pair, or the last one if there is none any more, a *net.UDPAddr; nil before
// there is one.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}
