package ice

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

func TestRequestAnswered(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	id := s.check(local1, remote1, peerCheck{controlling: true, priority: 12345})
	// RFC 8445, section 7.3.1.3: "If the source transport address of the request does not match any
	// existing remote candidates, it represents a new peer-reflexive remote candidate." Its
	// priority is that of the PRIORITY attribute.
	require.Len(t, s.a.current.remotes, 1)
	require.Equal(t, CandidateTypePeerReflexive, s.a.current.remotes[0].Type)
	require.Equal(t, uint32(12345), s.a.current.remotes[0].Priority)
	require.True(t, s.a.Permits(local1, remote1))
	require.False(t, s.a.Permits(local1, remote2))
	require.False(t, s.a.Permits(remote1, local1))
	// The XOR-MAPPED-ADDRESS is the source of the request.
	r := s.wantSuccess(id)
	mapped, err := r.XORMappedAddress()
	require.NoError(t, err)
	require.Equal(t, remote1, mapped)
	require.Equal(t, local1, r.local)
	require.Equal(t, remote1, r.remote)
	// RFC 8445, section 7.3.1.4: the triggered check.
	s.wantCheck(local1, remote1)
	s.wantNothing()
}

func TestRequestRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		check peerCheck
		code  int // 0: no response at all
	}{
		// RFC 8489, section 9.1.3: the error is 400 for missing credentials and 401 for wrong ones.
		{"no USERNAME", peerCheck{noUsername: true}, stun.CodeBadRequest},
		{"no MESSAGE-INTEGRITY", peerCheck{noIntegrity: true}, stun.CodeBadRequest},
		{"another agent's USERNAME", peerCheck{username: "other:peer"}, stun.CodeUnauthenticated},
		{"another peer's USERNAME", peerCheck{username: "agent:other"}, stun.CodeUnauthenticated},
		{"half a USERNAME", peerCheck{username: "agent"}, stun.CodeUnauthenticated},
		{"wrong password", peerCheck{pwd: peerPwd}, stun.CodeUnauthenticated},
		{"damaged", peerCheck{badFingerprint: true}, 0},
		{"no FINGERPRINT", peerCheck{noFingerprint: true}, 0},
		{"no PRIORITY", peerCheck{noPriority: true}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{}, local1)
			s.setRemote()
			test.check.controlling = true
			id := s.check(local1, remote1, test.check)
			require.False(t, s.a.Permits(local1, remote1))
			require.Empty(t, s.a.current.checkList.pairs)
			if test.code != 0 {
				r := s.wantError(id, test.code)
				_, has := r.Get(stun.AttributeMessageIntegrity)
				require.False(t, has, "the key is not known to be the peer's")
				require.Equal(t, uint64(1), s.a.Stats().Unauthenticated)
			}
			s.wantNothing()
		})
	}
}

// RFC 8489, section 6.3.1: the error for unknown comprehension-required attributes is 420.
func TestRequestWithUnknownAttribute(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	id := s.check(local1, remote1, peerCheck{controlling: true, extra: 0x7ffe})
	r := s.wantError(id, stun.CodeUnknownAttribute)
	require.NoError(t, r.CheckIntegrity(stun.NewKey([]byte(agentPwd))))
	unknown, err := r.UnknownAttributes(nil)
	require.NoError(t, err)
	require.Equal(t, []stun.AttributeType{0x7ffe}, unknown)
	require.False(t, s.a.Permits(local1, remote1))
	s.wantNothing()
	// Comprehension-optional attributes are ignored.
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, extra: 0xfffe}))
}

