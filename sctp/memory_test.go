package sctp

import (
	"runtime"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// In a steady state a message causes no allocation on either side, whatever its size and options
// and the congestion control.
func TestNoAllocationInSteadyState(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector sync.Pool drops buffers at random")
	}
	for _, c := range []struct {
		name string
		cfg  Config
		size int
		opt  SendOptions
	}{
		{"small", Config{}, 100, SendOptions{}},
		{"one packet", Config{}, 1100, SendOptions{}},
		{"64 KiB", Config{}, 64 << 10, SendOptions{}},
		{"unordered", Config{}, 3000, SendOptions{Unordered: true}},
		{"limited", Config{}, 3000, SendOptions{LimitRetransmits: true, Lifetime: time.Second}},
		{"without interleaving", Config{DisableInterleaving: true}, 20_000, SendOptions{}},
		{"NewReno", Config{CongestionControl: CongestionNewReno}, 20_000, SendOptions{}},
		{"CUBIC", Config{CongestionControl: CongestionCUBIC}, 20_000, SendOptions{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Rand = fixedRand(ownTag, ownTSN)
			p := newMemoryPipe(t, c.cfg)
			msg := make([]byte, c.size)
			batch := max(10, 500_000/c.size)
			p.run(20*batch, msg, c.opt) // until rings and pools have their sizes
			require.Less(t, testing.AllocsPerRun(10, func() { p.run(batch, msg, c.opt) }), float64(batch)/100)
		})
	}
}

// idleBytes bounds the memory of an established association with nothing in flight: its struct and
// the memory that a first message has left allocated.
const idleBytes = 5 << 10

// A server has thousands of associations that are idle most of the time.
func TestIdleMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector's memory is not ours")
	}
	const pairs = 10_000
	before := heap()
	all := make([]*Association, 0, 2*pairs)
	now := time.Unix(1_700_000_000, 0)
	buf := make([]byte, 0, 1500)
	message := make([]byte, 1000)
	move := func(from, to *Association) bool {
		packet, ok := from.Transmit(now, buf)
		if ok {
			to.Receive(now, packet)
		}
		return ok
	}
	settle := func(a, b *Association) {
		for move(a, b) || move(b, a) {
		}
		for _, x := range []*Association{a, b} {
			for _, ok := x.Event(); ok; _, ok = x.Event() {
			}
			for m, ok := x.ReadMessage(); ok; m, ok = x.ReadMessage() {
				x.Release(now, &m)
			}
		}
	}
	for range pairs {
		a, b := mustNew(Config{}), mustNew(Config{})
		a.Connect(now)
		b.Connect(now)
		settle(a, b)
		for _, x := range []*Association{a, b} {
			require.Equal(t, StateEstablished, x.State())
			for stream := range uint16(2) {
				require.NoError(t, x.Send(now, stream, 51, message, SendOptions{}))
			}
		}
		for range 3 {
			settle(a, b)
			now = now.Add(100 * time.Millisecond)
			a.Advance(now)
			b.Advance(now)
		}
		require.Zero(t, a.BufferedAmount()+b.BufferedAmount())
		all = append(all, a, b)
	}
	report := func(what string) int {
		per := (int(heap()) - int(before)) / len(all)
		t.Logf("%s: %.1f KiB for an association", what, float64(per)/1024)
		return per
	}
	report("after the first messages")
	// The heartbeat frees memory.
	for i := 0; i < len(all); i += 2 {
		for range 3 {
			now = now.Add(40 * time.Second)
			all[i].Advance(now)
			all[i+1].Advance(now)
			settle(all[i], all[i+1])
			now = now.Add(-40 * time.Second)
		}
	}
	require.Less(t, report("idle"), idleBytes)
	runtime.KeepAlive(all)
}
