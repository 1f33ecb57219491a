package udp

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
)

// wantServed waits until Serve of a closed socket has returned. Then its port is free, and it has
// no goroutine.
func wantServed(t *testing.T, s *Socket, served <-chan error) {
	t.Helper()
	select {
	case err := <-served:
		require.NoError(t, err)
	case <-time.After(patience):
		require.Fail(t, "Serve does not return after Close")
	}
	require.Empty(t, drains(s), "a goroutine of the backlog has not ended")
	if s.packets == nil {
		again, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.LocalAddr()))
		require.NoError(t, err, "the port is free")
		require.NoError(t, again.Close())
	}
}

// drains returns the stacks of the goroutines that send the backlog of a socket.
func drains(s *Socket) (stacks []string) {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, method := range []string{"drain", "drainOneByOne"} {
			if strings.Contains(stack, fmt.Sprintf("(*Socket).%s(%p", method, s)) {
				stacks = append(stacks, stack)
			}
		}
	}
	return stacks
}

// blockWrites makes calls of WriteToUDPAddrPort wait, as they do without room in the system, until
// proceed is called.
func blockWrites(t *testing.T, conn *net.UDPConn) (proceed func()) {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	holding, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = raw.Write(func(uintptr) bool {
			close(holding)
			<-release
			return true
		})
	}()
	<-holding
	return func() {
		close(release)
		<-ended
	}
}

// On a system on which every call may block, Send does not call the system: a goroutine sends the
// datagrams, STUN first and the rest in order.
func TestQueuedSendNeverWaits(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	s, to := listen(t, addr, Options{queued: true}), listen(t, addr, Options{})
	in := newInbox(t, to)
	send := func(packets ...string) {
		t.Helper()
		var w link.Outbound
		for _, p := range packets {
			w.Commit([]byte(p), to.LocalAddr())
		}
		require.NoError(t, w.Flush(s))
	}
	proceed := blockWrites(t, s.conn)
	send("data 1")
	// The goroutine takes the first one, and waits.
	for deadline := time.Now().Add(patience); !waitsToWrite(s); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
	}
	send("data 2", "\x00stun", "data 3")
	require.True(t, s.Congested())
	clear := make(chan struct{})
	require.True(t, s.NotifyClear(func() { close(clear) }))
	require.Zero(t, s.Stats().Sent)
	proceed()
	<-clear
	require.False(t, s.Congested())
	require.Equal(t, []string{"data 1", "\x00stun", "data 2", "data 3"}, in.wait(t, 4))
	require.EqualValues(t, 4, s.Stats().Sent)
	require.Zero(t, s.Stats().Unsent+s.Stats().Dropped)

	// Errors are counted.
	var w link.Outbound
	w.Commit([]byte("x"), netip.MustParseAddrPort("[::1]:9"))
	require.NoError(t, w.Flush(s))
	for deadline := time.Now().Add(patience); s.Congested(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
	}
	require.EqualValues(t, 1, s.Stats().Unsent)
}

// waitsToWrite reports whether the goroutine of the backlog is in a call that waits.
func waitsToWrite(s *Socket) bool {
	stacks := drains(s)
	return len(stacks) == 1 && strings.Contains(stacks[0], "fdMutex")
}

// The datagrams that were queued before Close are sent if there is room soon, and dropped
// otherwise. Serve returns after that.
func TestQueuedClose(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, room := range []bool{true, false} {
		addr := netip.MustParseAddrPort("127.0.0.1:0")
		s, to := listen(t, addr, Options{queued: true}), listen(t, addr, Options{})
		in := newInbox(t, to)
		served := make(chan error, 1)
		go func() { served <- s.Serve(func(*link.Inbound) { t.Error("received") }) }()
		proceed := blockWrites(t, s.conn)
		var w link.Outbound
		w.Commit([]byte("one"), to.LocalAddr())
		w.Commit([]byte("two"), to.LocalAddr())
		require.NoError(t, w.Flush(s))
		require.NoError(t, s.Close())
		require.True(t, s.Congested(), "Close does not wait")
		w.Commit([]byte("late"), to.LocalAddr())
		require.ErrorIs(t, w.Flush(s), net.ErrClosed)
		if room {
			proceed()
			require.Equal(t, []string{"one", "two"}, in.wait(t, 2))
		} else {
			for deadline := time.Now().Add(patience); s.Congested(); time.Sleep(time.Millisecond) {
				require.True(t, time.Now().Before(deadline))
			}
			proceed() // the conn is closed when its last call has returned
		}
		wantServed(t, s, served)
	}
}
