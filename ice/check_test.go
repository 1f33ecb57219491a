package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

func TestCheckAndNomination(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	host := s.a.bases[0].host
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &host, Ufrag: agentUfrag}, Event{Kind: EventGatheringComplete, Ufrag: agentUfrag})
	s.setRemote()
	s.wantEvents(Event{Kind: EventState, State: StateChecking})
	s.wantNothing()
	s.addRemote(remote1)

	// RFC 8445, section 7.1.1: PRIORITY is computed "with the candidate type preference of
	// peer-reflexive candidates".
	c := s.wantCheck(local1, remote1)
	priority, err := c.Priority()
	require.NoError(t, err)
	require.Equal(t, host.Priority-(126-110)<<24, priority)
	// RFC 8445, section 7.2.2: USERNAME is the peer's username fragment and the agent's, separated
	// by a colon.
	username, _ := c.Get(stun.AttributeUsername)
	require.Equal(t, "peer:agent", string(username))
	// RFC 8445, section 7.1.3: "The controlling agent MUST include the ICE-CONTROLLING attribute in
	// a Binding request."
	tieBreaker, err := c.ICEControlling()
	require.NoError(t, err)
	require.Equal(t, s.a.tieBreaker, tieBreaker)
	_, err = c.ICEControlled()
	require.ErrorIs(t, err, stun.ErrAttributeNotFound)
	require.False(t, c.UseCandidate())
	s.wantNothing()
	require.False(t, s.a.Permits(local1, remote1))

	// RFC 8445, section 12.1: "An ICE agent MAY send data on any valid pair before selected pairs
	// have been produced for the data stream." That is after one round trip.
	s.now = s.now.Add(20 * time.Millisecond)
	s.answer(c, local1)
	pair, ok := s.a.Selected()
	require.True(t, ok)
	require.Equal(t, Pair{Local: host, Remote: *s.a.current.remotes[0], Path: Path{s.a.at(local1), remote1}, Base: local1}, pair)
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &pair}, Event{Kind: EventState, State: StateConnected})
	require.True(t, s.a.Permits(local1, remote1))
	require.Equal(t, 20*time.Millisecond, s.a.Stats().RTT)

	// RFC 8445, section 8.1.1: the agent "repeats the connectivity check that produced this valid
	// pair …, this time with the USE-CANDIDATE attribute".
	n := s.wantNomination(local1, remote1)
	require.NotEqual(t, c.TransactionID(), n.TransactionID())
	s.wantNothing()
	s.answer(n, local1)
	pair.Nominated = true
	s.wantEvents(Event{Kind: EventSelectedPair, Pair: &pair}, Event{Kind: EventState, State: StateCompleted})
	s.wantNothing()
}

func TestCheckRetransmission(t *testing.T) {
	s := newScript(t, Config{Controlling: true}, local1)
	s.setRemote()
	s.addRemote(remote1)
	id := s.wantCheck(local1, remote1).TransactionID()
	// RFC 8445, section 14.3: the RTO is 500 ms with one pair. RFC 8489, section 6.2.1: it doubles.
	for _, wait := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000} {
		require.Equal(t, wait*time.Millisecond, s.advanceToDeadline(time.Minute))
		require.Equal(t, id, s.wantCheck(local1, remote1).TransactionID())
		s.wantNothing()
	}
	require.Equal(t, uint64(6), s.a.Stats().Retransmissions)
	require.Equal(t, 8*time.Second, s.advanceToDeadline(time.Minute))
	// RFC 8445, section 7.2.5.2.3: the pair fails when its check times out. No other pair is left,
	// and the patience has passed.
	require.Equal(t, StateFailed, s.a.State())
	require.True(t, s.a.Deadline().IsZero())
	s.wantNothing()
}

// RFC 8445, section 14.3: the RTO grows with the number of pairs that are Waiting or In-Progress.
func TestCheckRTOGrowsWithTheList(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for i := range 40 {
		s.addRemote(netip.AddrPortFrom(remote1.Addr(), uint16(1000+i)))
	}
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 1000))
	require.Equal(t, s.now.Add(40*50*time.Millisecond), s.a.current.checkList.pairs[0].check.Deadline())
}

