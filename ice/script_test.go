package ice

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/stun"
)

// script is one agent, and the test in place of its network: the verbs deliver packets and expect
// packets.
type script struct {
	t    testing.TB
	a    addressed
	now  time.Time
	next byte // of the peer's transaction identifiers
}

const (
	agentUfrag, agentPwd = "agent", "agentagentagentagentagent"
	peerUfrag, peerPwd   = "peer", "peerpeerpeerpeerpeerpeer"
)

var (
	local1  = netip.MustParseAddrPort("192.168.0.1:5001")
	local2  = netip.MustParseAddrPort("192.168.0.2:5002")
	remote1 = netip.MustParseAddrPort("198.51.100.1:6001")
	remote2 = netip.MustParseAddrPort("198.51.100.2:6002")
	mapped1 = netip.MustParseAddrPort("203.0.113.1:7001") // local1 outside its NAT
)

// newScript returns an agent with the credentials above and the given bases.
func newScript(t testing.TB, config Config, locals ...netip.AddrPort) *script {
	config.Ufrag, config.Pwd = agentUfrag, agentPwd
	config.Rand = bytes.NewReader(make([]byte, 32))
	a, err := NewAgent(config)
	require.NoError(t, err)
	s := &script{t: t, a: addressed{a}, now: time.Unix(1_700_000_000, 0)}
	for _, l := range locals {
		require.NoError(t, s.a.AddLocal(s.now, l))
	}
	a.SetLocalComplete(s.now)
	return s
}

// setRemote sets the peer's credentials.
func (s *script) setRemote() {
	require.NoError(s.t, s.a.SetRemote(s.now, RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}))
}

// addRemote signals host candidates of the peer, with different foundations and descending
// priorities.
func (s *script) addRemote(addrs ...netip.AddrPort) {
	for _, addr := range addrs {
		require.NoError(s.t, s.a.AddRemoteCandidate(s.now, s.hostCandidate(addr)))
	}
}

func (s *script) hostCandidate(addr netip.AddrPort) Candidate {
	n := len(s.a.current.remotes)
	return Candidate{
		Foundation: "h" + addr.Addr().String()[:1] + string(rune('A'+n)), Component: 1, Addr: addr, Type: CandidateTypeHost,
		Priority: candidatePriority(CandidateTypeHost, uint16(60000-n), 1),
	}
}

// advance lets time pass at once, regardless of deadlines.
func (s *script) advance(d time.Duration) {
	s.now = s.now.Add(d)
	s.a.Advance(s.now)
}

// advanceToDeadline advances to the agent's deadline, which must not be later than limit from now,
// and returns the time until it.
func (s *script) advanceToDeadline(limit time.Duration) time.Duration {
	s.t.Helper()
	d := s.a.Deadline()
	require.False(s.t, d.IsZero(), "no deadline")
	wait := max(d.Sub(s.now), 0)
	require.LessOrEqual(s.t, wait, limit)
	s.advance(wait)
	return wait
}

// packet is a packet that the agent has sent.
type packet struct {
	stun.Message
	local, remote netip.AddrPort
}

// transmitted takes the next packet.
func (s *script) transmitted() (packet, bool) {
	s.t.Helper()
	b, local, remote, ok := s.a.Transmit(s.now, nil)
	if !ok {
		require.Empty(s.t, b)
		return packet{}, false
	}
	m, err := stun.Parse(b)
	require.NoError(s.t, err)
	require.NoError(s.t, m.CheckFingerprint())
	return packet{m, local, remote}, true
}

func (s *script) wantNothing() {
	s.t.Helper()
	p, ok := s.transmitted()
	require.False(s.t, ok, "%v from %v to %v", p.Type(), p.local, p.remote)
}

// wantCheck takes the next packet, which must be a connectivity check on the path.
func (s *script) wantCheck(local, remote netip.AddrPort) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok, "no check of %v -> %v", local, remote)
	require.Equal(s.t, stun.NewType(stun.MethodBinding, stun.ClassRequest), p.Type())
	require.Equal(s.t, local, p.local)
	require.Equal(s.t, remote, p.remote)
	require.NoError(s.t, p.CheckIntegrity(stun.NewKey([]byte(peerPwd))))
	return p
}

// wantNomination is wantCheck for a check that nominates.
func (s *script) wantNomination(local, remote netip.AddrPort) packet {
	s.t.Helper()
	p := s.wantCheck(local, remote)
	require.True(s.t, p.UseCandidate())
	return p
}

