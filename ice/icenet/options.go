package icenet

import (
	"errors"
	"net"
	"net/netip"

	"github.com/rtcstack/rtcstack/ice"
)

const (
	// defaultReceiveQueue is the default of Options.ReceiveQueue: 64 full-sized datagrams are 77
	// KB.
	defaultReceiveQueue = 64
	// maxDatagram is the largest payload of a UDP datagram over IPv4.
	maxDatagram = 65507
	// maxQueuedBytes bounds the receive queue in bytes, which a few large datagrams would fill as
	// well.
	maxQueuedBytes = 1 << 20
)

// Errors of a Conn.
var (
	// ErrNotConnected is returned by [Conn.Write] while no pair is selected: before the first, and
	// after the path was lost.
	ErrNotConnected = errors.New("icenet: not connected")
	// ErrFailed is returned in ice.StateFailed: the agent has found no path, or has lost it.
	// [Conn.Restart] ends that state.
	ErrFailed = errors.New("icenet: connection failed")
	// ErrLooksLikeSTUN is returned by [Conn.Write] for a datagram that the peer would take for a
	// connectivity check: stun.Is. It has 20 bytes or more, with the magic cookie of STUN in its
	// place. DTLS, RTP and QUIC datagrams are none: RFC 7983, section 7.
	ErrLooksLikeSTUN = errors.New("icenet: datagram looks like STUN")
	// ErrTooLarge is returned by [Conn.Write] for a datagram of more than 65,507 bytes.
	ErrTooLarge = errors.New("icenet: datagram is too large")
)

// Options configures a Conn. The zero value opens one socket for each address of the host, except
// loopback and link-local ones, on a port that the system chooses, and uses no STUN server.
type Options struct {
	// BindAddress, if valid, is the only address to use; 0.0.0.0 and :: stand for all addresses of
	// their family.
	BindAddress netip.Addr
	// FallBackToLoopback uses loopback addresses if the host has no others.
	FallBackToLoopback bool
	// PortFirst and PortLast are the range of ports to choose from, both included. PortFirst 0
	// leaves the choice to the system.
	PortFirst, PortLast uint16
	// Sockets, if not empty, are used instead of opening any. They belong to the Conn, which closes
	// them, also if NewConn fails. A socket bound to all addresses is signalled with the first
	// address of the host. A socket that is not a *net.UDPConn is read and written one datagram a
	// call.
	Sockets []net.PacketConn
	// STUNServers are servers besides those of the ice.Config. Their names are resolved.
	STUNServers []Server
	// ReceiveQueue is the number of datagrams that may wait for Read; further ones are dropped and
	// counted. Zero and negative values stand for 64. The queue never holds more than 1 MiB.
	ReceiveQueue int

	// Callbacks: OnCandidate is called with each local candidate, to be signalled to the peer with
	// the ufrag to which it belongs, OnGatheringComplete when no more are expected for the ufrag,
	// and OnStateChange with each new state. They are called one at a time, in order, on a
	// goroutine of the Conn and without a lock, never inside a method that the program calls. They
	// may call methods of the Conn. One that blocks delays the later ones, and Close, but nothing
	// else.
	OnCandidate         func(c ice.Candidate, ufrag string)
	OnGatheringComplete func(ufrag string)
	OnStateChange       func(ice.State)

	network Network // for tests
}

// Stats are the statistics of the agent, and counters of application datagrams.
type Stats struct {
	ice.Stats
	DatagramsSent, DatagramsReceived uint64 // received: taken by Read, or queued for it
	// QueueDropped counts received datagrams that found the receive queue full.
	QueueDropped uint64
	// StrangersDropped counts datagrams from addresses that the peer has not proven to have. It
	// does not count those that look like STUN, which ice.Stats does.
	StrangersDropped uint64
}