func TestReceiveDropsWhatIsNotForIt(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.check(local2, remote1, peerCheck{controlling: true}) // not a base of the agent
	require.Equal(t, uint64(1), s.a.Stats().Strangers)
	s.a.Receive(s.now, local1, remote1, []byte("not STUN at all, whoever has said so"))
	require.Equal(t, uint64(1), s.a.Stats().Malformed)
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodAllocate, stun.ClassRequest), stun.TransactionID{})
	s.a.Receive(s.now, local1, remote1, b.Bytes())
	require.Equal(t, uint64(2), s.a.Stats().Strangers)
	b = stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.TransactionID{})
	s.a.Receive(s.now, local1, remote1, b.Bytes())
	require.Equal(t, uint64(1), s.a.Stats().IndicationsReceived)
	s.wantNothing()
}

// RFC 8445, section 7.3.1.4: "If the state of that pair is In-Progress, the agent cancels the
// In-Progress transaction", and a triggered check replaces it.
func TestTriggeredCheckReplacesOneInProgress(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	s.addRemote(remote1)
	first := s.wantCheck(local1, remote1)
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true}))
	second := s.wantCheck(local1, remote1)
	require.NotEqual(t, first.TransactionID(), second.TransactionID())
	s.wantNothing()
	s.advance(500 * time.Millisecond)
	require.Equal(t, second.TransactionID(), s.wantCheck(local1, remote1).TransactionID())
	s.wantNothing()
	s.answer(first, local1)
	require.Equal(t, pairSucceeded, s.pairState(local1, remote1))
	s.advance(10 * time.Second)
	for {
		p, ok := s.transmitted()
		if !ok {
			break
		}
		require.NotEqual(t, second.TransactionID(), p.TransactionID(), "the check is not needed any more")
	}
}

func TestRoleConflictInRequest(t *testing.T) {
	for _, test := range []struct {
		name                     string
		controlling, tieIsLarger bool
		code                     int
		controllingAfter         bool
	}{
		// RFC 8445, section 7.3.1.1: "If the agent's tiebreaker value is larger than or equal to
		// the contents of the ICE-CONTROLLING attribute", it sends the error 487 and "retains its
		// role"; otherwise "the agent switches to the controlled role".
		{"both controlling, we win", true, true, stun.CodeRoleConflict, true},
		{"both controlling, we lose", true, false, 0, false},
		{"both controlled, we win", false, true, 0, true},
		{"both controlled, we lose", false, false, stun.CodeRoleConflict, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, Config{Controlling: test.controlling}, local1)
			s.setRemote()
			s.addRemote(remote1)
			before := s.wantCheck(local1, remote1)
			theirs := uint64(0)
			if !test.tieIsLarger {
				theirs = math.MaxUint64
			}
			id := s.check(local1, remote1, peerCheck{controlling: test.controlling, tieBreaker: theirs})
			require.Equal(t, test.controllingAfter, s.a.Controlling())
			if test.code != 0 {
				s.wantError(id, test.code)
			} else {
				s.wantSuccess(id)
			}
			after := s.wantCheck(local1, remote1) // the triggered check has the present role
			require.NotEqual(t, before.TransactionID(), after.TransactionID())
			_, err := after.ICEControlling()
			require.Equal(t, test.controllingAfter, err == nil)
			s.wantNothing()
			p := s.a.current.checkList.pairs[0]
			priority := p.priority
			p.setPriority(test.controllingAfter)
			require.Equal(t, priority, p.priority, "recomputed for the new role")
		})
	}
}

func TestRoleConflictInResponse(t *testing.T) {
	for _, controlling := range []bool{true, false} {
		s := newScript(t, Config{Controlling: controlling}, local1)
		s.setRemote()
		s.addRemote(remote1, remote2)
		c1, c2 := s.wantCheck(local1, remote1), s.wantCheck(local1, remote2)
		tieBreaker := s.a.tieBreaker
		// RFC 8445, section 7.2.5.1: the agent switches its role, adds the pair to the
		// triggered-check queue, and "MUST change the tiebreaker value".
		s.refuse(c1, stun.CodeRoleConflict)
		require.Equal(t, !controlling, s.a.Controlling())
		require.NotEqual(t, tieBreaker, s.a.tieBreaker)
		// The other response is to a request from before: the role does not change back.
		s.refuse(c2, stun.CodeRoleConflict)
		require.Equal(t, !controlling, s.a.Controlling())
		seen := map[netip.AddrPort]bool{}
		for range 2 {
			p, ok := s.transmitted()
			require.True(t, ok)
			_, err := p.ICEControlling()
			require.Equal(t, !controlling, err == nil)
			seen[p.remote] = true
		}
		require.Len(t, seen, 2)
		s.wantNothing()
	}
}

