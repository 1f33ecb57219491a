package ice

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// nominatedFor returns an agent of either role whose pair was nominated a while ago and has the
// round-trip time rtt.
func nominatedFor(t *testing.T, controlling bool, rtt time.Duration) *script {
	s := newScript(t, Config{Controlling: controlling}, local1)
	s.setRemote()
	s.addRemote(remote1)
	c := s.wantCheck(local1, remote1)
	s.advance(rtt)
	s.answer(c, local1)
	if controlling {
		c = s.wantNomination(local1, remote1)
		s.advance(rtt)
		s.answer(c, local1)
	} else {
		s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
	}
	s.answerConsents(remote1, nominationSpread)
	s.wantSelected(local1, remote1)
	s.dropEvents()
	return s
}

// A peer whose NAT has assigned another address sends consent checks from there. The agent selects
// that address when an answer has arrived from it and none from the old address, in less than two
// round trips.
func TestPeerThatHasMovedIsFollowed(t *testing.T) {
	const rtt = 200 * time.Millisecond
	for _, controlling := range []bool{false, true} {
		s := nominatedFor(t, controlling, rtt)
		began := s.now
		s.wantSuccess(s.check(local1, remote2, peerCheck{controlling: !controlling, useCandidate: !controlling}))
		s.wantCheck(local1, remote1) // is the peer still at its old address?
		c := s.wantCheck(local1, remote2)
		s.wantNothing()
		s.advance(rtt)
		s.answer(c, local1)
		if controlling {
			pair, _ := s.a.Selected()
			require.Equal(t, remote1, pair.Remote.Addr, "the old address still has time to answer")
		}
		for s.now.Sub(began) < 2*rtt {
			pair, _ := s.a.Selected()
			if pair.Remote.Addr == remote2 {
				break
			}
			s.advanceToDeadline(rtt)
		}
		pair, _ := s.a.Selected()
		require.Equal(t, remote2, pair.Remote.Addr)
		require.Less(t, s.now.Sub(began), 2*rtt)
		if controlling {
			s.answer(s.wantNomination(local1, remote2), local1)
		}
		s.wantSelected(local1, remote2)
		require.Equal(t, StateCompleted, s.a.State())
	}
}

// A peer that sends checks from another address and still answers at the old one has not moved.
func TestPeerThatHasNotMovedIsNotFollowed(t *testing.T) {
	const rtt = 200 * time.Millisecond
	for name, stays := range map[string]func(s *script, probe packet){
		"it answers there":         func(s *script, probe packet) { s.answer(probe, local1) },
		"it asks there":            func(s *script, _ packet) { s.check(local1, remote1, peerCheck{}) },
		"the new one is not valid": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := nominatedFor(t, true, rtt)
			s.wantSuccess(s.check(local1, remote2, peerCheck{}))
			probe := s.wantCheck(local1, remote1)
			c := s.wantCheck(local1, remote2)
			s.advance(rtt)
			if stays != nil {
				stays(s, probe)
				s.answer(c, local1)
			}
			s.advance(2 * rtt)
			s.wantSelected(local1, remote1)

			// Further checks from there do not repeat the question.
			for range 3 {
				s.advance(time.Second)
				for ok := true; ok; {
					_, ok = s.transmitted()
				}
				s.check(local1, remote2, peerCheck{})
				for {
					p, ok := s.transmitted()
					if !ok {
						break
					}
					require.False(t, p.Type().Class() == 0 && p.remote == remote1, "a probe")
				}
			}
		})
	}
}

// If the NAT of either side changes its mapping, data is sent to the new address within two round
// trips of the next check from it.
func TestRebindingIsFollowed(t *testing.T) {
	netsim.Seeds(t, 60, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		r := w.sim.Rand()
		delay := time.Duration(5+r.IntN(100)) * time.Millisecond
		link := netsim.LinkConfig{Delay: delay / 2}
		nat := w.nat(1 + r.IntN(4))
		controlling := r.IntN(2) == 0
		a := w.addPeer("a", Config{Controlling: controlling}, nat, link, "10.0.0.2")
		b := w.addPeer("b", Config{Controlling: !controlling}, nil, link, "198.51.100.2")
		w.run(w.completed, 5*time.Second)
		require.NoError(t, w.sim.RunFor(5*time.Second+time.Duration(r.IntN(20000))*time.Millisecond))
		nat.Reset()
		before, _ := b.Selected()
		heard := b.current.prflxNo
		// The next check of a.
		w.await(func() bool { return b.current.prflxNo > heard }, 7*time.Second)
		first := w.sim.Elapsed()
		w.await(func() bool {
			now, ok := b.Selected()
			return ok && now.Remote.Addr != before.Remote.Addr
		}, 4*delay+2*addressChangeSlack)
		require.LessOrEqual(t, w.sim.Elapsed()-first, 4*delay+addressChangeSlack)
		w.await(w.completed, 5*time.Second)
		require.Zero(t, a.lostPath+b.lostPath)
	})
}
