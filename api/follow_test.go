package rtc

import (
	"net/netip"
	"testing"

	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/stretchr/testify/require"
)

// newTwoSocketPair makes two connections with two sockets each, of which their agents make bases as they do in a restart.
func newTwoSocketPair(t *testing.T) *pair {
	p := newPair(t, Configuration{}, Configuration{})
	for _, pc := range []*PeerConnection{p.a, p.a, p.b, p.b} {
		s := must(udp.ListenPort(netip.MustParseAddr("127.0.0.1"), 0, 0, udp.Options{}))
		bound := &socket{Socket: s, addr: s.LocalAddr()}
		pc.lock()
		pc.gather.sockets = append(pc.gather.sockets, bound)
		pc.readers.Go(func() { _ = s.Serve(func(b *udp.Batch) { pc.receive(bound, b) }) })
		pc.unlock()
	}
	return p
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
	return &path{socket: other, remote: used.remote}
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

// Only what is authentic, newer than all before, and from a pair that the peer has proven to be at, moves a connection.
func TestOldAndStrayRecordsDoNotMoveAConnection(t *testing.T) {
	p := newTwoSocketPair(t)
	a, b := p.connect("x", nil)
	require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	other := otherPath(t, p.a, p.b)
	before := *p.b.path.Load()
	seal := func() []byte {
		p.a.mu.Lock()
		defer p.a.mu.Unlock()
		return must(p.a.dtls.Seal(nil, make([]byte, 12)))
	}
	// receive makes b receive a record, which make may make as the newest of all: meanwhile b receives nothing else.
	receive := func(from netip.AddrPort, record func() []byte) {
		p.b.lock()
		defer p.b.unlock()
		p.b.receiveDatagram(before.socket, from, record())
	}
	held := seal()
	require.Equal(t, "y", string(exchange(t, a, b, Message{Data: []byte("y")}).Data))
	for _, replayed := range []uint64{0, 1} { // the second time it is a replay
		receive(other.socket.addr, func() []byte { return append([]byte(nil), held...) })
		require.Equal(t, replayed, p.b.dtls.Stats().Replayed)
		require.Equal(t, before, *p.b.path.Load())
	}
	strangers := p.b.Stats().StrangersDropped
	stranger := netip.AddrPortFrom(other.socket.addr.Addr(), 9)
	receive(stranger, seal)
	require.Equal(t, strangers+1, p.b.Stats().StrangersDropped)
	require.Equal(t, before, *p.b.path.Load())
	receive(other.socket.addr, seal)
	require.Equal(t, other.socket.addr, p.b.path.Load().remote)
}

// A socket is closed when the agent has freed it, and not before, whatever the time since the nomination.
func TestSocketsOfTheAgentStayOpen(t *testing.T) {
	p := newTwoSocketPair(t)
	a, b := p.connect("x", nil)
	for pc, peer := range map[*PeerConnection]*PeerConnection{p.a: p.b, p.b: p.a} {
		other := otherPath(t, pc, peer).socket
		pc.lock()
		pc.releaseSockets()
		require.Len(t, pc.gather.sockets, 2)
		pc.unlock()
		divert(t, pc, peer)
		pc.lock()
		pc.releaseSockets()
		require.Contains(t, pc.gather.sockets, other)
		pc.unlock()
	}
	require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
}
