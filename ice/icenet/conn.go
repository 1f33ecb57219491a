package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
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

// maxQueuedBytes bounds the memory of what waits for Read, in bytes: large datagrams are as good a way to fill it as many.
const maxQueuedBytes = 1 << 20

// Errors of a Conn.
var (
	// ErrNotConnected is returned by Write while there is no selected pair.
	ErrNotConnected = errors.New("ice: not connected")
	// ErrFailed is returned after the agent has found no path or lost it: StateFailed.
	ErrFailed = errors.New("ice: connection failed")
	// ErrLooksLikeSTUN is returned by Write for a datagram that the peer could not tell from a connectivity check, see stun.Is: 20
	// bytes or more with STUN's magic cookie in the right place. DTLS, RTP and QUIC have none of these
	// (https://www.rfc-editor.org/rfc/rfc7983.html#section-7).
	ErrLooksLikeSTUN = errors.New("ice: datagram looks like STUN")
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
	// ReceiveQueue is how many datagrams may wait for Read before more are dropped and counted; zero is 64. Together they are not
	// more than 1 MiB.
	ReceiveQueue int
}

// ConnStats are the agent's Stats, and counters of application datagrams.
type ConnStats struct {
	Stats
	DatagramsSent, DatagramsReceived uint64 // received: given to Read, or waiting for it
	// QueueDropped counts datagrams of the peer that found the receive queue full: Read was not called often enough.
	QueueDropped uint64
	// StrangersDropped counts datagrams from addresses that the peer has not proven to have. Datagrams that look like STUN are
	// the agent's, which counts them in Stats if they are not.
	StrangersDropped uint64
}

// Conn is an Agent with its UDP sockets: a net.Conn whose Read and Write carry one datagram each to and from the peer, over
// whatever pair is selected. Nothing is encrypted or authenticated but the connectivity checks: use DTLS or QUIC over it.
// A controlled Conn sends where the peer's datagrams arrive from, if that is a valid pair: see Agent.ReceivedData.
//
// It is a net.Conn of datagrams. They can be lost, and Read drops what does not fit its buffer. The peer's Close is not seen: to
// Read it is a peer that is silent, until consent expires after 30 seconds. RFC 8445 has no message for it; end a
// connection in the protocol above.
//
// All methods may be called concurrently. A Conn runs one goroutine per socket until Close; sockets that neither side uses are closed
// some time after the nomination.
type Conn struct {
	// sockets is replaced under mu, and read without it: Close does not wait for a send under mu.
	sockets   atomic.Pointer[[]*udp.Socket]
	mu        sync.Mutex
	agent     *Agent
	path      path // the last selected pair
	stats     ConnStats
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
	closed        chan struct{} // closed by Close

	queue                       chan *bufpool.Buffer
	queued                      atomic.Int64 // bytes in queue
	sent                        atomic.Uint64
	readDeadline, writeDeadline deadline.Deadline
}

var _ net.Conn = (*Conn)(nil)

// path is where datagrams go; the zero path is nowhere.
type path struct {
	socket *udp.Socket
	remote netip.AddrPort
}

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
		closed: make(chan struct{}), queue: make(chan *bufpool.Buffer, options.ReceiveQueue),
	}
	c.readDeadline.Init()
	c.writeDeadline.Init()
	addrs, err := udp.Interfaces(udp.AddressFilter{Bind: options.BindAddress, Loopback: options.Loopback})
	if err != nil {
		return nil, fmt.Errorf("ice: %w", err)
	}
	var sockets []*udp.Socket
	for _, addr := range addrs {
		socket, listenErr := udp.ListenPort(addr, options.PortFirst, options.PortLast, udp.Options{})
		if listenErr != nil {
			err = listenErr // an address may be on its way out; one that works is enough
			continue
		}
		sockets = append(sockets, socket)
	}
	if len(sockets) == 0 {
		if err == nil {
			err = ErrAddress
		}
		return nil, fmt.Errorf("ice: no socket: %w", err)
	}
	c.sockets.Store(&sockets)
	c.path.socket = sockets[0]
	c.timer = time.AfterFunc(time.Hour, c.advance)
	c.input(func(now time.Time) {
		for _, s := range sockets {
			if err := agent.AddLocal(now, s.LocalAddr()); err != nil {
				agent.debug("socket not used", "address", s.LocalAddr(), "error", err)
			}
		}
		agent.SetLocalComplete(now)
	})
	for _, s := range sockets {
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
				switch {
				case stun.Is(data):
					c.agent.Receive(now, local, from, data)
				case !c.agent.Permits(local, from):
					c.stats.StrangersDropped++
				default:
					c.enqueue(data)
					if s != c.path.socket || from != c.path.remote {
						c.agent.ReceivedData(now, local, from)
					}
				}
			}
		})
	})
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
	for _, s := range *c.sockets.Load() {
		if s.LocalAddr() == local {
			return s
		}
	}
	return nil
}

// closeSocket closes a socket that the agent has freed.
func (c *Conn) closeSocket(local netip.AddrPort) {
	freed := c.socket(local)
	var kept []*udp.Socket
	for _, s := range *c.sockets.Load() {
		if s != freed {
			kept = append(kept, s)
		}
	}
	c.sockets.Store(&kept)
	if freed != nil {
		_ = freed.Close()
	}
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
			if p := c.agent.selected; p != nil {
				c.path = path{c.socket(p.base.addr), p.to}
			}
			if !c.isConnected {
				c.isConnected = true
				close(c.connected)
			}
		case EventBaseFreed:
			c.closeSocket(e.Base)
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

// Stats returns a snapshot of the counters.
func (c *Conn) Stats() ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Stats, s.DatagramsSent = c.agent.Stats(), c.sent.Load()
	return s
}

// Selected returns the selected pair; ok is false while there is none, and pair is then the one that was selected last.
func (c *Conn) Selected() (pair Pair, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agent.Selected()
}

// Close closes the sockets and ends the goroutines; Read and Write that wait return net.ErrClosed at once. It waits neither for the
// peer nor for a callback that runs.
func (c *Conn) Close() error {
	for _, s := range *c.sockets.Load() { // first: one that waits to send may hold mu
		_ = s.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agent.State() == StateClosed {
		return nil
	}
	c.agent.Close()
	c.end(net.ErrClosed)
	c.err = net.ErrClosed
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
	return net.UDPAddrFromAddrPort(c.path.socket.LocalAddr())
}

// RemoteAddr returns the peer's address of the selected pair, or the last one if there is none any more, a *net.UDPAddr; nil before
// there is one.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path.remote.IsValid() {
		return net.UDPAddrFromAddrPort(c.path.remote)
	}
	return nil
}
