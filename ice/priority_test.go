package ice

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCandidatePriority(t *testing.T) {
	// The recommended type preferences of RFC 8445, section 5.1.2.2, in the numbers of the example
	// of RFC 8839, section 6.
	require.Equal(t, uint32(2130706431), candidatePriority(CandidateTypeHost, 65535, 1))
	require.Equal(t, uint32(1694498815), candidatePriority(CandidateTypeServerReflexive, 65535, 1))
	require.Equal(t, uint32(1862270975), candidatePriority(CandidateTypePeerReflexive, 65535, 1))
	require.Equal(t, uint32(16777215), candidatePriority(CandidateTypeRelayed, 65535, 1))
	require.Equal(t, uint32(2130706430), candidatePriority(CandidateTypeHost, 65535, 2))
}

// RFC 8445, section 6.1.2.3: pair priority = 2^32*MIN(G,D) + 2*MAX(G,D) + (G>D?1:0).
func TestPairPriority(t *testing.T) {
	require.Equal(t, uint64(3)<<32+10, pairPriority(3, 5))
	require.Equal(t, uint64(3)<<32+11, pairPriority(5, 3))
	require.Equal(t, uint64(5)<<32+10, pairPriority(5, 5))
	require.Equal(t, uint64(maxPriority)<<32+2*maxPriority, pairPriority(maxPriority, maxPriority))
}

// RFC 8421, section 4: families alternate, so that a host with many IPv6 addresses still uses its
// IPv4 ones.
func TestLocalPreferenceOrder(t *testing.T) {
	want := []string{"2001:db8::1", "192.0.2.1", "2001:db8::2", "10.0.0.1", "2001:db8::3", "fd00::1", "2002::1", "fe80::1", "169.254.0.1", "::1", "127.0.0.1"}
	added := []string{"127.0.0.1", "fd00::1", "192.0.2.1", "169.254.0.1", "10.0.0.1", "2001:db8::1", "fe80::1", "2001:db8::2", "2001:db8::3", "::1", "2002::1"}
	var addrs []netip.AddrPort
	for _, a := range added {
		addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(a), 1))
	}
	s := newScript(t, Config{}, addrs...)
	slices.SortFunc(s.a.bases, func(a, b *base) int { return cmp.Compare(b.host.Priority, a.host.Priority) })
	var got []string
	for _, b := range s.a.bases {
		got = append(got, b.host.Addr.Addr().String())
	}
	require.Equal(t, want, got)
}

// RFC 8445, section 5.1.1.3: foundations are equal if the type, the address of the base, the
// address of the server and the transport protocol are.
func TestFoundations(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1, stun2}}, local1, netip.AddrPortFrom(local1.Addr(), 9), local2)
	f := func(b *base) string { return b.host.Foundation }
	require.Equal(t, f(s.a.bases[0]), f(s.a.bases[1]))
	require.NotEqual(t, f(s.a.bases[0]), f(s.a.bases[2]))
	seen := map[string]bool{f(s.a.bases[0]): true, f(s.a.bases[2]): true}
	for i := range 6 {
		p, ok := s.transmitted()
		require.True(t, ok)
		s.serverAnswers(p, netip.AddrPortFrom(mapped1.Addr(), uint16(100+i)))
	}
	for _, i := range []int{0, 2} {
		for _, c := range s.a.bases[i].reflexive {
			require.False(t, seen[c.Foundation], "%v", c)
			seen[c.Foundation] = true
		}
	}
	require.Len(t, seen, 6)
	require.Equal(t, s.a.bases[0].reflexive[0].Foundation, s.a.bases[1].reflexive[0].Foundation)
}

func TestPacer(t *testing.T) {
	p := pacer{interval: 50 * time.Millisecond}
	now := time.Unix(100, 0)
	for range checkBurst {
		require.True(t, p.ready(now))
		p.take(now)
	}
	require.False(t, p.ready(now))
	require.Equal(t, now.Add(50*time.Millisecond), p.next())
	now = now.Add(75 * time.Millisecond) // one and a half
	require.True(t, p.ready(now))
	p.take(now)
	require.Equal(t, now.Add(25*time.Millisecond), p.next())
	p.take(now) // on credit
	require.Equal(t, now.Add(75*time.Millisecond), p.next())
	now = now.Add(time.Hour) // the bucket does not overflow
	for range checkBurst {
		require.True(t, p.ready(now))
		p.take(now)
	}
	require.False(t, p.ready(now))
}
