package netsim

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// oneWay sends count packets of size bytes over a link, one each pace, and runs until all have
// arrived.
func oneWay(t *testing.T, size, count int, pace time.Duration, config LinkConfig) (*script, LinkStats) {
	t.Helper()
	s := New(1)
	a, b := &script{size: size, count: count, pace: pace}, &script{}
	path := Connect(s, a, b, config, LinkConfig{})
	require.NoError(t, s.RunFor(time.Duration(count)*pace+time.Hour))
	stats := path.AB.Stats()
	require.EqualValues(t, count, stats.Sent)
	require.EqualValues(t, count*size, stats.SentBytes)
	require.Equal(t, stats.Sent+stats.Duplicated, stats.Delivered+stats.Lost+stats.Dropped+stats.TooLarge+stats.Filtered)
	require.EqualValues(t, len(b.got), stats.Delivered)
	return b, stats
}

func TestDelay(t *testing.T) {
	b, _ := oneWay(t, 100, 10, time.Second, LinkConfig{Delay: 50 * time.Millisecond})
	for i, at := range b.at {
		require.Equal(t, epoch.Add(time.Duration(i)*time.Second+50*time.Millisecond), at)
	}
}

func TestRate(t *testing.T) {
	// 1,250 bytes are 10,000 bits: 10 ms at 1 Mbit/s. Packets sent at the same time are transmitted
	// one after the other.
	b, stats := oneWay(t, 1250, 100, 0, LinkConfig{Rate: 1_000_000, Delay: time.Second})
	for i, at := range b.at {
		require.Equal(t, epoch.Add(time.Second+time.Duration(i+1)*10*time.Millisecond), at)
	}
	require.Equal(t, 990*time.Millisecond, stats.MaxQueueDelay)
	require.Equal(t, 99*1250, stats.MaxQueueBytes)
}

func TestQueueDropsTail(t *testing.T) {
	// One packet is being transmitted, four wait, and the others find the queue full.
	b, stats := oneWay(t, 1250, 100, 0, LinkConfig{Rate: 1_000_000, Queue: 4 * 1250})
	require.Equal(t, []uint32{0, 1, 2, 3, 4}, b.got)
	require.EqualValues(t, 95, stats.Dropped)
	require.Equal(t, 40*time.Millisecond, stats.MaxQueueDelay)
	require.Equal(t, 4*1250, stats.MaxQueueBytes)
}

func TestSetConfigDuringRun(t *testing.T) {
	s := New(1)
	a, b := &script{size: 1250, count: 20}, &script{}
	path := Connect(s, a, b, LinkConfig{Rate: 1_000_000}, LinkConfig{})
	require.NoError(t, s.Run(received(b, 10), time.Second))
	require.Equal(t, 100*time.Millisecond, s.Elapsed())
	require.Equal(t, 100*time.Millisecond, path.AB.QueueDelay())

	// The transmission in progress ends at the old rate; the nine queued packets have the new one.
	path.AB.SetConfig(LinkConfig{Rate: 100_000})
	require.Equal(t, 910*time.Millisecond, path.AB.QueueDelay())
	require.NoError(t, s.Run(received(b, 20), time.Minute))
	require.Equal(t, 1010*time.Millisecond, s.Elapsed())
	require.Zero(t, path.AB.QueueDelay())
}

func TestLoss(t *testing.T) {
	_, stats := oneWay(t, 100, 100_000, time.Microsecond, LinkConfig{Loss: 0.05})
	require.InDelta(t, 5000, stats.Lost, 300)
}

func TestBurstLoss(t *testing.T) {
	// The bad state lasts 1/0.25 = 4 packets and the link spends 0.01/(0.01+0.25) of the time in
	// it.
	b, stats := oneWay(t, 100, 100_000, time.Microsecond, LinkConfig{Burst: Burst{PGoodToBad: 0.01, PBadToGood: 0.25}})
	require.InDelta(t, 100_000*0.01/0.26, stats.Lost, 500)
	bursts := 0
	for i := 1; i < len(b.got); i++ {
		if b.got[i] != b.got[i-1]+1 {
			bursts++
		}
	}
	require.InDelta(t, 4, float64(stats.Lost)/float64(bursts), 0.4)

	_, stats = oneWay(t, 100, 100_000, time.Microsecond, LinkConfig{Loss: 0.01, Burst: Burst{PGoodToBad: 0.5, PBadToGood: 0.5, LossBad: 0.1}})
	require.InDelta(t, 100_000*(0.5*0.1+0.01), stats.Lost, 600)
}

func TestJitterKeepsOrder(t *testing.T) {
	b, _ := oneWay(t, 100, 1000, time.Millisecond, LinkConfig{Delay: 10 * time.Millisecond, Jitter: 20 * time.Millisecond})
	require.True(t, slices.IsSorted(b.got))
	var least, most time.Duration = time.Hour, 0
	for i, at := range b.at {
		delay := at.Sub(epoch.Add(time.Duration(i) * time.Millisecond))
		least, most = min(least, delay), max(most, delay)
	}
	require.GreaterOrEqual(t, least, 10*time.Millisecond)
	require.LessOrEqual(t, most, 30*time.Millisecond)
	require.Greater(t, most-least, 10*time.Millisecond)
}

