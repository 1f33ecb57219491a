package goodput

import (
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

const (
	mbit = 1_000_000

	// mtu is the size of the largest SCTP packet of all contenders, in bytes. The rate of a link
	// includes the headers of SCTP, so that the largest possible goodput, with a DATA chunk in each
	// packet, is 97.7 %.
	mtu = 1200

	messageSize = 64 << 10
)

// path is a row of the table: a bottleneck in one direction, and a path back without loss.
type path struct {
	name  string
	rate  int64         // bit/s
	rtt   time.Duration // without queueing
	queue float64       // bandwidth-delay products
	loss  float64       // probability for each packet
	burst netsim.Burst
	goal  float64 // the share of the rate that the default settings must deliver
}

// burst3 is a loss of 3 % in bursts of five packets on average.
var burst3 = netsim.Burst{PGoodToBad: 0.2 * 0.03 / 0.97, PBadToGood: 0.2}

var paths = []path{
	{"100 Mbit/s, 10 ms", 100 * mbit, 10 * time.Millisecond, 1, 0, netsim.Burst{}, 0.95},
	{"100 Mbit/s, 50 ms, 0.1 % loss", 100 * mbit, 50 * time.Millisecond, 1, 0.001, netsim.Burst{}, 0.90},
	{"100 Mbit/s, 50 ms, 1 % loss", 100 * mbit, 50 * time.Millisecond, 1, 0.01, netsim.Burst{}, 0.85},
	{"100 Mbit/s, 200 ms, 0.1 % loss", 100 * mbit, 200 * time.Millisecond, 1, 0.001, netsim.Burst{}, 0.85},
	{"1 Gbit/s, 50 ms", 1000 * mbit, 50 * time.Millisecond, 1, 0, netsim.Burst{}, 0.90},
	{"20 Mbit/s, 100 ms, 3 % in bursts", 20 * mbit, 100 * time.Millisecond, 1, 0, burst3, 0.60},
	{"10 Mbit/s, 50 ms, queue 5 BDP", 10 * mbit, 50 * time.Millisecond, 5, 0, netsim.Burst{}, 0.90},
}

func (p *path) links() (forward, back netsim.LinkConfig) {
	forward = netsim.LinkConfig{
		Rate:  p.rate,
		Delay: p.rtt / 2,
		Queue: int(float64(p.rate) / 8 * p.rtt.Seconds() * p.queue),
		Loss:  p.loss,
		Burst: p.burst,
	}
	return forward, netsim.LinkConfig{Rate: p.rate, Delay: p.rtt / 2}
}

// result is the outcome of one run over a path.
type result struct {
	early, whole float64 // goodput as a share of the rate, in the first 10 s and in all of the time
	// The delay of the bottleneck's queue: the average, the 95th percentile, and the maximum.
	queueMean, queueHigh, queueMax time.Duration
}

// earlyPart is the time after the handshake for which the goodput is also measured separately.
const earlyPart = 10 * time.Second

// meter measures the result of a run.
type meter struct {
	sim    *netsim.Sim
	path   *path
	link   *netsim.Link
	bytes  int64 // received by the application
	early  int64
	began  time.Time
	delays []time.Duration
}

// meterStep is the time between two samples of the queue.
const meterStep = 10 * time.Millisecond

// start begins the measurement, after the handshake.
func (m *meter) start() {
	m.began, m.bytes = m.sim.Now(), 0
	m.sim.After(earlyPart, func() { m.early = m.bytes })
	m.step()
}

func (m *meter) step() {
	m.delays = append(m.delays, m.link.QueueDelay())
	m.sim.After(meterStep, m.step)
}

func (m *meter) share(bytes int64, d time.Duration) float64 {
	return float64(bytes) * 8 / d.Seconds() / float64(m.path.rate)
}

func (m *meter) result() result {
	d := m.sim.Now().Sub(m.began)
	r := result{whole: m.share(m.bytes, d), queueMax: m.link.Stats().MaxQueueDelay}
	if r.early = m.share(m.early, earlyPart); d <= earlyPart {
		r.early = r.whole
	}
	var sum time.Duration
	for _, delay := range m.delays {
		sum += delay
	}
	r.queueMean = sum / time.Duration(len(m.delays))
	r.queueHigh = quantile(m.delays, 0.95)
	return r
}
