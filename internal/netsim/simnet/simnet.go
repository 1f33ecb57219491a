// Package simnet runs real goroutines on a simulated network: the links of its hosts are those of
// package link, and time is the virtual time of package testing/synctest. Whole connections run as
// on the network of the operating system, while packets are lost, delayed, reordered and translated
// as the seed determines, and every run of a seed is the same.
//
//	synctest.Test(t, func(t *testing.T) {
//		w := simnet.New(seed)
//		defer w.Close()
//		nat := w.Network.AddNAT(netsim.FullCone(netip.MustParseAddr("203.0.113.1")))
//		a := w.Host(netsim.Interface{Addr: netip.MustParseAddr("10.0.0.2"), Behind: nat})
//		… // a is an icenet.Network
//	})
//
// # Why runs are the same
//
// One goroutine runs the simulation. It takes the packets sent at one instant only when all other
// goroutines are blocked, in the order of the hosts, of their links, and of Send. So the network
// draws its random numbers in the same order, however the goroutines were scheduled. It delivers to
// one link after the other, and waits between them until all goroutines are blocked again. To wait,
// it sleeps for a nanosecond, which passes only when nothing else can run.
package simnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
)

// firstPort is the first port that a host assigns.
const firstPort = 50000

// World is a simulated network in the virtual time of a synctest bubble. Sim and Network may be
// used by the goroutine that called New, within Do while packets are in flight.
type World struct {
	Sim     *netsim.Sim
	Network *netsim.Network

	began time.Time
	held  bool       // the packets of the hosts are withheld from the simulation
	mu    sync.Mutex // guards the simulation, the hosts and their links
	hosts []*Host
	names map[string][]netip.Addr
	wake  chan struct{}
	done  chan struct{}
	ended sync.WaitGroup
}

// New returns an empty network, and starts the goroutine that runs it.
func New(seed uint64) *World {
	sim := netsim.New(seed)
	w := &World{
		Sim: sim, Network: netsim.NewNetwork(sim), began: time.Now(), names: make(map[string][]netip.Addr),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	w.ended.Go(w.run)
	return w
}

// Close stops the network. No more packets arrive.
func (w *World) Close() {
	close(w.done)
	w.ended.Wait()
}

// Do calls f while no packet is being moved, so that f may change links.
func (w *World) Do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.poke()
}

// Name adds a name to the resolvers of all hosts.
func (w *World) Name(name string, addrs ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = addrs
}

// run runs the simulation along with the clock of the bubble.
func (w *World) run() {
	timer := time.NewTimer(time.Hour)
	for {
		w.mu.Lock()
		next, ok := w.Sim.Next()
		w.mu.Unlock()
		if !ok {
			next = time.Hour // a Send wakes it earlier
		} else {
			next -= time.Since(w.began)
		}
		if !w.wait(timer, next) {
			return
		}
		w.settle()
		w.step()
		w.deliver()
	}
}

// wait waits for a time, and reports false if the network is closed. It does not wait for a time
// that has passed: under the race detector, a receive from a timer that is already due crashes Go
// 1.26 when the bubble runs another timer at that moment.
func (w *World) wait(timer *time.Timer, d time.Duration) bool {
	if d <= 0 {
		select {
		case <-w.done:
			return false
		default:
			return true
		}
	}
	timer.Reset(d)
	select {
	case <-timer.C:
	case <-w.wake:
	case <-w.done:
		return false
	}
	return true
}

// settle waits until all other goroutines of the bubble are blocked.
func (w *World) settle() { time.Sleep(time.Nanosecond) }

// step passes the packets that were sent to the simulation, and advances it to the present.
func (w *World) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.wake:
	default:
	}
	w.held = true // RunFor begins with what hosts have to send, before it moves the clock
	w.advance()
	w.held = false
	for _, h := range w.hosts {
		if h.sending() {
			w.Sim.Poke(h)
		}
	}
	w.advance() // for links without delay
}

// advance advances the simulation to the present.
func (w *World) advance() {
	if err := w.Sim.RunFor(time.Since(w.began) - w.Sim.Elapsed()); err != nil {
		panic(err)
	}
}

