package sctp

import (
	"math/bits"
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/internal/serial"
	"github.com/stretchr/testify/require"
)

// growth bounds the growth of the work of eight times the input. Linear work grows by 8, and
// somewhat more where the caches no longer hold the data; quadratic work grows by 64.
const growth = 36

// requireLinear compares the work of the function that prepare(n) returns with that of prepare(8n),
// each the minimum of several attempts: other programs only ever increase it.
func requireLinear(t *testing.T, n int, prepare func(n int) (act func())) {
	t.Helper()
	if race.Enabled {
		t.Skip("what is measured would be the race detector's")
	}
	least := func(best time.Duration, n, tries int) time.Duration {
		for range tries {
			act := prepare(n)
			percent := debug.SetGCPercent(-1) // the collector comes when it likes
			start := clock()
			act()
			best = min(best, clock()-start)
			debug.SetGCPercent(percent)
		}
		return best
	}
	// Shorter times are noise.
	const enough = 5 * time.Millisecond
	// Noise increases the work: the small measurement is cheap to repeat until there was none.
	small, large := time.Hour, time.Hour
	for range 9 {
		small, large = least(small, n, 3), least(large, 8*n, 1)
		if large < enough || large < growth*small {
			t.Logf("%v for %d, %v for %d", small, n, large, 8*n)
			return
		}
	}
	require.Less(t, large, growth*small, "for %d and %d", 8*n, n)
}

// sentBy returns an association with n chunks outstanding, each a message.
func sentBy(t *testing.T, n int, params []byte, message func(i int) (stream uint16, text string, opt SendOptions)) *flood {
	s := newScript(t, Config{MaxSendBuffer: 64 << 20, InitialCongestionWindow: 64 << 20, HeartbeatInterval: -1, MaxStreams: maxStreams,
		CongestionControl: CongestionNewReno})
	s.connect(rawChunk(2, 0, uint32(peerTag), uint32(1<<24), uint16(maxStreams), uint16(maxStreams), uint32(peerTSN), rawParam(7, "cookie"), params))
	s.hold = true
	f := &flood{s: s}
	for i := range n {
		stream, text, opt := message(i)
		require.NoError(t, s.a.Send(s.now, stream, 51, []byte(text), opt))
		if i%64 == 63 {
			f.transmit()
		}
	}
	for s.a.out.count() < n {
		f.transmit()
	}
	return f
}

// transmit takes all packets, independent of the pacer.
func (f *flood) transmit() {
	var out [2048]byte
	for {
		f.s.now = f.s.now.Add(100 * time.Microsecond)
		if _, ok := f.s.a.Transmit(f.s.now, out[:0]); !ok {
			return
		}
	}
}

// receive delivers the chunks in one packet, and takes some of the packets to send: retransmissions
// are sent as fast as the path allows, not as fast as they are requested.
func (f *flood) receive(chunks ...[]byte) {
	f.s.now = f.s.now.Add(10 * time.Microsecond)
	f.s.a.Receive(f.s.now, packet(ownTag, chunks...))
	var out [2048]byte
	for range 3 {
		if _, ok := f.s.a.Transmit(f.s.now, out[:0]); !ok {
			return
		}
	}
}

func oneStream(int) (uint16, string, SendOptions) { return 1, "x", SendOptions{} }

// expiring returns messages whose lifetimes end one after the other, from firstExpiry on.
func expiring(streams int, unordered bool) func(int) (uint16, string, SendOptions) {
	return func(i int) (uint16, string, SendOptions) {
		return uint16(i % streams), "x", SendOptions{Lifetime: firstExpiry + time.Duration(i)*2*time.Millisecond, Unordered: unordered}
	}
}

const firstExpiry = 20 * time.Second

