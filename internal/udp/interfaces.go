package udp

import (
	"fmt"
	"net"
	"net/netip"
)

// AddressFilter says which of the host's addresses Interfaces returns.
type AddressFilter struct {
	// Bind restricts them: to this one address, or to the IPv4 or IPv6 ones if it is 0.0.0.0 or ::. The zero Addr does not restrict.
	Bind netip.Addr
	// Loopback includes the loopback addresses if there are no others.
	Loopback bool
}

// Interfaces returns the addresses of this host that others can send to, in the order of the system: unicast addresses of interfaces that are up and
// running. Link-local IPv6 addresses are left out, as they are of no use without knowing the peer's link, and link-local IPv4 ones
// unless there are no others. Deprecated and temporary IPv6 addresses cannot be told from the others portably; they are included.
// https://www.rfc-editor.org/rfc/rfc8445.html#section-5.1.1.1
//
// An address given to bind to is returned without asking whether the host has it: Listen will tell.
func Interfaces(filter AddressFilter) ([]netip.Addr, error) {
	bind := filter.Bind.Unmap()
	if bind.IsValid() && !bind.IsUnspecified() {
		return []netip.Addr{bind}, nil
	}
	all, err := systemAddresses()
	if err != nil {
		// Android forbids to list the interfaces.
		all = routeAddresses()
		if len(all) == 0 {
			return nil, fmt.Errorf("udp: list interfaces: %w", err)
		}
	}
	return choose(all, bind, filter.Loopback), nil
}

// choose picks from all the host's addresses.
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
			continue // it has just gone
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

// routeAddresses asks for the addresses from which the host would send to the internet. Nothing is sent: the
// destinations are documentation addresses (RFC 5737, RFC 3849), and connecting a UDP socket only looks up the route.
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
