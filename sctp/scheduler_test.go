package sctp

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// sentOrder queues messages, and returns the streams of the chunks in the order of transmission,
// and their packets.
type sentOrder struct {
	streams []uint16
	packets []int
}

type queued struct {
	stream uint16
	size   int
}

func order(t *testing.T, cfg Config, messages []queued, priority map[uint16]uint16) (o sentOrder) {
	cfg.MTU = 1200
	cfg.InitialCongestionWindow = 1 << 20
	p := newMemoryPipe(t, cfg)
	for id, v := range priority {
		require.NoError(t, p.a.SetStreamPriority(id, v))
	}
	for _, m := range messages {
		require.NoError(t, p.a.Send(p.now, m.stream, 53, make([]byte, m.size), SendOptions{}))
	}
	p.a.cc = newNewReno(1200, 1<<20)
	p.a.pace.next = math.MinInt64
	for n := 0; ; n++ {
		p.a.pace.next = math.MinInt64
		packet, ok := p.a.Transmit(p.now, nil)
		if !ok {
			return o
		}
		for rest := packet[commonHeaderSize:]; len(rest) > 0; {
			var c chunk
			c, rest, ok = nextChunk(rest)
			require.True(t, ok)
			if c.typ == chunkData || c.typ == chunkIData {
				h, _, ok := parseData(c)
				require.True(t, ok)
				o.streams = append(o.streams, h.stream)
				o.packets = append(o.packets, n)
			}
		}
		p.b.Receive(p.now, packet)
	}
}

// RFC 8260, section 3: the order of each scheduler for three messages, the first of which needs
// several chunks.
func TestSchedulers(t *testing.T) {
	const large = 3 * 1100
	messages := []queued{{1, large}, {2, large}, {3, 100}, {1, 100}}
	for _, c := range []struct {
		scheduler Scheduler
		noIDATA   bool
		want      []uint16
	}{
		// First-come, first-served.
		{SchedulerFirstCome, false, []uint16{1, 1, 1, 2, 2, 2, 2, 3, 1}},
		// Round-robin: fragments of different streams alternate,
		{SchedulerRoundRobin, false, []uint16{1, 2, 3, 1, 2, 1, 2, 1}},
		// and without interleaving, whole messages.
		{SchedulerRoundRobin, true, []uint16{1, 1, 1, 2, 2, 2, 2, 3, 1}},
		// Fair: the streams have the same bandwidth. The small message on 3 is sent before the
		// second chunks of the others.
		{SchedulerFair, false, []uint16{1, 2, 3, 1, 2, 1, 2, 1}},
	} {
		got := order(t, Config{Scheduler: c.scheduler, DisableInterleaving: c.noIDATA}, messages, nil).streams
		if c.scheduler == SchedulerFirstCome || c.noIDATA {
			require.Equal(t, c.want, got, "%v", c.scheduler)
			continue
		}
		// The exact boundaries depend on how packets are filled; the turns do not.
		require.Equal(t, c.want[:3], got[:3], "%v", c.scheduler)
		require.Contains(t, got[3:6], uint16(1), "%v", c.scheduler)
		require.Contains(t, got[3:6], uint16(2), "%v", c.scheduler)
	}
}

// RFC 8260, section 1: a large message does not block a small one on another stream.
func TestSmallMessageOvertakesLargeOne(t *testing.T) {
	position := func(noIDATA bool) int {
		got := order(t, Config{DisableInterleaving: noIDATA}, []queued{{1, 256 << 10}, {2, 50}}, nil).streams
		for i, s := range got {
			if s == 2 {
				return i
			}
		}
		t.Fatal("not sent")
		return 0
	}
	require.LessOrEqual(t, position(false), 1)
	require.Greater(t, position(true), 200)
}

// RFC 8260, section 3.4: the stream with the highest priority is served until it has nothing to
// send.
func TestPriorityScheduler(t *testing.T) {
	got := order(t, Config{Scheduler: SchedulerPriority}, []queued{{1, 3000}, {2, 3000}, {3, 3000}}, map[uint16]uint16{2: 512, 3: 128}).streams
	last := map[uint16]int{}
	first := map[uint16]int{}
	for i, s := range got {
		last[s] = i
		if _, ok := first[s]; !ok {
			first[s] = i
		}
	}
	require.Less(t, last[2], first[1])
	require.Less(t, last[1], first[3])
}

// RFC 8260, section 3.6: the bandwidth is proportional to the weights.
func TestWeightedFairScheduler(t *testing.T) {
	got := order(t, Config{}, []queued{{1, 200_000}, {2, 200_000}}, map[uint16]uint16{1: 3 * DefaultPriority}).streams
	count := map[uint16]int{}
	for _, s := range got[:100] {
		count[s]++
	}
	require.InDelta(t, 75, count[1], 3)
	require.InDelta(t, 25, count[2], 3)
}

// RFC 8260, section 3.3: a packet has chunks of one stream only.
func TestRoundRobinPacketScheduler(t *testing.T) {
	var messages []queued
	for i := range 40 {
		messages = append(messages, queued{uint16(i % 4), 300})
	}
	o := order(t, Config{Scheduler: SchedulerRoundRobinPacket}, messages, nil)
	in := map[int]uint16{}
	for i, s := range o.streams {
		if other, ok := in[o.packets[i]]; ok {
			require.Equal(t, other, s, "packet %d", o.packets[i])
		}
		in[o.packets[i]] = s
	}
	require.Less(t, len(in), 20) // messages of one stream are bundled
	require.NotEqual(t, in[0], in[1])
}

// A peer with a small window is sent no more incomplete messages at a time than fit into it.
func TestInterleavingIsBounded(t *testing.T) {
	var messages []queued
	for i := range 50 {
		messages = append(messages, queued{uint16(i), 200 << 10})
	}
	cfg := Config{MTU: 1200}
	p := newMemoryPipe(t, cfg)
	p.a.cfg.MaxSendBuffer = 1 << 30
	p.a.cc = newNewReno(1200, 1<<20)
	for _, m := range messages {
		_ = p.a.Send(p.now, m.stream, 53, make([]byte, m.size), SendOptions{})
		require.LessOrEqual(t, p.a.send.partial.bytes, p.a.send.partial.budget)
	}
	for range 3000 {
		p.exchange()
		require.LessOrEqual(t, p.a.send.partial.bytes, p.a.send.partial.budget)
	}
	require.Zero(t, p.a.BufferedAmount())
	require.Empty(t, p.a.send.partial.streams)
	require.Zero(t, p.a.send.partial.bytes)
}
