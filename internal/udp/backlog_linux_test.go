package udp

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

// narrow is a socket whose sendmmsg returns EAGAIN until the test sets room.
type narrow struct {
	*Socket
	to   *Socket
	in   *inbox
	room atomic.Bool
}

func newNarrow(t *testing.T) *narrow {
	needBatches(t)
	n := &narrow{}
	calls := systemCalls
	calls.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		if len(messages) > 0 && !n.room.Load() {
			return 0, unix.EAGAIN
		}
		return sendmmsg(fd, messages)
	}
	n.Socket = listenOn(t, calls, Options{})
	n.to = listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	n.in = newInbox(t, n.to)
	return n
}

func (n *narrow) send(t *testing.T, packets ...string) {
	t.Helper()
	var w link.Outbound
	for _, p := range packets {
		w.Commit([]byte(p), n.to.LocalAddr())
	}
	require.NoError(t, w.Flush(n))
}

// makeRoom lets the system accept datagrams again, and wakes the runtime's poller: a datagram that
// leaves frees room.
func (n *narrow) makeRoom(t *testing.T) {
	t.Helper()
	n.room.Store(true)
	require.NoError(t, n.os.raw.Control(func(fd uintptr) {
		require.NoError(t, unix.Sendto(int(fd), []byte("poke"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}))
	}))
}

// A socket without room in the system queues datagrams and reports congestion. When there is room,
// it sends STUN first, and the rest in order.
func TestSendNeverWaits(t *testing.T) {
	n := newNarrow(t)
	require.False(t, n.Congested())
	require.False(t, n.NotifyClear(func() { t.Error("called") }))
	n.send(t, "data 1", "data 2")
	require.True(t, n.Congested())
	n.send(t, "data 3", "\x00stun 1", "data 4", "\x01stun 2")
	clear := make(chan struct{})
	require.True(t, n.NotifyClear(func() { close(clear) }))
	require.Zero(t, n.Stats().Sent)

	n.makeRoom(t)
	<-clear
	require.False(t, n.Congested())
	require.Equal(t, []string{"\x00stun 1", "\x01stun 2", "data 1", "data 2", "data 3", "data 4"}, n.in.wait(t, 6))
	require.EqualValues(t, 6, n.Stats().Sent)
	require.Zero(t, n.Stats().Dropped)

	n.send(t, "direct")
	require.Equal(t, "direct", n.in.wait(t, 7)[6])
}

// The datagrams of a batch that the system has accepted are not sent again.
func TestBacklogBeginsWhereTheSystemStops(t *testing.T) {
	n := newNarrow(t)
	taken := 0
	n.os.calls.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		if taken == 2 && !n.room.Load() {
			return 0, unix.EAGAIN
		}
		taken++
		return sendmmsg(fd, messages[:1])
	}
	n.send(t, "1", "22", "333", "4444") // each longer than the one before: four messages
	require.True(t, n.Congested())
	require.EqualValues(t, 2, n.Stats().Sent)
	n.makeRoom(t)
	require.Equal(t, []string{"1", "22", "333", "4444"}, n.in.wait(t, 4))
}

// The backlog is bounded, and STUN still finds room in it.
func TestBacklogIsBounded(t *testing.T) {
	n := newNarrow(t)
	packet := make([]byte, 1000)
	packet[0] = 0x80
	for range 2 * maxBacklog / len(packet) {
		n.send(t, string(packet))
	}
	require.LessOrEqual(t, n.backlog.lanes[1].out.Size(), maxBacklog)
	require.Greater(t, n.backlog.lanes[1].out.Size(), maxBacklog-len(packet)-1)
	require.Greater(t, n.Stats().Dropped, int64(maxBacklog/len(packet)-2))
	before := n.Stats().Dropped
	n.send(t, "\x00stun")
	require.Equal(t, before, n.Stats().Dropped)
	packet[0] = 0
	for range 2 * maxUrgentBacklog / len(packet) {
		n.send(t, string(packet))
	}
	require.LessOrEqual(t, n.backlog.lanes[0].out.Size(), maxUrgentBacklog)
	require.Greater(t, n.Stats().Dropped, before)
}

// The datagrams that were queued before Close are sent when there is room. Serve returns after
// that, and drops what arrives meanwhile.
func TestCloseSendsTheBacklog(t *testing.T) {
	n := newNarrow(t)
	served := make(chan error, 1)
	go func() { served <- n.Serve(func(*link.Inbound) { t.Error("received") }) }()
	n.send(t, "one", "two")
	require.NoError(t, n.Close())
	var w link.Outbound
	w.Commit([]byte("unwanted"), n.LocalAddr())
	require.NoError(t, w.Flush(n.to))
	n.makeRoom(t)
	require.Equal(t, []string{"one", "two"}, n.in.wait(t, 2))
	wantServed(t, n.Socket, served)
}

// Without room, Close drops the backlog after a time, and notifies the waiters.
func TestCloseEndsCongestion(t *testing.T) {
	t.Parallel() // it mostly waits
	n := newNarrow(t)
	served := make(chan error, 1)
	go func() { served <- n.Serve(func(*link.Inbound) {}) }()
	n.send(t, "never")
	clear := make(chan struct{})
	require.True(t, n.NotifyClear(func() { close(clear) }))
	require.NoError(t, n.Close())
	select {
	case <-clear:
	case <-time.After(patience):
		t.Fatal("the function passed to NotifyClear is not called")
	}
	require.False(t, n.Congested())
	var w link.Outbound
	w.Commit([]byte("late"), n.to.LocalAddr())
	require.ErrorIs(t, w.Flush(n), net.ErrClosed)
	wantServed(t, n.Socket, served)
}
