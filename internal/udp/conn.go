package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// families is the set of address families of a socket.
type families uint8

const (
	ipv4 families = 1 << iota
	ipv6
)

// speaks reports whether the socket can send to an address, which is not IPv4-mapped.
func (f families) speaks(addr netip.Addr) bool {
	switch {
	case addr.Is4():
		return f&ipv4 != 0
	case addr.Is6():
		return f&ipv6 != 0
	}
	return false
}

var (
	errNoConn    = errors.New("udp: no conn")
	errConnected = errors.New("udp: the conn is connected to one address")
)

// New wraps an existing conn: inherited, specially bound, or not a kernel socket. The Socket owns
// it from then on: the caller must not read from it or set deadlines, and Close closes it. If there
// is an error, the caller still owns the conn.
//
// A *net.UDPConn is used in batches, like the conn of Listen, and may use both IPv4 and IPv6. It
// must not be connected. Unless Options has sizes for its buffers, they only become larger. Any
// other conn is read and written one datagram a call; its addresses must be *net.UDPAddr, or text
// that netip.ParseAddrPort reads.
func New(conn net.PacketConn, options Options) (*Socket, error) {
	if conn == nil {
		return nil, errNoConn
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	s := newSocket(conn)
	udpConn, ok := conn.(*net.UDPConn)
	if !ok {
		s.packets, s.families = conn, ipv4|ipv6
		return s, nil
	}
	if udpConn.RemoteAddr() != nil {
		return nil, errConnected
	}
	s.conn = udpConn
	switch addr := s.local.Addr(); {
	case addr.Is4():
		s.families = ipv4
	case addr.IsUnspecified():
		s.families = ipv4 | ipv6 // unless the system denies it
	default:
		s.families = ipv6
	}
	if err := s.configure(options.complete(), options.ReadBuffer == 0 && options.WriteBuffer == 0); err != nil {
		return nil, fmt.Errorf("udp: use %v: %w", s.local, err)
	}
	return s, nil
}

func localOf(conn net.PacketConn) netip.AddrPort {
	local, _ := addrPort(conn.LocalAddr())
	return local
}

// addrPort returns an address of a conn with IPv4-mapped IPv6 as IPv4, and reports whether it is
// valid.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case nil:
	case *net.UDPAddr:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), ap.IsValid()
}

// readOne reads one datagram. The sender is invalid if the conn returns no usable address.
func (s *Socket) readOne(b []byte) (n int, from netip.AddrPort, err error) {
	if s.packets == nil {
		n, from, err = s.conn.ReadFromUDPAddrPort(b)
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
	}
	n, addr, err := s.packets.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	from, _ = addrPort(addr)
	return n, from, nil
}

// writeOne writes one datagram.
func (s *Socket) writeOne(b []byte, to netip.AddrPort) error {
	if s.packets != nil {
		_, err := s.packets.WriteTo(b, net.UDPAddrFromAddrPort(to))
		return err
	}
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}
