// Package simnet puts real goroutines on a simulated network: hosts of a [netsim.Network] whose links are those of package link, in the
// virtual time of testing/synctest. Whole connections run on it as on the network of the operating system, with every packet lost,
// delayed, reordered or translated as the seed says, and come out the same each time.
//
//	synctest.Test(t, func(t *testing.T) {
//		w := simnet.New(seed)
//		defer w.Close()
//		a := w.Host(netsim.Interface{Addr: netip.MustParseAddr("10.0.0.2"), Behind: w.Network.AddNAT(…)})
//		… // a is an icenet.Network
//	})
//
// # Why runs are the same
//
// One goroutine moves the simulation. What goroutines send at one instant it takes only when all of them wait for something, in the order of
// the hosts, their links and what each has sent; so the dice of the network fall in the same order, however the goroutines were scheduled. It
// delivers to one link after the other, and lets everything settle in between. For that it sleeps for a nanosecond, which is over when
// nothing else can happen.
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

// firstPort is the first port that a host hands out.
const firstPort = 50000

// World is a simulated network in the time of a bubble of package synctest. Its Sim and Network are for the goroutine that made it, with
// Do where packets are under way.
type World struct {
	Sim     *netsim.Sim
	Network *netsim.Network

	began time.Time
	mu    sync.Mutex // guards the simulation and what is under way to it
	hosts []*Host
	names map[string][]netip.Addr
	wake  chan struct{}
	done  chan struct{}
	ended sync.WaitGroup
}

// New makes an empty network, and starts the goroutine that moves it.
func New(seed uint64) *World {
	sim := netsim.New(seed)
	w := &World{
		Sim: sim, Network: netsim.NewNetwork(sim), began: time.Now(), names: make(map[string][]netip.Addr),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	w.ended.Go(w.run)
	return w
}

// Close stops the network. Nothing arrives any more.
func (w *World) Close() {
	close(w.done)
	w.ended.Wait()
}

// Do calls f when no packet is being moved: to change links, or to detach a host.
func (w *World) Do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.poke()
}

// Name makes a name known to the hosts' resolvers.
func (w *World) Name(name string, addrs ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = addrs
}

// run moves the simulation along with the clock of the bubble.
func (w *World) run() {
	timer := time.NewTimer(time.Hour)
	for {
		w.mu.Lock()
		next, ok := w.Sim.Next()
		w.mu.Unlock()
		if !ok {
			next = time.Hour // something is sent before, or nothing ever happens
		} else {
			next = max(next-time.Since(w.began), 0)
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.done:
			return
		}
		w.settle()
		w.step()
		w.deliver()
	}
}

// settle waits until all goroutines wait for something.
func (w *World) settle() { time.Sleep(1) }

// step hands over what was sent, and moves the simulation to the present.
func (w *World) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.wake:
	default:
	}
	w.advance()
	for _, h := range w.hosts {
		if h.sending() {
			w.Sim.Poke(h)
		}
	}
	w.advance() // links without delay
}

// advance moves the simulation to the present.
func (w *World) advance() {
	if err := w.Sim.RunFor(time.Since(w.began) - w.Sim.Elapsed()); err != nil {
		panic(err)
	}
}

// deliver hands each link what has arrived on it.
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

// Host is a host of the network, and a network to those who run on it: an icenet.Network.
type Host struct {
	world       *World
	attachments []*netsim.Attachment
	addrs       []netip.Addr
	links       []*Link // open ones, in the order of Listen
	late        []late  // what links have sent that are closed
	port        uint16
}

// Host makes a host with the given interfaces.
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

// Attach gives the host one more interface, and Detach takes the n-th away, with its links, as when a network is gone.
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

// Interfaces returns how many interfaces the host has.
func (h *Host) Interfaces() int {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return len(h.attachments)
}

// Attachment returns the n-th interface, whose links may be changed with Do.
func (h *Host) Attachment(n int) *netsim.Attachment { return h.attachments[n] }

// Detach takes the n-th interface off the network. If tell is set, the readers of its links end with an error.
func (h *Host) Detach(n int, tell bool) {
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
	if tell {
		for _, l := range gone {
			l.end(fmt.Errorf("simnet: %v is gone", addr))
		}
	}
}

// Addresses returns the addresses of the host's interfaces that bind admits.
func (h *Host) Addresses(bind netip.Addr, _ bool) ([]netip.Addr, error) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.addrs), func(a netip.Addr) bool {
		return bind.IsValid() && (bind.Is4() != a.Is4() || !bind.IsUnspecified() && bind != a)
	}), nil
}

// Listen opens a link. Ports of the range, or of all, are used one after the other.
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

// LookupNetIP resolves a name that World.Name has made known.
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

// Receive, Advance, Deadline and Transmit are those of a netsim.Host; they are called by the simulation.

// Receive keeps a packet until the simulation has caught up with the time.
func (h *Host) Receive(_ time.Time, local, remote netip.AddrPort, packet []byte) {
	for _, l := range h.links {
		if l.addr == local {
			l.in = append(l.in, datagram{slices.Clone(packet), remote})
			return
		}
	}
}

// Advance does nothing.
func (h *Host) Advance(time.Time) {}

// Deadline is never.
func (h *Host) Deadline() time.Time { return time.Time{} }

// Transmit hands over what the links have sent.
func (h *Host) Transmit(_ time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
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

// late is a datagram of a link that is closed.
type late struct {
	datagram
	from netip.AddrPort
}

// Link is an UDP socket of a host.
type Link struct {
	host *Host
	addr netip.AddrPort

	// Guarded by the world's mutex.
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

// PathTo returns the way to a peer.
func (l *Link) PathTo(remote netip.AddrPort) link.Path {
	return link.Path{Link: l, Remote: remote, To: remote, Overhead: link.IPUDPHeaders}
}

// Frame does nothing: there is no headroom.
func (l *Link) Frame(*link.Path, []byte, []byte) {}

// Serve has handle called by the goroutine that moves the network, until the link is closed.
func (l *Link) Serve(handle func(*link.Inbound)) error {
	l.host.world.mu.Lock()
	l.handle = handle
	l.host.world.mu.Unlock()
	<-l.ended
	return l.err
}

// Send puts packets on the network.
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

// Congested reports false: a queue that is full is the network's.
func (l *Link) Congested() bool { return false }

// NotifyClear reports false.
func (l *Link) NotifyClear(func()) bool { return false }

// Close closes the link.
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

// deliver hands what has arrived to the reader, and reports whether there was something.
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
