package sctp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/rtcstack/rtcstack/internal/serial"
	"github.com/stretchr/testify/require"
)

// trackerModel computes the results of a tsnTracker by examining all TSNs.
type trackerModel struct {
	cum  uint32
	have map[uint32]bool
}

func (m *trackerModel) answerPending() {
	for m.have[m.cum+1] {
		m.cum++
	}
	for tsn := range m.have {
		if serial.LessEqual32(tsn, m.cum) {
			delete(m.have, tsn)
		}
	}
}

// blocks are the runs above cum.
func (m *trackerModel) blocks(reach uint32) (list []tsnRange) {
	for i := uint32(1); i <= reach; i++ {
		tsn := m.cum + i
		if !m.have[tsn] {
			continue
		}
		if n := len(list); n > 0 && list[n-1].last == tsn-1 {
			list[n-1].last = tsn
		} else {
			list = append(list, tsnRange{tsn, tsn})
		}
	}
	return list
}

func reportedBlocks(r *tsnTracker, n int) (list []tsnRange) {
	b, count := r.appendBlocks(nil, n)
	for ; len(b) > 0; b = b[4:] {
		list = append(list, tsnRange{r.cum + uint32(binary.BigEndian.Uint16(b)), r.cum + uint32(binary.BigEndian.Uint16(b[2:]))})
	}
	if count != len(list) {
		panic("the count is not that of the blocks")
	}
	return list
}

// TSNs arrive and are abandoned in any order, near and far, across the wrap of the numbers.
func TestTSNTrackerModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		reach := []uint32{3, 70, 300, 2000}[seed%4]
		first := []uint32{1, 0xffffff00, 0x7fffff80, r.Uint32()}[r.IntN(4)]
		var tracker tsnTracker
		tracker.init(first)
		model := trackerModel{first - 1, map[uint32]bool{}}
		for range 400 {
			tsn := model.cum + 1 + r.Uint32N(reach)
			switch k := r.IntN(20); {
			case k == 0:
				tsn = model.cum + r.Uint32N(reach/2+1)
				tracker.forward(tsn)
				model.cum = tsn
			case k == 1:
				tracker.shrink()
			case k == 2 && seed%5 == 0:
				tracker.skipTo(tracker.highest() + 1)
				model = trackerModel{tracker.cum, map[uint32]bool{}}
			case tracker.seen(tsn):
				require.True(t, model.have[tsn], "seed %d", seed)
			default:
				require.False(t, model.have[tsn], "seed %d", seed)
				tracker.add(tsn)
				model.have[tsn] = true
			}
			model.answerPending()
			want := model.blocks(reach)
			require.Equal(t, model.cum, tracker.cum, "seed %d", seed)
			require.Equal(t, want, reportedBlocks(&tracker, 1<<16), "seed %d", seed)
			require.Equal(t, len(want), tracker.blocks, "seed %d", seed)
			require.Equal(t, len(want) > 0, tracker.missing(), "seed %d", seed)
			if len(want) > 0 {
				require.Equal(t, want[len(want)-1].last, tracker.highest(), "seed %d", seed)
			} else {
				require.Equal(t, model.cum, tracker.highest(), "seed %d", seed)
			}
		}
	}
}

// If not all blocks fit, each SACK has the lowest, and a few SACKs together have them all, each
// ascending and with gaps in between as RFC 9260, section 3.3.4, requires.
func TestBlocksTakeTurns(t *testing.T) {
	for _, room := range []int{1, 2, 7, 50} {
		var tracker tsnTracker
		tracker.init(0xfffffff0)
		const holes = 300
		for i := range uint32(holes) {
			tracker.add(0xfffffff1 + 3*i)
		}
		named := map[uint32]bool{}
		for range 2*holes/room + 2 {
			list := reportedBlocks(&tracker, room)
			require.LessOrEqual(t, len(list), room)
			for i, b := range list {
				named[b.first] = true
				if i < room/2 {
					require.Equal(t, 0xfffffff1+3*uint32(i), b.first)
				}
				if i > 0 {
					require.Less(t, list[i-1].last-tracker.cum+1, b.first-tracker.cum)
				}
			}
		}
		require.Len(t, named, holes)
		// A block that was named grows on both sides and joins others.
		for i := range uint32(holes) {
			tracker.add(0xfffffff1 + 3*i + 1)
			reportedBlocks(&tracker, room)
		}
		require.Equal(t, holes, tracker.blocks)
	}
}