func TestReorder(t *testing.T) {
	b, stats := oneWay(t, 100, 10_000, time.Millisecond, LinkConfig{Reorder: 0.1, ReorderDelay: 3500 * time.Microsecond})
	require.InDelta(t, 1000, stats.Reordered, 150)
	require.Len(t, b.got, 10_000)
	late := int64(0)
	for i, at := range b.at {
		switch at.Sub(epoch.Add(time.Duration(b.got[i]) * time.Millisecond)) {
		case 0:
		case 3500 * time.Microsecond:
			late++
		default:
			t.Fatal("a packet is neither on time nor reordered")
		}
	}
	require.Equal(t, stats.Reordered, late)
}

func TestDuplicate(t *testing.T) {
	b, stats := oneWay(t, 100, 10_000, 0, LinkConfig{Duplicate: 0.1})
	require.InDelta(t, 1000, stats.Duplicated, 150)
	require.True(t, slices.IsSorted(b.got))
	require.Len(t, slices.Compact(b.got), 10_000)
}

func TestCorrupt(t *testing.T) {
	for _, size := range []int{4, 5, 1200} {
		s := New(1)
		a, b := &script{size: size, count: 3000}, &script{}
		inverted := make([]int, 5)
		want := make([]byte, size)
		number := uint32(0)
		b.onPacket = func(_ time.Time, got []byte) {
			binary.BigEndian.PutUint32(want, number)
			number++
			n := 0
			for i := range got {
				n += bits.OnesCount8(got[i] ^ want[i])
			}
			inverted[n]++
		}
		path := Connect(s, a, b, LinkConfig{Corrupt: 0.5}, LinkConfig{})
		require.NoError(t, s.RunFor(time.Second))
		require.InDelta(t, 1500, path.AB.Stats().Corrupted, 150)
		require.EqualValues(t, path.AB.Stats().Corrupted, inverted[1]+inverted[2]+inverted[3], "size %d", size)
		for _, n := range inverted[1:4] {
			require.InDelta(t, 500, n, 100)
		}
	}
}

func TestMTU(t *testing.T) {
	_, stats := oneWay(t, 1201, 3, 0, LinkConfig{MTU: 1200})
	require.EqualValues(t, 3, stats.TooLarge)
	b, _ := oneWay(t, 1200, 3, 0, LinkConfig{MTU: 1200})
	require.Len(t, b.got, 3)
}

func TestFilter(t *testing.T) {
	s := New(1)
	a, b := &script{size: 4, count: 5}, &script{}
	path := Connect(s, a, b, LinkConfig{}, LinkConfig{})
	s.Poke(a)
	a.count = 10
	path.AB.SetFilter(func(_ time.Time, p []byte) bool { return !bytes.Equal(p, []byte{0, 0, 0, 7}) })
	require.NoError(t, s.RunFor(time.Second))
	require.Equal(t, []uint32{0, 1, 2, 3, 4, 5, 6, 8, 9}, b.got)
	require.EqualValues(t, 1, path.AB.Stats().Filtered)
}

func TestReplace(t *testing.T) {
	s := New(1)
	a, b, c := &script{size: 4, count: 2, pace: time.Second}, &script{}, &script{size: 4, count: 1}
	path := Connect(s, a, b, LinkConfig{Delay: time.Millisecond}, LinkConfig{})
	require.NoError(t, s.RunFor(500*time.Millisecond))
	path.Replace(b, c)
	require.NoError(t, s.RunFor(time.Second))
	require.Equal(t, []uint32{0}, b.got)
	require.Equal(t, []uint32{1}, c.got)
	require.Equal(t, []uint32{0}, a.got)
	require.Panics(t, func() { path.Replace(b, c) })
}

// A flood is a core that sends toSend packets at once, and counts the received ones.
type flood struct {
	packet   [1200]byte
	toSend   int
	received int
}

func (f *flood) Receive(time.Time, []byte) { f.received++ }
func (f *flood) Advance(time.Time)         {}
func (f *flood) Deadline() time.Time       { return time.Time{} }
func (f *flood) Transmit(_ time.Time, dst []byte) ([]byte, bool) {
	if f.toSend == 0 {
		return dst, false
	}
	f.toSend--
	return append(dst, f.packet[:]...), true
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for name, config := range map[string]LinkConfig{
		"perfect": {Delay: time.Millisecond},
		"bad": {
			Rate: 1e9, Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.1, Corrupt: 0.1, Reorder: 0.1, Duplicate: 0.1,
			Burst: Burst{PGoodToBad: 0.1, PBadToGood: 0.1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(1)
			a, b := &flood{}, &flood{}
			Connect(s, a, b, config, LinkConfig{})
			round := func() {
				a.toSend = 100
				if err := s.RunFor(time.Second); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 {
				round() // fills the free list and allocates the timers of its packets
			}
			// A few allocations for each run are those of RunFor's error. There are none for each
			// packet.
			require.Less(t, testing.AllocsPerRun(10, round), 12.0)
			require.Greater(t, b.received, 5000)
		})
	}
}

func BenchmarkLink(b *testing.B) {
	for _, c := range []struct {
		name   string
		config LinkConfig
	}{
		{"unlimited", LinkConfig{Delay: time.Millisecond}},
		{"rate", LinkConfig{Rate: 1e9, Delay: time.Millisecond}},
		{"rate,jitter,loss", LinkConfig{Rate: 1e9, Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.01}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := New(1)
			from, to := &flood{}, &flood{}
			Connect(s, from, to, c.config, LinkConfig{})
			b.SetBytes(1200)
			b.ReportAllocs()
			for sent := 0; sent < b.N; sent += 100 {
				from.toSend = 100
				if err := s.RunFor(10 * time.Millisecond); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
