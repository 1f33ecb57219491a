package netsim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A peer is a host that sends the packets of the test and keeps those that it receives.
type peer struct {
	sim *Sim
	out []datagram
	in  []datagram
}

type datagram struct {
	local, remote netip.AddrPort
	data          string
}

func (p *peer) Receive(_ time.Time, local, remote netip.AddrPort, b []byte) {
	p.in = append(p.in, datagram{local, remote, string(b)})
}
func (p *peer) Advance(time.Time)   {}
func (p *peer) Deadline() time.Time { return time.Time{} }
func (p *peer) Transmit(_ time.Time, dst []byte) ([]byte, netip.AddrPort, netip.AddrPort, bool) {
	if len(p.out) == 0 {
		return dst, netip.AddrPort{}, netip.AddrPort{}, false
	}
	d := p.out[0]
	p.out = p.out[1:]
	return append(dst, d.data...), d.local, d.remote, true
}

// send sends a datagram and runs until it has arrived.
func (p *peer) send(t *testing.T, local, remote netip.AddrPort) {
	t.Helper()
	p.out = append(p.out, datagram{local, remote, "hello"})
	p.sim.Poke(p)
	require.NoError(t, p.sim.RunFor(time.Second))
}

// take returns the received datagrams and removes them.
func (p *peer) take() []datagram {
	in := p.in
	p.in = nil
	return in
}

// from returns the source of the one received datagram.
func (p *peer) from(t *testing.T) netip.AddrPort {
	t.Helper()
	in := p.take()
	require.Len(t, in, 1)
	return in[0].remote
}

var (
	insideAddr  = netip.MustParseAddr("192.168.1.2")
	insideAddr2 = netip.MustParseAddr("192.168.1.3")
	natAddr     = netip.MustParseAddr("203.0.113.1")
	serverAddr  = netip.MustParseAddr("198.51.100.1")
	strangeAddr = netip.MustParseAddr("198.51.100.2")
)

func at(addr netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }

// A home is a host behind a NAT, and two public hosts.
type home struct {
	sim                      *Sim
	network                  *Network
	nat                      *NAT
	inside, server, stranger *peer
}

func newHome(seed uint64, config NATConfig) *home {
	s := New(seed)
	h := &home{sim: s, network: NewNetwork(s), inside: &peer{sim: s}, server: &peer{sim: s}, stranger: &peer{sim: s}}
	h.nat = h.network.AddNAT(config)
	h.network.Attach(h.inside, Interface{Addr: insideAddr, Behind: h.nat, Up: LinkConfig{Delay: time.Millisecond}})
	h.network.Attach(h.server, Interface{Addr: serverAddr})
	h.network.Attach(h.stranger, Interface{Addr: strangeAddr})
	return h
}

func TestNATKinds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config NATConfig
		// Whether a second destination sees the same external endpoint: another port of the first
		// address, and another address.
		samePort, sameAddr bool
		// Whether others may send to it: another port of the address that was sent to, and another
		// address.
		otherPort, otherAddr bool
	}{
		{"full cone", FullCone(natAddr), true, true, true, true},
		{"restricted cone", RestrictedCone(natAddr), true, true, true, false},
		{"port restricted cone", PortRestrictedCone(natAddr), true, true, false, false},
		{"symmetric", Symmetric(natAddr), false, false, false, false},
		{"address-dependent", NATConfig{External: natAddr, Mapping: AddressDependent, Filtering: AddressDependent}, true, false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(1, tt.config)
			local := at(insideAddr, 5000)

			// A packet to the outside makes a mapping, which the server sees as the source.
			h.inside.send(t, local, at(serverAddr, 3478))
			mapped := h.server.from(t)
			require.Equal(t, natAddr, mapped.Addr())
			require.GreaterOrEqual(t, mapped.Port(), uint16(firstMappedPort))

			// The mapping is reused, and the answer passes every filter.
			h.inside.send(t, local, at(serverAddr, 3478))
			require.Equal(t, mapped, h.server.from(t))
			h.server.send(t, at(serverAddr, 3478), mapped)
			require.Equal(t, []datagram{{local, at(serverAddr, 3478), "hello"}}, h.inside.take())

			// RFC 4787, section 5: the filtering behaviour decides who else may send to the
			// mapping.
			h.server.send(t, at(serverAddr, 3479), mapped)
			require.Equal(t, tt.otherPort, len(h.inside.take()) == 1, "from another port")
			h.stranger.send(t, at(strangeAddr, 3478), mapped)
			require.Equal(t, tt.otherAddr, len(h.inside.take()) == 1, "from another address")

			// RFC 4787, section 4.1: the mapping behaviour decides whether the mapping is reused
			// for others.
			h.inside.send(t, local, at(serverAddr, 3479))
			require.Equal(t, tt.samePort, h.server.from(t) == mapped, "to another port")
			h.inside.send(t, local, at(strangeAddr, 3478))
			toStranger := h.stranger.from(t)
			require.Equal(t, tt.sameAddr, toStranger == mapped, "to another address")

			// A host that was sent to may answer, to the external endpoint that it has seen.
			h.stranger.send(t, at(strangeAddr, 3478), toStranger)
			require.Len(t, h.inside.take(), 1)

			// Another internal endpoint has a mapping of its own.
			h.inside.send(t, at(insideAddr, 5001), at(serverAddr, 3478))
			require.NotEqual(t, mapped, h.server.from(t))
		})
	}
}

