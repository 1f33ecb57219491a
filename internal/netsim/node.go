package netsim

import (
	"net/netip"
	"time"
)

// Core is a protocol core at an end of a [Path].
type Core interface {
	// Receive handles a packet, which is valid during the call.
	Receive(now time.Time, packet []byte)
	// Advance processes expired timers.
	Advance(now time.Time)
	// Deadline returns the time of the next call of Advance; zero: never.
	Deadline() time.Time
	// Transmit appends the next outgoing packet to dst. It is called until it returns false.
	Transmit(now time.Time, dst []byte) (packet []byte, ok bool)
}

// Host is a protocol core that has addresses in a [Network].
type Host interface {
	// Receive handles a packet that remote has sent to local, an address of the host. It is valid
	// during the call.
	Receive(now time.Time, local, remote netip.AddrPort, packet []byte)
	// Advance processes expired timers.
	Advance(now time.Time)
	// Deadline returns the time of the next call of Advance; zero: never.
	Deadline() time.Time
	// Transmit appends the next outgoing packet to dst and returns its source and destination. It
	// is called until it returns false.
	Transmit(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool)
}

// A node is a core or host in the simulation. Exactly one of core and host is set.
type node struct {
	sim  *Sim
	name string
	core Core
	host Host

	out        *Link                      // of a core
	network    *Network                   // of a host
	interfaces map[netip.Addr]*Attachment // of a host

	wake         timer
	advancedAt   int64
	idleAdvances int // calls of Advance at advancedAt since the last packet in or out
}

func (s *Sim) newNode(name string, core Core, host Host) *node {
	n := &node{sim: s, name: name, core: core, host: host}
	n.wake.fire = n.advance
	s.nodes = append(s.nodes, n)
	if core != nil {
		s.byCore[core] = n
	} else {
		s.byCore[host] = n
	}
	return n
}

func (n *node) deliver(p *packet) {
	if n.core != nil {
		n.core.Receive(n.sim.clock, p.data)
	} else {
		n.host.Receive(n.sim.clock, p.dst, p.src, p.data)
	}
	n.sim.freePacket(p)
	n.idleAdvances = 0
	n.drain()
}

func (n *node) advance() {
	s := n.sim
	if n.advancedAt != s.now {
		n.advancedAt, n.idleAdvances = s.now, 0
	}
	if n.idleAdvances++; n.idleAdvances > maxIdleAdvances {
		s.fail("%s still has a Deadline that has passed after %d calls of Advance", n.name, maxIdleAdvances)
		return
	}
	if s.trace != nil {
		s.tracef("%s: advance", n.name)
	}
	if n.core != nil {
		n.core.Advance(s.clock)
	} else {
		n.host.Advance(s.clock)
	}
	n.drain()
}

// drain sends all packets of the core and schedules its next Advance.
func (n *node) drain() {
	s := n.sim
	for range maxDrain {
		if !n.transmit() {
			n.schedule()
			return
		}
		n.idleAdvances = 0
	}
	s.fail("%s has transmitted %d packets at once and does not stop", n.name, maxDrain)
}

func (n *node) transmit() bool {
	s := n.sim
	p := s.newPacket()
	if n.core != nil {
		data, ok := n.core.Transmit(s.clock, p.data[:0])
		if !ok {
			s.freePacket(p)
			return false
		}
		p.keep(data)
		n.out.send(p)
		return true
	}
	data, local, remote, ok := n.host.Transmit(s.clock, p.data[:0])
	if !ok {
		s.freePacket(p)
		return false
	}
	p.keep(data)
	p.src, p.dst = local, remote
	if from := n.interfaces[local.Addr()]; from != nil {
		from.Up.send(p)
	} else {
		n.network.noRoute(p)
	}
	return true
}

func (n *node) schedule() {
	var deadline time.Time
	if n.core != nil {
		deadline = n.core.Deadline()
	} else {
		deadline = n.host.Deadline()
	}
	if deadline.IsZero() {
		n.sim.schedule.disarm(&n.wake)
		return
	}
	at := max(int64(deadline.Sub(epoch)), n.sim.now)
	if n.wake.pos == 0 || n.wake.at != at {
		n.sim.arm(&n.wake, at)
	}
}

// Path is a point-to-point connection of two cores. Its links may be reconfigured at any time.
type Path struct {
	AB, BA *Link
	a, b   *node
}

// Connect connects two cores without addresses: b receives the packets of a, and a those of b. A
// core belongs to one path.
func Connect(s *Sim, a, b Core, ab, ba LinkConfig) *Path {
	p := &Path{a: s.newNode("a", a, nil), b: s.newNode("b", b, nil)}
	p.AB = s.newLink("a>b", p.b, ab)
	p.BA = s.newLink("b>a", p.a, ba)
	p.a.out, p.b.out = p.AB, p.BA
	return p
}

// Replace replaces the core at one end of the path, like a peer that loses its state and starts
// again. The new core receives the packets in flight. Replace panics if old is not an end of the
// path.
func (p *Path) Replace(old, new Core) {
	for _, n := range []*node{p.a, p.b} {
		if n.core == old {
			delete(n.sim.byCore, old)
			n.core, n.idleAdvances = new, 0
			n.sim.byCore[new] = n
			n.drain()
			return
		}
	}
	panic("netsim: Replace of a core that is not on the path")
}
