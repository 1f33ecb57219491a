// Package link is the seam between the protocol cores and the network: everything above speaks to the network through a [Link],
// whatever is below it.
//
// A link is an UDP socket of one's own (package udp), or a link in memory (package netsim/memlink). It is made so that these can be
// added without a change above: a socket that thousands of connections share, a TCP connection with the framing of
// RFC 4571, and a TURN allocation. For them a [Path] has headroom in front of each packet, and a destination that need not be the peer.
//
// Packets to send are written into a [Batch], each behind the headroom of its path, and framed there in place. One batch may hold the
// packets of many connections, for many peers and over several links; it leaves in as few system calls as the links can do with.
// Sending never waits: a link that cannot take more keeps a bounded number of bytes and drops what is beyond, checks of
// connectivity last, and says that it is congested.
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

// Link sends and receives packets. Its identity is its value, which is comparable: two links may have the same address, and some have
// none that would mean anything to a peer. The methods may be called concurrently, Serve once.
type Link interface {
	// Transport returns the protocol that peers are reached by.
	Transport() Transport
	// LocalAddr returns the address that the link is bound to.
	LocalAddr() netip.AddrPort
	// PathTo returns the way to a peer.
	PathTo(remote netip.AddrPort) Path
	// Frame fills the headroom of a path in front of a packet. It is called for paths with headroom only.
	Frame(p *Path, headroom, packet []byte)
	// Serve calls handle with what arrives until the link is closed, and returns nil then. Another error means that nothing will
	// arrive any more.
	Serve(handle func(*Inbound)) error
	// Send sends the packets and does not wait. What there is no room for is kept for later, within limits, or dropped. The error is about
	// packets that could not be sent, or says that the link is closed.
	Send(*Outbound) error
	// Congested reports whether packets are kept for later.
	Congested() bool
	// NotifyClear has f called once, on another goroutine, when the link is not congested any more. It reports false, and
	// does nothing, if the link is not congested now.
	NotifyClear(f func()) bool
	// Close closes the link: Serve returns, and what is kept is dropped.
	Close() error
}

// Path is a way over a link to a peer. It is a comparable value.
type Path struct {
	Link   Link
	Remote netip.AddrPort // the peer
	To     netip.AddrPort // where the link's packets go: the peer, or the relay
	// Headroom is how many bytes the link needs in front of each packet.
	Headroom int
	// Overhead is how many bytes a packet takes on the network beyond its own, with the headers of IP and UDP and the headroom.
	Overhead int
}

// IPUDPHeaders is the size in bytes of an IPv6 and a UDP header. Those of IPv4 are smaller, but a path may change between the two, and then
// packets should not have to shrink.
const IPUDPHeaders = 40 + 8
