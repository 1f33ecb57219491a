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

// A kernel replaces sendmmsg: verdict returns the error of each message, and accepted messages are
// really sent.
type kernel struct {
	verdict func(m message) unix.Errno
	most    int // messages accepted at once; 0: all
	calls   []message
}

// A message is one element of a sendmmsg.
type message struct {
	segmented bool
	bytes     int
	to        netip.AddrPort
}

func (k *kernel) sendmmsg(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	if k.most > 0 {
		messages = messages[:min(len(messages), k.most)]
	}
	for i := range messages {
		h := &messages[i].Hdr
		m := message{
			segmented: h.Control != nil,
			bytes:     int(h.Iov.Len),
			to:        (*sockaddr)(unsafe.Pointer(h.Name)).addrPort(new(zones)),
		}
		k.calls = append(k.calls, m)
		if errno := k.verdict(m); errno != 0 {
			// sendmmsg(2): after a message that was sent, an error is not returned, and the call
			// succeeds.
			if i > 0 {
				return i, 0
			}
			return 0, errno
		}
		if n, errno := sendmmsg(fd, messages[i:i+1]); n != 1 {
			return i, errno
		}
	}
	return len(messages), 0
}

// A sendTest sends numbered datagrams through a kernel and checks that they arrive once and in
// order.
type sendTest struct {
	*testing.T
	kernel   *kernel
	from, to *Socket
	in       *inbox
	sent     int
	w        link.Outbound
}

func newSendTest(t *testing.T, k *kernel) *sendTest {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	st := &sendTest{T: t, kernel: k, from: listen(t, addr, Options{}), to: listen(t, addr, Options{})}
	if !st.from.Stats().GSO {
		t.Skip("the kernel has no UDP GSO")
	}
	st.from.os.calls.sendmmsg = k.sendmmsg
	st.in = newInbox(t, st.to)
	return st
}

// add commits count datagrams of a size.
func (st *sendTest) add(count, size int) {
	for range count {
		st.w.Commit(numbered(st.sent, size), st.to.LocalAddr())
		st.sent++
	}
}

// flush sends them, and checks all arrivals so far.
func (st *sendTest) flush() {
	st.Helper()
	require.NoError(st, st.w.Flush(st.from))
	got := st.in.wait(st, st.sent)
	require.Len(st, got, st.sent)
	for i, p := range got {
		require.Equal(st, string(numbered(i, len(p))), p)
	}
	require.EqualValues(st, st.sent, st.from.Stats().Sent)
}

func refuseSegmentation(errno unix.Errno) func(message) unix.Errno {
	return func(m message) unix.Errno {
		if m.segmented {
			return errno
		}
		return 0
	}
}

func TestDeviceWithoutChecksumsTurnsSegmentationOff(t *testing.T) {
	st := newSendTest(t, &kernel{verdict: refuseSegmentation(unix.EIO)})
	st.add(3, 50)
	st.add(10, 1200)
	st.flush()
	require.False(t, st.from.Stats().GSO)
	// It is not tried again.
	st.kernel.calls = nil
	st.add(5, 1200)
	st.flush()
	for _, m := range st.kernel.calls {
		require.False(t, m.segmented)
	}
}

func TestRepeatedRefusalTurnsSegmentationOff(t *testing.T) {
	st := newSendTest(t, &kernel{verdict: refuseSegmentation(unix.EINVAL)})
	for range maxGSORefusals {
		require.True(t, st.from.Stats().GSO)
		st.add(5, 1200)
		st.flush()
	}
	require.False(t, st.from.Stats().GSO)
}

func TestRefusalForAPassingReasonLeavesSegmentationOn(t *testing.T) {
	st := newSendTest(t, &kernel{verdict: refuseSegmentation(unix.ENOBUFS)})
	for range maxGSORefusals + 1 {
		st.add(5, 1200)
		st.flush()
	}
	require.True(t, st.from.Stats().GSO)
}

func TestTooLargeForThePathLeavesSegmentationOn(t *testing.T) {
	// Segments that exceed the MTU give EINVAL as one message and EMSGSIZE one by one.
	st := newSendTest(t, &kernel{verdict: func(m message) unix.Errno {
		switch {
		case m.segmented && m.bytes%1300 == 0:
			return unix.EINVAL
		case m.bytes >= 1300 && !m.segmented:
			return unix.EMSGSIZE
		}
		return 0
	}})
	for range maxGSORefusals + 1 {
		st.add(4, 1000)
		for range 4 {
			st.w.Commit(numbered(0, 1300), st.to.LocalAddr())
		}
		err := st.w.Flush(st.from)
		require.ErrorIs(t, err, unix.EMSGSIZE)
		var sendError *SendError
		require.ErrorAs(t, err, &sendError)
		require.Equal(t, 4, sendError.Count)
	}
	require.True(t, st.from.Stats().GSO)
	st.flush()
}

func TestPartialSend(t *testing.T) {
	for _, most := range []int{1, 2, 7} {
		st := newSendTest(t, &kernel{most: most, verdict: func(message) unix.Errno { return 0 }})
		for i := range 200 {
			st.add(1+i%3, 100+i%5)
		}
		st.flush()
	}
}