func TestPacing(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for i := range 15 {
		s.addRemote(netip.AddrPortFrom(remote1.Addr(), uint16(1000+i)))
	}
	for i := range checkBurst { // in order of priority
		s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), uint16(1000+i)))
	}
	s.wantNothing()
	for i := range 4 { // then one in Ta
		require.Equal(t, 50*time.Millisecond, s.advanceToDeadline(time.Second))
		s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), uint16(1000+checkBurst+i)))
		s.wantNothing()
	}
	// A triggered check is paced too, but goes first.
	id := s.check(local1, remote2, peerCheck{controlling: true})
	s.wantSuccess(id)
	s.wantNothing()
	s.advanceToDeadline(50 * time.Millisecond)
	s.wantCheck(local1, remote2)
	s.wantNothing()
	s.advanceToDeadline(50 * time.Millisecond)
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 1014))
}

func TestFrozenPairs(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.a.checkPacer.interval = time.Second // so that the bucket does not hide the order
	s.setRemote()
	add := func(port uint16, foundation string, priority uint32) {
		require.NoError(t, s.a.AddRemoteCandidate(s.now, Candidate{Foundation: foundation, Component: 1, Type: CandidateTypeHost,
			Addr: netip.AddrPortFrom(remote1.Addr(), port), Priority: priority}))
	}
	state := func(port uint16) pairState { return s.pairState(local1, netip.AddrPortFrom(remote1.Addr(), port)) }
	add(1, "x", 1000)
	add(2, "x", 2000) // the foundation is being checked already
	add(3, "y", 500)
	add(5, "y", 450)
	require.Equal(t, []pairState{pairWaiting, pairFrozen, pairWaiting}, []pairState{state(1), state(2), state(3)})
	c := s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 1))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 3))
	// RFC 8445, section 7.2.5.3.3: "The agent MUST set the states for all other Frozen candidate
	// pairs in all checklists with the same foundation to Waiting."
	s.answer(c, local1)
	require.Equal(t, pairWaiting, state(2))
	require.Equal(t, pairFrozen, state(5))
	add(4, "x", 400) // RFC 8838, section 12
	require.Equal(t, pairWaiting, state(4))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 2))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 4))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 5))
	s.wantNothing()
}

// RFC 8445, section 6.1.4.2: if no pair is Waiting, the agent checks Frozen pairs of foundations
// without a pair that is Waiting or In-Progress, before those of the other foundations.
func TestChecksFrozenPairsOfFoundationsThatHaveEnded(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for i, foundation := range []string{"x", "x", "y", "y"} {
		require.NoError(t, s.a.AddRemoteCandidate(s.now, Candidate{Foundation: foundation, Component: 1, Type: CandidateTypeHost,
			Addr: netip.AddrPortFrom(remote1.Addr(), uint16(1+i)), Priority: []uint32{1000, 700, 900, 800}[i]}))
	}
	x := s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 1))
	s.refuse(x, stun.CodeBadRequest)
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 3))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 2))
	s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 4))
	s.wantNothing()
}

// A peer with one foundation for all its candidates is not delayed by the first of them.
func TestFrozenPairsDoNotWaitForTimeouts(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for port := range uint16(3) {
		require.NoError(t, s.a.AddRemoteCandidate(s.now, Candidate{Foundation: "all", Component: 1, Type: CandidateTypeHost,
			Addr: netip.AddrPortFrom(remote1.Addr(), 10+port), Priority: 1000 - uint32(port)}))
	}
	for port := range uint16(3) {
		s.wantCheck(local1, netip.AddrPortFrom(remote1.Addr(), 10+port))
	}
	s.wantNothing()
}

