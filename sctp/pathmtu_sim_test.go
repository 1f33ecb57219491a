package sctp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// The MTU is found on paths of any size, within the resolution of the search, with and without
// loss. RFC 8899, section 3: the search is robust to probes that are lost for other reasons; three
// lost in a row, one in a thousand at this loss, end it too early, until the raise timer.
func TestPathMTUOnAnyPath(t *testing.T) {
	for name, loss := range map[string]float64{"no loss": 0, "loss": 0.05} {
		t.Run(name, func(t *testing.T) {
			early, runs := 0, 0
			netsim.Seeds(t, 200, func(t *testing.T, seed uint64) {
				runs++
				r := rand.New(rand.NewPCG(seed, 1))
				most := baseMTU + 40 + r.IntN(400)
				size := baseMTU + r.IntN(most-baseMTU+100)
				link := netsim.LinkConfig{Delay: time.Duration(1+r.IntN(80)) * time.Millisecond, Loss: loss, MTU: size}
				p := newPair(t, seed, Config{MTU: baseMTU, MaxMTU: most}, Config{}, link, netsim.LinkConfig{Delay: link.Delay, Loss: loss})
				p.connect()
				want := min(size, p.a.cfg.MaxMTU)
				found := func() bool { return p.a.mtu.current > want-mtuStep }
				var next time.Time
				p.a.pending = func(now time.Time) { // some data, now and then
					if !now.Before(next) {
						next = now.Add(200 * time.Millisecond)
						require.NoError(t, p.a.Send(now, 1, 53, payload(nil, 1, 0, 5000), SendOptions{}))
						p.At(next, func() { p.Poke(p.a) })
					}
				}
				p.Poke(p.a)
				p.run(func() bool { return p.a.mtu.state >= mtuSearchComplete }, time.Minute)
				require.LessOrEqual(t, p.a.mtu.current, want)
				if loss == 0 {
					require.True(t, found(), "%d of %d", p.a.mtu.current, want)
				}
				if !found() {
					early++
					// The next search corrects that.
					next = p.a.epoch.Add(p.a.mtu.probeAt)
					p.At(next, func() { p.Poke(p.a) })
					p.run(found, 3*raiseTimer)
				}
				// Only packets that were too large are lost, or random ones.
				stats := p.a.Stats()
				if loss == 0 {
					require.Zero(t, stats.LossEpisodes)
					require.Zero(t, stats.MTUBlackHoles)
					require.EqualValues(t, p.path.AB.Stats().TooLarge, stats.MTUProbesLost)
				}
			})
			require.LessOrEqual(t, early, max(1, runs/50))
			t.Logf("ended too early with %d of %d seeds", early, runs)
		})
	}
}

// The path MTU shrinks during a bulk transfer, to any size not below the base size: data arrives
// again soon, nothing is missing, and the new MTU is found.
func TestPathShrinks(t *testing.T) {
	t.Parallel()
	// Some round trips, of at most 100 ms; more only where the queue is as long.
	const soon = 1500 * time.Millisecond
	var worst time.Duration
	netsim.Seeds(t, 200, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		link := bottleneck(int64(1+r.IntN(4))*1_000_000, time.Duration(5+r.IntN(95))*time.Millisecond, 1)
		link.Queue = max(link.Queue, 20*mostMTU)
		link.MTU = mostMTU
		if r.IntN(2) == 0 {
			link.Loss = 0.01
		}
		back := link
		back.MTU = 0
		cc := CongestionControl(r.IntN(4))
		p := newPair(t, seed, Config{MTU: baseMTU, MaxMTU: mostMTU, CongestionControl: cc, DisableInterleaving: r.IntN(2) == 0}, Config{}, link, back)
		p.connect()
		var sent, got uint32
		var last time.Time
		var gap time.Duration
		more := true
		p.a.pending = func(now time.Time) {
			for more && p.a.BufferedAmount() < 200_000 {
				require.NoError(t, p.a.Send(now, 1, 53, payload(nil, 1, sent, 5000), SendOptions{}))
				sent++
			}
		}
		p.b.onData = func(m Message) {
			_, n := checkPayload(t, m.Data)
			require.Equal(t, got, n)
			got++
			gap, last = max(gap, p.Now().Sub(last)), p.Now()
		}
		p.Poke(p.a)
		p.run(func() bool { return p.a.mtu.current == mostMTU }, time.Minute)
		start := p.Now()
		p.run(func() bool { return p.Now().Sub(start) > 300*time.Millisecond }, time.Minute)

		link.MTU = baseMTU + r.IntN(mostMTU-baseMTU-mtuStep)
		p.path.AB.SetConfig(link)
		last, gap = p.Now(), 0
		p.run(func() bool { return p.a.mtu.current <= link.MTU }, time.Minute)
		then := got
		p.run(func() bool { return got > then+20 }, time.Minute)
		require.Less(t, gap, soon, "nothing arrived; %+v", p.a.Stats())
		worst = max(worst, gap)
		if r.IntN(8) == 0 {
			p.run(func() bool { return p.a.mtu.state == mtuSearchComplete }, time.Minute)
			if link.Loss == 0 {
				require.Greater(t, p.a.mtu.current, link.MTU-mtuStep)
			}
		}
		more = false
		p.run(func() bool { return got == sent }, time.Minute)
		require.NotZero(t, p.a.Stats().MTUBlackHoles)
	})
	t.Logf("at most %v without data", worst)
}

// Bad paths whose MTU, between the base size and the maximum, changes now and then: nothing is
// lost, and nothing hangs.
func TestAdversarialPathMTU(t *testing.T) {
	netsim.Seeds(t, 300, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		base := MinMTU + r.IntN(800)
		cfg := Config{MTU: base, MaxMTU: base + r.IntN(1500), HeartbeatInterval: 5 * time.Second,
			MaxInitRetransmits: 40, MaxRetransmits: 60, MaxRTO: 10 * time.Second}
		ab, ba := adversary(r), adversary(r)
		ab.MTU, ba.MTU = base+r.IntN(1500), base+r.IntN(1500)
		p := newPair(t, seed, cfg, cfg, ab, ba)
		p.connect()
		for i := range 10 {
			p.After(time.Duration(i*r.IntN(500))*time.Millisecond, func() {
				ab.MTU = base + r.IntN(1500)
				p.path.AB.SetConfig(ab)
				if r.IntN(4) == 0 {
					p.a.PathChanged(p.Now(), 0, 0)
				}
			})
		}
		flows := []*flow{newFlow(t, r, p.a, p.b), newFlow(t, r, p.b, p.a)}
		p.Poke(p.a)
		p.Poke(p.b)
		p.run(func() bool { return flows[0].done() && flows[1].done() }, time.Hour)
		for _, f := range flows {
			f.finish()
		}
	})
}
