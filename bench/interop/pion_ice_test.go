package interop_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	pionice "github.com/pion/ice/v4"
	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
	"github.com/stretchr/testify/require"
)

// iceSession has our icenet.Conn and pion's ice.Agent, without DTLS and SCTP.
type iceSession struct {
	t    *testing.T
	ours *icenet.Conn
	pion *pionice.Agent

	mu   sync.Mutex
	seen []ice.State
}

func newICESession(t *testing.T, config ice.Config, options ...pionice.AgentOption) *iceSession {
	s := &iceSession{t: t}
	ours, err := icenet.NewConn(t.Context(), config, icenet.Options{
		BindAddress: netip.MustParseAddr("127.0.0.1"),
		OnStateChange: func(state ice.State) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seen = append(s.seen, state)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ours.Close()) })
	options = append([]pionice.AgentOption{
		pionice.WithIncludeLoopback(),
		pionice.WithNetworkTypes([]pionice.NetworkType{pionice.NetworkTypeUDP4}),
		pionice.WithIPFilter(func(ip net.IP) bool { return ip.IsLoopback() }),
		pionice.WithMulticastDNSMode(pionice.MulticastDNSModeDisabled),
	}, options...)
	theirs, err := pionice.NewAgentWithOptions(options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, theirs.Close()) })
	s.ours, s.pion = ours, theirs
	return s
}

// states returns the states that our side has been in.
func (s *iceSession) states() []ice.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// signal exchanges credentials, and candidates as they are found.
func (s *iceSession) signal(lite bool) (pionUfrag, ourUfrag, ourPwd string) {
	ufrag, pwd, err := s.pion.GetLocalUserCredentials()
	require.NoError(s.t, err)
	require.NoError(s.t, s.ours.SetRemote(ice.RemoteParameters{Ufrag: ufrag, Pwd: pwd, Lite: lite}))
	require.NoError(s.t, s.pion.OnCandidate(func(c pionice.Candidate) {
		if c == nil {
			s.ours.SetRemoteComplete()
			return
		}
		parsed, err := ice.ParseCandidate("candidate:" + c.Marshal())
		if err != nil {
			s.t.Errorf("pion's candidate: %v", err)
			return
		}
		if err := s.ours.AddRemoteCandidate(parsed); err != nil {
			s.t.Errorf("add pion's candidate: %v", err)
		}
	}))
	candidates, err := s.ours.Gather(s.t.Context())
	require.NoError(s.t, err)
	for _, c := range candidates {
		parsed, err := pionice.UnmarshalCandidate(c.String())
		if err == nil {
			err = s.pion.AddRemoteCandidate(parsed)
		}
		require.NoError(s.t, err, "add our candidate to pion")
	}
	require.NoError(s.t, s.pion.GatherCandidates())
	ourUfrag, ourPwd = s.ours.LocalCredentials()
	return ufrag, ourUfrag, ourPwd
}

// connect starts the checks, and returns pion's end when it is connected.
func (s *iceSession) connect(pionControls, lite bool) *pionice.Conn {
	ctx, cancel := context.WithTimeout(s.t.Context(), pionPatience)
	defer cancel()
	_, ufrag, pwd := s.signal(lite)
	start := s.pion.Accept
	if pionControls {
		start = s.pion.Dial
	}
	conn, err := start(ctx, ufrag, pwd)
	require.NoError(s.t, err, "pion connects")
	require.NoError(s.t, s.ours.Wait(ctx), "we connect")
	return conn
}

// exchange sends datagrams in both directions.
func (s *iceSession) exchange(conn *pionice.Conn) {
	deadline := time.Now().Add(pionPatience)
	require.NoError(s.t, conn.SetReadDeadline(deadline))
	require.NoError(s.t, s.ours.SetReadDeadline(deadline))
	buf := make([]byte, 2000)
	for i := range 20 {
		datagram := noise(uint64(i), 60*(i+1))
		datagram[0] = 128 // not STUN
		for name, pipe := range map[string][2]net.Conn{"to pion": {s.ours, conn}, "from pion": {conn, s.ours}} {
			_, err := pipe[0].Write(datagram)
			require.NoError(s.t, err, name)
			n, err := pipe[1].Read(buf)
			require.NoError(s.t, err, name)
			require.Equal(s.t, datagram, buf[:n], name)
		}
	}
}

func TestPionICE(t *testing.T) {
	for _, controlling := range []bool{true, false} {
		t.Run(fmt.Sprintf("we control %v", controlling), func(t *testing.T) {
			s := newICESession(t, ice.Config{Controlling: controlling})
			conn := s.connect(!controlling, false)
			s.exchange(conn)
			selected, ok := s.ours.Selected()
			require.True(t, ok)
			pair, err := s.pion.GetSelectedCandidatePair()
			require.NoError(t, err)
			require.EqualValues(t, selected.Remote.Addr.Port(), pair.Local.Port())
			require.EqualValues(t, selected.Local.Addr.Port(), pair.Remote.Port())
		})
	}
}

// RFC 8445, section 6.1.1: "The full agent MUST take the controlling role". pion is lite, and sends no checks.
func TestPionICELite(t *testing.T) {
	s := newICESession(t, ice.Config{Controlling: true}, pionice.WithICELite(true),
		pionice.WithCandidateTypes([]pionice.CandidateType{pionice.CandidateTypeHost}))
	s.exchange(s.connect(false, true))
}

// RFC 8445, section 7.3.1.1: if both sides have the same role, the tie-breakers decide. They are random; several rounds
// cover both results.
func TestPionICERoleConflict(t *testing.T) {
	for _, controlling := range []bool{true, false} {
		for round := range 3 {
			t.Run(fmt.Sprintf("both controlling %v, round %d", controlling, round), func(t *testing.T) {
				s := newICESession(t, ice.Config{Controlling: controlling})
				s.exchange(s.connect(controlling, false))
			})
		}
	}
}

// RFC 7675: while the connection is idle, pion answers our consent checks, and our side answers its keepalives. Both stay
// connected for longer than their timeouts.
func TestPionICEConsent(t *testing.T) {
	const timeout = 2500 * time.Millisecond // of both sides; longer than the pauses of a busy machine
	config := ice.Config{Controlling: true, ConsentInterval: 200 * time.Millisecond,
		DisconnectedTimeout: timeout, ConsentTimeout: timeout}
	s := newICESession(t, config, pionice.WithKeepaliveInterval(100*time.Millisecond),
		pionice.WithDisconnectedTimeout(timeout), pionice.WithFailedTimeout(timeout))
	conn := s.connect(false, false)
	lost := make(chan fmt.Stringer, 16)
	require.NoError(t, s.pion.OnConnectionStateChange(func(state pionice.ConnectionState) {
		if state == pionice.ConnectionStateDisconnected || state == pionice.ConnectionStateFailed {
			lost <- state
		}
	}))
	select {
	case state := <-lost:
		t.Fatalf("one side is %v", state)
	case <-time.After(2*timeout + timeout/2):
	}
	require.NotContains(t, s.states(), ice.StateDisconnected)
	s.exchange(conn)
}
