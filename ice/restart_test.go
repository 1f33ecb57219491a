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

const (
	newUfrag, newPwd         = "agent2", "agentagentagentagent2222"
	newPeerUfrag, newPeerPwd = "peer2", "peerpeerpeerpeerpeer2222"
)

var newUsername = newUfrag + ":" + newPeerUfrag

// restart restarts ICE on this side.
func (s *script) restart() {
	s.t.Helper()
	require.NoError(s.t, s.a.Restart(s.now, newUfrag, newPwd))
	s.a.SetLocalComplete(s.now)
}

// restartRemote sets the peer's new credentials.
func (s *script) restartRemote() {
	s.t.Helper()
	require.NoError(s.t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: newPeerUfrag, Pwd: newPeerPwd}))
}

// wantNewCheck takes the next packet, which must be a check with the new credentials.
func (s *script) wantNewCheck(local, remote netip.AddrPort) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok, "no check of %v -> %v", local, remote)
	require.Equal(s.t, local, p.local)
	require.Equal(s.t, remote, p.remote)
	username, err := p.Username()
	require.NoError(s.t, err)
	require.Equal(s.t, newPeerUfrag+":"+newUfrag, string(username))
	require.NoError(s.t, p.CheckIntegrity(stun.NewKey([]byte(newPeerPwd))))
	return p
}

// answerNew makes the peer answer a check with the new credentials.
func (s *script) answerNew(p packet) {
	s.t.Helper()
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), p.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, p.local)
	b.AddIntegrity(stun.NewKey([]byte(newPeerPwd)))
	b.AddFingerprint()
	s.a.Receive(s.now, p.local, p.remote, b.Bytes())
}

// RFC 8445, section 9: "An ICE restart causes all previous states of the data streams, excluding
// the roles of the agents, to be flushed." But data keeps its path until there is a new one.
func TestRestartMakesBeforeItBreaks(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.restart()
	host := s.a.bases[0].host
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &host, Ufrag: newUfrag}, Event{Kind: EventGatheringComplete, Ufrag: newUfrag})
	ufrag, pwd := s.a.LocalCredentials()
	require.Equal(t, newUfrag, ufrag)
	require.Equal(t, newPwd, pwd)
	require.Equal(t, StateCompleted, s.a.State())

	// Until the peer has answered, nothing changes.
	s.wantSuccess(s.check(local1, remote1, peerCheck{}))
	s.answerConsent(remote1)

	s.restartRemote()
	s.wantEvents(Event{Kind: EventState, State: StateConnected}) // the new pair may still change
	require.True(t, s.a.Controlling())
	pair, ok := s.a.Selected()
	require.True(t, ok)
	require.Equal(t, remote1, pair.Remote.Addr)
	require.True(t, s.a.Permits(local1, remote1))
	// A consent check of the peer on the old path.
	s.wantSuccess(s.check(local1, remote1, peerCheck{}))
	s.answerConsent(remote1) // and its answer to one
	s.addRemote(remote2)
	c := s.wantNewCheck(local1, remote2)
	s.wantEvents()

	s.answerNew(c)
	pair, ok = s.a.Selected()
	require.True(t, ok)
	require.Equal(t, remote2, pair.Remote.Addr)
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &pair})
	require.True(t, s.a.Permits(local1, remote1), "what the peer has sent already")
	s.answerNew(s.wantNewCheck(local1, remote2))
	require.Equal(t, StateCompleted, s.a.State())
	s.wantNothing()
	s.advance(previousGrace - 1)
	require.True(t, s.a.Permits(local1, remote1))
	s.advance(1)
	require.False(t, s.a.Permits(local1, remote1))
	s.wantError(s.check(local1, remote1, peerCheck{}), stun.CodeUnauthenticated)
}

// Checks with the peer's new credentials may arrive before its answer.
func TestRestartAcceptsEarlyChecks(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.restart()
	s.wantSuccessNew(s.check(local1, remote2, peerCheck{username: newUsername, pwd: newPwd, priority: 7}))
	s.wantNothing()
	require.True(t, s.a.Permits(local1, remote2))
	// Another peer may have the offer too.
	s.wantSuccessNew(s.check(local1, mapped1, peerCheck{username: newUfrag + ":other", pwd: newPwd, priority: 7}))
	s.restartRemote()
	require.False(t, s.a.Permits(local1, mapped1))
	s.answerNew(s.wantNewCheck(local1, remote2))
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
}

func (s *script) wantSuccessNew(id stun.TransactionID) {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok, "no response")
	require.Equal(s.t, id, p.TransactionID())
	require.Equal(s.t, stun.ClassSuccess, p.Type().Class())
	require.NoError(s.t, p.CheckIntegrity(stun.NewKey([]byte(newPwd))))
}

