package udp

import (
	"net"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

// listenOn is Listen on a system with other system calls.
func listenOn(t *testing.T, calls calls, options Options) *Socket {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	s := newSocket(conn)
	s.conn, s.families = conn, ipv4
	s.os.calls = calls
	require.NoError(t, s.configure(options.complete(), false))
	t.Cleanup(func() { s.Close() })
	return s
}

// needBatches skips a test of recvmmsg and sendmmsg on a system that lacks one of them, such as an
// emulator of another processor.
func needBatches(t *testing.T) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		if _, errno := sendmmsg(fd, nil); errno != 0 {
			t.Skip("the system has no sendmmsg:", errno)
		}
		if _, errno := recvmmsg(fd, nil); errno != 0 {
			t.Skip("the system has no recvmmsg:", errno)
		}
	}))
}

// without returns the calls of a system without some socket options.
func without(unknown ...int) calls {
	c := systemCalls
	c.getsockoptInt = func(fd, level, option int) (int, error) {
		for _, u := range unknown {
			if level == unix.SOL_UDP && option == u {
				return 0, unix.ENOPROTOOPT
			}
		}
		return unix.GetsockoptInt(fd, level, option)
	}
	c.setsockoptInt = func(fd, level, option, value int) error {
		for _, u := range unknown {
			if level == unix.SOL_UDP && option == u {
				return unix.ENOPROTOOPT
			}
		}
		return unix.SetsockoptInt(fd, level, option, value)
	}
	return c
}

// A kernel before 4.18 has neither option, one before 5.0 only UDP_SEGMENT. UDP_SEGMENT must then
// never be in a control message, which the kernel would ignore: the peer would get one large
// datagram.
func TestKernelsWithoutTheOptions(t *testing.T) {
	needBatches(t)
	for _, tt := range []struct {
		name     string
		unknown  []int
		gso, gro bool
	}{
		{"4.17", []int{unix.UDP_SEGMENT, unix.UDP_GRO}, false, false},
		{"4.18", []int{unix.UDP_GRO}, true, false},
		{"today", nil, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			system := without(tt.unknown...)
			segmented := 0
			system.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
				for i := range messages {
					if messages[i].Hdr.Control != nil {
						segmented++
					}
				}
				return sendmmsg(fd, messages)
			}
			from, to := listenOn(t, system, Options{}), listenOn(t, system, Options{})
			stats := from.Stats()
			require.True(t, stats.Batch)
			if tt.gso && !stats.GSO {
				t.Skip("this kernel has no UDP_SEGMENT")
			}
			require.Equal(t, tt.gso, stats.GSO)
			require.False(t, to.Stats().GRO, "not before the socket is in use")
			in := newInbox(t, to)
			var w link.Outbound
			for i := range 40 {
				w.Commit(numbered(i, 1200), to.LocalAddr())
			}
			require.NoError(t, w.Flush(from))
			for i, p := range in.wait(t, 40) {
				require.Equal(t, string(numbered(i, 1200)), p)
			}
			require.Equal(t, tt.gso, segmented > 0)
			require.Equal(t, tt.gro, to.Stats().GRO)
		})
	}
}

// A socket works on a system without any of the options, such as some sandboxes.
func TestSystemWithoutAnyOption(t *testing.T) {
	system := systemCalls
	system.getsockoptInt = func(int, int, int) (int, error) { return 0, unix.ENOPROTOOPT }
	system.setsockoptInt = func(int, int, int, int) error { return unix.EPERM }
	s := listenOn(t, system, Options{})
	in := newInbox(t, s)
	var w link.Outbound
	w.Commit([]byte("hello"), s.LocalAddr())
	require.NoError(t, w.Flush(s))
	require.Equal(t, []string{"hello"}, in.wait(t, 1))
}

