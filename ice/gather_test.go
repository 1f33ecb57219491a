package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

var (
	stun1 = netip.MustParseAddrPort("192.0.2.1:3478")
	stun2 = netip.MustParseAddrPort("192.0.2.2:3478")
	stun6 = netip.MustParseAddrPort("[2001:db8::1]:3478")
)

// wantGathering takes the next packet, which must be a request to a STUN server.
func (s *script) wantGathering(local, server netip.AddrPort) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok)
	require.Equal(s.t, stun.NewType(stun.MethodBinding, stun.ClassRequest), p.Type())
	require.Equal(s.t, local, p.local)
	require.Equal(s.t, server, p.remote)
	_, has := p.Get(stun.AttributeUsername)
	require.False(s.t, has)
	return p
}

// serverAnswers makes the server answer that the request came from mapped.
func (s *script) serverAnswers(p packet, mapped netip.AddrPort) {
	s.a.Receive(s.now, p.local, p.remote, bindingReply(nil, p.remote, mapped, p.Raw()))
}

func TestGathering(t *testing.T) {
	s := newScript(t, Config{Controlling: true, STUNServers: []netip.AddrPort{stun1, stun2, stun6}}, local1)
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &s.a.bases[0].host, Ufrag: agentUfrag})
	g1, g2 := s.wantGathering(local1, stun1), s.wantGathering(local1, stun2)
	s.wantNothing() // no request to the server of the other family
	s.serverAnswers(g1, mapped1)
	host := s.a.bases[0].host
	// RFC 8445, section 5.1.2.2: the recommended type preference is 100. The related address is the
	// base.
	want := Candidate{Foundation: "2", Component: 1, Type: CandidateTypeServerReflexive, Addr: mapped1, Related: local1,
		Priority: host.Priority - (126-100)<<24}
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &want, Ufrag: agentUfrag})
	// RFC 8445, section 5.1.3: "A candidate is redundant if and only if its transport address and
	// base equal those of another candidate."
	s.serverAnswers(g2, mapped1)
	s.wantEvents(Event{Kind: EventGatheringComplete, Ufrag: agentUfrag})
	s.serverAnswers(g2, mapped1) // a duplicate
	s.wantEvents()
	require.Equal(t, uint64(1), s.a.Stats().Strangers)

	// RFC 8445, section 5.1.1.4: "the bindings MUST be kept alive by additional Binding requests to
	// the server",
	require.Equal(t, DefaultKeepalive, s.advanceToDeadline(time.Minute))
	s.serverAnswers(s.wantGathering(local1, stun1), mapped1)
	s.wantNothing()
	require.Equal(t, uint64(1), s.a.Stats().Strangers)
	// until another pair is nominated.
	s.nominate()
	sent := s.a.Stats().GatheringRequestsSent
	for range 5 { // 20 s at least
		s.answerConsent(remote1)
		s.wantNothing()
	}
	require.Equal(t, sent, s.a.Stats().GatheringRequestsSent)
}

func TestGatheringOnAPublicAddress(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1}}, local1)
	s.serverAnswers(s.wantGathering(local1, stun1), local1)
	s.wantEvents(Event{Kind: EventLocalCandidate, Candidate: &s.a.bases[0].host, Ufrag: agentUfrag}, Event{Kind: EventGatheringComplete, Ufrag: agentUfrag})
	require.True(t, s.a.Deadline().IsZero(), "nothing to keep alive")
}

func TestGatheringTimeout(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1}}, local1)
	s.dropEvents()
	s.wantGathering(local1, stun1)
	for _, wait := range []time.Duration{500, 1000, 2000} {
		require.Equal(t, wait*time.Millisecond, s.advanceToDeadline(time.Minute))
		s.wantGathering(local1, stun1)
	}
	require.Equal(t, 1500*time.Millisecond, s.advanceToDeadline(time.Minute))
	s.wantEvents(Event{Kind: EventGatheringComplete, Ufrag: agentUfrag})
	s.wantNothing()
	require.True(t, s.a.Deadline().IsZero())
}

func TestGatheringAnswersThatDoNotCount(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1}}, local1)
	s.dropEvents()
	g := s.wantGathering(local1, stun1)
	forged := g
	forged.remote = stun2
	s.serverAnswers(forged, mapped1) // not from the server
	require.Equal(t, uint64(1), s.a.Stats().Strangers)
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassError), g.TransactionID())
	b.AddErrorCode(stun.CodeServerError, "")
	s.a.Receive(s.now, local1, stun1, b.Bytes())
	s.wantEvents(Event{Kind: EventGatheringComplete, Ufrag: agentUfrag})
	require.Empty(t, s.a.bases[0].reflexive)
}

// Servers of RFC 3489 know MAPPED-ADDRESS only.
func TestGatheringFromAnOldServer(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1}}, local1)
	g := s.wantGathering(local1, stun1)
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), g.TransactionID())
	b.AddAddress(stun.AttributeMappedAddress, mapped1)
	s.a.Receive(s.now, local1, stun1, b.Bytes())
	require.Equal(t, mapped1, s.a.bases[0].reflexive[0].Addr)
}

// A host with many addresses does not flood its network.
func TestGatheringIsPaced(t *testing.T) {
	var locals []netip.AddrPort
	for i := range 8 {
		locals = append(locals, netip.AddrPortFrom(local1.Addr(), uint16(1000+i)))
	}
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1, stun2}}, locals...)
	n := 0
	for {
		if _, ok := s.transmitted(); !ok {
			break
		}
		n++
	}
	require.Equal(t, checkBurst, n)
	for range 16 - checkBurst {
		require.LessOrEqual(t, s.advanceToDeadline(time.Second), 50*time.Millisecond)
		_, ok := s.transmitted()
		require.True(t, ok)
		s.wantNothing()
	}
}

// Loopback and link-local addresses are not behind a NAT.
func TestGatheringWhereItMakesSense(t *testing.T) {
	s := newScript(t, Config{STUNServers: []netip.AddrPort{stun1, stun6}},
		netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("[fe80::1%eth0]:1"))
	s.wantNothing()
	require.Equal(t, netip.MustParseAddrPort("[fe80::1]:1"), s.a.bases[1].host.Addr, "the zone is ours alone")
	s.dropEvents()
	require.True(t, s.a.current.endOfCandidates)
}