func TestNoRoomWaits(t *testing.T) {
	k := &kernel{most: 5, verdict: func(message) unix.Errno { return 0 }}
	st := newSendTest(t, k)
	calls := 0
	st.from.os.calls.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		if calls++; calls%2 == 0 {
			return k.sendmmsg(fd, messages)
		}
		// The poller waits until room becomes free in the send buffer, which is when a datagram
		// leaves it.
		go func() {
			_ = unix.Sendto(int(fd), []byte("x"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
		}()
		return 0, unix.EAGAIN
	}
	for i := range 60 {
		st.add(1, 1000+i)
	}
	st.flush()
	require.GreaterOrEqual(t, calls, 24)
}

func TestErrorOfOneDestination(t *testing.T) {
	other := netip.MustParseAddrPort("127.0.0.2:9")
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EINVAL, unix.EACCES, unix.ENOBUFS} {
		st := newSendTest(t, &kernel{verdict: func(m message) unix.Errno {
			if m.to == other {
				return errno
			}
			return 0
		}})
		for range 70 {
			st.add(3, 1200)
			st.w.Commit(numbered(0, 1200), other)
			st.w.Commit(numbered(0, 1200), other)
			st.add(1, 1200)
		}
		err := st.w.Flush(st.from)
		var sendError *SendError
		require.ErrorAs(t, err, &sendError)
		require.Equal(t, SendError{To: other, Count: 140, Err: errno}, *sendError)
		st.flush()
	}
}

func TestErrorOfAnOlderDatagram(t *testing.T) {
	pending := 1
	st := newSendTest(t, &kernel{verdict: func(message) unix.Errno {
		if pending > 0 {
			pending--
			return unix.ECONNREFUSED
		}
		return 0
	}})
	st.add(10, 1000)
	st.flush()

	pending = 1000
	st.w.Commit(numbered(0, 4), st.to.LocalAddr())
	require.ErrorIs(t, st.w.Flush(st.from), unix.ECONNREFUSED)
	require.Equal(t, 1000-1-maxResends, pending)
}

func TestRuns(t *testing.T) {
	a, b := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.1:10")
	type sizes []int
	for _, tt := range []struct {
		name string
		to   netip.AddrPort // of every second datagram
		data sizes
		want []run
	}{
		{"equal", a, sizes{5, 5, 5}, []run{{0, 3}}},
		{"the last may be smaller", a, sizes{5, 5, 4, 4}, []run{{0, 3}, {3, 1}}},
		{"larger", a, sizes{5, 6}, []run{{0, 1}, {1, 1}}},
		{"empty", a, sizes{5, 0, 0, 5}, []run{{0, 1}, {1, 1}, {2, 1}, {3, 1}}},
		{"destinations", b, sizes{5, 5}, []run{{0, 1}, {1, 1}}},
		{"bytes", a, sizes{30000, 30000, 5507, 1}, []run{{0, 3}, {3, 1}}},
		{"too many bytes", a, sizes{30000, 30000, 5508}, []run{{0, 2}, {2, 1}}},
		{"segments", a, make(sizes, 130), []run{{0, 64}, {64, 64}, {128, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
			s.os.gso.Store(true)
			var o link.Outbound
			for i, size := range tt.data {
				to := a
				if i%2 == 1 {
					to = tt.to
				}
				if len(tt.data) == 130 {
					size = 10
				}
				o.Commit(make([]byte, size), to)
			}
			w := senderPool.Get().(*sender)
			w.socket, w.datagrams = s, o.Datagrams()
			w.makeMessages()
			require.Equal(t, tt.want, w.runs[:w.made])
			for i, r := range w.runs[:w.made] {
				h := &w.messages[i].Hdr
				require.Equal(t, r.count > 1, h.Control != nil)
				if r.count > 1 {
					require.EqualValues(t, len(w.datagrams[r.first].Data), w.controls[i].size)
				}
			}
		})
	}
}

func TestSockaddr(t *testing.T) {
	var z zones
	for _, s := range []string{"192.0.2.1:1", "255.255.255.255:65535", "[2001:db8::1]:258", "[fe80::1%lo]:5000", "[fe80::1%4242424]:5000"} {
		t.Run(s, func(t *testing.T) {
			ap := netip.MustParseAddrPort(s)
			if ap.Addr().Zone() == "lo" {
				if _, err := net.InterfaceByName("lo"); err != nil {
					t.Skip("the system does not list its interfaces:", err)
				}
			}
			var a sockaddr
			n := a.set(ap, ap.Addr().Is6(), &z)
			require.Equal(t, ap, a.addrPort(&z))
			bytes := (*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&a))[:n]
			require.Equal(t, ap.Port(), uint16(bytes[2])<<8|uint16(bytes[3]), "the port is in network byte order")
		})
	}
	var a sockaddr
	a.set(netip.MustParseAddrPort("[fe80::1%none]:1"), true, &z)
	require.Zero(t, a.raw.Scope_id)
}

func TestSegmentSizeIsReadInEachForm(t *testing.T) {
	b := readPool.Get().(*readBuffers)
	defer readPool.Put(b)
	for i := range b.messages {
		b.prepare(i)
	}
	c, h := &b.controls[0], &b.messages[0].Hdr
	c.header.Level, c.header.Type = unix.SOL_UDP, unix.UDP_GRO
	*(*int32)(unsafe.Pointer(&c.data)) = 1200
	h.SetControllen(unix.CmsgLen(4))
	require.Equal(t, 1200, b.segmentSize(0))
	*(*uint16)(unsafe.Pointer(&c.data)) = 1300
	h.SetControllen(unix.CmsgLen(2))
	require.Equal(t, 1300, b.segmentSize(0))
	h.SetControllen(0)
	require.Zero(t, b.segmentSize(0))
	c.header.Type = unix.UDP_SEGMENT
	h.SetControllen(unix.CmsgLen(4))
	require.Zero(t, b.segmentSize(0))
	b.prepare(0)
}
