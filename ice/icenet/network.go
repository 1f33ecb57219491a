package icenet

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/udp"
)

// Network is the source of a Driver's sockets and addresses. Its methods may block. They are called
// concurrently, and never with the owner's mutex held. It is for packages of this module, because
// its links are of an internal package: nil in a DriverConfig is the network of the host, and tests
// have simulated ones.
type Network interface {
	// Addresses returns the addresses on which sockets may be opened. A valid bind restricts them
	// to itself or, if it is an unspecified address, to its family. fallBackToLoopback includes the
	// loopback addresses if there are no others.
	Addresses(bind netip.Addr, fallBackToLoopback bool) ([]netip.Addr, error)
	// Listen opens a link on an address and a port from first to last, or any port if first is
	// zero.
	Listen(addr netip.Addr, first, last uint16) (link.Link, error)
	// LookupNetIP returns the addresses of a name.
	LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error)
}

// hostNetwork is the network of the operating system.
type hostNetwork struct{}

func (hostNetwork) Addresses(bind netip.Addr, fallBackToLoopback bool) ([]netip.Addr, error) {
	return udp.Interfaces(udp.AddressFilter{Bind: bind, Loopback: fallBackToLoopback})
}

func (hostNetwork) Listen(addr netip.Addr, first, last uint16) (link.Link, error) {
	s, err := udp.ListenPort(addr, first, last, udp.Options{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (hostNetwork) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, "."))
}

// firstOfEachFamily returns the first IPv4 and the first IPv6 address. Others are taken for further
// addresses of the same server.
func firstOfEachFamily(addrs []netip.Addr) []netip.Addr {
	var v4, v6 bool
	var first []netip.Addr
	for _, addr := range addrs {
		seen := &v6
		if addr = addr.Unmap(); addr.Is4() {
			seen = &v4
		}
		if !*seen {
			*seen = true
			first = append(first, addr)
		}
	}
	return first
}
