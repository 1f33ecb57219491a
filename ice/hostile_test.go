package ice

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

// hostile is a peer that knows the credentials and sends random packets from many addresses.
type hostile struct {
	*script
	r     *rand.Rand
	bases []netip.AddrPort
}

// newHostile returns an agent with n bases whose peer has signalled the greatest number of
// candidates, with one long foundation.
func newHostile(t testing.TB, n int) *hostile {
	h := &hostile{r: rand.New(rand.NewPCG(1, 1))}
	for i := range n {
		h.bases = append(h.bases, netip.AddrPortFrom(local1.Addr(), uint16(5000+i)))
	}
	h.script = newScript(t, Config{}, h.bases...)
	h.setRemote()
	c := h.hostCandidate(remote1)
	c.Foundation = string(make([]byte, maxForeignFoundationLength))
	for i := range maxRemoteCandidates {
		c.Addr = netip.AddrPortFrom(remote1.Addr(), uint16(6000+i))
		c.Priority = h.r.Uint32()
		require.NoError(t, h.a.AddRemoteCandidate(h.now, c))
	}
	c.Addr = remote2
	require.ErrorIs(t, h.a.AddRemoteCandidate(h.now, c), ErrLimit)
	return h
}

// attack sends one packet or signals one candidate.
func (h *hostile) attack() {
	local := h.bases[h.r.IntN(len(h.bases))]
	remote := netip.AddrPortFrom(remote1.Addr(), uint16(1+h.r.IntN(65535)))
	switch h.r.IntN(4) {
	case 0:
		h.a.ReceivedData(h.now, local, remote)
	case 1:
		b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), stun.TransactionID{0: byte(h.r.Uint32())})
		h.a.Receive(h.now, local, remote, b.Bytes())
	default:
		h.check(local, remote, peerCheck{
			controlling: h.r.IntN(100) > 0, tieBreaker: h.r.Uint64(), useCandidate: h.r.IntN(2) == 0, priority: h.r.Uint32(),
			extra: stun.AttributeType(h.r.IntN(2) * 0x7000),
		})
	}
}

// wantBounded checks everything that grows with the peer's packets.
func (h *hostile) wantBounded() {
	h.t.Helper()
	require.LessOrEqual(h.t, len(h.a.current.checkList.pairs), maxPairs)
	require.LessOrEqual(h.t, len(h.a.current.checkList.triggered), maxPairs)
	require.LessOrEqual(h.t, len(h.a.current.remotes), maxRemoteCandidates)
	require.LessOrEqual(h.t, h.a.responses.Cap(), maxResponses)
}

// With any packets of the peer, an agent stays within its limits, sends only responses and at the
// rate of its pacer, and needs a time for each packet that does not depend on their number.
func TestHostilePeerIsBounded(t *testing.T) {
	for _, bases := range []int{1, maxLocalAddresses} {
		h := newHostile(t, bases)
		began := h.now
		for range 20000 {
			h.attack()
			if h.r.IntN(20) == 0 {
				h.wantBounded()
				h.advance(time.Duration(h.r.IntN(100)) * time.Millisecond)
				for {
					p, ok := h.transmitted()
					if !ok {
						break
					}
					if p.Type().Class() == stun.ClassRequest && h.r.IntN(4) == 0 {
						h.answer(p, local1)
					}
				}
				h.dropEvents()
			}
		}
		s := h.a.Stats()
		new := s.RequestsSent - s.Retransmissions
		require.LessOrEqual(t, new, uint64(h.now.Sub(began)/DefaultCheckInterval)+checkBurst+1)
		require.NotZero(t, s.Overflows)
	}
}

// The queue of responses does not grow if it never becomes empty: one request for each response.
func TestResponsesUnderSteadyLoad(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.check(local1, remote1, peerCheck{controlling: true})
	for range 10000 {
		s.check(local1, remote1, peerCheck{controlling: true})
		_, ok := s.transmitted()
		require.True(t, ok)
	}
	require.LessOrEqual(t, s.a.responses.Cap(), keptResponses)
	for ok := true; ok; {
		_, ok = s.transmitted()
	}
	require.Zero(t, s.a.responses.Len())
}

// BenchmarkHostilePeer measures one packet of a peer that fills every table.
func BenchmarkHostilePeer(b *testing.B) {
	h := newHostile(b, maxLocalAddresses)
	buf := make([]byte, 0, 1500)
	for i := range 20000 + b.N {
		if i == 20000 {
			b.ResetTimer()
		}
		h.attack()
		if i%20 == 0 {
			h.advance(10 * time.Millisecond)
			for ok := true; ok; {
				_, _, _, ok = h.a.Transmit(h.now, buf)
			}
			h.dropEvents()
		}
	}
}
