package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/rtcstack/rtcstack/internal/link"
)

// DefaultBuffer is the size that is asked for each of the two socket buffers. With Linux's own default of 208 KiB
// a receiver at full speed loses more than a hundred datagrams a second whenever it is not scheduled
// for a moment, and each loss halves the sender's congestion window.
const DefaultBuffer = 4 << 20

// Options of a socket. The zero value is right but for tests.
type Options struct {
	// ReadBuffer and WriteBuffer are the sizes of the kernel's buffers in bytes; 0: DefaultBuffer, negative: the system's
	// default. The system may grant less.
	ReadBuffer, WriteBuffer int

	// What not to use although it is there. NoBatch is one datagram a system call and implies the other two.
	NoBatch, NoGSO, NoGRO bool
}

// Stats are a socket's counters.
type Stats struct {
	ReadCalls  int64 // system calls that brought datagrams
	Received   int64 // datagrams
	WriteCalls int64 // system calls that took datagrams or refused one
	Sent       int64 // datagrams that the system took
	Unsent     int64 // datagrams that it refused
	Dropped    int64 // datagrams that found the system and the socket's backlog full

	Batch, GSO, GRO bool // what is in use
}

// SendError says that datagrams could not be sent, those to one destination or some of them. The socket
// works on, and what was to be sent to other destinations was sent.
type SendError struct {
	To    netip.AddrPort // the first that failed
	Count int            // datagrams not sent, in all
	Err   error          // of the first: a syscall.Errno, or an error of package net
}

func (e *SendError) Error() string {
	return fmt.Sprintf("udp: send to %v: %v (datagrams not sent: %d)", e.To, e.Err, e.Count)
}

// Unwrap returns the operating system's error.
func (e *SendError) Unwrap() error { return e.Err }

// ErrAddressFamily is in a [SendError] if the destination is not of the family that the socket is bound to.
var ErrAddressFamily = errors.New("destination of another address family")

// Socket is a bound UDP socket. Its methods may be called concurrently, Serve once.
type Socket struct {
	conn     *net.UDPConn
	packets  net.PacketConn // in the place of conn, a conn of another kind
	local    netip.AddrPort
	families families
	os       osSocket

	backlog backlog

	closed                                                      atomic.Bool
	readCalls, received, writeCalls, sentCount, unsent, dropped atomic.Int64
}

// Listen binds a socket to an address of this host, or to an unspecified one, and a port (0: any). An IPv6 link-local address needs its zone.
// Errors are those of package net, wrapped.
func Listen(addr netip.AddrPort, options Options) (*Socket, error) {
	if !addr.Addr().IsValid() {
		return nil, errors.New("udp: listen: no address")
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	var config net.ListenConfig
	packetConn, err := config.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	conn := packetConn.(*net.UDPConn)
	s := &Socket{conn: conn, local: localOf(conn), families: ipv6}
	if addr.Addr().Is4() {
		s.families = ipv4
	}
	if err := s.configure(options.complete(), false); err != nil {
		conn.Close()
		return nil, fmt.Errorf("udp: listen on %v: %w", addr, err)
	}
	return s, nil
}

// complete puts the defaults in.
func (o Options) complete() Options {
	if o.ReadBuffer == 0 {
		o.ReadBuffer = DefaultBuffer
	}
	if o.WriteBuffer == 0 {
		o.WriteBuffer = DefaultBuffer
	}
	return o
}

// LocalAddr is the address that the socket is bound to, with the port that the system has chosen.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket. Serve returns, Send returns an error, and what is kept for later is dropped.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.packets != nil {
		return s.packets.Close()
	}
	return s.conn.Close()
}

// Serve reads datagrams and calls handle with each batch of them, until the socket is closed: it returns nil then. The batch and its
// datagrams are valid during the call; handle may change the datagrams' bytes. Errors that concern single datagrams, as those that ICMP brings, are ignored.
func (s *Socket) Serve(handle func(*link.Inbound)) error {
	err := s.serve(handle)
	if s.closed.Load() {
		return nil
	}
	return fmt.Errorf("udp: receive on %v: %w", s.local, err)
}

// Send sends datagrams, in their order but for what is kept for later, see Congested. It does not wait. Its error is a *[SendError] if
// some could not be sent, and another one if the socket is closed.
func (s *Socket) Send(o *link.Outbound) error { return s.send(o.Datagrams()) }

// Transport returns link.UDP.
func (s *Socket) Transport() link.Transport { return link.UDP }

// PathTo returns the way to a peer, which has no headroom.
func (s *Socket) PathTo(remote netip.AddrPort) link.Path {
	return link.Path{Link: s, Remote: remote, To: remote, Overhead: link.IPUDPHeaders}
}

// Frame does nothing.
func (s *Socket) Frame(*link.Path, []byte, []byte) {}

var _ link.Link = (*Socket)(nil)

// Stats returns the socket's counters.
func (s *Socket) Stats() Stats {
	st := Stats{
		ReadCalls:  s.readCalls.Load(),
		Received:   s.received.Load(),
		WriteCalls: s.writeCalls.Load(),
		Sent:       s.sentCount.Load(),
		Unsent:     s.unsent.Load(),
		Dropped:    s.dropped.Load(),
	}
	st.Batch, st.GSO, st.GRO = s.levels()
	return st
}
