package ice

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// anyDelay returns a perfect access link with a random delay.
func anyDelay(r *rand.Rand) netsim.LinkConfig {
	return netsim.LinkConfig{Delay: time.Duration(r.IntN(200)) * time.Millisecond}
}

// networks are pairs of hosts with several paths between them.
var networks = []struct{ ours, theirs []string }{
	{[]string{"198.51.100.1", "2001:db8:a::1"}, []string{"198.51.100.2", "2001:db8:b::1"}},
	{[]string{"2001:db8:a::1", "198.51.100.1"}, []string{"198.51.100.2", "2001:db8:b::1"}},
	{[]string{"198.51.100.1", "203.0.113.1"}, []string{"198.51.100.2", "203.0.113.2"}},
	{[]string{"198.51.100.1", "203.0.113.1", "2001:db8:a::1"}, []string{"198.51.100.2", "203.0.113.2", "2001:db8:b::1"}},
	{[]string{"198.51.100.1"}, []string{"198.51.100.2", "203.0.113.2"}},
	{[]string{"198.51.100.1", "203.0.113.1"}, []string{"198.51.100.2"}},
}

// choices are the rules by which peers select one of several valid pairs.
var choices = map[string]func(r *rand.Rand) func([]*foreignPair) *foreignPair{
	"first": func(*rand.Rand) func([]*foreignPair) *foreignPair {
		return func(valid []*foreignPair) *foreignPair { return valid[0] }
	},
	"last": func(*rand.Rand) func([]*foreignPair) *foreignPair {
		return func(valid []*foreignPair) *foreignPair { return valid[len(valid)-1] }
	},
	"fastest": func(*rand.Rand) func([]*foreignPair) *foreignPair {
		return func(valid []*foreignPair) *foreignPair {
			return slices.MinFunc(valid, func(p, q *foreignPair) int { return cmp.Compare(p.rtt, q.rtt) })
		}
	},
	"best": func(*rand.Rand) func([]*foreignPair) *foreignPair {
		return func(valid []*foreignPair) *foreignPair {
			return slices.MaxFunc(valid, func(p, q *foreignPair) int { return cmp.Compare(p.priority, q.priority) })
		}
	},
	"any": func(r *rand.Rand) func([]*foreignPair) *foreignPair {
		return func(valid []*foreignPair) *foreignPair { return valid[r.IntN(len(valid))] }
	},
}

// Peers select a pair by their own rules, nominate it, or all pairs, and close their other sockets.
// With any order of the delays of the paths, the agent sends where they receive, receives all their
// data, and frees the unused sockets.
func TestControlledAgentIsWhereItsPeerIs(t *testing.T) {
	names := make([]string, 0, len(choices))
	for name := range choices {
		names = append(names, name)
	}
	slices.Sort(names)
	netsim.Seeds(t, 300, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := networks[r.IntN(len(networks))]
		name := names[r.IntN(len(names))]
		h := habits{
			controlling: true, aggressive: r.IntN(3) > 0, repeats: r.IntN(2) == 0, closes: true,
			hurry: r.IntN(2) == 0, choose: choices[name](r),
		}
		wantAgreement(t, seed, h, n.ours, n.theirs, anyDelay, name)
	})
}

// wantAgreement connects an agent and a peer that closes its other sockets, and checks the result
// after a hundred seconds.
func wantAgreement(t *testing.T, seed uint64, h habits, ours, theirs []string, link func(r *rand.Rand) netsim.LinkConfig, name string) {
	t.Helper()
	e := meet(t, seed, Config{}, h, ours, theirs, link)
	e.run(9 * time.Second)
	scenario := fmt.Sprintf("%s %+v %v %v", name, h, ours, theirs)
	require.Equal(t, StateCompleted, e.o.State(), scenario)
	require.True(t, e.agrees(), scenario)
	before, changes := e.losses(), len(e.o.selected)
	e.run(90 * time.Second)
	// The only losses are packets in flight at either time.
	after := e.losses()
	require.Equal(t, before.onClosed, after.onClosed, scenario)
	require.Equal(t, before.refused, after.refused, scenario)
	require.InDelta(t, before.toUs, after.toUs, 5, scenario)
	require.InDelta(t, before.toPeer, after.toPeer, 5, scenario)
	require.Len(t, e.o.selected, changes, scenario)
	require.Less(t, e.sim.Now().Sub(e.f.consented), 6*time.Second, scenario)
	require.Len(t, e.o.freed, len(ours)-1, scenario)
	require.Equal(t, StateCompleted, e.o.State(), scenario)
}