// If the old path dies during the restart, EventPathLost is reported, and nothing may be sent until
// there is a new path.
func TestRestartOfADyingPath(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.silence(StateCompleted)
	s.wantEvents(Event{Kind: EventState, State: StateDisconnected})
	s.restart()
	s.dropEvents()
	s.restartRemote()
	s.wantEvents(Event{Kind: EventState, State: StateChecking})
	s.addRemote(remote2)
	s.wantNewCheck(local1, remote2)
	for s.a.selected() != nil {
		s.advanceToDeadline(time.Minute)
		for ok := true; ok; {
			_, ok = s.transmitted()
		}
	}
	s.wantEvents(Event{Kind: EventPathLost})
	require.False(t, s.a.Permits(local1, remote1))
	_, ok := s.a.Selected()
	require.False(t, ok)
	require.Equal(t, StateChecking, s.a.State())
	s.wantSuccessNew(s.check(local1, remote2, peerCheck{username: newUsername, pwd: newPwd}))
	for {
		p, ok := s.transmitted()
		require.True(t, ok)
		if p.remote == remote2 {
			s.answerNew(p)
			break
		}
	}
	pair, ok := s.a.Selected()
	require.True(t, ok)
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &pair}, Event{Kind: EventState, State: StateConnected})
}

// A restart ends StateFailed. In that state nothing is sent or accepted, and bases may be added and
// removed.
func TestRestartAfterFailure(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.silence(StateCompleted)
	s.silence(StateDisconnected)
	require.Equal(t, StateFailed, s.a.State())
	require.ErrorIs(t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: newPeerUfrag, Pwd: newPeerPwd}), ErrState)
	require.ErrorIs(t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(remote2)), ErrState)
	sent := s.a.Stats().ConsentRequestsSent
	require.NoError(t, s.a.AddLocal(s.now, local2))
	require.True(t, s.a.RemoveLocal(s.now, s.a.at(local1)))
	s.dropEvents()

	s.restart()
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &s.a.bases[0].host, Ufrag: newUfrag}, Event{Kind: EventGatheringComplete, Ufrag: newUfrag})
	require.Equal(t, StateFailed, s.a.State())
	s.check(local2, remote1, peerCheck{}) // of the ended generation
	s.wantError(stun.TransactionID{0: s.next}, stun.CodeUnauthenticated)
	s.restartRemote()
	s.wantEvents(Event{Kind: EventState, State: StateChecking})
	s.addRemote(remote1)
	s.answerNew(s.wantNewCheck(local2, remote1))
	s.answerNew(s.wantNewCheck(local2, remote1))
	require.Equal(t, StateCompleted, s.a.State())
	require.Equal(t, sent, s.a.Stats().ConsentRequestsSent, "counters go on")
}

// A Restart before SetRemote, or a second one, replaces credentials that were never used.
func TestRestartBeforeSetRemote(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.restart()
	require.Nil(t, s.a.next)
	s.wantError(s.check(local1, remote1, peerCheck{}), stun.CodeUnauthenticated)
	s.restartRemote()
	s.addRemote(remote1)
	s.answerNew(s.wantNewCheck(local1, remote1))

	require.NoError(t, s.a.Restart(s.now, "", ""))
	one, pwd := s.a.LocalCredentials()
	require.NotEqual(t, newUfrag, one)
	require.NoError(t, s.a.Restart(s.now, "", ""))
	two, _ := s.a.LocalCredentials()
	require.NotEqual(t, one, two)
	s.wantError(s.check(local1, remote2, peerCheck{username: one + ":x", pwd: pwd}), stun.CodeUnauthenticated)
	require.ErrorIs(t, s.a.Restart(s.now, "a", "b"), ErrCredentials)
	s.a.Close()
	require.ErrorIs(t, s.a.Restart(s.now, "", ""), ErrState)
}

// Another peer answers the same offer, for instance after a provisional answer.
func TestSetRemoteOfAnotherPeer(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.setRemote() // the same again
	s.wantEvents()
	require.Equal(t, StateCompleted, s.a.State())
	require.NoError(t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: newPeerUfrag, Pwd: newPeerPwd}))
	require.Equal(t, StateConnected, s.a.State())
	s.addRemote(remote2)
	p := s.wantCheckOf(agentUfrag, local1, remote2)
	s.wantSuccess(s.check(local1, remote1, peerCheck{})) // the first peer is still answered
	s.wantSuccess(s.check(local1, remote2, peerCheck{username: agentUfrag + ":" + newPeerUfrag}))
	s.answerNew(p)
	pair, _ := s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
}

