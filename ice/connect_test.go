package ice

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// patientGathering is the time of a whole STUN transaction: without its reflexive candidate, an
// agent may be unreachable.
const patientGathering = 40 * time.Second

// TestAgentsConnect connects two agents behind random NATs over random bad networks, with random
// roles and signalling delays. If a path exists, both select the same pair, in opposite roles.
func TestAgentsConnect(t *testing.T) {
	netsim.Seeds(t, 2000, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		r := w.sim.Rand()

		kindA, kindB := r.IntN(5), r.IntN(5)
		v6 := r.IntN(4) == 0
		if !v6 && kindA+kindB >= 7 && kindA >= 3 && kindB >= 3 {
			kindB = r.IntN(3) // two symmetric NATs, or one and a port-restricted one, need a relay
		}
		natA, natB := w.nat(kindA), w.nat(kindB)
		if r.IntN(10) == 0 {
			natB = natA // on the same network: the NAT does not hairpin
		}
		addrsA, addrsB := []string{"10.0.0.2"}, []string{"10.0.0.3"}
		if natA == nil {
			addrsA[0] = "198.51.100.1"
		}
		if natB == nil {
			addrsB[0] = "198.51.100.2"
		}
		if r.IntN(3) == 0 { // an interface without a path to the peer
			addrsA = append(addrsA, "172.17.0.1")
			addrsB = append(addrsB, "172.18.0.1")
		}
		if v6 {
			addrsA = append(addrsA, "2001:db8:a::1")
			addrsB = append(addrsB, "2001:db8:b::1")
		}
		roleA := r.IntN(2) == 0
		roleB := !roleA
		if r.IntN(4) == 0 { // a conflict
			roleB = roleA
		}
		a := w.addPeer("a", Config{Controlling: roleA, GatheringTimeout: patientGathering}, natA, randomLink(r), addrsA...)
		b := w.addPeer("b", Config{Controlling: roleB, GatheringTimeout: patientGathering}, natB, randomLink(r), addrsB...)
		for _, p := range []*peer{a, b} {
			p.signalDelay = time.Duration(r.IntN(300)) * time.Millisecond
			if r.IntN(2) == 0 {
				p.trickleDelay = func() time.Duration { return time.Duration(r.IntN(700)) * time.Millisecond }
			}
		}

		w.scenario = fmt.Sprintf("NATs %d and %d, same %v, addresses %v and %v, controlling %v and %v, links %+v and %+v",
			kindA, kindB, natA == natB, addrsA, addrsB, roleA, roleB, a.links[0].Up.Config(), b.links[0].Up.Config())

		w.run(w.completed, 60*time.Second)
		require.NoError(t, w.sim.RunFor(12*time.Second))
		// On the worst links, one agent in ten thousand loses six consent checks in a row. If it
		// has another valid pair, it selects that, and the other agent does so later.
		w.await(w.mirrored, 20*time.Second)
		require.NotEqual(t, a.Controlling(), b.Controlling())
		pa, _ := a.Selected()
		pb, _ := b.Selected()
		require.True(t, a.Permits(pa.Base, pa.Remote.Addr))
		require.True(t, b.Permits(pb.Base, pb.Remote.Addr))
		require.True(t, pa.Nominated && pb.Nominated)
		for _, p := range []*peer{a, b} {
			require.LessOrEqual(t, len(p.current.checkList.pairs), maxPairs)
			require.Equal(t, StateChecking, p.states[0])
			require.Equal(t, StateConnected, p.states[1])
			require.Contains(t, p.states, StateCompleted)
		}
	})
}
