package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The zero value of an Agent behaves like one that is closed.
func TestZeroAgentIsClosed(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	path := Path{Base: 1, Remote: remote1}
	closed, err := NewAgent(Config{})
	require.NoError(t, err)
	closed.Close()
	for {
		if _, ok := closed.Event(); !ok {
			break
		}
	}
	for _, a := range []*Agent{new(Agent), closed} {
		_, err := a.AddLocal(now, Local{Addr: local1})
		require.ErrorIs(t, err, ErrState)
		require.ErrorIs(t, a.AddSTUNServer(now, remote1), ErrState)
		require.ErrorIs(t, a.Restart(now, "", ""), ErrState)
		require.ErrorIs(t, a.SetRemote(now, RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}), ErrState)
		c := Candidate{Component: 1, Addr: remote1, Type: CandidateTypeHost}
		require.ErrorIs(t, a.AddRemoteCandidate(now, c), ErrState)
		require.False(t, a.CancelRestart(now))
		require.False(t, a.RemoveLocal(now, 1))
		require.False(t, a.HasLocal(1))
		require.False(t, a.HasCredentials("", ""))
		require.False(t, a.Permits(path))
		a.LocalCredentials()
		a.SetControlling(now, true)
		require.True(t, a.Controlling())
		a.SetLocalComplete(now)
		a.SetRemoteComplete(now)
		a.ReceivedData(now, path)
		a.Receive(now, path, make([]byte, 20))
		a.Advance(now)
		_, _, ok := a.Transmit(now, nil)
		require.False(t, ok)
		require.True(t, a.Deadline().IsZero())
		pair, ok := a.Selected()
		require.False(t, ok)
		require.Zero(t, pair)
		require.Equal(t, Stats{State: StateClosed, Controlling: true}, a.Stats())
		_, ok = a.Event()
		require.False(t, ok)
		a.Close()
		require.Equal(t, StateClosed, a.State())
	}
}

// The other zero values are valid too.
func TestZeroValues(t *testing.T) {
	require.NotPanics(t, func() {
		require.Equal(t, "candidate: 0 udp 0  0 typ CandidateType(0)", Candidate{}.String())
		require.False(t, Candidate{}.WithAddr(netip.Addr{}).Addr.IsValid())
		require.Equal(t, "new", State(0).String())
		require.Equal(t, "", TCPType(0).String())
	})
}
