package ice

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

// A socket of both families names its IPv4 peers by IPv4-mapped IPv6 addresses, and a remote
// address may have a zone. Every exported function takes these for the same address, and the agent
// returns one form.
func TestOneFormOfAddresses(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.1:3478")
	linkLocal, remoteLinkLocal := netip.MustParseAddrPort("[fe80::1%eth0]:5001"), netip.MustParseAddrPort("[fe80::2]:6001")
	mapped := func(addr netip.AddrPort) netip.AddrPort {
		if !addr.Addr().Is4() {
			return addr
		}
		return netip.AddrPortFrom(netip.AddrFrom16(addr.Addr().As16()), addr.Port())
	}
	mappedInZone := func(addr netip.AddrPort) netip.AddrPort {
		addr = mapped(addr)
		return netip.AddrPortFrom(addr.Addr().WithZone("eth0"), addr.Port())
	}
	same := func(addr netip.AddrPort) netip.AddrPort { return addr }
	forms := []func(netip.AddrPort) netip.AddrPort{same, mapped, mappedInZone}
	require.Equal(t, "[::ffff:192.168.0.1]:5001", mapped(local1).String())

	for _, base := range []struct{ local, remote, to netip.AddrPort }{
		{local1, remote1, remote1},
		{linkLocal, remoteLinkLocal, netip.MustParseAddrPort("[fe80::2%eth0]:6001")},
	} {
		for _, form := range forms {
			local, remote := form(base.local), form(base.remote)
			s := newScript(t, Config{STUNServers: []netip.AddrPort{form(server), server}})
			// Its base is added later.
			s.a.current.basesComplete, s.a.current.endOfCandidates = false, false
			require.NoError(t, s.a.AddLocal(s.now, local))
			require.ErrorIs(t, s.a.AddLocal(s.now, base.local), ErrDuplicate)
			require.Len(t, s.a.config.STUNServers, 1)
			require.ErrorIs(t, s.a.AddSTUNServer(s.now, form(server)), ErrDuplicate)
			s.a.SetLocalComplete(s.now)
			if base.local == local1 {
				p, ok := s.transmitted()
				require.True(t, ok)
				require.Equal(t, server, p.remote)
				require.Equal(t, base.local, p.local)
				b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), p.TransactionID())
				b.AddXORAddress(stun.AttributeXORMappedAddress, form(mapped1))
				s.a.Receive(s.now, form(base.local), form(server), b.Bytes())
				require.Equal(t, mapped1, s.a.bases[0].reflexive[0].Addr)
			}
			s.wantNothing()

			s.setRemote()
			c := s.hostCandidate(remote)
			c.Related = form(remote2)
			require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
			require.Len(t, s.a.current.remotes, 1)
			require.Equal(t, base.remote, s.a.current.remotes[0].Addr)
			require.Equal(t, remote2, s.a.current.remotes[0].Related)
			check := s.wantCheck(base.local, base.to)
			check.local, check.remote = local, remote
			s.answer(check, form(mapped1))
			s.wantSuccess(s.check(local, remote, peerCheck{controlling: true, useCandidate: true}))
			pair, ok := s.a.Selected()
			require.True(t, ok)
			require.Equal(t, base.local, pair.Base)
			require.Equal(t, base.remote, pair.Remote.Addr)
			require.Equal(t, mapped1, pair.Local.Addr)
			for _, other := range forms {
				require.True(t, s.a.HasLocal(other(base.local)))
				require.True(t, s.a.Permits(other(base.local), other(base.remote)))
				require.True(t, s.a.Permits(other(base.local), other(base.to)))
				s.a.bases[0].received = s.a.bases[0].received.Add(-1)
				s.a.ReceivedData(s.now, other(base.local), other(base.remote))
				require.Equal(t, s.now, s.a.bases[0].received)
			}
			require.Zero(t, s.a.Stats().Strangers)
		}
	}
}

// Two links may have the same link-local address: the zone is part of a local address.
func TestSameAddressOnTwoLinks(t *testing.T) {
	eth0, eth1 := netip.MustParseAddrPort("[fe80::1%eth0]:5001"), netip.MustParseAddrPort("[fe80::1%eth1]:5001")
	s := newScript(t, Config{}, eth0, eth1)
	s.setRemote()
	s.addRemote(netip.MustParseAddrPort("[fe80::2]:6001"))
	on0, on1 := netip.MustParseAddrPort("[fe80::2%eth0]:6001"), netip.MustParseAddrPort("[fe80::2%eth1]:6001")
	s.wantSuccess(s.check(eth1, on1, peerCheck{controlling: true, useCandidate: true}))
	s.answer(s.wantCheck(eth1, on1), eth1)
	require.True(t, s.a.Permits(eth1, on1))
	require.False(t, s.a.Permits(eth0, on0))
	require.False(t, s.a.HasLocal(netip.MustParseAddrPort("[fe80::1]:5001")))
}