func TestMappingLifetime(t *testing.T) {
	config := PortRestrictedCone(natAddr)
	config.Lifetime = 30 * time.Second
	h := newHome(1, config)
	local, server := at(insideAddr, 5000), at(serverAddr, 3478)

	h.inside.send(t, local, server)
	mapped := h.server.from(t)
	// Packets from inside keep the mapping alive…
	for range 3 {
		require.NoError(t, h.sim.RunFor(28*time.Second))
		h.inside.send(t, local, server)
		require.Equal(t, mapped, h.server.from(t))
	}
	// …those from outside do not.
	require.NoError(t, h.sim.RunFor(20*time.Second))
	h.server.send(t, server, mapped)
	require.Len(t, h.inside.take(), 1)
	require.NoError(t, h.sim.RunFor(10*time.Second))
	h.server.send(t, server, mapped)
	require.Empty(t, h.inside.take())
	require.EqualValues(t, 1, h.nat.Stats().NoMapping)

	h.inside.send(t, local, server)
	require.NotEqual(t, mapped, h.server.from(t))
}

func TestPermissionExpiresBeforeItsMapping(t *testing.T) {
	config := PortRestrictedCone(natAddr)
	config.Lifetime = 30 * time.Second
	h := newHome(1, config)
	local := at(insideAddr, 5000)
	h.inside.send(t, local, at(strangeAddr, 1))
	mapped := h.stranger.from(t)
	require.NoError(t, h.sim.RunFor(20*time.Second))
	h.inside.send(t, local, at(serverAddr, 1))
	require.NoError(t, h.sim.RunFor(20*time.Second))
	// The mapping is valid, but the stranger's permission has expired.
	h.stranger.send(t, at(strangeAddr, 1), mapped)
	require.Empty(t, h.inside.take())
	require.EqualValues(t, 1, h.nat.Stats().Filtered)
	h.server.send(t, at(serverAddr, 1), mapped)
	require.Len(t, h.inside.take(), 1)
}

func TestReset(t *testing.T) {
	h := newHome(1, FullCone(natAddr))
	h.inside.send(t, at(insideAddr, 5000), at(serverAddr, 1))
	mapped := h.server.from(t)
	h.nat.Reset()
	h.server.send(t, at(serverAddr, 1), mapped)
	require.Empty(t, h.inside.take())
}

func TestHairpin(t *testing.T) {
	for _, hairpin := range []bool{false, true} {
		config := FullCone(natAddr)
		config.Hairpin = hairpin
		h := newHome(1, config)
		second := &peer{sim: h.sim}
		h.network.Attach(second, Interface{Addr: insideAddr2, Behind: h.nat})

		h.inside.send(t, at(insideAddr, 5000), at(serverAddr, 1))
		mapped := h.server.from(t)
		second.send(t, at(insideAddr2, 6000), at(serverAddr, 1))
		mapped2 := h.server.from(t)

		// RFC 4787, section 6: the hairpinning behaviour is "External source IP address and port".
		second.send(t, at(insideAddr2, 6000), mapped)
		if hairpin {
			require.Equal(t, mapped2, h.inside.from(t))
		} else {
			require.Empty(t, h.inside.take())
			require.EqualValues(t, 1, h.nat.Stats().NoHairpin)
		}
		// Directly they reach each other in both cases.
		second.send(t, at(insideAddr2, 6000), at(insideAddr, 5000))
		require.Equal(t, at(insideAddr2, 6000), h.inside.from(t))
	}
}

