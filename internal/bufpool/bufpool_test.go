package bufpool_test

import (
	"testing"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/race"
)

func TestGetRoundsUpToItsClass(t *testing.T) {
	for _, c := range []struct{ n, want int }{
		{0, 64}, {1, 64}, {64, 64}, {65, 128}, {1200, 2048}, {2048, 2048},
		{1 << 20, 1 << 20}, {1<<20 + 1, 1<<20 + 1},
	} {
		b := bufpool.Get(c.n)
		if len(b.B) != 0 || cap(b.B) != c.want {
			t.Errorf("for %d: length %d, capacity %d, want %d", c.n, len(b.B), cap(b.B), c.want)
		}
		b.Free()
	}
}

func TestGrowCopiesTheBytes(t *testing.T) {
	b := bufpool.Get(10)
	b.B = append(b.B, "0123456789"...)
	if b.Grow(54) != b {
		t.Error("another buffer, although there was room")
	}
	g := b.Grow(100)
	if g == b || string(g.B) != "0123456789" || cap(g.B)-len(g.B) < 100 {
		t.Errorf("%q with room for %d bytes", g.B, cap(g.B)-len(g.B))
	}
}

func TestGetAndFreeDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	allocations := testing.AllocsPerRun(1000, func() {
		b := bufpool.Get(1200)
		b.B = append(b.B, 1)
		b.Free()
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