// Kernels before 3.0 have no sendmmsg, those before 2.6.33 no recvmmsg, and sandboxes forbid them
// with EPERM. Such a system takes one datagram a call, and must not merge any, because they would
// not be split.
func TestSystemWithoutBatches(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		refuse := func(uintptr, []unix.Mmsghdr) (int, unix.Errno) { return 0, errno }
		noSend, noReceive := systemCalls, systemCalls
		noSend.sendmmsg, noReceive.recvmmsg = refuse, refuse
		for name, system := range map[string]calls{"sendmmsg": noSend, "recvmmsg": noReceive} {
			t.Run(errno.Error()+"/"+name, func(t *testing.T) {
				s := listenOn(t, system, Options{})
				require.Equal(t, Stats{}, s.Stats(), "no level in use")
				best := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
				var w link.Outbound
				for i := range 20 {
					w.Commit(numbered(i, 500), s.LocalAddr())
				}
				require.NoError(t, w.Flush(best), "as one message, if the kernel can")
				for i := range 20 {
					w.Commit(numbered(20+i, 500), s.LocalAddr())
				}
				require.NoError(t, w.Flush(s))
				in := newInbox(t, s)
				for i, p := range in.wait(t, 40) {
					require.Equal(t, string(numbered(i, 500)), p)
				}
			})
		}
	}
}

// After errors of a read (of an ICMP message, or for lack of memory) and interruptions, no datagram
// is lost.
func TestTemporaryReadErrors(t *testing.T) {
	needBatches(t)
	errors := []unix.Errno{unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENOMEM, unix.EINTR, unix.ENOBUFS}
	system := systemCalls
	system.recvmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		if len(messages) > 0 && len(errors) > 0 {
			errno := errors[0]
			errors = errors[1:]
			return 0, errno
		}
		return recvmmsg(fd, messages)
	}
	s := listenOn(t, system, Options{})
	in := newInbox(t, s)
	var w link.Outbound
	for i := range 20 {
		w.Commit(numbered(i, 500+i), s.LocalAddr())
	}
	require.NoError(t, w.Flush(s))
	for i, p := range in.wait(t, 20) {
		require.Equal(t, string(numbered(i, 500+i)), p)
	}
	require.Empty(t, errors, "each error has occurred")
}

// A socket whose reads all fail ends Serve with the error, instead of a busy loop.
func TestBrokenSocketEndsServe(t *testing.T) {
	system := systemCalls
	// The call exists, and sends nothing.
	system.sendmmsg = func(uintptr, []unix.Mmsghdr) (int, unix.Errno) { return 0, 0 }
	calls := 0
	system.recvmmsg = func(_ uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		if len(messages) == 0 {
			return 0, 0 // the test whether the call exists
		}
		calls++
		return 0, unix.EIO
	}
	s := listenOn(t, system, Options{})
	require.ErrorIs(t, s.Serve(func(*link.Inbound) {}), unix.EIO)
	require.Equal(t, maxReadErrors, calls)
}

// Serve passes on the buffers that the kernel has written: the reader copies nothing.
func TestTheReaderDoesNotCopy(t *testing.T) {
	needBatches(t)
	type span struct{ from, to uintptr }
	var buffers []span
	system := systemCalls
	system.recvmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		buffers = buffers[:0]
		for i := range messages {
			base := uintptr(unsafe.Pointer(messages[i].Hdr.Iov.Base))
			buffers = append(buffers, span{base, base + uintptr(messages[i].Hdr.Iov.Len)})
		}
		return recvmmsg(fd, messages)
	}
	s := listenOn(t, system, Options{})
	const count = 100
	seen := make(chan int, count)
	serve(t, s, func(b *link.Inbound) {
		for i := range b.Len() {
			data, _ := b.At(i)
			at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
			inside := false
			for _, buffer := range buffers {
				inside = inside || buffer.from <= at && at+uintptr(len(data)) <= buffer.to
			}
			if !inside {
				t.Error("a datagram lies outside the buffers that the kernel was given")
			}
		}
		seen <- b.Len()
	})
	var w link.Outbound
	for i := range count {
		w.Commit(numbered(i, 1000), s.LocalAddr())
	}
	require.NoError(t, w.Flush(s))
	for n := 0; n < count; {
		n += <-seen
	}
}
