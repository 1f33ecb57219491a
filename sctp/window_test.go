package sctp

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// With interleaving, a sender that serves its streams in turn has a partly sent message on each. If
// those together exceed the window, no reader can free any of it, and the window has to grow:
// otherwise the sender can complete them only by a chunk for each window probe.
func TestWindowGrowsForIncompleteMessages(t *testing.T) {
	const streams, size = 200, 50_000
	link := netsim.LinkConfig{Rate: 100e6, Delay: 10 * time.Millisecond}
	p := newPair(t, 1, Config{MaxSendBuffer: 2 * streams * size}, Config{}, link, link)
	p.connect()
	got := 0
	p.b.onData = func(m Message) {
		stream, n := checkPayload(t, m.Data)
		require.Equal(t, m.Stream, stream)
		require.Zero(t, n)
		got++
	}
	sent := 0
	p.a.pending = func(now time.Time) {
		for ; sent < streams; sent++ {
			if p.a.Send(now, uint16(sent), 53, payload(nil, uint16(sent), 0, size), SendOptions{}) != nil {
				return
			}
		}
	}
	p.Poke(p.a)
	p.run(func() bool { return got == streams }, 3*time.Second) // 0.8 s at the link's rate
	require.Less(t, p.b.Stats().ChunksNoRoom, uint64(10))
}