// Every order of three delays over the paths of a host with two IPv4 addresses and an IPv6 one, and
// of two over IPv4 and IPv6, with every habit of a peer.
func TestControlledAgentWithEveryOrderOfDelays(t *testing.T) {
	orders := [][]time.Duration{{120, 40}, {40, 120}, {20, 40, 120}, {20, 120, 40}, {40, 20, 120}, {40, 120, 20}, {120, 20, 40}, {120, 40, 20}}
	ours := []string{"198.51.100.1", "2001:db8:a::1", "203.0.113.1"}
	theirs := []string{"198.51.100.2", "2001:db8:b::1", "203.0.113.2"}
	for name, choice := range choices {
		for _, order := range orders {
			for bits := range 8 {
				seed := uint64(bits)
				h := habits{
					controlling: true, aggressive: bits&1 != 0, repeats: bits&2 != 0, hurry: bits&4 != 0, closes: true,
					choose: choice(rand.New(rand.NewPCG(seed, 1))),
				}
				interfaces := 0
				wantAgreement(t, seed, h, ours[:len(order)], theirs[:len(order)], func(*rand.Rand) netsim.LinkConfig {
					interfaces++ // in the order of theirs
					return netsim.LinkConfig{Delay: order[interfaces-1] * time.Millisecond / 2}
				}, fmt.Sprint(name, order))
			}
		}
	}
}

// The same over bad networks: checks and nominations are lost, repeated and reordered.
func TestControlledAgentFindsItsPeerThroughLosses(t *testing.T) {
	netsim.Seeds(t, 150, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := networks[r.IntN(len(networks))]
		h := habits{
			controlling: true, aggressive: r.IntN(3) > 0, repeats: r.IntN(2) == 0, closes: r.IntN(2) == 0,
			hurry: r.IntN(2) == 0, choose: choices["any"](r),
		}
		e := meet(t, seed, Config{}, h, n.ours, n.theirs, func(r *rand.Rand) netsim.LinkConfig {
			l := randomLink(r)
			l.Corrupt = 0 // the numbers of the data are not protected
			return l
		})
		require.NoError(t, e.sim.Run(func() bool { return e.f.selected != nil && e.agrees() }, 30*time.Second))
		e.run(time.Minute)
		require.True(t, e.agrees())
		require.Equal(t, StateCompleted, e.o.State())
		before := e.losses()
		e.run(time.Minute)
		after := e.losses()
		const sent = float64(time.Minute / dataInterval)
		require.Less(t, float64(after.toUs-before.toUs), 0.5*sent)
		require.Less(t, float64(after.toPeer-before.toPeer), 0.5*sent)
		require.Equal(t, before.onClosed, after.onClosed)
	})
}

// If a peer changes its pair, with or without a nomination, the agent changes too: no data of
// either side is lost.
func TestControlledAgentFollowsAChangeOfMind(t *testing.T) {
	netsim.Seeds(t, 100, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := networks[r.IntN(len(networks))]
		h := habits{controlling: true, aggressive: r.IntN(2) == 0, repeats: r.IntN(2) == 0, keeps: true, choose: choices["any"](r)}
		says := r.IntN(2) == 0
		e := meet(t, seed, Config{}, h, n.ours, n.theirs, anyDelay)
		e.run(5 * time.Second)
		before := e.losses()
		for range 10 {
			p := e.f.choose(e.f.valid)
			e.f.turnTo(p)
			if says {
				e.f.check(p, true)
			}
			// The hold of one second, a check of a pair whose consent is old, and one round trip.
			e.run(2500 * time.Millisecond)
			require.True(t, e.agrees(), "%+v, says: %v", h, says)
			// The peer does not return before the agent can distinguish that from a contradiction.
			e.run(DefaultConsentInterval + time.Duration(r.IntN(15000))*time.Millisecond)
			require.True(t, e.agrees())
		}
		after := e.losses()
		require.Equal(t, before.onClosed, after.onClosed)
		require.Equal(t, before.refused, after.refused)
		require.InDelta(t, before.toUs, after.toUs, 5)
		require.InDelta(t, before.toPeer, after.toPeer, 5)
		require.Equal(t, StateCompleted, e.o.State())
	})
}