// The work of n packets of a peer is n times that of one, with any state that n packets can create.
// Gap ack blocks, FORWARD-TSNs, re-configuration and the order of TSNs and SSNs let a peer create
// lists, on either side.
func TestWorkIsLinear(t *testing.T) {
	highest := func(f *flood) uint32 { return f.s.a.out.next - 1 }
	for name, c := range map[string]struct {
		n       int
		prepare func(t *testing.T, n int) (act func())
	}{
		"SACKs that name everything and nothing": {2000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, oneStream)
			return func() {
				var many []byte
				for range 20 {
					many = fields(many, sack(ownTSN-1, ownTSN+1, highest(f)), sack(ownTSN-1))
				}
				for range n / 20 {
					f.receive(many)
				}
			}
		}},
		"SACKs of blocks that change places": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, oneStream)
			var even, odd []uint32
			for tsn := uint32(ownTSN + 2); tsn < highest(f)-2 && len(even) < 500; tsn += uint32(n / 200) {
				even, odd = append(even, tsn, tsn), append(odd, tsn+1, tsn+uint32(n/200)-1)
			}
			return func() {
				for range n / 16 {
					f.receive(sack(ownTSN-1, even...))
					f.receive(sack(ownTSN-1, odd...))
				}
			}
		}},
		"SACKs that go on by one": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, oneStream)
			return func() {
				for tsn := uint32(ownTSN); tsn != highest(f)-1; tsn++ {
					f.receive(sack(tsn, tsn+2, highest(f)))
				}
			}
		}},
		"SACKs that go on by one from above": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, oneStream)
			return func() {
				for tsn := highest(f); tsn != ownTSN; tsn-- {
					f.receive(sack(ownTSN-1, tsn, highest(f)))
				}
			}
		}},
		"messages given up, on one stream":   {1000, givenUp(1, supportsAll, false)},
		"messages given up, on 200 streams":  {1000, givenUp(200, supportsAll, false)},
		"messages given up, on 5000 streams": {1000, givenUp(5000, supportsAll, false)},
		"interleaved messages given up":      {1000, givenUp(100, supportsIData, false)},
		"unordered messages given up":        {1000, givenUp(100, supportsAll, true)},
		"resets of all our streams": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, func(i int) (uint16, string, SendOptions) { return uint16(i), "x", SendOptions{} })
			return func() {
				for i := range uint32(n) {
					f.receive(rawChunk(130, 0, rawParam(14, uint32(peerTSN)+i)))
				}
			}
		}},
		"resets of all our streams, that are idle": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, func(i int) (uint16, string, SendOptions) { return uint16(i), "x", SendOptions{} })
			f.receive(sack(highest(f)))
			f.s.a.resetNumbers()
			return func() {
				for i := range uint32(n) {
					f.receive(rawChunk(130, 0, rawParam(14, uint32(peerTSN)+i)))
				}
			}
		}},
		"SACKs while many streams wait to be reset": {1000, func(t *testing.T, n int) func() {
			f := sentBy(t, n, supportsAll, func(i int) (uint16, string, SendOptions) { return uint16(i), "x", SendOptions{} })
			f.receive(rawChunk(130, 0, rawParam(14, uint32(peerTSN))))
			return func() {
				for i := range n {
					if i%2 == 0 {
						f.receive(sack(ownTSN-1, ownTSN+1, highest(f)))
					} else {
						f.receive(sack(ownTSN - 1))
					}
				}
			}
		}},
		"SSNs from above": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsAll)
			return func() {
				for i := n; i >= 0; i-- {
					f.receive(data(peerTSN+uint32(i), 1, uint16(i), "BE", "x"))
				}
			}
		}},
		"SSNs that go on by one below others": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsAll)
			for i := range n {
				f.receive(data(peerTSN+uint32(n+i), 1, uint16(2*i+1), "BE", "x"))
			}
			return func() {
				for i := range n {
					f.receive(data(peerTSN+uint32(i), 1, uint16(2*i), "BE", "x"))
				}
			}
		}},
		"FORWARD-TSNs below messages that were begun": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsAll)
			for i := range uint32(n) {
				f.receive(data(peerTSN+30_000+2*i, 1, 0, "UB", "x"))
			}
			return func() {
				for i := range uint32(n) {
					f.receive(forwardTSN(peerTSN+i, 2, uint16(i)))
				}
			}
		}},
		"I-FORWARD-TSNs below messages that were begun": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsIData)
			for i := range uint32(n) {
				f.receive(iData(peerTSN+30_000+2*i, uint16(i%1000), "B", 1+i/1000, 0, "x"))
			}
			return func() {
				for i := range uint32(n) {
					f.receive(rawChunk(194, 0, peerTSN+i, uint16(i%1000), uint16(0), uint32(0)))
				}
			}
		}},
		"resets of the peer's streams that wait for data": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsAll)
			for i := range uint32(n) {
				f.receive(data(peerTSN+1+i, uint16(i%1000), uint16(i/1000), "BE", "x"))
			}
			return func() {
				for i := range uint32(n) {
					f.receive(outgoingReset(peerTSN+i, peerTSN+uint32(n), uint16(i%1000)))
				}
			}
		}},
		"TSNs from above, every second": {1000, func(t *testing.T, n int) func() {
			f := newFlood(t, supportsAll)
			return func() {
				for i := range uint32(n) {
					f.receive(data(peerTSN+1+2*(uint32(n)-i), 1, 0, "UBE", "x"))
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			requireLinear(t, c.n, func(n int) func() { return c.prepare(t, n) })
		})
	}
}

