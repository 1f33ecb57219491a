package rtc

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// newTwoSocketPair makes two connections with two sockets each.
func newTwoSocketPair(t *testing.T) *pair {
	p := newPair(t, Configuration{}, Configuration{})
	require.NoError(t, p.a.bindForTest())
	require.NoError(t, p.a.bindForTest())
	require.NoError(t, p.b.bindForTest())
	require.NoError(t, p.b.bindForTest())
	return p
}

// divert makes a connection send from its other socket, which its agent has not selected, and returns the socket's address.
func divert(t *testing.T, from, to *PeerConnection) netip.AddrPort {
	t.Helper()
	eventually(t, "nominated", func() bool { return from.ICEState() == ICEStateCompleted && to.ICEState() == ICEStateCompleted })
	from.mu.Lock()
	used := from.path.Load()
	var other *socket
	for _, s := range from.gather.sockets {
		if s != used.socket {
			other = s
		}
	}
	from.mu.Unlock()
	require.NotNil(t, other)
	eventually(t, "the peer has checked the other pair", func() bool {
		to.mu.Lock()
		defer to.mu.Unlock()
		return to.agent.Permits(used.remote, other.addr)
	})
	from.path.Store(&path{socket: other, remote: used.remote})
	return other.addr
}

// A controlling peer that sends on another pair than it has nominated is answered there.
func TestControlledConnectionFollowsItsPeer(t *testing.T) {
	p := newTwoSocketPair(t)
	a, b := p.connect("x", nil)
	for range 2 { // there and back
		to := divert(t, p.a, p.b)
		eventually(t, "the peer's traffic is followed", func() bool {
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
			require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
			return must(p.b.RemoteAddr()) == to
		})
		require.Len(t, p.b.gather.sockets, 2)
	}
}

// A controlling connection takes what its peer sends on another pair than it has nominated, and stays where it is.
func TestControllingConnectionTakesWhatComesElsewhere(t *testing.T) {
	p := newTwoSocketPair(t)
	a, b := p.connect("x", nil)
	before := *p.a.path.Load()
	divert(t, p.b, p.a)
	for range 10 {
		require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
		require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
	}
	require.Equal(t, before, *p.a.path.Load())
	require.Zero(t, p.a.Stats().StrangersDropped)
}

// Datagrams that are not authentic, or old, do not move a connection, not even from a pair that is valid.
func TestForgeriesDoNotMoveAConnection(t *testing.T) {
	p := newTwoSocketPair(t)
	a, b := p.connect("x", nil)
	require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	before := *p.b.path.Load()
	divert(t, p.a, p.b)
	forged := p.a.path.Load()
	p.a.path.Store(&path{socket: p.a.gather.socket(before.remote), remote: forged.remote})
	dropped := func() uint64 {
		s := p.b.dtls.Stats()
		return s.BadMAC + s.Discarded
	}
	already := dropped()
	p.a.mu.Lock()
	for _, first := range []byte{20, 21, 22, 23} {
		datagram := append([]byte{first, 0xfe, 0xfd, 0, 1, 0, 0, 0xff, 0, 0, first, 0, 40}, make([]byte, 40)...)
		p.a.batch(forged.socket, append(p.a.out.writer.Reserve(100), datagram...), forged.remote)
	}
	p.a.send()
	p.a.mu.Unlock()
	eventually(t, "dropped", func() bool { return dropped()-already == 4 })
	require.Equal(t, before, *p.b.path.Load())
	require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
}

// The side that made the offer controls from then on, not only from the answer on: checks of the peer, which is controlled, arrive
// before that.
func TestRolesDoNotConflict(t *testing.T) {
	p := newTwoSocketPair(t)
	p.connect("x", nil)
	for pc, controlling := range map[*PeerConnection]bool{p.a: true, p.b: false} {
		s := pc.Stats().ICE
		require.Equal(t, controlling, s.Controlling)
		require.Zero(t, s.RoleConflicts)
	}
}
