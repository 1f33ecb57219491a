package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sockaddr is the kernel's form of an IPv4 or IPv6 endpoint. The family is that of the socket: on
// an IPv6 socket that also speaks IPv4, an IPv4 endpoint is IPv4-mapped.
type sockaddr struct {
	raw unix.RawSockaddrInet6
}

// port returns a view of the port, which is in network byte order.
func port(p *uint16) *[2]byte { return (*[2]byte)(unsafe.Pointer(p)) }

// set stores an endpoint and returns the length of its form.
func (a *sockaddr) set(ap netip.AddrPort, inet6 bool, zones *zones) uint32 {
	addr := ap.Addr()
	if !inet6 {
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		raw.Family = unix.AF_INET
		*port(&raw.Port) = [2]byte{byte(ap.Port() >> 8), byte(ap.Port())}
		raw.Addr = addr.As4()
		return unix.SizeofSockaddrInet4
	}
	a.raw.Family = unix.AF_INET6
	*port(&a.raw.Port) = [2]byte{byte(ap.Port() >> 8), byte(ap.Port())}
	a.raw.Flowinfo = 0
	a.raw.Addr = addr.As16()
	a.raw.Scope_id = 0
	if zone := addr.Zone(); zone != "" {
		a.raw.Scope_id = zones.index(zone)
	}
	return unix.SizeofSockaddrInet6
}

// addrPort returns the endpoint.
func (a *sockaddr) addrPort(zones *zones) netip.AddrPort {
	p := port(&a.raw.Port)
	number := uint16(p[0])<<8 | uint16(p[1])
	if a.raw.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw)).Addr), number)
	}
	addr := netip.AddrFrom16(a.raw.Addr).Unmap()
	if a.raw.Scope_id != 0 {
		addr = addr.WithZone(zones.name(a.raw.Scope_id))
	}
	return netip.AddrPortFrom(addr, number)
}