// wantSuccess takes the next packet, which must be the success response to a check of the peer.
func (s *script) wantSuccess(id stun.TransactionID) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok, "no response")
	require.Equal(s.t, stun.NewType(stun.MethodBinding, stun.ClassSuccess), p.Type())
	require.Equal(s.t, id, p.TransactionID())
	require.NoError(s.t, p.CheckIntegrity(stun.NewKey([]byte(agentPwd))))
	return p
}

// wantError takes the next packet, which must be an error response to a check of the peer.
func (s *script) wantError(id stun.TransactionID, code int) packet {
	s.t.Helper()
	p, ok := s.transmitted()
	require.True(s.t, ok, "no response")
	require.Equal(s.t, stun.NewType(stun.MethodBinding, stun.ClassError), p.Type())
	require.Equal(s.t, id, p.TransactionID())
	got, _, err := p.ErrorCode()
	require.NoError(s.t, err)
	require.Equal(s.t, code, got)
	return p
}

// answer makes the peer answer that a check came from mapped.
func (s *script) answer(p packet, mapped netip.AddrPort) {
	s.t.Helper()
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), p.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, mapped)
	b.AddIntegrity(stun.NewKey([]byte(peerPwd)))
	b.AddFingerprint()
	s.a.Receive(s.now, p.local, p.remote, b.Bytes())
}

// refuse makes the peer answer a check with an error.
func (s *script) refuse(p packet, code int) {
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassError), p.TransactionID())
	b.AddErrorCode(code, "")
	b.AddIntegrity(stun.NewKey([]byte(peerPwd)))
	b.AddFingerprint()
	s.a.Receive(s.now, p.local, p.remote, b.Bytes())
}

// peerCheck has the deviations of a check of the peer from a correct one.
type peerCheck struct {
	username                                                           string // "" is the right one
	pwd                                                                string // "" is the right one
	controlling                                                        bool
	tieBreaker                                                         uint64
	useCandidate                                                       bool
	priority                                                           uint32
	noUsername, noPriority, noIntegrity, noFingerprint, badFingerprint bool
	extra                                                              stun.AttributeType
}

// check makes the peer send a check, and returns its transaction identifier.
func (s *script) check(local, remote netip.AddrPort, c peerCheck) stun.TransactionID {
	s.next++
	id := stun.TransactionID{0: s.next}
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassRequest), id)
	if c.username == "" {
		c.username = agentUfrag + ":" + peerUfrag
	}
	if !c.noUsername {
		b.AddString(stun.AttributeUsername, c.username)
	}
	if c.priority == 0 {
		c.priority = candidatePriority(CandidateTypePeerReflexive, 60000, 1)
	}
	if !c.noPriority {
		b.AddUint32(stun.AttributePriority, c.priority)
	}
	if c.controlling {
		b.AddUint64(stun.AttributeICEControlling, c.tieBreaker)
	} else {
		b.AddUint64(stun.AttributeICEControlled, c.tieBreaker)
	}
	if c.useCandidate {
		b.AddFlag(stun.AttributeUseCandidate)
	}
	if c.extra != 0 {
		b.AddFlag(c.extra)
	}
	if c.pwd == "" {
		c.pwd = agentPwd
	}
	if !c.noIntegrity {
		b.AddIntegrity(stun.NewKey([]byte(c.pwd)))
	}
	if !c.noFingerprint {
		b.AddFingerprint()
	}
	raw := b.Bytes()
	if c.badFingerprint {
		raw[len(raw)-1] ^= 1
	}
	s.a.Receive(s.now, local, remote, raw)
	clear(raw) // it was borrowed for the call
	return id
}

// wantEvents takes all events, which must be these.
func (s *script) wantEvents(want ...Event) {
	s.t.Helper()
	var got []Event
	for {
		e, ok := s.a.Event()
		if !ok {
			break
		}
		got = append(got, e)
	}
	require.Equal(s.t, want, got)
}

// dropEvents takes all events.
func (s *script) dropEvents() {
	for {
		if _, ok := s.a.Event(); !ok {
			return
		}
	}
}

// nominate runs a new controlling agent, with local1 and the peer at remote1, until a pair is
// nominated.
func (s *script) nominate() {
	s.t.Helper()
	s.setRemote()
	s.addRemote(remote1)
	s.answer(s.wantCheck(local1, remote1), local1)
	s.answer(s.wantNomination(local1, remote1), local1)
	require.Equal(s.t, StateCompleted, s.a.State())
	s.wantNothing()
	s.dropEvents()
}

// pairState returns the state of the pair.
func (s *script) pairState(local, remote netip.AddrPort) pairState {
	s.t.Helper()
	p := s.a.current.checkList.find(s.a.base(s.a.at(local)), remote)
	require.NotNil(s.t, p)
	return p.state
}
