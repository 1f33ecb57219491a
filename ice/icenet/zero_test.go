package icenet

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/link"
)

// The zero values of Conn and Driver are closed.
func TestZeroValues(t *testing.T) {
	var c Conn
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = c.Write(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, c.SetDeadline(time.Now()), net.ErrClosed)
	require.ErrorIs(t, c.SetReadDeadline(time.Now()), net.ErrClosed)
	require.ErrorIs(t, c.SetWriteDeadline(time.Now()), net.ErrClosed)
	_, err = c.Gather(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, c.Wait(t.Context()), net.ErrClosed)
	require.ErrorIs(t, c.SetRemote(ice.RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}), ice.ErrState)
	require.ErrorIs(t, c.AddRemoteCandidate(ice.Candidate{}), ice.ErrState)
	c.SetRemoteComplete()
	_, _, err = c.Restart()
	require.ErrorIs(t, err, ice.ErrState)
	require.Equal(t, ice.StateClosed, c.State())
	require.Equal(t, Stats{Stats: ice.Stats{State: ice.StateClosed}}, c.Stats())
	_, ok := c.Selected()
	require.False(t, ok)
	ufrag, pwd := c.LocalCredentials()
	require.Empty(t, ufrag+pwd)
	require.Nil(t, c.LocalAddr())
	require.Nil(t, c.RemoteAddr())
	require.NoError(t, c.Close())

	var d Driver
	require.Nil(t, d.Agent())
	d.Gather()
	_, ok = d.Event()
	require.False(t, ok)
	_, ok = d.Transmit(time.Now(), new(link.Batch))
	require.False(t, ok)
	require.ErrorIs(t, d.AddRemoteCandidate(time.Now(), ice.Candidate{Host: "h.example"}), ice.ErrState)
	require.Empty(t, d.Links())
	require.Nil(t, d.Path())
	d.Close()
	d.Wait()
}

// The given sockets belong to the Conn, also if there is none.
func TestNewConnClosesItsSocketsIfItFails(t *testing.T) {
	connected := must(net.Dial("udp", "127.0.0.1:9")).(*net.UDPConn)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx    context.Context
		config ice.Config
		second net.PacketConn
		err    error
	}{
		{canceled, ice.Config{}, nil, context.Canceled},
		{t.Context(), ice.Config{Ufrag: "x"}, nil, ice.ErrCredentials},
		{t.Context(), ice.Config{}, connected, nil},
	} {
		conn := must(net.ListenPacket("udp", "127.0.0.1:0"))
		sockets := []net.PacketConn{conn}
		if tt.second != nil {
			sockets = append(sockets, tt.second)
		}
		_, err := NewConn(tt.ctx, tt.config, Options{Sockets: sockets})
		require.Error(t, err)
		if tt.err != nil {
			require.ErrorIs(t, err, tt.err)
		}
		for _, s := range sockets {
			require.ErrorIs(t, s.SetDeadline(time.Time{}), net.ErrClosed)
		}
	}
}