// Without data, a later nomination is accepted whatever the priorities.
func TestLateNominationIsAccepted(t *testing.T) {
	nominate := peerCheck{controlling: true, useCandidate: true}
	for _, first := range []netip.AddrPort{remote1, remote2} {
		s := newScript(t, Config{}, local1)
		second := remote1
		if first == remote1 {
			second = remote2
		}
		s.setRemote()
		s.addRemote(remote1, remote2)
		c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
		s.answer(c1, local1)
		s.answer(c2, local1)
		s.check(local1, first, nominate)
		s.wantSelected(local1, first)
		s.advance(nominationSpread + time.Millisecond)
		s.check(local1, second, nominate)
		s.wantSelected(local1, second)
	}
}

func (s *script) wantSelected(local, remote netip.AddrPort) {
	s.t.Helper()
	pair, ok := s.a.Selected()
	require.True(s.t, ok)
	require.Equal(s.t, local, pair.Base)
	require.Equal(s.t, remote, pair.Remote.Addr)
	require.True(s.t, pair.Nominated)
}

// twoNominated returns a controlled agent whose peer has nominated remote1, which is better and
// selected, and remote2.
func twoNominated(t *testing.T) *script {
	s := newScript(t, Config{}, local1, local2)
	s.setRemote()
	s.addRemote(remote1, remote2)
	for range 4 {
		p, ok := s.transmitted()
		require.True(t, ok)
		s.answer(p, p.local)
	}
	for _, remote := range []netip.AddrPort{remote1, remote2} {
		s.wantSuccess(s.check(local1, remote, peerCheck{controlling: true, useCandidate: true}))
	}
	s.wantSelected(local1, remote1)
	s.dropEvents()
	return s
}

func TestDataSelects(t *testing.T) {
	s := twoNominated(t)
	s.a.ReceivedData(s.now, local1, remote1)
	s.wantEvents() // nothing new
	s.a.ReceivedData(s.now, local1, remote2)
	s.wantSelected(local1, remote2)
	// The nominated pair of the highest priority (RFC 5245, section 8.1.1.2) is not selected again:
	// the peer does not use it.
	s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
	s.wantSelected(local1, remote2)
	// Data that was in flight meanwhile does not select it again, but data that keeps arriving
	// there does.
	s.advance(dataSelectionInterval - time.Millisecond)
	s.a.ReceivedData(s.now, local1, remote1)
	s.wantSelected(local1, remote2)
	s.advance(time.Millisecond)
	s.a.ReceivedData(s.now, local1, remote1)
	s.wantSelected(local1, remote1)
}

// Data from an address that the peer has not proven to have, or to receive on, selects nothing.
func TestDataOfAPairThatIsNotValid(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	s.answer(s.wantCheck(local1, remote1), local1)
	s.wantCheck(local1, remote2)
	remote3 := netip.MustParseAddrPort("198.51.100.3:6003")
	for _, to := range []netip.AddrPort{remote2, remote3} { // not answered yet, and unknown
		s.a.ReceivedData(s.now, local1, to)
	}
	s.a.ReceivedData(s.now, local2, remote1) // not a base of the agent
	s.a.ReceivedData(s.now, netip.AddrPort{}, netip.AddrPort{})
	pair, _ := s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
	require.Len(t, s.a.current.checkList.pairs, 2)
}

// RFC 7675, section 5.1: consent expires after 30 seconds. Neither data nor a nomination selects a
// pair on which the peer has not answered recently. It is checked first.
func TestPairWithoutConsentIsNotSelected(t *testing.T) {
	for name, turn := range map[string]func(s *script){
		"data": func(s *script) { s.a.ReceivedData(s.now, local1, remote2) },
		"USE-CANDIDATE": func(s *script) {
			s.wantSuccess(s.check(local1, remote2, peerCheck{controlling: true, useCandidate: true}))
			s.wantCheck(local1, remote1) // is the peer still there?
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := twoNominated(t)
			s.answerConsents(remote1, DefaultConsentTimeout)
			require.True(t, s.a.Permits(local1, remote2))
			turn(s)
			s.wantSelected(local1, remote1)
			c := s.wantCheck(local1, remote2)
			require.True(t, s.a.Permits(local1, remote2), "data goes on while it is checked")
			s.a.ReceivedData(s.now, local1, remote2)
			s.wantNothing() // one check
			s.answer(c, local1)
			s.a.ReceivedData(s.now, local1, remote2)
			s.wantSelected(local1, remote2)
		})
	}
}

