package udp

import (
	"fmt"
	"net"
	"net/netip"
)

// AddressFilter selects addresses of the host.
type AddressFilter struct {
	// Bind restricts them to this address, or to all IPv4 or IPv6 addresses if it is 0.0.0.0 or ::.
	// The zero Addr does not restrict them.
	Bind netip.Addr
	// Loopback includes the loopback addresses if there are no others.
	Loopback bool
}

// Interfaces returns the addresses of this host that others can send to, in the order of the
// system: the unicast addresses of interfaces that are up and running, as in RFC 8445, section
// 5.1.1.1. It omits link-local IPv6 addresses, which are useful only on a known link, and
// link-local IPv4 addresses unless there are no others. It includes deprecated and temporary IPv6
// addresses, which cannot be distinguished portably.
//
// A specific address in filter.Bind is returned without a look at the host; Listen fails if the
// host does not have it. Other errors wrap those of package net.
func Interfaces(filter AddressFilter) ([]netip.Addr, error) {
	bind := filter.Bind.Unmap()
	if bind.IsValid() && !bind.IsUnspecified() {
		return []netip.Addr{bind}, nil
	}
	all, err := systemAddresses()
	if err != nil {
		// Android forbids listing the interfaces.
		all = routeAddresses()
		if len(all) == 0 {
			return nil, fmt.Errorf("udp: list interfaces: %w", err)
		}
	}
	return choose(all, bind, filter.Loopback), nil
}

// choose selects from all addresses of the host.
func choose(all []netip.Addr, bind netip.Addr, loopback bool) []netip.Addr {
	var usable, linkLocal, loopbacks []netip.Addr
	seen := make(map[netip.Addr]bool, len(all))
	for _, a := range all {
		a = a.Unmap()
		if seen[a] || bind.IsValid() && bind.Is4() != a.Is4() {
			continue
		}
		seen[a] = true
		switch {
		case a.IsLoopback():
			loopbacks = append(loopbacks, a)
		case a.IsLinkLocalUnicast():
			if a.Is4() {
				linkLocal = append(linkLocal, a)
			}
		case a.IsGlobalUnicast():
			usable = append(usable, a)
		}
	}
	if len(usable) == 0 {
		usable = linkLocal
	}
	if len(usable) == 0 && loopback {
		usable = loopbacks
	}
	return usable
}

func systemAddresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for i := range interfaces {
		if interfaces[i].Flags&(net.FlagUp|net.FlagRunning) != net.FlagUp|net.FlagRunning {
			continue
		}
		addresses, err := interfaces[i].Addrs()
		if err != nil {
			continue // the interface has just disappeared
		}
		for _, address := range addresses {
			if prefix, ok := address.(*net.IPNet); ok {
				if a, ok := netip.AddrFromSlice(prefix.IP); ok {
					all = append(all, a)
				}
			}
		}
	}
	return all, nil
}

// routeAddresses returns the addresses from which the host would send to the internet. It sends
// nothing: the destinations are documentation addresses (RFC 5737, RFC 3849), and connecting a UDP
// socket only looks up the route.
func routeAddresses() []netip.Addr {
	var all []netip.Addr
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		all = append(all, conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap())
		conn.Close()
	}
	return all
}