func TestCheckResponsesThatFail(t *testing.T) {
	build := func(id stun.TransactionID, mapped netip.AddrPort, pwd string, extra stun.AttributeType) []byte {
		b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), id)
		if mapped.IsValid() {
			b.AddXORAddress(stun.AttributeXORMappedAddress, mapped)
		}
		if extra != 0 {
			b.AddFlag(extra)
		}
		b.AddIntegrity(stun.NewKey([]byte(pwd)))
		b.AddFingerprint()
		return b.Bytes()
	}
	for _, test := range []struct {
		name  string
		run   func(s *script, c packet)
		state pairState
	}{
		// RFC 8489, section 9.1.4: a response that fails authentication is ignored.
		{"wrong password", func(s *script, c packet) {
			s.a.Receive(s.now, local1, remote1, build(c.TransactionID(), local1, agentPwd, 0))
			require.Equal(s.t, uint64(1), s.a.Stats().Unauthenticated)
		}, pairInProgress},
		{"unknown transaction", func(s *script, c packet) {
			s.a.Receive(s.now, local1, remote1, build(stun.TransactionID{}, local1, peerPwd, 0))
			require.Equal(s.t, uint64(1), s.a.Stats().Strangers)
		}, pairInProgress},
		{"damaged fingerprint", func(s *script, c packet) {
			raw := build(c.TransactionID(), local1, peerPwd, 0)
			raw[len(raw)-1] ^= 1
			s.a.Receive(s.now, local1, remote1, raw)
			require.Equal(s.t, uint64(1), s.a.Stats().Malformed)
		}, pairInProgress},
		// RFC 8445, section 7.2.5.2.1: "If the addresses are not symmetric, the agent MUST set the
		// candidate pair state to Failed."
		{"from another address", func(s *script, c packet) {
			s.a.Receive(s.now, local1, remote2, build(c.TransactionID(), local1, peerPwd, 0))
		}, pairFailed},
		// RFC 8445, section 7.2.5.2.4: after an unrecoverable error response, "the ICE agent SHOULD
		// set the candidate pair state to Failed".
		{"400", func(s *script, c packet) { s.refuse(c, stun.CodeBadRequest) }, pairFailed},
		{"no mapped address", func(s *script, c packet) {
			s.a.Receive(s.now, local1, remote1, build(c.TransactionID(), netip.AddrPort{}, peerPwd, 0))
		}, pairFailed},
		{"unknown attribute", func(s *script, c packet) {
			s.a.Receive(s.now, local1, remote1, build(c.TransactionID(), local1, peerPwd, 0x7fff))
		}, pairFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{Controlling: true}, local1)
			s.setRemote()
			s.addRemote(remote1)
			c := s.wantCheck(local1, remote1)
			test.run(s, c)
			require.Equal(t, test.state, s.pairState(local1, remote1))
			require.Equal(t, StateChecking, s.a.State())
			require.False(t, s.a.Permits(local1, remote1))
			if test.state == pairInProgress { // the genuine response still counts
				s.answer(c, local1)
				require.Equal(t, StateConnected, s.a.State())
			}
		})
	}
}

// RFC 8445, section 7.2.5.3.1: if the mapped address is not that of a local candidate, "the mapped
// address represents a new candidate: a peer-reflexive candidate".
func TestMappedAddressIsTheLocalCandidate(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	c := s.wantCheck(local1, remote1)
	priority, _ := c.Priority()
	s.answer(c, mapped1)
	pair, _ := s.a.Selected()
	require.Equal(t, CandidateTypePeerReflexive, pair.Local.Type)
	require.Equal(t, mapped1, pair.Local.Addr)
	require.Equal(t, local1, pair.Local.Related)
	require.Equal(t, local1, pair.Base)
	require.Equal(t, priority, pair.Local.Priority)
}

func TestPermitsValidPairs(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1, remote2)
	c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
	require.False(t, s.a.Permits(local1, remote2), "a pair is not enough")
	s.answer(c1, local1)
	s.answer(c2, local1)
	require.True(t, s.a.Permits(local1, remote2))
}
