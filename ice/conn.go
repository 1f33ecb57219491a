package ice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/deadline"
	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/stun"
)

const (
	// defaultReceiveQueue is how many datagrams wait for Read: 64 of full size are 77 KB.
	defaultReceiveQueue = 64
	// maxDatagram is the largest payload of a UDP datagram over IPv4.
	maxDatagram = 65507
)

// Errors of a Conn.
var (
	// ErrNotConnected is returned by Write while there is no selected pair.
	ErrNotConnected = errors.New("ice: not connected")
	// ErrFailed is returned after the agent has found no path or lost it: StateFailed.
	ErrFailed = errors.New("ice: connection failed")
)

// ConnOptions says which sockets a Conn opens. The zero value is one socket, on a port that the system chooses, on each address
// of the host but loopback and link-local ones.
type ConnOptions struct {
	// BindAddress, if valid, is the only address to use; 0.0.0.0 and :: stand for all of their family.
	BindAddress netip.Addr
	// Loopback uses loopback addresses if the host has no others.
	Loopback bool
	// PortFirst and PortLast, if PortFirst is not zero, are the range of ports to choose from.
	PortFirst, PortLast uint16
	// ReceiveQueue is how many datagrams may wait for Read before more are dropped; zero is 64.
	ReceiveQueue int
}

// Conn is an Agent with its UDP sockets: a net.Conn whose Read and Write carry one datagram each to and from the peer, over
// whatever pair is selected. Nothing is encrypted or authenticated but the connectivity checks.
//
// All methods may be called concurrently. A Conn runs one goroutine per socket until Close.
type Conn struct {
	mu        sync.Mutex
	agent     *Agent
	sockets   []*udp.Socket
	timer     *time.Timer
	err       error // why done is closed
	candidate func(Candidate)
	gathered  func()
	state     func(State)
	locals    []Candidate // all gathered
	told      int         // of them, given to candidate

	pending     []func() // callbacks to make
	dispatching bool

	gatheringDone chan struct{}
	connected     chan struct{} // closed when there first is a selected pair
	isConnected   bool
	done          chan struct{} // closed by Close and failure

	queue                       chan *bufpool.Buffer
	readDeadline, writeDeadline deadline.Deadline
}

var _ net.Conn = (*Conn)(nil)

// NewConn opens sockets and begins to gather candidates.
func NewConn(config Config, options ConnOptions) (*Conn, error) {
	agent, err := NewAgent(config)
	if err != nil {
		return nil, err
	}
	if options.ReceiveQueue <= 0 {
		options.ReceiveQueue = defaultReceiveQueue
	}
	c := &Conn{
		agent: agent, gatheringDone: make(chan struct{}), connected: make(chan struct{}), done: make(chan struct{}),
		queue: make(chan *bufpool.Buffer, options.ReceiveQueue),
	}
	c.readDeadline.Init()
	c.writeDeadline.Init()
	addrs, err := udp.Interfaces(udp.AddressFilter{Bind: options.BindAddress, Loopback: options.Loopback})
	if err != nil {
		return nil, fmt.Errorf("ice: %w", err)
	}
	for _, addr := range addrs {
		socket, listenErr := udp.ListenPort(addr, options.PortFirst, options.PortLast, udp.Options{})
		if listenErr != nil {
			err = listenErr // an address may be on its way out; one that works is enough
			continue
		}
		c.sockets = append(c.sockets, socket)
	}
	if len(c.sockets) == 0 {
		if err == nil {
			err = ErrAddress
		}
		return nil, fmt.Errorf("ice: no socket: %w", err)
	}
	c.timer = time.AfterFunc(time.Hour, c.advance)
	c.input(func(now time.Time) {
		for _, s := range c.sockets {
			if err := agent.AddLocal(now, s.LocalAddr()); err != nil {
				agent.debug("socket not used", "address", s.LocalAddr(), "error", err)
			}
		}
		agent.SetLocalComplete(now)
	})
	for _, s := range c.sockets {
		go c.serve(s)
	}
	return c, nil
}

