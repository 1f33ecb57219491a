package ice

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

// A valid pair between hosts is nominated at once if no better one is pending.
func TestNominatesTheBestAtOnce(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	s.wantCheck(local1, remote1)
	c2 := s.wantCheck(local1, remote2)
	s.wantNothing()
	s.answer(c2, local1)
	s.wantNothing() // remote1 is better and may still answer
	require.Equal(t, StateConnected, s.a.State())
	require.LessOrEqual(t, s.advanceToDeadline(time.Second), DefaultNominationGrace)
	n := s.wantNomination(local1, remote2)
	s.wantNothing()
	s.answer(n, local1)
	require.Equal(t, StateCompleted, s.a.State())
	// RFC 8445, section 8.1.2: "the ICE agent MUST remove all candidate pairs for the same
	// component from the checklist and from the triggered-check queue."
	require.Len(t, s.a.current.checkList.pairs, 1)
	s.advance(400 * time.Millisecond)
	s.wantNothing()
}

func TestNominatesTheBetterPairWithinTheGrace(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	s.answer(c2, local1)
	s.advance(50 * time.Millisecond)
	s.wantNothing()
	s.answer(c1, local1)
	pair, _ := s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
	s.wantNomination(local1, remote1)
}

// A pair through a NAT waits for the grace even if it is the best so far: a direct candidate may
// follow.
func TestNominatesReflexivePairsAfterTheGrace(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), mapped1)
	s.wantNothing()
	require.Equal(t, DefaultNominationGrace, s.advanceToDeadline(time.Second))
	s.wantNomination(local1, remote1)

	s = newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.a.SetRemoteComplete(s.now) // unless both sides are complete
	s.answer(s.wantCheck(local1, remote1), mapped1)
	s.wantNomination(local1, remote1)
}

func TestNominationThatFails(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	s.answer(c1, local1)
	s.answer(c2, local1)
	s.refuse(s.wantNomination(local1, remote1), stun.CodeServerError)
	require.Equal(t, pairFailed, s.pairState(local1, remote1))
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	s.answer(s.wantNomination(local1, remote2), local1)
	require.Equal(t, StateCompleted, s.a.State())
}

func TestControlledAcceptsNomination(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	c := s.wantCheck(local1, remote1)
	s.answer(c, local1)
	require.Equal(t, StateConnected, s.a.State())
	s.advance(time.Second)
	s.wantNothing() // the controlled agent does not nominate
	// RFC 8445, section 7.3.1.5: if the state of the pair is Succeeded, "The agent sets the
	// nominated flag value of the valid pair to true."
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
	require.Equal(t, StateCompleted, s.a.State())
	s.wantNothing()
	s.dropEvents()
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
	s.wantEvents() // once
}

// RFC 8445, section 7.3.1.5: if the request has triggered a check, the agent sets the nominated
// flag when that check succeeds.
func TestControlledAcceptsEarlyNomination(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
	c := s.wantCheck(local1, remote1)
	require.Equal(t, StateChecking, s.a.State())
	s.answer(c, local1)
	require.Equal(t, StateCompleted, s.a.State())
}

// A peer of RFC 5245 may nominate every pair that it checks. The nominated pair of the highest
// priority is selected
func TestControlledWithAggressivePeer(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	s.wantCheck(local1, remote1)
	c2 := s.wantCheck(local1, remote2)
	nominate := peerCheck{controlling: true, useCandidate: true}
	s.answer(c2, local1)
	s.wantSuccess(s.check(local1, remote2, nominate))
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	s.wantSuccess(s.check(local1, remote1, nominate)) // removed from the list, and added again
	s.answer(s.wantCheck(local1, remote1), local1)
	pair, _ = s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr, "the better pair")
	s.wantSuccess(s.check(local1, remote2, nominate))
	pair, _ = s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr, "the worse pair does not come back")
	// unless the nomination of the better one is old. If the last answer on the worse one is old,
	// that is checked first.
	for range 3 {
		s.answerConsent(remote1)
	}
	s.wantSuccess(s.check(local1, remote2, nominate))
	pair, _ = s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
	s.wantCheck(local1, remote1) // is the peer still there?
	s.answer(s.wantCheck(local1, remote2), local1)
	pair, _ = s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	require.True(t, pair.Nominated)
}

