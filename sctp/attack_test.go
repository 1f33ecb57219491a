package sctp

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/cputime"
	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// Bounds of the memory and the work that a peer can cause. A careless change would exceed them by
// far; they are not measurements.
const (
	// attackMemory is for a receive window of 1 MiB.
	attackMemory = 12 << 20
	// attackWork bounds the work of an attacker's chunk, in multiples of that of an honest peer's;
	// all are below 10, and quadratic work was at 300.
	attackWork = 60
)

// flood delivers n chunks, as many in a packet as fit, without the checks of a script.
type flood struct {
	s     *script
	buf   []byte
	count int
}

func newFlood(t testing.TB, params ...any) *flood {
	s := newScript(t, Config{MaxReceiveWindow: 1 << 20, MaxMessageSize: 256 << 10, HeartbeatInterval: -1})
	s.connect(initAck(peerTag, peerTSN, params...))
	s.hold = true
	return &flood{s: s}
}

func (f *flood) add(chunk []byte) {
	if len(f.buf)+len(chunk) > 1180 {
		f.flush()
	}
	f.buf = append(f.buf, chunk...)
	f.count++
}

func (f *flood) flush() {
	f.s.now = f.s.now.Add(10 * time.Microsecond)
	f.s.a.Receive(f.s.now, packet(ownTag, f.buf))
	f.buf = f.buf[:0]
	var out [2048]byte
	for _, ok := f.s.a.Transmit(f.s.now, out[:0]); ok; _, ok = f.s.a.Transmit(f.s.now, out[:0]) {
	}
}

// measure runs an attack and returns its CPU time for 100,000 chunks, and the memory that stays
// allocated.
func (f *flood) measure(attack func()) (work time.Duration, held int) {
	before := heap()
	start := clock()
	attack()
	f.flush()
	work = (clock() - start) * 100_000 / time.Duration(f.count)
	held = int(heap()) - int(before)
	return work, held
}

var began = time.Now()