func TestNestedNAT(t *testing.T) {
	h := newHome(1, FullCone(natAddr))
	inner := FullCone(netip.MustParseAddr("192.168.1.254"))
	inner.Behind = h.nat
	deep := &peer{sim: h.sim}
	h.network.Attach(deep, Interface{Addr: netip.MustParseAddr("10.0.0.2"), Behind: h.network.AddNAT(inner)})

	local := at(netip.MustParseAddr("10.0.0.2"), 7000)
	deep.send(t, local, at(serverAddr, 1))
	mapped := h.server.from(t)
	require.Equal(t, natAddr, mapped.Addr())
	h.stranger.send(t, at(strangeAddr, 9), mapped)
	require.Equal(t, []datagram{{local, at(strangeAddr, 9), "hello"}}, deep.take())

	// On the segment between the two NATs, the source is the address of the inner one.
	deep.send(t, local, at(insideAddr, 5000))
	require.Equal(t, inner.External, h.inside.from(t).Addr())
}

func TestUnroutable(t *testing.T) {
	h := newHome(1, FullCone(natAddr))
	h.inside.send(t, at(insideAddr, 1), at(netip.MustParseAddr("192.0.2.77"), 1))
	h.inside.send(t, at(insideAddr, 1), at(netip.MustParseAddr("2001:db8::1"), 1))
	h.inside.send(t, at(serverAddr, 1), at(strangeAddr, 1)) // not an address of the sender
	h.server.send(t, at(serverAddr, 1), at(insideAddr, 1))
	require.EqualValues(t, 4, h.network.Unroutable())
	require.EqualValues(t, 1, h.nat.Stats().Unroutable)
	h.server.send(t, at(serverAddr, 1), at(natAddr, 55555))
	require.EqualValues(t, 1, h.nat.Stats().NoMapping)
}

func TestMultihomedHost(t *testing.T) {
	s := New(1)
	n := NewNetwork(s)
	a, b := &peer{sim: s}, &peer{sim: s}
	six, four := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("198.51.100.7")
	viaSix := n.Attach(a, Interface{Addr: six, Down: LinkConfig{Delay: 100 * time.Millisecond}})
	n.Attach(a, Interface{Addr: four})
	bSix, bFour := netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("198.51.100.8")
	n.Attach(b, Interface{Addr: bSix})
	n.Attach(b, Interface{Addr: bFour})

	b.send(t, at(bSix, 1), at(six, 2))
	require.Equal(t, []datagram{{at(six, 2), at(bSix, 1), "hello"}}, a.take())
	require.EqualValues(t, 1, viaSix.Down.Stats().Delivered)
	b.send(t, at(bFour, 1), at(four, 2))
	require.Equal(t, []datagram{{at(four, 2), at(bFour, 1), "hello"}}, a.take())

	// A host that loses an interface is reachable over the other.
	viaSix.Detach()
	b.send(t, at(bSix, 1), at(six, 2))
	require.Empty(t, a.take())
	a.send(t, at(six, 2), at(bSix, 1))
	require.Empty(t, b.take())
	b.send(t, at(bFour, 1), at(four, 2))
	require.Len(t, a.take(), 1)
	require.Panics(t, func() { n.Attach(b, Interface{Addr: four}) })
}

func TestPortsRunOut(t *testing.T) {
	config := Symmetric(natAddr)
	config.Lifetime = time.Minute
	h := newHome(1, config)
	for i := range mappedPorts {
		port := uint16(firstMappedPort + i)
		m := &mapping{key: mappingKey{at(insideAddr, 1), at(serverAddr, port)}, port: port, expires: int64(time.Minute)}
		h.nat.byPort[port], h.nat.byInternal[m.key] = m, m
	}
	h.inside.send(t, at(insideAddr, 1), at(strangeAddr, 1))
	require.Empty(t, h.stranger.take())
	// The ports of expired mappings are free again.
	require.NoError(t, h.sim.RunFor(time.Minute))
	h.inside.send(t, at(insideAddr, 1), at(strangeAddr, 1))
	require.Len(t, h.stranger.take(), 1)
}

func TestResponder(t *testing.T) {
	s := New(1)
	n := NewNetwork(s)
	echo := &Responder{Reply: func(dst []byte, _, remote netip.AddrPort, packet []byte) []byte {
		if string(packet) != "hello" {
			return nil
		}
		return append(dst, remote.String()...)
	}}
	n.Attach(echo, Interface{Addr: serverAddr, Up: LinkConfig{Delay: time.Millisecond}})
	a := &peer{sim: s}
	n.Attach(a, Interface{Addr: strangeAddr})
	for range 3 {
		a.send(t, at(strangeAddr, 4), at(serverAddr, 3478))
		require.Equal(t, []datagram{{at(strangeAddr, 4), at(serverAddr, 3478), "198.51.100.2:4"}}, a.take())
	}
}
