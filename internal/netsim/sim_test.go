package netsim

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A script is a core that sends numbered packets of a fixed size at a fixed pace, and records the
// packets that it receives.
type script struct {
	size, count int           // of packets to send
	pace        time.Duration // between packets; 0: all at once
	next        time.Time     // when the next packet is due; zero: never
	sent        int

	got      []uint32 // numbers, in order of arrival
	at       []time.Time
	sizes    []int
	kept     []byte // a view that must not be kept
	onPacket func(now time.Time, b []byte)
}

func (c *script) Receive(now time.Time, b []byte) {
	c.kept = b
	if c.onPacket != nil {
		c.onPacket(now, b)
		return
	}
	c.got = append(c.got, binary.BigEndian.Uint32(b))
	c.at = append(c.at, now)
	c.sizes = append(c.sizes, len(b))
}

func (c *script) Advance(now time.Time) {}

func (c *script) Deadline() time.Time {
	if c.sent == c.count || c.pace == 0 {
		return time.Time{}
	}
	return c.next
}

func (c *script) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	if c.sent == c.count || now.Before(c.next) {
		return dst, false
	}
	if c.pace > 0 {
		c.next = now.Add(c.pace)
	}
	n := len(dst)
	for range c.size {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint32(dst[n:], uint32(c.sent))
	c.sent++
	return dst, true
}

func received(c *script, n int) func() bool { return func() bool { return len(c.got) >= n } }

func TestClock(t *testing.T) {
	s := New(1)
	require.Equal(t, time.Unix(1_700_000_000, 0).UTC(), s.Now())

	// Events happen in the order of their time, then in the order in which they were scheduled.
	var order []int
	s.After(2*time.Second, func() { order = append(order, 3) })
	s.At(s.Now().Add(time.Second), func() { order = append(order, 1) })
	s.After(time.Second, func() {
		order = append(order, 2)
		s.After(-time.Hour, func() { // in the past is now
			require.Equal(t, time.Second, s.Elapsed())
			order = append(order, 20)
		})
	})
	require.NoError(t, s.Run(func() bool { return len(order) == 4 }, time.Minute))
	require.Equal(t, []int{1, 2, 20, 3}, order)
	require.Equal(t, 2*time.Second, s.Elapsed())

	require.NoError(t, s.RunFor(time.Hour))
	require.Equal(t, time.Hour+2*time.Second, s.Elapsed())
}

func TestRunLimit(t *testing.T) {
	s := New(0xabc)
	for i := range 10 {
		s.After(time.Duration(i)*time.Second, func() {})
	}
	err := s.Run(func() bool { return false }, 5*time.Second)
	require.ErrorIs(t, err, ErrNotDone)
	require.EqualError(t, err, "netsim: seed 0xabc: not done after 5s of virtual time")
	require.Equal(t, 5*time.Second, s.Elapsed())

	err = s.Run(func() bool { return false }, time.Minute)
	require.EqualError(t, err, "netsim: seed 0xabc: not done after 1m0s of virtual time: nothing is left to happen")

	// A condition on the time alone becomes true although nothing happens.
	require.NoError(t, s.Run(func() bool { return s.Elapsed() >= 2*time.Minute }, time.Hour))
}

func TestRandReader(t *testing.T) {
	a, b := make([]byte, 100), make([]byte, 100)
	_, err := io.ReadFull(New(7).RandReader(), a)
	require.NoError(t, err)

	// The bytes do not depend on the sizes of the reads.
	r := New(7).RandReader()
	for i := 0; i < len(b); i += 5 {
		_, err := r.Read(b[i : i+5])
		require.NoError(t, err)
	}
	require.Equal(t, a, b)

	s := New(7)
	s.RandReader()
	_, _ = s.RandReader().Read(b)
	require.NotEqual(t, a, b)
}

// A stuckCore has one of the faults that would keep virtual time from moving.
type stuckCore struct {
	deadline time.Time
	endless  bool
}

func (c *stuckCore) Receive(time.Time, []byte) {}
func (c *stuckCore) Advance(time.Time)         {}
func (c *stuckCore) Deadline() time.Time       { return c.deadline }
func (c *stuckCore) Transmit(_ time.Time, dst []byte) ([]byte, bool) {
	return append(dst, 1), c.endless
}

