// Package link defines the interface between the protocol cores and the network. Everything above
// sends and receives through a [Link].
//
// A link is a UDP socket (package udp) or a socket of a simulated network (package simnet). The
// interface also fits links that do not exist yet: a socket shared by thousands of connections, a
// TCP connection with the framing of RFC 4571, and a TURN allocation. For these, a [Path] has
// headroom in front of each packet, and a destination that may differ from the peer.
//
// Packets to send are written into a [Batch], each behind the headroom of its path, and framed in
// place. A batch may hold packets of many connections, for many peers and over several links. Flush
// sends it with as few system calls as the links need. Sending never blocks: a link without room
// queues a bounded number of bytes, drops the rest, connectivity checks last, and reports that it
// is congested.
package link

import (
	"net/netip"
	"strconv"
)

// Transport is the transport protocol of a link.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
)

// String returns "udp" or "tcp".
func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	}
	return "Transport(" + strconv.Itoa(int(t)) + ")"
}

// Link sends and receives packets. A link is identified by its value, which is comparable, because
// two links may have the same address. The methods may be called concurrently, but Serve only once.
type Link interface {
	// Transport returns the protocol towards the peers.
	Transport() Transport
	// LocalAddr returns the bound address.
	LocalAddr() netip.AddrPort
	// PathTo returns the path to a peer.
	PathTo(remote netip.AddrPort) Path
	// Frame fills the headroom in front of a packet. It is called only for paths with headroom.
	Frame(p *Path, headroom, packet []byte)
	// Serve calls handle with the packets that arrive. After Close it drops them, and returns nil
	// when the link holds no port and no goroutine any more. Another error means that no more
	// packets will arrive.
	Serve(handle func(*Inbound)) error
	// Send sends the packets without blocking. Packets that do not fit are queued, within limits,
	// or dropped. The error is that of packets that could not be sent, or wraps net.ErrClosed.
	Send(*Outbound) error
	// Congested reports whether packets are queued.
	Congested() bool
	// NotifyClear arranges for one call of f, on another goroutine, when the link is no longer
	// congested. It reports false and has no effect if the link is not congested.
	NotifyClear(f func()) bool
	// Close closes the link without blocking: Send fails, and Serve returns soon. A link may still
	// send queued packets for a short time before that.
	Close() error
}

// Path is a path over a link to a peer. It is comparable.
type Path struct {
	Link   Link
	Remote netip.AddrPort // the peer
	To     netip.AddrPort // the destination of the link's packets: the peer, or a relay
	// Headroom is the number of bytes that the link needs in front of each packet.
	Headroom int
	// Overhead is the number of bytes on the network in addition to a packet: the headroom and the
	// headers of IP and UDP.
	Overhead int
}

// IPUDPHeaders is the size of an IPv6 and a UDP header in bytes. It is used for IPv4 too, so that
// packets need not shrink when a path changes from IPv4 to IPv6.
const IPUDPHeaders = 40 + 8