// The consent of a pair that has just been selected is counted from its last answer, not from the
// selection.
func TestSelectionIsNoConsent(t *testing.T) {
	s := twoNominated(t)
	answered := s.now
	s.answerConsents(remote1, DefaultConsentTimeout/2-time.Millisecond)
	s.a.ReceivedData(s.now, local1, remote2)
	s.wantSelected(local1, remote2)
	for s.a.State() != StateFailed {
		s.advanceToDeadline(time.Minute)
		for ok := true; ok; {
			_, ok = s.transmitted()
		}
	}
	require.Equal(t, DefaultConsentTimeout, s.now.Sub(answered))
}

// If the selected pair is silent, data on another valid pair selects that at once.
func TestDataSelectsInsteadOfASilentPair(t *testing.T) {
	s := twoNominated(t)
	s.a.ReceivedData(s.now, local1, remote2)
	s.wantSelected(local1, remote2)
	s.silence(StateCompleted)
	require.Equal(t, StateDisconnected, s.a.State())
	s.check(local1, remote1, peerCheck{controlling: true})
	for {
		p, ok := s.transmitted()
		require.True(t, ok)
		if p.remote == remote1 && p.local == local1 && p.Type().Class() == 0 {
			s.answer(p, local1)
			break
		}
	}
	s.a.ReceivedData(s.now, local1, remote1)
	s.wantSelected(local1, remote1)
	require.Equal(t, StateCompleted, s.a.State())
}

// A controlling agent keeps the pair that it has nominated.
func TestDataDoesNotMoveAControllingAgent(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	s.answer(c1, local1)
	s.answer(c2, local1)
	s.answer(s.wantNomination(local1, remote1), local1)
	s.wantSelected(local1, remote1)
	s.a.ReceivedData(s.now, local1, remote2)
	s.wantSelected(local1, remote1)
	require.True(t, s.a.Permits(local1, remote2))
}

// splits makes a peer send on any pair but the selected one.
func splits(f *foreign) *foreignPair {
	for _, p := range f.valid {
		if p != f.selected {
			return p
		}
	}
	return f.selected
}

// A peer of either role may send on one pair while the agent sends on another. Both sockets stay
// open, all data arrives, and the agent does not change its pair.
func TestPeerThatSendsOnAnotherPair(t *testing.T) {
	netsim.Seeds(t, 100, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := networks[r.IntN(len(networks))]
		h := habits{
			controlling: r.IntN(2) == 0, aggressive: r.IntN(2) == 0, repeats: r.IntN(2) == 0, keeps: r.IntN(2) == 0,
			choose:  choices["any"](r),
			sendsOn: splits,
		}
		e := meet(t, seed, Config{}, h, n.ours, n.theirs, anyDelay)
		e.run(time.Minute)
		before, changes := e.losses(), len(e.o.selected)
		e.run(90 * time.Second)
		after := e.losses()
		require.Equal(t, before.onClosed, after.onClosed)
		require.Equal(t, before.refused, after.refused)
		require.InDelta(t, before.toUs, after.toUs, 5)
		require.InDelta(t, before.toPeer, after.toPeer, 5)
		require.Len(t, e.o.selected, changes, "%+v", h)
		require.Less(t, e.sim.Now().Sub(e.f.consented), 6*time.Second)
		require.Equal(t, StateCompleted, e.o.State())

		// When the peer stops, one socket is enough.
		if h.controlling {
			e.f.turnTo(e.f.dataPair())
		}
		e.f.sendsOn, e.f.keeps = nil, false
		e.run(time.Minute)
		require.True(t, e.agrees())
		require.Len(t, e.o.freed, len(n.ours)-1)
	})
}

// A peer that spreads its data over all pairs does not make the agent change for every datagram.
func TestPeerThatSpreadsItsData(t *testing.T) {
	netsim.Seeds(t, 50, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := networks[r.IntN(len(networks))]
		h := habits{
			controlling: true, aggressive: true, choose: choices["any"](r),
			sendsOn: func(f *foreign) *foreignPair { return f.valid[r.IntN(len(f.valid))] },
		}
		e := meet(t, seed, Config{}, h, n.ours, n.theirs, anyDelay)
		e.run(10 * time.Second)
		before, changes := e.losses(), len(e.o.selected)
		e.run(time.Minute)
		after := e.losses()
		require.Equal(t, before.onClosed, after.onClosed)
		require.Equal(t, before.refused, after.refused)
		require.InDelta(t, before.toUs, after.toUs, 5)
		require.InDelta(t, before.toPeer, after.toPeer, 5)
		require.LessOrEqual(t, len(e.o.selected)-changes, int(time.Minute/dataSelectionInterval))
	})
}
