package bufpool_test

import (
	"testing"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

func TestGetRoundsUpToItsClass(t *testing.T) {
	for _, c := range []struct{ n, want int }{
		{0, 64}, {1, 64}, {64, 64}, {65, 128}, {1200, 2048}, {2048, 2048},
		{1 << 20, 1 << 20}, {1<<20 + 1, 1<<20 + 1},
	} {
		b := bufpool.Get(c.n)
		require.Equal(t, c.want, cap(b.B), "for %d", c.n)
		require.Empty(t, b.B)
		b.Free()
	}
}

func TestGrowCopiesTheBytes(t *testing.T) {
	b := bufpool.Get(10)
	b.B = append(b.B, "0123456789"...)
	require.Same(t, b, b.Grow(54))
	g := b.Grow(100)
	require.NotSame(t, b, g)
	require.Equal(t, "0123456789", string(g.B))
	require.GreaterOrEqual(t, cap(g.B)-len(g.B), 100)
}

func TestGetAndFreeDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		b := bufpool.Get(1200)
		b.B = append(b.B, 1)
		b.Free()
	}))
}