// The second one need not wait for the first to be answered: the checks of both continue.
func TestControlledKeepsNominatedChecks(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	nominate := peerCheck{controlling: true, useCandidate: true, priority: 2000}
	s.wantSuccess(s.check(local1, remote1, nominate))
	nominate.priority = 1000
	s.wantSuccess(s.check(local1, remote2, nominate))
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	s.answer(c2, local1)
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	s.answer(c1, local1)
	pair, _ = s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
	require.True(t, pair.Nominated)
}

// A nominated pair of a lower priority replaces the selected one at once if that is silent.
func TestControlledSelectsALivePair(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	nominate := peerCheck{controlling: true, useCandidate: true, priority: 1000}
	s.wantSuccess(s.check(local1, remote1, nominate))
	s.silence(StateCompleted)
	s.wantSuccess(s.check(local1, remote2, nominate))
	s.answer(s.wantCheck(local1, remote2), local1)
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	require.Equal(t, StateCompleted, s.a.State())
}

// A nomination of the peer is not its consent, which was given by its last answer.
func TestNominationIsNoConsent(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	began := s.now
	s.advance(20 * time.Second)
	s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true})
	for s.a.State() != StateFailed {
		s.advanceToDeadline(time.Minute)
		for {
			if _, ok := s.transmitted(); !ok {
				break
			}
		}
	}
	require.Equal(t, DefaultConsentTimeout, s.now.Sub(began))
}

// A pair that was valid long ago is checked before it is selected.
func TestConsentOfAnOldPair(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	s.answer(c1, local1)
	s.answer(c2, local1)
	s.answerConsent(remote1)
	s.answerConsent(remote1)
	nominate := peerCheck{controlling: true, useCandidate: true}
	id := s.check(local1, remote2, nominate)
	s.wantSuccess(id)
	s.answer(s.wantCheck(local1, remote2), local1)
	s.wantNothing()
	// A pair that has just answered is not.
	s.wantSuccess(s.check(local1, remote1, nominate))
	pair, _ := s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr)
	s.wantNothing()
}

// All packets of a nominating check are lost: an answered consent check nominates as well.
func TestConsentCheckNominates(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	lost := s.wantNomination(local1, remote1).TransactionID()
	for {
		s.advanceToDeadline(7 * time.Second)
		if p, ok := s.transmitted(); ok && p.TransactionID() != lost {
			require.True(t, p.UseCandidate())
			s.answer(p, local1)
			break
		}
	}
	require.Equal(t, StateCompleted, s.a.State())
	s.advance(3 * time.Second)
	s.wantNothing() // the other one is cancelled
}

// A role conflict that is lost during a nomination ends it.
func TestNominationEndsWithTheRole(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	n := s.wantNomination(local1, remote1)
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, tieBreaker: math.MaxUint64}))
	require.False(t, s.a.Controlling())
	s.answer(n, local1)
	require.Equal(t, StateConnected, s.a.State())
	s.wantNothing()
}

// Candidates that arrive after the nomination are ignored.
func TestCandidatesAfterNomination(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.addRemote(remote2)
	require.Len(t, s.a.current.checkList.pairs, 1)
	s.wantNothing()
}

// answerConsent advances to the next consent check and answers it.
func (s *script) answerConsent(remote netip.AddrPort) time.Duration {
	s.t.Helper()
	waited := time.Duration(0)
	for {
		waited += s.advanceToDeadline(20 * time.Second)
		if p, ok := s.transmitted(); ok {
			require.Equal(s.t, remote, p.remote)
			s.answer(p, local1)
			return waited
		}
	}
}

// RFC 8445, section 6.1.1: "The full agent MUST take the controlling role, and the lite agent MUST
// take the controlled role."
func TestLitePeer(t *testing.T) {
	s := newScript(t, Config{Controlling: false}, local1)
	require.NoError(t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd, Lite: true}))
	require.True(t, s.a.Controlling())
	s.addRemote(remote1)
	c := s.wantCheck(local1, remote1)
	_, err := c.ICEControlling()
	require.NoError(t, err)
	s.answer(c, local1)
	s.answer(s.wantNomination(local1, remote1), local1)
	require.Equal(t, StateCompleted, s.a.State())
}