func (s *script) wantCheckOf(ufrag string, local, remote netip.AddrPort) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok)
	username, err := p.Username()
	require.NoError(s.t, err)
	require.Equal(s.t, newPeerUfrag+":"+ufrag, string(username))
	require.Equal(s.t, remote, p.remote)
	require.Equal(s.t, local, p.local)
	return p
}

// Bases that are added while connected are checked with the known candidates, and replace the base
// in use when that is removed.
func TestBasesComeAndGo(t *testing.T) {
	for _, controlling := range []bool{false, true} {
		s := newScript(t, Config{Controlling: controlling}, local1)
		s.setRemote()
		s.addRemote(remote1)
		s.answer(s.wantCheck(local1, remote1), local1)
		if controlling {
			s.answer(s.wantNomination(local1, remote1), local1)
		} else {
			s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
		}
		s.dropEvents()
		require.NoError(t, s.a.AddLocal(s.now, local2))
		s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &s.a.bases[1].host, Ufrag: agentUfrag})
		s.answer(s.wantCheck(local2, remote1), local2)
		s.wantNothing()
		s.wantSelected(local1, remote1)

		require.True(t, s.a.RemoveLocal(s.now, s.a.at(local1)))
		require.False(t, s.a.RemoveLocal(s.now, 1))
		pair, ok := s.a.Selected()
		require.True(t, ok, "at once")
		require.Equal(t, local2, pair.Base)
		s.wantEvents(Event{Kind: EventSelectedPair, Pair: &pair}, Event{Kind: EventState, State: StateConnected})
		if controlling {
			s.advance(DefaultNominationGrace)
			s.answer(s.wantNomination(local2, remote1), local2)
		} else {
			s.wantSuccess(s.check(local2, remote1, peerCheck{controlling: true, useCandidate: true}))
		}
		require.Equal(t, StateCompleted, s.a.State())
		s.dropEvents()

		// Without another base there is no path. Selected still returns the last one.
		require.True(t, s.a.RemoveLocal(s.now, s.a.at(local2)))
		s.wantEvents(Event{Kind: EventPathLost}, Event{Kind: EventState, State: StateDisconnected})
		require.False(t, s.a.Permits(local2, remote1))
		require.NoError(t, s.a.AddLocal(s.now, local1))
		s.answer(s.wantCheck(local1, remote1), local1)
		pair, _ = s.a.Selected()
		require.Equal(t, local1, pair.Base)
	}
}

// Packets queued for a removed base are not sent.
func TestRemovedBaseSendsNothing(t *testing.T) {
	s := newScript(t, Config{}, local1, local2)
	s.check(local1, remote1, peerCheck{})
	id := s.check(local2, remote1, peerCheck{})
	require.True(t, s.a.RemoveLocal(s.now, s.a.at(local1)))
	require.Equal(t, local2, s.wantSuccess(id).local)
	s.wantNothing()
}

// The base of the selected pairs of both generations is removed, and each has another valid pair.
// The last event is that of the new generation, whose pair carries the data and the consent checks.
func TestBaseOfBothGenerationsIsRemoved(t *testing.T) {
	s := newScript(t, Config{}, local1, local2)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	s.answer(s.wantCheck(local2, remote1), local2)
	s.restart()
	s.restartRemote()
	s.addRemote(remote2)
	for range 6 {
		s.advance(60 * time.Millisecond)
		if p, ok := s.transmitted(); ok && p.remote == remote2 {
			s.answerNew(p)
		}
	}
	s.dropEvents()
	before, _ := s.a.Selected()
	require.Equal(t, remote2, before.Remote.Addr)
	s.a.RemoveLocal(s.now, before.Path.Base)
	after, ok := s.a.Selected()
	require.True(t, ok)
	require.NotEqual(t, before.Path.Base, after.Path.Base)
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &after})
}

// The first valid pair of the new generation is lost before it is nominated: data returns to the
// pair of the previous generation.
func TestNewPairIsLostBeforeItsNomination(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
	old, _ := s.a.Selected()
	require.NoError(t, s.a.AddLocal(s.now, local2))
	s.restart()
	s.restartRemote()
	s.addRemote(remote2)
	for s.a.current.selected == nil {
		s.advance(60 * time.Millisecond)
		if p, ok := s.transmitted(); ok && p.local == local2 {
			s.answerNew(p)
		}
	}
	s.dropEvents()
	s.a.RemoveLocal(s.now, s.a.at(local2))
	pair, ok := s.a.Selected()
	require.True(t, ok)
	require.Equal(t, old, pair)
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &old})
	checks := 0
	for range 100 {
		s.advance(60 * time.Millisecond)
		if p, ok := s.transmitted(); ok && p.local == local1 && p.remote == remote1 {
			checks++
		}
	}
	require.Positive(t, checks, "consent checks continue on the old pair")
}