// givenUp lets messages expire while the peer does not confirm that.
func givenUp(streams int, params []byte, unordered bool) func(t *testing.T, n int) func() {
	return func(t *testing.T, n int) func() {
		f := sentBy(t, n, params, expiring(streams, unordered))
		f.s.now = f.s.now.Add(firstExpiry - time.Second)
		return func() {
			for f.s.a.Stats().MessagesAbandoned < uint64(n) {
				f.s.now = f.s.now.Add(2 * time.Millisecond)
				f.s.a.Advance(f.s.now)
				f.receive(sackWindow(ownTSN-1, 10)) // it is there
			}
			require.NotZero(t, f.s.a.Stats().ForwardTSNsSent)
		}
	}
}

// The set of TSNs acknowledged by gap ack blocks has each chunk that they acknowledged, and no TSN
// beyond the outstanding ones, with any sequence of SACKs from the peer.
func TestGapAckedModel(t *testing.T) {
	netsim.Seeds(t, 50, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := established(t, Config{InitialCongestionWindow: 1 << 20, MaxRetransmits: 1000})
		s.hold = true
		var out [2048]byte
		for range 150 {
			for range r.IntN(20) {
				require.NoError(t, s.a.Send(s.now, uint16(r.IntN(3)), 51, []byte("x"), SendOptions{LimitRetransmits: r.IntN(4) == 0}))
			}
			for _, ok := s.a.Transmit(s.now, out[:0]); ok; _, ok = s.a.Transmit(s.now, out[:0]) {
			}
			o := &s.a.out
			cum := o.base - 1
			if r.IntN(3) == 0 {
				cum += uint32(r.IntN(min(10, o.count()+1)))
			}
			var gaps []uint32
			for at := cum + 2; ; {
				first := at + uint32(r.IntN(30))
				last := first + uint32(r.IntN(40))
				if !serial.Less32(last, o.next) {
					break
				}
				gaps = append(gaps, first, last)
				at = last + 2
			}
			s.receive(sack(cum, gaps...))
			s.now = s.now.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			s.a.Advance(s.now)
			named := 0
			for tsn := o.base; tsn != o.next; tsn++ {
				has := serial.LessEqual32(tsn, o.gapHigh) && o.gapAcked.has(tsn)
				if has {
					named++
				}
				if c := o.at(tsn); has && c.state != chunkAcked && c.state != chunkAbandoned || !has && c.state == chunkAcked {
					require.Fail(t, "wrong", "TSN %d: %v, state %d", tsn, has, c.state)
				}
			}
			all := 0
			for _, w := range o.gapAcked.words {
				all += bits.OnesCount64(w)
			}
			require.Equal(t, named, all)
		}
		require.Equal(t, StateEstablished, s.a.State())
	})
}
