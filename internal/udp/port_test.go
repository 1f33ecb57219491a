package udp

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListenPort(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	taken := listen(t, netip.AddrPortFrom(addr, 0), Options{})
	port := taken.LocalAddr().Port()

	// The only port of the range is taken.
	_, err := ListenPort(addr, port, port, Options{})
	require.ErrorContains(t, err, "udp: no free port from")
	require.ErrorIs(t, err, portTaken[0])

	// Free ports are found wherever the search starts.
	first, last := port, port
	if port > 60000 {
		first -= 20
	} else {
		last += 20
	}
	for range 5 {
		s, err := ListenPort(addr, first, last, Options{})
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		got := s.LocalAddr().Port()
		require.True(t, first <= got && got <= last && got != port)
	}

	s, err := ListenPort(addr, 0, 0, Options{})
	require.NoError(t, err)
	require.NotZero(t, s.LocalAddr().Port())
	require.NoError(t, s.Close())

	_, err = ListenPort(addr, 10, 9, Options{})
	require.ErrorContains(t, err, "empty")
	// With an address that the host does not have, not every port is tried.
	_, err = ListenPort(netip.MustParseAddr("192.0.2.1"), 20000, 65535, Options{})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "no free port")
}

func addrs(s ...string) []netip.Addr {
	var all []netip.Addr
	for _, a := range s {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func TestChooseAddresses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		all      []netip.Addr
		bind     string
		loopback bool
		want     []netip.Addr
	}{
		{"usual", addrs("127.0.0.1", "::1", "192.168.1.2", "fe80::1", "2001:db8::2", "fd00::2"), "", true, addrs("192.168.1.2", "2001:db8::2", "fd00::2")},
		{"IPv4", addrs("192.168.1.2", "2001:db8::2"), "0.0.0.0", false, addrs("192.168.1.2")},
		{"IPv6", addrs("192.168.1.2", "2001:db8::2"), "::", false, addrs("2001:db8::2")},
		{"duplicates", addrs("192.168.1.2", "::ffff:192.168.1.2", "192.168.1.2"), "", false, addrs("192.168.1.2")},
		{"link-local only if there is nothing else", addrs("127.0.0.1", "169.254.7.7", "fe80::1"), "", true, addrs("169.254.7.7")},
		{"not link-local", addrs("169.254.7.7", "10.0.0.1"), "", true, addrs("10.0.0.1")},
		{"loopback if asked for", addrs("127.0.0.1", "::1"), "", true, addrs("127.0.0.1", "::1")},
		{"no loopback", addrs("127.0.0.1", "::1"), "", false, nil},
		{"never multicast or unspecified", addrs("224.0.0.1", "ff02::1", "0.0.0.0", "::"), "", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bind netip.Addr
			if tt.bind != "" {
				bind = netip.MustParseAddr(tt.bind)
			}
			require.Equal(t, tt.want, choose(tt.all, bind, tt.loopback))
		})
	}
}

func TestInterfaces(t *testing.T) {
	all, err := Interfaces(AddressFilter{Loopback: true})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, a := range all {
		s, err := Listen(netip.AddrPortFrom(a, 0), Options{})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	one, err := Interfaces(AddressFilter{Bind: netip.MustParseAddr("::ffff:127.0.0.1")})
	require.NoError(t, err)
	require.Equal(t, addrs("127.0.0.1"), one)
	for _, a := range routeAddresses() {
		require.True(t, a.IsValid() && !a.IsUnspecified())
	}
}