// A second restart begins before the gathering of the first one has ended, and finds no peer. The
// end of gathering, and that of the peer's candidates, count for the first one too, which fails.
func TestSecondRestartDuringGathering(t *testing.T) {
	s := newScript(t, Config{Controlling: true, STUNServers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.77:3478")}}, local1)
	s.setRemote()
	require.NoError(t, s.a.Restart(s.now, newUfrag, newPwd))
	s.restartRemote()
	require.NoError(t, s.a.Restart(s.now, "agent3", "agentagentagentagent3333"))
	s.dropEvents()
	s.a.SetLocalComplete(s.now)
	s.wantEvents(Event{Kind: EventGatheringComplete, Ufrag: newUfrag})
	s.a.SetRemoteComplete(s.now)
	require.True(t, s.a.current.remoteEndOfCandidates)
	require.False(t, s.a.next.remoteEndOfCandidates, "the peer has not signalled its candidates yet")
	for range 100 {
		s.advance(time.Second)
		for _, ok := s.transmitted(); ok; _, ok = s.transmitted() {
		}
	}
	require.Equal(t, StateFailed, s.a.State())
	var complete []Event
	for e, ok := s.a.Event(); ok; e, ok = s.a.Event() {
		if e.Kind == EventGatheringComplete {
			complete = append(complete, e)
		}
	}
	require.Equal(t, []Event{Event{Kind: EventGatheringComplete, Ufrag: "agent3"}}, complete)
}

// A candidate without a "ufrag" extension belongs to the credentials of the last SetRemote, also
// after a Restart that the peer may not know yet.
func TestCandidateWithoutUfragDuringARestart(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.restart()
	s.addRemote(remote1)
	require.NotNil(t, s.a.current.remote(remote1))
	require.Nil(t, s.a.next.remote(remote1))
	c := s.hostCandidate(remote2)
	c.Extensions = []Extension{{"ufrag", newPeerUfrag}}
	require.NoError(t, s.a.AddRemoteCandidate(s.now, c))
	require.Nil(t, s.a.current.remote(remote2))
	require.NotNil(t, s.a.next.remote(remote2))
}

// Restarts of one side or of both, at any time, over bad networks and through NATs that drop
// mappings, end with one path. While both paths work, data always has one.
func TestRestartsConverge(t *testing.T) {
	netsim.Seeds(t, 200, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		r := w.sim.Rand()
		a := w.addPeer("a", Config{Controlling: r.IntN(2) == 0}, w.nat(r.IntN(4)), randomLink(r), "10.1.0.2", "10.2.0.2")
		b := w.addPeer("b", Config{Controlling: r.IntN(2) == 0}, w.nat(r.IntN(4)), randomLink(r), "10.1.0.3")
		w.run(w.completed, 60*time.Second)
		for range 3 {
			w.restart(r)
			ufragA, _ := a.LocalCredentials()
			ufragB, _ := b.LocalCredentials()
			w.await(func() bool {
				return w.completed() && a.current.localUfrag == ufragA && b.current.localUfrag == ufragB
			}, 60*time.Second)
			if a.reported.pair == nil || b.reported.pair == nil || a.lostPath+b.lostPath > 0 {
				t.Fatal("the path was lost in a restart of good health", w.scenario)
			}
			if err := w.sim.RunFor(time.Duration(r.IntN(10000)) * time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		require.NoError(t, w.sim.RunFor(time.Minute))
		require.Nil(t, a.previous)
		require.Nil(t, b.previous)
		w.await(w.completed, 30*time.Second)
	})
}

// restart restarts both agents, like offer and answer: the answerer's credentials arrive after a
// delay, in which checks of the answerer may arrive.
func (w *world) restart(r *rand.Rand) {
	first, second := w.a, w.b
	if r.IntN(2) == 0 {
		first, second = second, first
	}
	signal := time.Duration(r.IntN(300)) * time.Millisecond
	begin := func(p *peer) RemoteParameters {
		require.NoError(w.t, p.Restart(w.sim.Now(), "", ""))
		p.SetLocalComplete(w.sim.Now())
		w.sim.Poke(p)
		ufrag, pwd := p.LocalCredentials()
		return RemoteParameters{Ufrag: ufrag, Pwd: pwd}
	}
	offer := begin(first)
	answer := begin(second) // now, so that the test knows it
	w.sim.After(signal, func() {
		require.NoError(w.t, second.SetRemote(w.sim.Now(), offer))
		w.sim.Poke(second)
		w.sim.After(signal, func() {
			require.NoError(w.t, first.SetRemote(w.sim.Now(), answer))
			w.sim.Poke(first)
		})
	})
}
