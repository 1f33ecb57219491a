package ice

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/stun"
)

func TestConsentChecks(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	seen := map[stun.TransactionID]bool{}
	var shortest, longest time.Duration = time.Hour, 0
	for range 100 {
		d := s.advanceToDeadline(time.Minute)
		// RFC 7675, section 5.1: the default interval between consent checks is 5 seconds, and each
		// is 0.8 to 1.2 times as long.
		shortest, longest = min(shortest, d), max(longest, d)
		p := s.wantNomination(local1, remote1)
		require.False(t, seen[p.TransactionID()])
		seen[p.TransactionID()] = true
		s.now = s.now.Add(30 * time.Millisecond)
		s.answer(p, local1)
		s.wantNothing()
		require.Equal(t, 30*time.Millisecond, s.a.Stats().RTT)
	}
	require.GreaterOrEqual(t, shortest, 4*time.Second)
	require.LessOrEqual(t, longest, 6*time.Second)
	require.Greater(t, longest-shortest, time.Second)
	s.wantEvents()
	require.Equal(t, StateCompleted, s.a.State())
}

// silence lets time pass without answers while the state is want, and returns the time and the
// packets that were sent.
func (s *script) silence(want State) (d time.Duration, sent []packet) {
	s.t.Helper()
	for s.a.State() == want {
		d += s.advanceToDeadline(time.Minute)
		for {
			p, ok := s.transmitted()
			if !ok {
				break
			}
			sent = append(sent, p)
		}
	}
	return d, sent
}

func TestConsentExpires(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	began := s.now
	d, sent := s.silence(StateCompleted)
	require.Equal(t, StateDisconnected, s.a.State())
	// The first check after 4 to 6 s, then 5 s of silence.
	require.GreaterOrEqual(t, d, 9*time.Second)
	require.LessOrEqual(t, d, 11*time.Second)
	require.GreaterOrEqual(t, len(sent), 5)
	s.wantEvents(Event{Kind: EventState, State: StateDisconnected})

	_, sent = s.silence(StateDisconnected)
	require.LessOrEqual(t, len(sent), 6, "at the normal rate again")
	// RFC 7675, section 5.1: "Consent expires after 30 seconds." Then nothing may be sent.
	require.Equal(t, 30*time.Second, s.now.Sub(began))
	require.Equal(t, StateFailed, s.a.State())
	s.wantEvents(Event{Kind: EventPathLost}, Event{Kind: EventState, State: StateFailed})
	_, ok := s.a.Selected()
	require.False(t, ok)
	require.False(t, s.a.Permits(local1, remote1))
	require.True(t, s.a.Deadline().IsZero())
	s.check(local1, remote1, peerCheck{})
	s.wantNothing()
}

func TestConsentComesBack(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	_, sent := s.silence(StateCompleted)
	s.dropEvents()
	s.answer(sent[len(sent)-3], local1) // a late answer counts as well
	s.wantEvents(Event{Kind: EventState, State: StateConnected}, Event{Kind: EventState, State: StateCompleted})
	began := s.now
	s.silence(StateCompleted)
	s.silence(StateDisconnected)
	require.Equal(t, 30*time.Second, s.now.Sub(began), "counted from the last answer")
}

// One lost packet is not silence.
func TestConsentSurvivesLoss(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	for range 20 {
		s.advanceToDeadline(6 * time.Second)
		s.wantNomination(local1, remote1) // lost
		require.LessOrEqual(t, s.advanceToDeadline(6*time.Second), 1200*time.Millisecond)
		s.answer(s.wantNomination(local1, remote1), local1)
	}
	s.wantEvents()
}

// The peer's own checks show for a while that it is present.
func TestConsentOneWay(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	began := s.now
	for s.a.State() == StateCompleted {
		s.advance(time.Second)
		s.check(local1, remote1, peerCheck{})
		for {
			if _, ok := s.transmitted(); !ok {
				break
			}
		}
	}
	require.Equal(t, StateDisconnected, s.a.State())
	require.GreaterOrEqual(t, s.now.Sub(began), 3*DefaultDisconnectedTimeout)
}

func TestConsentNeedsAGenuineAnswer(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	began := s.now
	for s.a.State() != StateFailed {
		s.advanceToDeadline(time.Minute)
		for {
			p, ok := s.transmitted()
			if !ok {
				break
			}
			s.refuse(p, stun.CodeServerError) // authenticated, but no consent
			p.remote = remote2
			s.answer(p, local1) // and this is from elsewhere
		}
	}
	require.Equal(t, 30*time.Second, s.now.Sub(began))
}

// Consent can expire before the nomination too. Then another valid pair is selected.
func TestConsentBeforeNomination(t *testing.T) {
	s := newScript(t, Config{}, local1, local2)
	s.setRemote()
	s.addRemote(remote1)
	c1 := s.wantCheck(local1, remote1)
	c2 := s.wantCheck(local2, remote1)
	s.answer(c1, local1)
	s.answer(c2, local2)
	pair, _ := s.a.Selected()
	require.Equal(t, local1, pair.Base)
	s.silence(StateConnected)
	require.Equal(t, StateDisconnected, s.a.State())
	for { // the other pair is checked again
		p, ok := s.transmitted()
		if !ok {
			break
		}
		if p.local == local2 {
			s.answer(p, local2)
		}
	}
	for range 10 {
		s.advanceToDeadline(time.Minute)
		for {
			p, ok := s.transmitted()
			if !ok {
				break
			}
			if p.local == local2 {
				s.answer(p, local2)
			}
		}
	}
	pair, ok := s.a.Selected()
	require.True(t, ok)
	require.Equal(t, local2, pair.Base)
	require.Equal(t, StateConnected, s.a.State())
}

