package rtc

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/stretchr/testify/require"
)

// connectTwoSockets connects two sides with two sockets each, of which their agents make bases as they do in a restart, and
// returns when the nomination is over. A busy machine may have nominated a pair before all four were checked, which
// ends the checks of the others: then it tries again.
func connectTwoSockets(t *testing.T) (p *pair, a, b *DataChannel) {
	t.Helper()
	for range 100 {
		p := newPair(t, Configuration{}, Configuration{})
		for _, pc := range []*PeerConnection{p.a, p.a, p.b, p.b} {
			s := must(udp.ListenPort(netip.MustParseAddr("127.0.0.1"), 0, 0, udp.Options{}))
			bound := &socket{Socket: s, addr: s.LocalAddr()}
			pc.lock()
			pc.gather.sockets = append(pc.gather.sockets, bound)
			pc.readers.Go(func() { _ = s.Serve(func(b *udp.Batch) { pc.receive(bound, b) }) })
			pc.unlock()
		}
		a, b := p.connect("x", nil)
		eventually(t, "nominated", func() bool {
			return p.a.ICEState() == ICEStateCompleted && p.b.ICEState() == ICEStateCompleted
		})
		if p.a.Stats().ICE.ValidPairs == 4 && p.b.Stats().ICE.ValidPairs == 4 {
			require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
			require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
			return p, a, b
		}
		require.NoError(t, p.a.CloseAndWait())
		require.NoError(t, p.b.CloseAndWait())
	}
	t.Fatal("the pairs are never all valid")
	return nil, nil, nil
}

// divert makes a connection send from its other socket, which its agent has not selected, and returns the socket's address.
func divert(t *testing.T, from, to *PeerConnection) netip.AddrPort {
	t.Helper()
	other := otherPath(t, from, to)
	from.path.Store(other)
	return other.socket.addr
}

// otherPath returns a path of a connection from its other socket, on which its peer accepts data.
func otherPath(t *testing.T, from, to *PeerConnection) *path {
	t.Helper()
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
	to.mu.Lock()
	defer to.mu.Unlock()
	require.True(t, to.agent.Permits(used.remote, other.addr), "the peer has checked the other pair")
	return &path{socket: other, remote: used.remote}
}

// A controlling peer that sends on another pair than it has nominated is answered there.
func TestControlledConnectionFollowsItsPeer(t *testing.T) {
	p, a, b := connectTwoSockets(t)
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
	p, a, b := connectTwoSockets(t)
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
	p, a, b := connectTwoSockets(t)
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
	p, _, _ := connectTwoSockets(t)
	for pc, controlling := range map[*PeerConnection]bool{p.a: true, p.b: false} {
		s := pc.Stats().ICE
		require.Equal(t, controlling, s.Controlling)
		require.Zero(t, s.RoleConflicts)
	}
}

// Only what is authentic, newer than all before, and from a pair that the peer has proven to be at, moves a connection.
func TestOldAndStrayRecordsDoNotMoveAConnection(t *testing.T) {
	p, a, b := connectTwoSockets(t)
	other := otherPath(t, p.a, p.b)
	before := *p.b.path.Load()
	seal := func() []byte {
		p.a.mu.Lock()
		defer p.a.mu.Unlock()
		return must(p.a.dtls.Seal(nil, make([]byte, 12)))
	}
	// receive makes b receive a record, which record may make as the newest of all, and returns b's path after it. Meanwhile b
	// receives nothing else.
	receive := func(from netip.AddrPort, record func() []byte) path {
		p.b.lock()
		defer p.b.unlock()
		p.b.receiveDatagram(before.socket, from, record())
		p.b.flush()
		return *p.b.path.Load()
	}
	held := seal()
	require.Equal(t, "y", string(exchange(t, a, b, Message{Data: []byte("y")}).Data))
	for _, replayed := range []uint64{0, 1} { // the second time it is a replay
		require.Equal(t, before, receive(other.socket.addr, func() []byte { return append([]byte(nil), held...) }))
		require.Equal(t, replayed, p.b.dtls.Stats().Replayed)
	}
	strangers := p.b.Stats().StrangersDropped
	stranger := netip.AddrPortFrom(other.socket.addr.Addr(), 9)
	require.Equal(t, before, receive(stranger, seal))
	require.Equal(t, strangers+1, p.b.Stats().StrangersDropped)
	eventually(t, "the newest record moves it", func() bool { // once a second at most
		return receive(other.socket.addr, seal).remote == other.socket.addr
	})
}

// A socket is closed when the agent has freed it, and not before, whatever the time since the nomination.
func TestSocketsOfTheAgentStayOpen(t *testing.T) {
	p, a, b := connectTwoSockets(t)
	for pc, peer := range map[*PeerConnection]*PeerConnection{p.a: p.b, p.b: p.a} {
		other := otherPath(t, pc, peer).socket
		pc.lock()
		pc.releaseSockets()
		require.Len(t, pc.gather.sockets, 2)
		pc.unlock()
		divert(t, pc, peer)
		pc.lock()
		pc.releaseSockets()
		require.True(t, slices.Contains(pc.gather.sockets, other))
		pc.unlock()
	}
	require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
}
