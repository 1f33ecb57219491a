package sctp

import "time"

// newReno is the congestion control of RFC 9260, section 7.2, with the recovery of RFC 6582, which
// is part of the loss detection.
type newReno struct {
	mtu          int
	cwnd         int
	ssthresh     int
	partialAcked int

	undoCwnd, undoSsthresh int
}

func newNewReno(mtu, initial int) *newReno {
	return &newReno{mtu: mtu, cwnd: initial, ssthresh: 1 << 30}
}

func (c *newReno) acked(s *ackSample) {
	// RFC 9260, section 7.2.1: cwnd grows only if it is fully used, and not in Fast Recovery. The
	// traffic of an application that sends little does not show the capacity of the path.
	if s.inRecovery || !s.windowLimited {
		return
	}
	if c.cwnd < c.ssthresh {
		// Slow start. The RFC limits the growth by one SACK to one packet, to avoid bursts. Here
		// the pacer does that, so that one SACK for a batch of packets counts in full.
		c.cwnd += s.newlyAcked
		return
	}
	// RFC 9260, section 7.2.2: one packet per window.
	c.partialAcked += s.newlyAcked
	if c.partialAcked >= c.cwnd {
		c.partialAcked -= c.cwnd
		c.cwnd += c.mtu
	}
}

func (c *newReno) lost(*lostSample) {}

func (c *newReno) congested(instant, int) {
	c.undoCwnd, c.undoSsthresh = c.cwnd, c.ssthresh
	c.ssthresh = max(c.cwnd/2, 4*c.mtu) // RFC 9260, section 7.2.3
	c.cwnd = c.ssthresh
	c.partialAcked = 0
}

func (c *newReno) timedOut(instant, int) {
	c.undoCwnd, c.undoSsthresh = c.cwnd, c.ssthresh
	c.ssthresh = max(c.cwnd/2, 4*c.mtu)
	c.cwnd = c.mtu
	c.partialAcked = 0
}

func (c *newReno) recovered(instant) {}

func (c *newReno) undo(instant) {
	c.cwnd, c.ssthresh = max(c.cwnd, c.undoCwnd), max(c.ssthresh, c.undoSsthresh)
}

// restart: RFC 9260, section 7.2.1: the window is halved once per RTO without data, down to four
// packets.
func (c *newReno) restart(_ instant, timeouts int) {
	if timeouts > 0 {
		c.ssthresh = max(c.ssthresh, c.cwnd*3/4)
	}
	for ; timeouts > 0 && c.cwnd > 4*c.mtu; timeouts-- {
		c.cwnd = max(c.cwnd/2, 4*c.mtu)
	}
}

func (c *newReno) setMTU(mtu int) { c.mtu = mtu }

func (c *newReno) window() int { return c.cwnd }

func (c *newReno) pacingRate(srtt time.Duration) float64 {
	return windowRate(c.cwnd, c.cwnd < c.ssthresh, srtt)
}

// windowRate returns the rate that spreads a window over somewhat less than a round trip, so that
// pacing does not limit the flow below its window.
func windowRate(cwnd int, slowStart bool, srtt time.Duration) float64 {
	if srtt == 0 {
		return 0
	}
	gain := 1.25
	if slowStart {
		gain = 2
	}
	return gain * float64(cwnd) / srtt.Seconds()
}
