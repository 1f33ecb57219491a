package netsim

import (
	"fmt"
	"net/netip"
	"time"
)

// Network is an internet: a public segment without delay, to which hosts are attached by access
// links, and private segments behind NATs.
type Network struct {
	sim    *Sim
	public segment
	lost   int64
}

// NewNetwork creates an empty network.
func NewNetwork(s *Sim) *Network {
	n := &Network{sim: s}
	n.public = segment{network: n, name: "public"}
	return n
}

// Unroutable returns the number of packets that had no route to their destination.
func (n *Network) Unroutable() int64 { return n.lost }

func (n *Network) noRoute(p *packet) {
	n.lost++
	n.discard(p, "no route")
}

func (n *Network) discard(p *packet, why string) {
	if n.sim.trace != nil {
		n.sim.tracef("%v>%v: %d bytes %s", p.src, p.dst, len(p.data), why)
	}
	n.sim.freePacket(p)
}

// A segment is a network in which addresses are unique: the public internet, or the private network
// behind a NAT.
type segment struct {
	network *Network
	name    string
	nat     *NAT // towards the next segment; nil on the public segment
	members map[netip.Addr]sink
}

func (g *segment) add(addr netip.Addr, member sink) {
	if _, taken := g.members[addr]; taken {
		panic(fmt.Sprintf("netsim: %v is twice on the segment %s", addr, g.name))
	}
	if g.members == nil {
		g.members = make(map[netip.Addr]sink)
	}
	g.members[addr] = member
}

// deliver delivers a packet of a member to another member or to the NAT.
func (g *segment) deliver(p *packet) {
	if to, ok := g.members[p.dst.Addr()]; ok {
		to.deliver(p)
	} else if g.nat != nil {
		g.nat.outbound(p)
	} else {
		g.network.noRoute(p)
	}
}

// Interface describes the attachment of a host to a network.
type Interface struct {
	Addr   netip.Addr // unique on its segment
	Behind *NAT       // nil: public
	Up     LinkConfig // from the host
	Down   LinkConfig // to the host
}

// Attachment is one address of a host and its access link, which may be reconfigured at any time.
type Attachment struct {
	Up, Down *Link
	network  *Network
	segment  *segment
	addr     netip.Addr
	node     *node
}

// Attach adds an address to a host. A host with several addresses is attached several times, each
// time with a link of its own. Attach panics if the address is taken.
func (n *Network) Attach(h Host, i Interface) *Attachment {
	g := &n.public
	if i.Behind != nil {
		g = &i.Behind.inside
	}
	nd := n.sim.byCore[h]
	if nd == nil {
		nd = n.sim.newNode(i.Addr.String(), nil, h)
		nd.network, nd.interfaces = n, make(map[netip.Addr]*Attachment)
	}
	a := &Attachment{network: n, segment: g, addr: i.Addr, node: nd}
	a.Up = n.sim.newLink(i.Addr.String()+" up", g, i.Up)
	a.Down = n.sim.newLink(i.Addr.String()+" down", nd, i.Down)
	g.add(i.Addr, a)
	nd.interfaces[i.Addr] = a
	return a
}

// Detach removes the address from the network, as when a host loses an interface. Packets in flight
// on its links still arrive.
func (a *Attachment) Detach() {
	if a.segment.members[a.addr] == sink(a) {
		delete(a.segment.members, a.addr)
		delete(a.node.interfaces, a.addr)
	}
}

func (a *Attachment) deliver(p *packet) { a.Down.send(p) }

// Responder is a [Host] that answers each packet at once, from the address that it was sent to: a
// server for tests. Reply appends the answer to dst, or returns nil if there is none.
type Responder struct {
	Reply func(dst []byte, local, remote netip.AddrPort, packet []byte) []byte

	replies []reply
	next    int
}

type reply struct {
	data          []byte
	local, remote netip.AddrPort
}

// Receive calls Reply for a packet.
func (r *Responder) Receive(_ time.Time, local, remote netip.AddrPort, packet []byte) {
	if b := r.Reply(nil, local, remote, packet); b != nil {
		r.replies = append(r.replies, reply{b, local, remote})
	}
}

// Advance does nothing.
func (r *Responder) Advance(time.Time) {}

// Deadline returns the zero time.
func (r *Responder) Deadline() time.Time { return time.Time{} }

// Transmit returns the answers.
func (r *Responder) Transmit(_ time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	if r.next == len(r.replies) {
		r.replies, r.next = r.replies[:0], 0
		return dst, netip.AddrPort{}, netip.AddrPort{}, false
	}
	out := r.replies[r.next]
	r.next++
	return append(dst, out.data...), out.local, out.remote, true
}
