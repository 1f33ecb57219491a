package sctp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// TestLongTransfers runs transfers for minutes of virtual time over a path that changes meanwhile,
// with a reader that pauses: everything arrives, nothing deadlocks while both ends are alive, and
// memory stays bounded (the endpoints check that after each packet).
func TestLongTransfers(t *testing.T) {
	t.Parallel()
	netsim.Seeds(t, 200, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		config := func() Config {
			return Config{MTU: 600 + r.IntN(800), MaxRetransmits: 60, MaxRTO: 10 * time.Second, MaxInitRetransmits: 40,
				CongestionControl: CongestionControl(r.IntN(4)), Scheduler: Scheduler(r.IntN(7)),
				DisableInterleaving: r.IntN(2) == 0, EnableZeroChecksum: r.IntN(2) == 0}
		}
		path := func() netsim.LinkConfig {
			c := netsim.LinkConfig{Rate: int64(100_000 + r.IntN(900_000)), Delay: time.Duration(1+r.IntN(150)) * time.Millisecond,
				Queue: 4000 + r.IntN(60_000), Jitter: time.Duration(r.IntN(20)) * time.Millisecond}
			if r.IntN(2) == 0 {
				c.Loss = r.Float64() * 0.05
			}
			if r.IntN(3) == 0 {
				c.Reorder, c.ReorderDelay = r.Float64()*0.1, time.Duration(1+r.IntN(30))*time.Millisecond
			}
			if r.IntN(4) == 0 {
				c.Burst = netsim.Burst{PGoodToBad: 0.005, PBadToGood: 0.2}
			}
			if r.IntN(4) == 0 {
				c.Duplicate, c.Corrupt = 0.02, 0.02
			}
			return c
		}
		ca, cb := config(), config()
		cb.EnableZeroChecksum = ca.EnableZeroChecksum
		ab, ba := path(), path()
		if ca.EnableZeroChecksum { // nothing would detect it
			ab.Corrupt, ba.Corrupt = 0, 0
		}
		p := newPair(t, seed, ca, cb, ab, ba)
		p.connect()

		got := map[uint16]uint32{}
		total := 0
		p.b.onData = func(m Message) {
			stream, n := checkPayload(t, m.Data)
			require.Equal(t, got[stream], n, "stream %d", stream)
			got[stream]++
			total += len(m.Data)
		}
		sent := map[uint16]uint32{}
		stop := false
		var buf []byte
		sizes := []int{20 + r.IntN(200), 1000 + r.IntN(3000), 10_000 + r.IntN(50_000)}
		p.a.pending = func(now time.Time) {
			for !stop && p.a.BufferedAmount() < 200_000 {
				stream := uint16(r.IntN(3))
				buf = payload(buf, stream, sent[stream], sizes[stream])
				if p.a.Send(now, stream, 53, buf, SendOptions{}) != nil {
					return
				}
				sent[stream]++
			}
		}
		end := p.Now().Add(time.Duration(60+r.IntN(60)) * time.Second)
		p.Poke(p.a)
		for p.Now().Before(end) {
			require.NoError(t, p.RunFor(time.Duration(1+r.IntN(10_000))*time.Millisecond))
			switch r.IntN(4) {
			case 0: // another path
				next := path()
				if ca.EnableZeroChecksum {
					next.Corrupt = 0
				}
				p.path.AB.SetConfig(next)
			case 1: // nothing passes for a while
				dead := p.path.AB.Config()
				alive := dead
				dead.Loss = 1
				p.path.AB.SetConfig(dead)
				require.NoError(t, p.RunFor(time.Duration(r.IntN(3000))*time.Millisecond))
				p.path.AB.SetConfig(alive)
			case 2: // the reader does something else
				p.b.hold = true
				require.NoError(t, p.RunFor(time.Duration(r.IntN(5000))*time.Millisecond))
				p.b.hold = false
				p.Poke(p.b)
			}
			require.False(t, p.a.closed, "%v", p.a.closeErr)
			require.False(t, p.b.closed, "%v", p.b.closeErr)
		}
		stop = true
		p.run(func() bool { return p.a.BufferedAmount() == 0 }, 10*time.Minute)
		for stream, n := range sent {
			require.Equal(t, n, got[stream], "stream %d", stream)
		}
		require.Zero(t, p.b.reasm.charged)
		require.NotZero(t, total)
	})
}
