package ice

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// An attacker knows all addresses, forges the source of its packets, sees and answers the packets
// of the agent, and repeats genuine checks of the peer from any address. It cannot compute
// MESSAGE-INTEGRITY. With any actions of the attacker and the peer, the agent selects only pairs on
// which the peer itself has answered, and sends packets to the attacker only in proportion to the
// repeated checks.
func TestForgeriesSelectNothing(t *testing.T) {
	attacker, neighbour := netip.MustParseAddrPort("203.0.113.66:666"), netip.AddrPortFrom(remote1.Addr(), remote1.Port()+1)
	locals := []netip.AddrPort{local1, local2}
	remotes := []netip.AddrPort{remote1, remote2, attacker, neighbour}
	works := func(local, remote netip.AddrPort) bool {
		return local == local1 && remote == remote1 || local == local2 && remote == remote2
	}
	type route struct{ local, remote netip.AddrPort }
	netsim.Seeds(t, 100, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newScript(t, Config{Controlling: r.IntN(4) == 0}, locals...)
		s.setRemote()
		s.addRemote(remote1, remote2)
		began, toAttacker, repeated, heard := s.now, 0, 0, map[route]bool{}
		nominate := peerCheck{controlling: !s.a.Controlling(), useCandidate: true}
		forged := nominate
		forged.pwd = "forgedforgedforgedforged"
		for range 300 {
			at := route{locals[r.IntN(2)], remotes[r.IntN(4)]}
			switch r.IntN(6) {
			case 0:
				s.a.ReceivedData(s.now, at.local, at.remote)
			case 1:
				s.check(at.local, at.remote, forged)
			case 2:
				s.check(at.local, at.remote, nominate)
				heard[at] = true
				if at.remote == attacker {
					repeated++
				}
			case 3: // the peer
				at = route{local1, remote1}
				if r.IntN(2) == 0 {
					at = route{local2, remote2}
				}
				heard[at] = true
				s.check(at.local, at.remote, peerCheck{controlling: nominate.controlling, useCandidate: r.IntN(2) == 0})
			default:
				s.advance(time.Duration(r.IntN(4000)) * time.Millisecond)
			}
			for {
				p, ok := s.transmitted()
				if !ok {
					break
				}
				if p.remote == attacker {
					toAttacker++
				}
				if p.Type().Class() != stun.ClassRequest {
					continue
				}
				b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), p.TransactionID())
				b.AddXORAddress(stun.AttributeXORMappedAddress, p.local)
				b.AddIntegrity(stun.NewKey([]byte(forged.pwd)))
				b.AddFingerprint()
				s.a.Receive(s.now, p.local, p.remote, b.Bytes())
				if works(p.local, p.remote) {
					s.answer(p, p.local)
				}
			}
			if pair, ok := s.a.Selected(); ok {
				require.True(t, works(pair.Base, pair.Remote.Addr), "%v", pair)
			}
			for _, local := range locals {
				for _, remote := range remotes {
					permitted := works(local, remote) || heard[route{local, remote}]
					require.True(t, permitted || !s.a.Permits(local, remote), "%v from %v", local, remote)
				}
			}
		}
		// Each repeated check is answered and triggers one from each side. Data may trigger one
		// more when that has timed out after seven requests.
		timeouts := int(s.now.Sub(began)/(30*time.Second)) + 2
		require.LessOrEqual(t, toAttacker, 2*repeated+7*len(locals)*timeouts)
		_, ok := s.a.Selected()
		require.True(t, ok, "nor does it disturb the peer")
	})
}
