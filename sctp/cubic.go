package sctp

import (
	"math"
	"time"
)

// cubic is CUBIC (RFC 9438) with HyStart++ (RFC 9406). Windows are in bytes, the formulas of the
// RFC in packets.
type cubic struct {
	mtu      int
	cwnd     float64
	ssthresh float64

	wMax       float64
	k          float64 // seconds
	epoch      instant // 0: congestion avoidance has not begun since the last event
	cwndEpoch  float64
	wEst       float64
	priorReno  float64
	hs         hystart
	undoState  *cubicUndo
	undoBuffer cubicUndo
}

type cubicUndo struct{ cwnd, ssthresh, wMax, k float64 }

// Constants of RFC 9438, sections 4.6 and 5.
const (
	cubicC    = 0.4
	cubicBeta = 0.7
)

func newCubic(mtu, initial int) *cubic {
	return &cubic{mtu: mtu, cwnd: float64(initial), ssthresh: math.MaxInt32}
}

func (c *cubic) setMTU(mtu int) { c.mtu = mtu }

func (c *cubic) window() int { return int(c.cwnd) }

func (c *cubic) pacingRate(srtt time.Duration) float64 {
	return windowRate(int(c.cwnd), c.cwnd < c.ssthresh, srtt)
}

func (c *cubic) acked(s *ackSample) {
	if c.cwnd < c.ssthresh {
		c.hs.sample(s)
	}
	if s.inRecovery || !s.windowLimited {
		if c.epoch != 0 && !s.windowLimited {
			// RFC 9438, section 5.8: time in which the application limited the flow does not count.
			c.epoch = 0
		}
		return
	}
	mss, acked := float64(c.mtu), float64(s.newlyAcked)
	if c.cwnd < c.ssthresh {
		c.cwnd += acked / c.hs.divisor()
		if c.hs.done() {
			c.ssthresh = c.cwnd
		}
		return
	}
	if c.epoch == 0 {
		c.epoch = s.t
		c.cwndEpoch = c.cwnd
		if c.wMax < c.cwnd {
			c.wMax, c.k = c.cwnd, 0
		} else {
			c.k = math.Cbrt((c.wMax - c.cwnd) / mss / cubicC)
		}
		c.wEst = c.cwnd
	}
	// RFC 9438, section 4.2: the value of the curve one round trip from now.
	t := (s.t - c.epoch + s.minRTT).Seconds() - c.k
	target := min(max(cubicC*t*t*t*mss+c.wMax, c.cwnd), 1.5*c.cwnd)
	// RFC 9438, section 4.3: the window that Reno would have.
	alpha := 3 * (1 - cubicBeta) / (1 + cubicBeta)
	if c.wEst >= c.priorReno && c.priorReno > 0 {
		alpha = 1
	}
	c.wEst += alpha * acked / c.cwnd * mss
	if now := (s.t - c.epoch).Seconds() - c.k; cubicC*now*now*now*mss+c.wMax < c.wEst {
		c.cwnd = max(c.cwnd, c.wEst)
		return
	}
	c.cwnd += (target - c.cwnd) / c.cwnd * acked
}

func (c *cubic) lost(*lostSample) {}

func (c *cubic) congested(instant, int) {
	c.save()
	c.priorReno = c.cwnd
	if c.cwnd < c.wMax {
		c.wMax = c.cwnd * (1 + cubicBeta) / 2 // fast convergence: RFC 9438, section 4.7
	} else {
		c.wMax = c.cwnd
	}
	c.ssthresh = max(c.cwnd*cubicBeta, float64(4*c.mtu))
	c.cwnd = c.ssthresh
	c.epoch = 0
	c.hs = hystart{finished: true}
}

func (c *cubic) timedOut(t instant, inFlight int) {
	c.congested(t, inFlight)
	c.cwnd = float64(c.mtu)
	c.hs = hystart{}
}

func (c *cubic) recovered(instant) {}

func (c *cubic) save() {
	c.undoBuffer = cubicUndo{c.cwnd, c.ssthresh, c.wMax, c.k}
	c.undoState = &c.undoBuffer
}

func (c *cubic) undo(instant) {
	if u := c.undoState; u != nil && u.cwnd > c.cwnd {
		c.cwnd, c.ssthresh, c.wMax, c.k = u.cwnd, u.ssthresh, u.wMax, u.k
		c.epoch = 0
	}
	c.undoState = nil
}

func (c *cubic) restart(_ instant, timeouts int) {
	c.epoch = 0
	if timeouts > 0 {
		c.ssthresh = max(c.ssthresh, c.cwnd*3/4)
	}
	for ; timeouts > 0 && c.cwnd > float64(4*c.mtu); timeouts-- {
		c.cwnd = max(c.cwnd/2, float64(4*c.mtu))
	}
}

// hystart ends slow start when the round-trip time grows, before packets are lost: RFC 9406. Rounds
// are counted by delivered bytes.
type hystart struct {
	finished  bool
	nextRound uint64
	lastMin   time.Duration
	roundMin  time.Duration
	samples   int
	css       bool // conservative slow start
	cssMin    time.Duration
	cssRounds int
}

// Constants of RFC 9406, section 4.3.
const (
	hystartMinThreshold = 4 * time.Millisecond
	hystartMaxThreshold = 16 * time.Millisecond
	hystartMinDivisor   = 8
	hystartSamples      = 8
	hystartCSSGrowth    = 4
	hystartCSSRounds    = 5
)

func (h *hystart) sample(s *ackSample) {
	if h.finished {
		return
	}
	if s.priorDelivered >= h.nextRound {
		h.nextRound = s.delivered
		if h.css {
			if h.cssRounds++; h.cssRounds >= hystartCSSRounds {
				h.finished = true
			}
		}
		h.lastMin, h.roundMin, h.samples = h.roundMin, 0, 0
	}
	if s.rtt == 0 {
		return
	}
	if h.roundMin == 0 || s.rtt < h.roundMin {
		h.roundMin = s.rtt
	}
	h.samples++
	if h.samples < hystartSamples || h.lastMin == 0 {
		return
	}
	if h.css {
		if h.roundMin < h.cssMin { // the growth was temporary
			h.css, h.cssRounds = false, 0
		}
		return
	}
	threshold := min(max(h.lastMin/hystartMinDivisor, hystartMinThreshold), hystartMaxThreshold)
	if h.roundMin >= h.lastMin+threshold {
		h.css, h.cssMin, h.cssRounds = true, h.roundMin, 0
	}
}

func (h *hystart) divisor() float64 {
	if h.css {
		return hystartCSSGrowth
	}
	return 1
}

func (h *hystart) done() bool { return h.finished }