// deliver passes each link the packets that have arrived on it.
func (w *World) deliver() {
	for i := 0; ; i++ {
		w.mu.Lock()
		if i == len(w.hosts) {
			w.mu.Unlock()
			return
		}
		links := slices.Clone(w.hosts[i].links)
		w.mu.Unlock()
		for _, l := range links {
			if l.deliver() {
				w.settle()
			}
		}
	}
}

func (w *World) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Host is a host of the network. It implements icenet.Network.
type Host struct {
	world       *World
	attachments []*netsim.Attachment
	addrs       []netip.Addr
	links       []*Link // open ones, in the order of Listen
	late        []late  // packets sent by links that are closed
	port        uint16
}

// Host returns a new host with the given interfaces.
func (w *World) Host(interfaces ...netsim.Interface) *Host {
	h := &Host{world: w, port: firstPort}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts = append(w.hosts, h)
	for _, i := range interfaces {
		h.attach(i)
	}
	return h
}

// Attach adds an interface to the host.
func (h *Host) Attach(i netsim.Interface) *netsim.Attachment {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return h.attach(i)
}

func (h *Host) attach(i netsim.Interface) *netsim.Attachment {
	a := h.world.Network.Attach(h, i)
	h.attachments, h.addrs = append(h.attachments, a), append(h.addrs, i.Addr)
	return a
}

// Interfaces returns the number of interfaces.
func (h *Host) Interfaces() int {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return len(h.attachments)
}

// Attachment returns the n-th interface. Its links may be changed within Do.
func (h *Host) Attachment(n int) *netsim.Attachment { return h.attachments[n] }

// Detach removes the n-th interface from the network. If withError is set, Serve of its links
// returns an error; otherwise they remain open, and nothing arrives on them.
func (h *Host) Detach(n int, withError bool) {
	h.world.mu.Lock()
	h.attachments[n].Detach()
	addr := h.addrs[n]
	h.attachments, h.addrs = slices.Delete(h.attachments, n, n+1), slices.Delete(h.addrs, n, n+1)
	var gone []*Link
	for _, l := range h.links {
		if l.addr.Addr() == addr {
			gone = append(gone, l)
		}
	}
	h.world.mu.Unlock()
	if withError {
		for _, l := range gone {
			l.end(fmt.Errorf("simnet: %v is gone", addr))
		}
	}
}

// Addresses returns the addresses of the host's interfaces, restricted by bind.
func (h *Host) Addresses(bind netip.Addr, _ bool) ([]netip.Addr, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.addrs), func(a netip.Addr) bool {
		return bind.IsValid() && (bind.Is4() != a.Is4() || !bind.IsUnspecified() && bind != a)
	}), nil
}

// Listen opens a link. Its port is the next free one from first on; if first is 0, from the port
// after the last one on.
func (h *Host) Listen(addr netip.Addr, first, _ uint16) (link.Link, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if !slices.Contains(h.addrs, addr) {
		return nil, fmt.Errorf("simnet: listen on %v: no such address", addr)
	}
	port := h.port
	if first != 0 {
		port = first
	}
	for slices.ContainsFunc(h.links, func(l *Link) bool { return l.addr == netip.AddrPortFrom(addr, port) }) {
		port++
	}
	h.port = max(h.port, port+1)
	l := &Link{host: h, addr: netip.AddrPortFrom(addr, port), ended: make(chan struct{})}
	h.links = append(h.links, l)
	return l, nil
}