func TestStuckCores(t *testing.T) {
	never := func() bool { return false }
	t.Run("deadline", func(t *testing.T) {
		s := New(1)
		Connect(s, &stuckCore{deadline: s.Now().Add(time.Second)}, &script{}, LinkConfig{}, LinkConfig{})
		err := s.Run(never, time.Minute)
		require.ErrorIs(t, err, ErrStuck)
		require.ErrorContains(t, err, "a still has a Deadline that has passed")
		require.Equal(t, time.Second, s.Elapsed())
	})
	t.Run("transmit", func(t *testing.T) {
		s := New(1)
		Connect(s, &script{}, &stuckCore{endless: true}, LinkConfig{}, LinkConfig{Loss: 1})
		require.ErrorContains(t, s.RunFor(time.Minute), "b has transmitted")
	})
	t.Run("answers for ever", func(t *testing.T) {
		s := New(1)
		a, b := &script{size: 4, count: 1}, &script{size: 4}
		a.onPacket = func(time.Time, []byte) { a.count++ }
		b.onPacket = func(time.Time, []byte) { b.count++ }
		Connect(s, a, b, LinkConfig{}, LinkConfig{})
		s.atOnce = maxEventsAtOnce - 10_000 // the others take a second
		require.ErrorContains(t, s.RunFor(time.Minute), "events at one instant")
		require.Greater(t, b.count, 1000)
	})
}

func TestPoke(t *testing.T) {
	s := New(1)
	a, b := &script{size: 4}, &script{}
	Connect(s, a, b, LinkConfig{}, LinkConfig{})
	// A core that the test has called between events sends nothing before Poke.
	s.After(time.Second, func() { a.count++ })
	require.NoError(t, s.RunFor(2*time.Second))
	require.Empty(t, b.got)
	s.After(time.Second, func() { s.Poke(a) })
	require.NoError(t, s.RunFor(2*time.Second))
	require.Len(t, b.got, 1)
	// A run does that for all cores when it starts.
	a.count++
	require.NoError(t, s.Run(received(b, 2), time.Second))
	require.Panics(t, func() { s.Poke(&script{}) })
}

func TestReceivedPacketIsOverwritten(t *testing.T) {
	s := New(1)
	a, b := &script{size: 5000, count: 1}, &script{}
	Connect(s, a, b, LinkConfig{}, LinkConfig{})
	require.NoError(t, s.Run(received(b, 1), time.Second))
	require.Equal(t, []int{5000}, b.sizes)
	for _, c := range b.kept {
		require.Equal(t, byte(0xEE), c)
	}
}

// A selfish core returns its own memory from Transmit instead of appending, and changes it later.
type selfish struct {
	script
	memory [4]byte
}

func (c *selfish) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	if c.sent == c.count {
		return nil, false
	}
	binary.BigEndian.PutUint32(c.memory[:], uint32(c.sent))
	c.sent++
	return c.memory[:], true
}

func TestTransmittedMemoryIsNotKept(t *testing.T) {
	s := New(1)
	a, b := &selfish{script: script{count: 3}}, &script{}
	Connect(s, a, b, LinkConfig{}, LinkConfig{})
	require.NoError(t, s.Run(received(b, 3), time.Second))
	require.Equal(t, []uint32{0, 1, 2}, b.got)
}

// traceHash runs a bad path for a while and returns the hash of its trace.
func traceHash(seed uint64) uint64 {
	h := fnv.New64a()
	s := New(seed)
	s.SetTrace(func(line string) { _, _ = io.WriteString(h, line+"\n") })
	bad := LinkConfig{
		Rate: 5_000_000, Queue: 20_000, Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond,
		Loss: 0.02, Burst: Burst{PGoodToBad: 0.01, PBadToGood: 0.3}, Reorder: 0.02, Duplicate: 0.02, Corrupt: 0.02, MTU: 1200,
	}
	a := &script{size: 1000, count: 1000, pace: time.Millisecond}
	b := &script{size: 1200, count: 1000, pace: 2 * time.Millisecond}
	Connect(s, a, b, bad, bad)
	_ = s.RunFor(10 * time.Second)
	return h.Sum64()
}

func TestSameSeedSameRun(t *testing.T) {
	require.Equal(t, traceHash(42), traceHash(42))
	require.NotEqual(t, traceHash(42), traceHash(43))
}

func TestScheduleOrder(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, seed uint64) {
		rng := New(seed).Rand()
		var q schedule
		timers := make([]timer, 100)
		for range 1000 {
			tm := &timers[rng.IntN(len(timers))]
			if rng.IntN(3) == 0 {
				q.disarm(tm)
			} else {
				q.arm(tm, rng.Int64N(50))
			}
		}
		armed := 0
		for i := range timers {
			if timers[i].pos != 0 {
				armed++
			}
		}
		var last *timer
		for ; q.first() != nil; armed-- {
			first := q.first()
			require.True(t, last == nil || before(last, first))
			last = first
			q.disarm(first)
		}
		require.Zero(t, armed)
	})
}