// serve reads one socket until it is closed.
func (c *Conn) serve(s *udp.Socket) {
	local := s.LocalAddr()
	s.Serve(func(batch *udp.Batch) {
		c.input(func(now time.Time) {
			for i := range batch.Len() {
				data, from := batch.At(i)
				if stun.Is(data) {
					c.agent.Receive(now, local, from, data)
				} else if c.agent.Permits(local, from) {
					c.enqueue(data)
				}
			}
		})
	})
}

// enqueue gives a datagram to Read, or drops it as a full socket buffer would.
func (c *Conn) enqueue(data []byte) {
	b := bufpool.Get(len(data))
	b.B = append(b.B, data...)
	select {
	case c.queue <- b:
	default:
		b.Free()
	}
}

func (c *Conn) advance() { c.input(c.agent.Advance) }

// input feeds the agent under the mutex, sends what it wants sent, and then, without the mutex, makes the callbacks.
func (c *Conn) input(feed func(now time.Time)) {
	c.mu.Lock()
	if c.agent.State() == StateClosed {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	feed(now)
	c.transmit(now)
	c.handleEvents()
	if d := c.agent.Deadline(); !d.IsZero() {
		c.timer.Reset(max(d.Sub(now), 0))
	}
	c.dispatchAndUnlock()
}

// transmit sends what the agent has to send. Errors are those of paths that do not work, which ICE is there to find out.
func (c *Conn) transmit(now time.Time) {
	var w udp.Writer
	for {
		packet, local, remote, ok := c.agent.Transmit(now, w.Reserve(1500))
		if !ok {
			break
		}
		if s := c.socket(local); s != nil {
			w.Commit(packet, remote)
			w.Flush(s)
		}
	}
	w.Reset()
}

func (c *Conn) socket(local netip.AddrPort) *udp.Socket {
	for _, s := range c.sockets {
		if s.LocalAddr() == local {
			return s
		}
	}
	return nil
}

// handleEvents turns the agent's events into callbacks and into what Wait, Gather and Read wait for.
func (c *Conn) handleEvents() {
	for {
		e, ok := c.agent.Event()
		if !ok {
			return
		}
		switch e := e.(type) {
		case EventLocalCandidate:
			c.locals = append(c.locals, e.Candidate)
		case EventGatheringComplete:
			close(c.gatheringDone)
			if c.gathered != nil {
				c.pending = append(c.pending, c.gathered)
			}
		case EventSelectedPair:
			if !c.isConnected {
				c.isConnected = true
				close(c.connected)
			}
		case EventState:
			if c.state != nil {
				c.pending = append(c.pending, func() { c.state(e.State) })
			}
			if e.State == StateFailed {
				c.end(ErrFailed)
			}
		}
		c.tellCandidates()
	}
}

// tellCandidates gives OnCandidate's function what it has not got yet.
func (c *Conn) tellCandidates() {
	for ; c.candidate != nil && c.told < len(c.locals); c.told++ {
		f, candidate := c.candidate, c.locals[c.told]
		c.pending = append(c.pending, func() { f(candidate) })
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

// end makes waiting and later calls return err.
func (c *Conn) end(err error) {
	if c.err == nil {
		c.err = err
		close(c.done)
	}
}

// LocalCredentials returns the ufrag and pwd to be signalled to the peer.
func (c *Conn) LocalCredentials() (ufrag, pwd string) { return c.agent.LocalCredentials() }

// OnCandidate sets the function that is called with each local candidate, those gathered before included. Callbacks are made
// one at a time, on goroutines of the Conn, and should not block; they may call methods of the Conn.
func (c *Conn) OnCandidate(f func(Candidate)) {
	c.mu.Lock()
	c.candidate = f
	c.tellCandidates()
	c.dispatchAndUnlock()
}

// OnGatheringComplete sets the function that is called after the last call of OnCandidate's.
func (c *Conn) OnGatheringComplete(f func()) {
	c.mu.Lock()
	c.gathered = f
	select {
	case <-c.gatheringDone:
		c.pending = append(c.pending, f)
	default:
	}
	c.dispatchAndUnlock()
}

// OnStateChange sets the function that is called with each new state from now on.
func (c *Conn) OnStateChange(f func(State)) {
	c.mu.Lock()
	c.state = f
	c.dispatchAndUnlock()
}

// Gather waits until all local candidates are known and returns them: for signalling without trickle. The error is that of
// ctx, or net.ErrClosed.
func (c *Conn) Gather(ctx context.Context) ([]Candidate, error) {
	select {
	case <-c.gatheringDone:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, c.reason()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Candidate(nil), c.locals...), nil
}

// SetRemote sets what the peer has signalled, and starts the checks: see Agent.SetRemote.
func (c *Conn) SetRemote(r RemoteParameters) (err error) {
	c.input(func(now time.Time) { err = c.agent.SetRemote(now, r) })
	return err
}

// AddRemoteCandidate adds a candidate of the peer: see Agent.AddRemoteCandidate.
func (c *Conn) AddRemoteCandidate(candidate Candidate) (err error) {
	c.input(func(now time.Time) { err = c.agent.AddRemoteCandidate(now, candidate) })
	return err
}

// SetRemoteComplete says that the peer will signal no more candidates.
func (c *Conn) SetRemoteComplete() { c.input(c.agent.SetRemoteComplete) }

// Wait waits until there is a path to the peer. The error is that of ctx, ErrFailed or net.ErrClosed.
func (c *Conn) Wait(ctx context.Context) error {
	select {
	case <-c.connected:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.reason()
	}
}

func (c *Conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// State returns the agent's state.
func (c *Conn) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent.State()
}

// Stats returns the agent's counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent.Stats()
}

// Selected returns the selected pair, and false while there is none.
func (c *Conn) Selected() (Pair, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent.Selected()
}

// Read waits for the next datagram and copies it to p. If p is too small, the rest is lost and the error is
// io.ErrShortBuffer. After the connection has ended, the error is ErrFailed or net.ErrClosed.
func (c *Conn) Read(p []byte) (int, error) {
	select {
	case <-c.readDeadline.Expired():
		return 0, errDeadline
	default:
	}
	select {
	case b := <-c.queue:
		n := copy(p, b.B)
		size := len(b.B)
		b.Free()
		if n < size {
			return n, io.ErrShortBuffer
		}
		return n, nil
	case <-c.readDeadline.Expired():
		return 0, errDeadline
	case <-c.done:
		return 0, c.reason()
	}
}

// Write sends p as one datagram on the selected pair. It does not wait for one: without, the error is ErrNotConnected.
func (c *Conn) Write(p []byte) (int, error) {
	select {
	case <-c.writeDeadline.Expired():
		return 0, errDeadline
	default:
	}
	c.mu.Lock()
	err := c.err
	var s *udp.Socket
	var to netip.AddrPort
	if pair := c.agent.selected; pair != nil {
		s, to = c.socket(pair.base.addr), pair.to
	} else if err == nil {
		err = ErrNotConnected
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(p) > maxDatagram {
		return 0, fmt.Errorf("ice: datagram of %d bytes: %w", len(p), ErrLimit)
	}
	var w udp.Writer
	w.Commit(append(w.Reserve(len(p)), p...), to)
	if err := w.Flush(s); err != nil {
		return 0, fmt.Errorf("ice: %w", err)
	}
	return len(p), nil
}

// Close closes the sockets and ends the goroutines. It does not wait for a callback that runs.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agent.State() == StateClosed {
		return nil
	}
	c.agent.Close()
	c.end(net.ErrClosed)
	c.err = net.ErrClosed
	c.timer.Stop()
	c.readDeadline.Set(time.Time{})
	c.writeDeadline.Set(time.Time{})
	for _, s := range c.sockets {
		s.Close()
	}
	return nil
}

// LocalAddr returns the address of the socket of the selected pair, or of the first socket: a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.agent.selected; p != nil {
		return net.UDPAddrFromAddrPort(p.base.addr)
	}
	return net.UDPAddrFromAddrPort(c.sockets[0].LocalAddr())
}

// RemoteAddr returns the peer's address of the selected pair, a *net.UDPAddr, and nil while there is none.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.agent.selected; p != nil {
		return net.UDPAddrFromAddrPort(p.to)
	}
	return nil
}