// LookupNetIP returns the addresses of a name that was passed to World.Name.
func (h *Host) LookupNetIP(_ context.Context, host string) ([]netip.Addr, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if addrs := h.world.names[host]; addrs != nil {
		return addrs, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (h *Host) sending() bool {
	return len(h.late) > 0 || slices.ContainsFunc(h.links, func(l *Link) bool { return len(l.out) > 0 })
}

// Receive, Advance, Deadline and Transmit implement netsim.Host. The simulation calls them with the
// world's mutex held.

// Receive stores a packet until deliver.
func (h *Host) Receive(_ time.Time, local, remote netip.AddrPort, packet []byte) {
	for _, l := range h.links {
		if l.addr == local {
			l.in = append(l.in, datagram{slices.Clone(packet), remote})
			return
		}
	}
}

// Advance has no effect.
func (h *Host) Advance(time.Time) {}

// Deadline returns the zero time.
func (h *Host) Deadline() time.Time { return time.Time{} }

// Transmit returns the next packet that a link has sent.
func (h *Host) Transmit(_ time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	if h.world.held {
		return dst, local, remote, false
	}
	if len(h.late) > 0 {
		d := h.late[0]
		h.late = h.late[1:]
		return append(dst, d.data...), d.from, d.peer, true
	}
	for _, l := range h.links {
		if len(l.out) > 0 {
			d := l.out[0]
			if l.out = l.out[1:]; len(l.out) == 0 {
				l.out = nil
			}
			return append(dst, d.data...), l.addr, d.peer, true
		}
	}
	return dst, local, remote, false
}

type datagram struct {
	data []byte
	peer netip.AddrPort
}

// late is a packet of a link that is closed.
type late struct {
	datagram
	from netip.AddrPort
}

// Link is a UDP socket of a host.
type Link struct {
	host *Host
	addr netip.AddrPort

	// The world's mutex guards these.
	out, in []datagram
	handle  func(*link.Inbound)
	err     error
	over    bool

	ended chan struct{}
	batch link.Inbound // of the goroutine that delivers
}

var _ link.Link = (*Link)(nil)

// Transport returns link.UDP.
func (l *Link) Transport() link.Transport { return link.UDP }

// LocalAddr returns the address and port.
func (l *Link) LocalAddr() netip.AddrPort { return l.addr }

// PathTo returns the path to a peer.
func (l *Link) PathTo(remote netip.AddrPort) link.Path {
	return link.Path{Link: l, Remote: remote, To: remote, Overhead: link.IPUDPHeaders}
}

// Frame has no effect: there is no headroom.
func (l *Link) Frame(*link.Path, []byte, []byte) {}

// Serve returns when the link is closed. Until then, the goroutine that runs the network calls
// handle.
func (l *Link) Serve(handle func(*link.Inbound)) error {
	l.host.world.mu.Lock()
	l.handle = handle
	l.host.world.mu.Unlock()
	<-l.ended
	return l.err
}

// Send passes packets to the network. The error wraps net.ErrClosed.
func (l *Link) Send(o *link.Outbound) error {
	w := l.host.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.over {
		return fmt.Errorf("simnet: send: %w", net.ErrClosed)
	}
	for _, d := range o.Datagrams() {
		l.out = append(l.out, datagram{slices.Clone(d.Data), d.To})
	}
	w.poke()
	return nil
}

// Congested returns false: the queues are those of the network.
func (l *Link) Congested() bool { return false }

// NotifyClear returns false.
func (l *Link) NotifyClear(func()) bool { return false }

// Close closes the link. Packets that were sent before are still delivered.
func (l *Link) Close() error {
	l.end(nil)
	return nil
}

func (l *Link) end(err error) {
	w := l.host.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.over {
		for _, d := range l.out {
			l.host.late = append(l.host.late, late{d, l.addr})
		}
		slices.SortStableFunc(l.host.late, func(a, b late) int { return a.from.Compare(b.from) })
		l.over, l.err, l.in = true, err, nil
		l.host.links = slices.DeleteFunc(l.host.links, func(other *Link) bool { return other == l })
		close(l.ended)
	}
}

// deliver passes the packets that have arrived to the reader. It reports false if there were none.
func (l *Link) deliver() bool {
	w := l.host.world
	w.mu.Lock()
	in, handle := l.in, l.handle
	l.in = nil
	w.mu.Unlock()
	if len(in) == 0 || handle == nil {
		return false
	}
	l.batch.Reset()
	for _, d := range in {
		l.batch.Add(d.data, d.peer)
	}
	handle(&l.batch)
	return true
}
