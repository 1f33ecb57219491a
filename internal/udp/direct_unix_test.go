//go:build unix && !aix

package udp

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
)

// Where the system has no room for a datagram, a goroutine sends that and the later ones. Those
// before it are not sent again.
func TestPortableSendNeverWaits(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	s, to := listen(t, addr, Options{portable: true}), listen(t, addr, Options{})
	in := newInbox(t, to)
	taken, interrupted := 0, false
	s.direct.sendto = func(fd int, data []byte, flags int, to syscall.Sockaddr) error {
		switch {
		case !interrupted:
			interrupted = true
			return syscall.EINTR
		case taken == 2:
			return syscall.EAGAIN
		}
		taken++
		return syscall.Sendto(fd, data, flags, to)
	}
	proceed := blockWrites(t, s.conn)
	var w link.Outbound
	for _, p := range []string{"1", "2", "3", "4"} {
		w.Commit([]byte(p), to.LocalAddr())
	}
	require.NoError(t, w.Flush(s))
	require.True(t, s.Congested())
	require.EqualValues(t, 2, s.Stats().Sent)
	w.Commit([]byte("5"), to.LocalAddr())
	require.NoError(t, w.Flush(s))
	clear := make(chan struct{})
	require.True(t, s.NotifyClear(func() { close(clear) }))
	proceed()
	<-clear
	require.False(t, s.Congested())
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, in.wait(t, 5))
	require.EqualValues(t, 5, s.Stats().Sent)

	taken = 0
	w.Commit([]byte("6"), to.LocalAddr())
	require.NoError(t, w.Flush(s))
	require.False(t, s.Congested(), "there is room again")
	require.Equal(t, "6", in.wait(t, 6)[5])
}
