package link

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

var nowhere = netip.MustParseAddrPort("127.0.0.1:9")

// contents returns the packets of a batch.
func contents(w *Outbound) []string {
	var all []string
	if w.b != nil {
		for _, d := range w.b.datagrams {
			all = append(all, string(d.Data))
		}
	}
	return all
}

func TestReserveHasRoom(t *testing.T) {
	var w Outbound
	for _, n := range []int{0, 1, 1500, chunkSize, chunkSize + 1, 1 << 21} {
		b := w.Reserve(n)
		require.Empty(t, b)
		require.GreaterOrEqual(t, cap(b), n)
	}
	// A reservation that is not committed has no effect, and its buffers are freed.
	require.Zero(t, w.Len())
	require.Len(t, w.b.chunks, 1)
	w.Reset()
	require.Nil(t, w.b)
}

func TestCommitTakesReservedAndForeignPackets(t *testing.T) {
	var w Outbound
	w.Commit(append(w.Reserve(10), "one"...), nowhere)
	foreign := []byte("two")
	w.Commit(foreign, nowhere)
	copy(foreign, "xxx")
	w.Commit(append(w.Reserve(1), "a packet that is larger than what was asked for"...), nowhere)
	grown := append(w.Reserve(4)[:0:4], "this one has outgrown its buffer"...)
	w.Commit(grown, nowhere)
	w.Commit(nil, nowhere)
	w.Commit(append(w.Reserve(10), "last"...), nowhere)
	require.Equal(t, []string{"one", "two", "a packet that is larger than what was asked for", "this one has outgrown its buffer", "", "last"}, contents(&w))
	require.Equal(t, 6, w.Len())
	require.Equal(t, len("onetwoa packet that is larger than what was asked forthis one has outgrown its bufferlast"), w.Size())
	for i, d := range w.b.datagrams {
		require.Equal(t, i > 0, d.Follows)
	}
}

func TestCommitAsksForFlush(t *testing.T) {
	var w Outbound
	n := 0
	for !w.Commit(append(w.Reserve(1200), numbered(n, 1200)...), nowhere) {
		n++
	}
	require.GreaterOrEqual(t, w.Size(), MaxOutbound)
	require.Less(t, w.Size(), MaxOutbound+1200)
	// Further packets are still accepted.
	require.True(t, w.Commit(numbered(n+1, 1200), nowhere))
	for i, p := range contents(&w) {
		require.Equal(t, string(numbered(i, 1200)), p)
	}
	w.Reset()
	require.Zero(t, w.Len())
	require.Zero(t, w.Size())
}

func TestFollowsWithinAChunkOnly(t *testing.T) {
	var w Outbound
	for range 3 {
		w.Commit(make([]byte, chunkSize/2), nowhere)
	}
	w.Commit(make([]byte, 10), netip.MustParseAddrPort("127.0.0.1:10"))
	w.Commit(make([]byte, 10), nowhere)
	var follows []bool
	for _, d := range w.b.datagrams {
		follows = append(follows, d.Follows)
	}
	require.Equal(t, []bool{false, true, false, false, false}, follows)
}

func TestFlushOfNothing(t *testing.T) {
	var w Outbound
	require.NoError(t, w.Flush(nil))
	w.Reserve(100)
	require.NoError(t, w.Flush(nil))
	require.Nil(t, w.b)
}

// numbered returns a packet that contains a number.
func numbered(number, size int) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(number))[:size]
}