// An answer that arrives after its pair has expired has no effect.
func TestConsentAnsweredTooLate(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	var sent []packet
	for {
		s.advanceToDeadline(time.Minute)
		p, ok := s.transmitted()
		if _, selected := s.a.Selected(); !selected {
			break
		}
		if ok {
			sent = append(sent, p)
		}
	}
	strangers := s.a.Stats().Strangers
	s.answer(sent[len(sent)-1], local1)
	require.Equal(t, strangers+1, s.a.Stats().Strangers)
	require.Equal(t, StateDisconnected, s.a.State())
}

// The peer's NAT has dropped its mapping: the peer has a new address, and the old one is dead. The
// controlling agent nominates the new pair.
func TestNominatesTheNewAddress(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	s.wantSuccess(s.check(local1, remote2, peerCheck{}))
	s.answer(s.wantCheck(local1, remote2), local1)
	s.wantNothing()
	pair, _ := s.a.Selected()
	require.Equal(t, remote1, pair.Remote.Addr, "not while the old one may work")
	_, sent := s.silence(StateCompleted)
	last := sent[len(sent)-1]
	require.Equal(t, remote2, last.remote)
	require.False(t, last.UseCandidate(), "it has to prove itself anew")
	s.answer(last, local1)
	s.answer(s.wantNomination(local1, remote2), local1)
	pair, _ = s.a.Selected()
	require.Equal(t, remote2, pair.Remote.Addr)
	require.True(t, pair.Nominated)
	require.Equal(t, StateCompleted, s.a.State())
	require.False(t, s.a.current.checkList.find(s.a.bases[0], remote1).nominated)
}

// consentRound returns a function in which the agent sends a consent check that is answered, and
// answers one of the peer.
func (s *script) consentRound() func() {
	key := stun.NewKey([]byte(peerPwd))
	local := stun.NewKey([]byte(agentPwd))
	out, in := make([]byte, 0, 1500), make([]byte, 0, 1500)
	return func() {
		s.now = s.a.Deadline()
		s.a.Advance(s.now)
		b, _, _, ok := s.a.Transmit(s.now, out)
		if !ok {
			panic("no consent check at the deadline")
		}
		m, _ := stun.Parse(b)
		r := stun.NewBuilder(in, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
		r.AddXORAddress(stun.AttributeXORMappedAddress, local1)
		r.AddIntegrity(key)
		r.AddFingerprint()
		s.a.Receive(s.now, local1, remote1, r.Bytes())

		q := stun.NewBuilder(in, stun.NewType(stun.MethodBinding, stun.ClassRequest), m.TransactionID())
		q.AddString(stun.AttributeUsername, "agent:peer")
		q.AddUint32(stun.AttributePriority, 1)
		q.AddUint64(stun.AttributeICEControlled, 1)
		q.AddIntegrity(local)
		q.AddFingerprint()
		s.a.Receive(s.now, local1, remote1, q.Bytes())
		if _, _, _, ok := s.a.Transmit(s.now, out); !ok {
			panic("no response")
		}
		if _, _, _, ok := s.a.Transmit(s.now, out); ok || !s.a.Permits(local1, remote1) {
			panic("something is wrong")
		}
	}
}

// In steady state, consent in both directions does not allocate.
func TestConsentDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	s := newScript(t, Config{Controlling: true}, local1)
	s.nominate()
	round := s.consentRound()
	round()
	require.Zero(t, testing.AllocsPerRun(100, round))
	require.Equal(t, StateCompleted, s.a.State())
}

// The calls that an owner makes for every datagram or batch of a connected agent do not allocate.
func TestIdleCallsDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	s := newScript(t, Config{Controlling: true}, local1, local2)
	s.nominate()
	calls := s.idleCalls()
	require.Zero(t, testing.AllocsPerRun(100, calls))
	require.Equal(t, StateCompleted, s.a.State())
}

// idleCalls makes the peer check a second path, so that data is accepted on it, and returns the
// calls of an owner for data on both paths when the agent has nothing to do.
func (s *script) idleCalls() func() {
	s.check(local2, remote1, peerCheck{})
	s.respondToAll()
	s.dropEvents()
	a, out := s.a.Agent, make([]byte, 0, 1500)
	selected, other := s.a.path(local1, remote1), s.a.path(local2, remote1)
	return func() {
		if !a.Permits(selected) || !a.Permits(other) || a.Permits(Path{other.Base, remote2}) {
			panic("permission is wrong")
		}
		a.ReceivedData(s.now, other)
		if _, _, ok := a.Transmit(s.now, out); ok || a.Deadline().IsZero() {
			panic("the agent is not idle")
		}
		if !a.Idle(s.now) {
			panic("Idle is wrong")
		}
		if _, ok := a.Event(); ok {
			panic("an event of an idle agent")
		}
	}
}

// BenchmarkIdleCalls measures the calls of TestIdleCallsDoNotAllocate.
func BenchmarkIdleCalls(b *testing.B) {
	s := newScript(b, Config{Controlling: true}, local1, local2)
	s.nominate()
	calls := s.idleCalls()
	b.ReportAllocs()
	for b.Loop() {
		calls()
	}
}

// BenchmarkConsent measures both directions of one round, with the peer's part: four messages
// built, parsed and authenticated.
func BenchmarkConsent(b *testing.B) {
	s := newScript(b, Config{Controlling: true}, local1)
	s.nominate()
	round := s.consentRound()
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}
