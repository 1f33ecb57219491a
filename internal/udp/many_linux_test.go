package udp

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

// counted makes a socket count its sendmmsg calls and their messages.
type counted struct {
	calls     int
	messages  int
	segmented int
}

func count(s *Socket) *counted {
	c := &counted{}
	s.os.calls.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
		n, errno := sendmmsg(fd, messages)
		c.calls++
		c.messages += max(n, 0)
		for i := range n {
			if messages[i].Hdr.Control != nil {
				c.segmented++
			}
		}
		return n, errno
	}
	return c
}

// peerAddr returns an address of 127.0.0.0/8: a socket that is bound to all addresses receives for
// thousands of peers.
func peerAddr(i int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(1 + i)}), port)
}

// In one batch of a socket that thousands of connections share, datagrams to different peers leave
// in one system call, and a run to one peer is one message.
func TestOneBatchForManyPeers(t *testing.T) {
	from := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	to := listen(t, netip.MustParseAddrPort("0.0.0.0:0"), Options{})
	if !from.Stats().GSO {
		t.Skip("the kernel has no UDP GSO")
	}
	in := newInbox(t, to)
	port := to.LocalAddr().Port()
	c := count(from)
	var w link.Outbound
	total := 0
	flush := func() {
		t.Helper()
		require.NoError(t, w.Flush(from))
		for i, p := range in.wait(t, total)[:total] {
			require.Equal(t, string(numbered(i, len(p))), p, "all arrive, in order")
		}
	}
	commit := func(peer, size int) {
		w.Commit(numbered(total, size), peerAddr(peer, port))
		total++
	}

	// A SACK for each of 64 peers takes one system call, and for 200 peers four.
	for peer := range writeMessages {
		commit(peer, 80)
	}
	flush()
	require.Equal(t, counted{calls: 1, messages: writeMessages}, *c)
	*c = counted{}
	for peer := range 200 {
		commit(peer, 80)
	}
	flush()
	require.Equal(t, counted{calls: 4, messages: 200}, *c)

	// Runs for some peers and single packets for others: a message for each.
	*c = counted{}
	for peer := range 30 {
		for range 5 {
			commit(peer, 400)
		}
		commit(100+peer, 80)
	}
	flush()
	require.Equal(t, counted{calls: 1, messages: 60, segmented: 30}, *c)

	// A peer that cannot be reached costs only its own packets.
	*c = counted{}
	for peer := range 20 {
		commit(peer, 300)
		w.Commit(numbered(0, 300), netip.MustParseAddrPort("127.0.0.1:0")) // an unused port
	}
	err := w.Flush(from)
	require.ErrorIs(t, err, unix.EINVAL)
	var sendError *SendError
	require.ErrorAs(t, err, &sendError)
	require.Equal(t, 20, sendError.Count)
	flush()
}

// The packets of a video frame, all full but the last, leave in one system call as one message.
func TestOneFrameIsOneSystemCall(t *testing.T) {
	from, to := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{}), listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if !from.Stats().GSO {
		t.Skip("the kernel has no UDP GSO")
	}
	in := newInbox(t, to)
	c := count(from)
	var w link.Outbound
	const packets = 25 // 30 KB: a frame at 7 Mbit/s and 30 frames a second
	for i := range packets {
		size := 1200
		if i == packets-1 {
			size = 417
		}
		require.False(t, w.Commit(append(w.Reserve(size), numbered(i, size)...), to.LocalAddr()), "a frame fits in a batch")
	}
	require.NoError(t, w.Flush(from))
	require.Equal(t, counted{calls: 1, messages: 1, segmented: 1}, *c)
	require.Equal(t, string(numbered(packets-1, 417)), in.wait(t, packets)[packets-1])
}

// Thousands of peers do not make a socket allocate: it keeps nothing for an address.
func TestManyPeersDoNotAllocate(t *testing.T) {
	skipUnderRace(t)
	from := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	to := listen(t, netip.MustParseAddrPort("0.0.0.0:0"), Options{ReadBuffer: -1})
	port := to.LocalAddr().Port() // it is not read: datagrams that do not fit are dropped
	payload := make([]byte, 100)
	next := 0
	round := func() {
		var w link.Outbound
		for range 100 {
			next++
			w.Commit(append(w.Reserve(len(payload)), payload...), peerAddr(next%5000, port))
		}
		if err := w.Flush(from); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		round()
	}
	require.Less(t, testing.AllocsPerRun(100, round), 5.0)
}