// tsnOrders are orders in which a peer may send. All are of TSNs up to the limit ahead, without the
// one that would advance the cumulative ack.
func tsnOrders() map[string][]uint32 {
	const n = maxTSNAhead - 1
	orders := map[string][]uint32{}
	every := func(step int) (list []uint32) {
		for i := 0; i < n; i += step {
			list = append(list, uint32(2+i))
		}
		return list
	}
	reversed := func(list []uint32) []uint32 {
		back := make([]uint32, len(list))
		for i, v := range list {
			back[len(list)-1-i] = v
		}
		return back
	}
	for _, step := range []int{1, 2, 3} {
		up := every(step)
		down := reversed(up)
		var ends, mixed []uint32
		for i := range up {
			ends = append(ends, []uint32{up[i/2], down[i/2]}[i&1])
		}
		mixed = append(mixed, up...)
		rand.New(rand.NewPCG(3, 4)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		orders[fmt.Sprintf("ascending by %d", step)] = up
		orders[fmt.Sprintf("descending by %d", step)] = down
		orders[fmt.Sprintf("from both ends by %d", step)] = ends
		orders[fmt.Sprintf("random by %d", step)] = mixed
	}
	// The gaps of one pass are filled from above by the next.
	orders["odd, then even, descending"] = append(reversed(every(2)), reversed(every(2))...)
	for i := n/2 + 1; i < len(orders["odd, then even, descending"]); i++ {
		orders["odd, then even, descending"][i]++
	}
	return orders
}

// The work for a TSN depends neither on the order of arrival nor on the number missing. The work
// for a SACK is a step for each block in it, and one for each 64 TSNs in between.
func TestTSNTrackerWork(t *testing.T) {
	t.Parallel()
	const (
		fits    = (DefaultMTU - commonHeaderSize - sackHeaderSize) / 4
		perTSN  = 4
		perSACK = 2*fits + maxTSNAhead/wordBits + 2*fits
	)
	for name, order := range tsnOrders() {
		t.Run(name, func(t *testing.T) {
			var r tsnTracker
			r.init(1)
			buf := make([]byte, 0, 4*fits)
			grown := 0
			for i, tsn := range order {
				before, words := r.above.steps, len(r.above.words)
				if r.seen(tsn) {
					continue
				}
				r.add(tsn)
				cost := r.above.steps - before
				if len(r.above.words) != words { // doubled at most ten times
					grown++
					cost -= 4 * len(r.above.words)
				}
				if cost > perTSN { // require is slow
					t.Fatalf("%d steps for a TSN", cost)
				}
				if i%7 == 0 {
					before = r.above.steps
					r.appendBlocks(buf, fits)
					if cost := r.above.steps - before; cost > perSACK {
						t.Fatalf("%d steps for a SACK", cost)
					}
				}
			}
			// The cumulative ack advances below all that, by DATA and by FORWARD-TSN.
			before := r.above.steps
			r.forward(r.cum) // nothing
			require.LessOrEqual(t, r.above.steps-before, 1)
			require.LessOrEqual(t, grown, 11)
			require.LessOrEqual(t, len(r.above.words), (maxTSNAhead+1)/wordBits)
			// The first gap is filled, and the runs above are passed once.
			blocks := r.blocks
			before = r.above.steps
			r.forward(r.highest())
			require.LessOrEqual(t, r.above.steps-before, 4*blocks+3*maxTSNAhead/wordBits)
			require.False(t, r.missing())
			for _, w := range r.above.words {
				require.Zero(t, w)
			}
		})
	}
}

// TSNs far above cost nothing while the cumulative ack advances below them, by DATA or by
// FORWARD-TSN, of which one packet holds a hundred.
func TestTSNTrackerWorkBelowARun(t *testing.T) {
	for name, goOn := range map[string]func(r *tsnTracker, tsn uint32){
		"DATA": (*tsnTracker).add, "FORWARD-TSN": (*tsnTracker).forward} {
		t.Run(name, func(t *testing.T) {
			var r tsnTracker
			r.init(1)
			for tsn := uint32(30_000); tsn < maxTSNAhead; tsn++ {
				r.add(tsn)
			}
			before := r.above.steps
			for tsn := uint32(1); tsn < 29_999; tsn++ {
				goOn(&r, tsn)
			}
			require.LessOrEqual(t, r.above.steps-before, 3*30_000)
			goOn(&r, 29_999)
			require.EqualValues(t, maxTSNAhead-1, r.cum)
			require.LessOrEqual(t, r.above.steps-before, 3*30_000+3*maxTSNAhead/wordBits)
		})
	}
}

func BenchmarkTSNTracker(b *testing.B) {
	for _, name := range []string{"ascending by 1", "descending by 1", "descending by 2", "random by 2"} {
		order := tsnOrders()[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var r tsnTracker
			for i := 0; b.Loop(); i++ {
				if i%len(order) == 0 {
					r.init(1)
				}
				if tsn := order[i%len(order)]; !r.seen(tsn) {
					r.add(tsn)
				}
			}
		})
	}
}
