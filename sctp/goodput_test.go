package sctp

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// goodput measures a bulk transfer of 64 KiB messages over a bottleneck, as a
// share of its rate.
func goodput(t testing.TB, seed uint64, cfg Config, link netsim.LinkConfig, d time.Duration) (share float64, p *pair) {
	back := link
	back.Loss, back.Burst = 0, netsim.Burst{}
	p = newPair(t, seed, cfg, cfg, link, back)
	p.connect()
	msg := make([]byte, 64<<10)
	var got int
	p.b.onData = func(m Message) { got += len(m.Data) }
	p.a.pending = func(now time.Time) {
		for p.a.Send(now, 1, 53, msg, SendOptions{}) == nil {
		}
	}
	start := p.Now()
	p.Poke(p.a)
	p.run(func() bool { return p.Now().Sub(start) >= d }, 2*d)
	return float64(got) * 8 / d.Seconds() / float64(link.Rate), p
}

func bottleneck(rate int64, rtt time.Duration, bdp float64) netsim.LinkConfig {
	return netsim.LinkConfig{Rate: rate, Delay: rtt / 2, Queue: int(float64(rate) / 8 * rtt.Seconds() * bdp)}
}

// TestGoodput asserts the goodput of each algorithm on a path that suits it, and of the default on
// the path for which it is the default: one with some random loss.
func TestGoodput(t *testing.T) {
	t.Parallel()
	const mbit = 1_000_000
	for _, c := range []struct {
		name string
		cc   CongestionControl
		link netsim.LinkConfig
		loss float64
		goal float64
	}{
		{"NewReno without loss", CongestionNewReno, bottleneck(100*mbit, 10*time.Millisecond, 1), 0, 0.95},
		{"CUBIC without loss", CongestionCUBIC, bottleneck(100*mbit, 10*time.Millisecond, 1), 0, 0.95},
		{"BBR without loss", CongestionBBR, bottleneck(100*mbit, 10*time.Millisecond, 1), 0, 0.93},
		{"default, 1 % loss", CongestionDefault, bottleneck(50*mbit, 50*time.Millisecond, 1), 0.01, 0.85},
		{"default, deep queue", CongestionDefault, bottleneck(10*mbit, 50*time.Millisecond, 5), 0, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			link := c.link
			link.Loss = c.loss
			share, p := goodput(t, 1, Config{MTU: 1200, CongestionControl: c.cc}, link, 8*time.Second)
			require.Greater(t, share, c.goal, "%+v", p.a.Stats())
		})
	}
}
