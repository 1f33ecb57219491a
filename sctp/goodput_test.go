package sctp

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
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

func TestGoodput(t *testing.T) {
	const mbit = 1_000_000
	for _, c := range []struct {
		name string
		link netsim.LinkConfig
		loss float64
		goal float64
	}{
		{"100M 10ms 0", bottleneck(100*mbit, 10*time.Millisecond, 1), 0, 0.95},
		{"100M 50ms 0.1%", bottleneck(100*mbit, 50*time.Millisecond, 1), 0.001, 0.9},
		{"100M 50ms 1%", bottleneck(100*mbit, 50*time.Millisecond, 1), 0.01, 0.85},
		{"100M 200ms 0.1%", bottleneck(100*mbit, 200*time.Millisecond, 1), 0.001, 0.85},
		{"1G 50ms 0", bottleneck(1000*mbit, 50*time.Millisecond, 1), 0, 0.9},
		{"20M 100ms 3% bursts", bottleneck(20*mbit, 100*time.Millisecond, 1), -1, 0.6},
		{"10M 50ms 5BDP", bottleneck(10*mbit, 50*time.Millisecond, 5), 0, 0.9},
	} {
		for _, cc := range []CongestionControl{CongestionNewReno, CongestionCUBIC, CongestionBBR} {
			link := c.link
			if c.loss > 0 {
				link.Loss = c.loss
			} else if c.loss < 0 {
				link.Burst = netsim.Burst{PGoodToBad: 0.0062, PBadToGood: 0.2, LossBad: 1}
			}
			share, p := goodput(t, 1, Config{MTU: 1200, CongestionControl: cc}, link, 30*time.Second)
			s := p.a.Stats()
			t.Logf("%-20s %-8v %5.1f%% (goal %2.0f%%) retrans %d timeouts %d episodes %d probes %d srtt %v min %v cwnd %d maxqueue %v lost %d dropped %d", c.name, cc, share*100, c.goal*100, s.Retransmissions, s.Timeouts, s.LossEpisodes, s.Probes, s.SRTT, s.MinRTT, s.CongestionWindow, p.path.AB.Stats().MaxQueueDelay, p.path.AB.Stats().Lost, p.path.AB.Stats().Dropped)
		}
	}
}