// RFC 8445, section 7.3: a request that arrives before the peer's credentials is answered at once,
// and its triggered check waits for them.
func TestRequestsBeforeSetRemote(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.wantSuccess(s.check(local1, remote1, peerCheck{controlling: true, useCandidate: true}))
	s.wantSuccess(s.check(local1, remote2, peerCheck{controlling: true, username: "agent:anotherfork"}))
	s.wantNothing()
	require.True(t, s.a.Permits(local1, remote1))
	require.Equal(t, StateNew, s.a.State())
	require.True(t, s.a.Deadline().IsZero())

	// A signalled candidate stays, without the effects of another peer's checks on it.
	remote3 := netip.MustParseAddrPort("198.51.100.3:6003")
	s.addRemote(remote3)
	s.wantSuccess(s.check(local1, remote3, peerCheck{controlling: true, useCandidate: true, username: "agent:anotherfork"}))

	s.setRemote()
	require.False(t, s.a.Permits(local1, remote3))
	require.True(t, s.a.current.checkList.find(s.a.bases[0], remote3).lastUseCandidate.IsZero())
	c := s.wantCheck(local1, remote1)
	s.wantCheck(local1, remote3)
	s.wantNothing() // the answer came from one, and the other is removed
	require.False(t, s.a.Permits(local1, remote2))
	s.answer(c, local1)
	require.Equal(t, StateCompleted, s.a.State(), "the early nomination counts")
}

func TestRequestsBeforeSetRemoteAreBounded(t *testing.T) {
	s := newScript(t, Config{}, local1)
	for i := range maxEarlyCandidates {
		s.wantSuccess(s.check(local1, netip.AddrPortFrom(remote1.Addr(), uint16(1000+i)), peerCheck{}))
	}
	s.check(local1, remote1, peerCheck{})
	s.wantNothing() // no response: the peer will repeat it
	require.Equal(t, uint64(1), s.a.Stats().Overflows)
	// A known one.
	s.wantSuccess(s.check(local1, netip.AddrPortFrom(remote1.Addr(), 1000), peerCheck{}))
}

func TestResponsesAreBounded(t *testing.T) {
	s := newScript(t, Config{}, local1)
	s.setRemote()
	for range maxResponses + 5 {
		s.check(local1, remote1, peerCheck{})
	}
	require.Equal(t, uint64(5), s.a.Stats().Overflows)
	for range maxResponses {
		p, ok := s.transmitted()
		require.True(t, ok)
		require.Equal(t, stun.ClassSuccess, p.Type().Class())
	}
	s.wantCheck(local1, remote1)
	s.wantNothing()
}

// The greatest packet fits the buffer that the documentation recommends.
func TestPacketSize(t *testing.T) {
	long := strings.Repeat("x", 256)
	a, err := NewAgent(Config{Ufrag: long, Pwd: long})
	require.NoError(t, err)
	now := time.Unix(1, 0)
	require.NoError(t, addressed{a}.AddLocal(now, local1))
	require.NoError(t, a.SetRemote(now, RemoteParameters{Ufrag: long, Pwd: long}))
	require.NoError(t, a.AddRemoteCandidate(now, Candidate{Foundation: "1", Component: 1, Type: CandidateTypeHost, Addr: remote1, Priority: 1}))
	b, _, ok := a.Transmit(now, nil)
	require.True(t, ok)
	require.Less(t, len(b), 700)
}