// clock returns the CPU time of the process, which does not run while the machine does other work;
// where the system does not report it, the wall-clock time.
func clock() time.Duration {
	if used, ok := cputime.Process(); ok {
		return used
	}
	return time.Since(began)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the pools' victims, too
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// honestWork is the CPU time of 100,000 ordered messages of one byte.
func honestWork(t testing.TB) time.Duration {
	f := newFlood(t, supportsAll)
	work, _ := f.measure(func() {
		for i := range uint32(100_000) {
			f.add(data(peerTSN+i, 1, uint16(i), "BE", "x"))
			for m, ok := f.s.a.ReadMessage(); ok; m, ok = f.s.a.ReadMessage() {
				f.s.a.Release(f.s.now, &m)
			}
		}
	})
	return work
}

func TestAttacks(t *testing.T) {
	if race.Enabled {
		t.Skip("what is measured would be the race detector's")
	}
	whole := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name   string
		params []byte
		attack func(f *flood)
		dead   bool // the attacker's own messages cannot get through any more
	}{
		{"a million fragments that never complete", supportsAll, func(f *flood) {
			for i := range uint32(1_000_000) {
				f.add(data(peerTSN+2*(i%32_000), 1, 0, "UB", "x"))
			}
		}, true},
		{"the same with TSNs from above", supportsAll, func(f *flood) {
			for i := range uint32(100_000) {
				f.add(data(peerTSN+65_000-2*(i%32_000), 1, 0, "UB", "x"))
			}
		}, true},
		{"middles of a message, never joined", supportsIData, func(f *flood) {
			for i := range uint32(100_000) {
				f.add(iData(peerTSN+i, uint16(i%1000), "", i/1000, 2*i, "x"))
			}
		}, true},
		{"begun messages after a large one", supportsAll, func(f *flood) {
			// The large one makes the reassembly expect others of its size.
			for i := range uint32(64) {
				flags := map[uint32]string{0: "UB", 63: "UE"}[i]
				if flags == "" {
					flags = "U"
				}
				f.add(data(peerTSN+i, 1, 0, flags, whole))
			}
			f.flush()
			m, ok := f.s.a.ReadMessage()
			require.True(f.s.t, ok)
			f.s.a.Release(f.s.now, &m)
			for i := range uint32(20_000) {
				f.add(data(peerTSN+64+2*i, 1, 0, "UB", "x"))
			}
		}, true},
		{"small messages of two fragments after a large one, unread", supportsAll, func(f *flood) {
			for i := range uint32(64) {
				flags := map[uint32]string{0: "UB", 63: "UE"}[i]
				if flags == "" {
					flags = "U"
				}
				f.add(data(peerTSN+i, 1, 0, flags, whole))
				f.flush()
			}
			f.flush()
			m, ok := f.s.a.ReadMessage()
			require.True(f.s.t, ok)
			f.s.a.Release(f.s.now, &m)
			for i := range uint32(20_000) {
				f.s.a.reasm.lastSize = maxSizeHint
				f.add(data(peerTSN+64+2*i, 1, 0, "UB", "x"))
				f.add(data(peerTSN+65+2*i, 1, 0, "UE", "x"))
				f.flush()
			}
		}, true},
		{"begun messages on all streams after a large one", supportsIData, func(f *flood) {
			for i := range uint32(65) {
				flags, fsn := map[uint32]string{0: "UB", 64: "UE"}[i], i
				if flags == "" {
					flags = "U"
				}
				f.add(iData(peerTSN+i, 1, flags, 0, fsn, whole))
			}
			f.flush()
			m, ok := f.s.a.ReadMessage()
			require.True(f.s.t, ok)
			f.s.a.Release(f.s.now, &m)
			for i := range uint32(20_000) {
				f.add(iData(peerTSN+65+i, uint16(i%1000), "B", i/1000, 51, "x"))
			}
		}, true},
		{"one large message by single bytes, from its end", supportsAll, func(f *flood) {
			for i := range uint32(65_000) {
				f.add(data(peerTSN+65_000-i, 1, 0, "", "x"))
			}
		}, false},
		{"large messages by single bytes, never ended", supportsAll, func(f *flood) {
			for base := uint32(0); base < 1_000_000; base += 50_000 {
				for i := range uint32(50_000) {
					f.add(data(peerTSN+base+50_000-i, 1, 0, map[bool]string{true: "B", false: ""}[i == 49_999 && base%200_000 == 0], "x"))
				}
				f.add(data(peerTSN+base, 1, 0, "UBE", "x")) // lets the cumulative ack go on
			}
		}, true},
		{"a window full of holes, and FORWARD-TSNs", supportsAll, func(f *flood) {
			for i := range uint32(20_000) {
				f.add(data(peerTSN+30_000+2*i, 1, 0, "UB", "x"))
			}
			for i := range uint32(20_000) {
				f.add(forwardTSN(peerTSN+i, 2, uint16(i)))
			}
		}, true},
		{"the same interleaved, with long lists", supportsIData, func(f *flood) {
			for i := range uint32(10_000) {
				f.add(iData(peerTSN+30_000+i, uint16(i%1000), "", 1+i/1000, 5, "x"))
			}
			for i := range uint32(500) {
				list := fields(peerTSN + i)
				for id := range uint16(140) {
					list = fields(list, id, uint16(id&1), uint32(0))
				}
				f.add(rawChunk(194, 0, list))
				f.count += 139
			}
		}, true},
		{"ordered messages that wait, in reverse", supportsAll, func(f *flood) {
			for i := range uint32(30_000) {
				f.add(data(peerTSN+30_000-i, 1, uint16(30_000-i), "BE", "x"))
			}
		}, false},
		{"streams that do not exist, every second TSN in reverse", supportsAll, func(f *flood) {
			for i := range uint32(32_000) {
				f.add(data(peerTSN+64_000-2*i, 60_000, 0, "BE", "x"))
			}
		}, false},
		{"stream resets", supportsAll, func(f *flood) {
			for i := range uint32(20_000) {
				f.add(outgoingReset(peerTSN+i, peerTSN-1, uint16(i%1000)))
				for _, ok := f.s.a.Event(); ok; _, ok = f.s.a.Event() {
				}
			}
		}, false},
		{"SACKs of alternating gaps", supportsAll, func(f *flood) {
			for range 2000 {
				if f.s.a.Send(f.s.now, 1, 51, []byte("x"), SendOptions{}) != nil {
					break
				}
				f.s.now = f.s.now.Add(time.Millisecond)
				f.flush()
			}
			n := f.s.a.out.next - ownTSN
			var even, odd []uint32
			for i := uint32(2); i+1 < min(n, 500); i += 2 {
				even, odd = append(even, ownTSN+i, ownTSN+i), append(odd, ownTSN+i+1, ownTSN+i+1)
			}
			for range 300 {
				f.add(sack(ownTSN, even...))
				f.add(sack(ownTSN, odd...))
				f.count += len(even) / 2
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f *flood
			for try := 1; ; try++ { // others may have had the caches
				honest := honestWork(t)
				f = newFlood(t, c.params)
				work, held := f.measure(func() { c.attack(f) })
				t.Logf("%.1f times the work, and %d KiB", float64(work)/float64(honest), held>>10)
				require.Less(t, held, attackMemory)
				if work < attackWork*honest {
					break
				}
				require.Less(t, try, 3, "%v for 100,000 chunks", work)
			}
			require.LessOrEqual(t, f.s.a.Stats().Held, 3<<20+1000)
			if !c.dead {
				require.True(t, f.s.a.open)
			}
			runtime.KeepAlive(f)
		})
	}
}
