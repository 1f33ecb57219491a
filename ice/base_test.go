package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An unused base is freed once and in time. Packets on it are those of strangers then.
func TestBasesAreFreed(t *testing.T) {
	for _, controlling := range []bool{false, true} {
		s := newScript(t, Config{Controlling: controlling}, local1, local2)
		s.setRemote()
		s.addRemote(remote1)
		c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local2, remote1)
		s.answer(c1, local1)
		s.answer(c2, local2)
		if controlling {
			s.answer(s.wantNomination(local1, remote1), local1)
		} else {
			s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
		}
		s.wantSelected(local1, remote1)
		s.dropEvents()
		last := s.now
		for range 3 { // checks and data show that the peer uses it
			s.answerConsents(remote1, DefaultUnusedTimeout/2)
			s.check(local2, remote1, peerCheck{controlling: !controlling})
			s.answerConsents(remote1, DefaultUnusedTimeout/2)
			s.a.ReceivedData(s.now, local2, remote1)
			last = s.now
			if !controlling { // data has selected it: back to the other
				s.advance(nominationSpread + time.Millisecond)
				s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
			}
			s.dropEvents()
		}
		id1, id2 := s.a.at(local1), s.a.at(local2)
		for s.a.HasLocal(local1) && s.a.HasLocal(local2) {
			s.step(remote1)
		}
		require.GreaterOrEqual(t, s.now.Sub(last), DefaultUnusedTimeout)
		require.Less(t, s.now.Sub(last), DefaultUnusedTimeout+DefaultUnusedTimeout/2)
		pair, _ := s.a.Selected()
		freed, id := local1, id1
		if pair.Base == local1 {
			freed, id = local2, id2
		}
		s.wantEvents(Event{Kind: EventBaseFreed, Base: id})
		require.False(t, s.a.HasLocal(freed))
		require.False(t, s.a.Permits(freed, remote1))
		strangers := s.a.Stats().Strangers
		s.check(freed, remote1, peerCheck{controlling: !controlling})
		require.Equal(t, strangers+1, s.a.Stats().Strangers)
	}
}

// step advances to the agent's next deadline and answers its checks.
func (s *script) step(remote netip.AddrPort) {
	s.t.Helper()
	s.advanceToDeadline(time.Minute)
	for {
		p, ok := s.transmitted()
		if !ok {
			return
		}
		if p.Type().Class() == 0 {
			s.answer(p, p.local)
		}
	}
}

// answerConsents lets time pass while the peer answers all checks.
func (s *script) answerConsents(remote netip.AddrPort, d time.Duration) {
	s.t.Helper()
	until := s.now.Add(d)
	for s.a.Deadline().Before(until) {
		s.step(remote)
	}
	s.advance(until.Sub(s.now))
}

// No base is freed before a nomination or while the selected pair is silent: another one may be
// needed.
func TestBasesAreKept(t *testing.T) {
	s := newScript(t, Config{}, local1, local2)
	s.setRemote()
	s.addRemote(remote1)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local2, remote1)
	s.answer(c1, local1)
	s.answer(c2, local2)
	s.answerConsents(remote1, 10*time.Minute)
	require.True(t, s.a.HasLocal(local2))
	s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
	s.answerConsents(remote1, DefaultUnusedTimeout-12*time.Second)
	s.silence(StateCompleted)
	require.Equal(t, StateDisconnected, s.a.State())
	s.silence(StateDisconnected)
	require.Equal(t, StateFailed, s.a.State())
	require.True(t, s.a.HasLocal(local2))
}
