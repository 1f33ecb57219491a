package sctp

import "time"

// congestionControl decides how much may be in flight and how fast it leaves.
// Sizes are in bytes, chunk headers included.
type congestionControl interface {
	// acked is called for each SACK that acknowledged something new.
	acked(s *ackSample)
	// congested is called once for each loss episode, when the first chunk of
	// it is found lost; inFlight is what was outstanding then.
	congested(t instant, inFlight int)
	// timedOut is called when the retransmission timer expired.
	timedOut(t instant, inFlight int)
	// undo takes the last congested or timedOut back: nothing had been lost.
	undo(t instant)
	// idle is called before the first packet after nothing was in flight for
	// longer than the retransmission timeout.
	idle(t instant, timeouts int)
	// window is the congestion window.
	window() int
	// pacingRate is in bytes per second; 0: not paced.
	pacingRate(srtt time.Duration) float64
}

// ackSample is what one SACK told.
type ackSample struct {
	t             instant
	newlyAcked    int           // bytes acknowledged for the first time
	inFlight      int           // bytes outstanding after this SACK
	priorInFlight int           // and before
	rtt           time.Duration // of the newest packet acknowledged, 0 if ambiguous
	srtt, minRTT  time.Duration
	inRecovery    bool // the SACK came within a loss episode
	windowLimited bool // the congestion window held data back since the last SACK
}

// newReno is the congestion control of
// https://www.rfc-editor.org/rfc/rfc9260.html#section-7.2
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
	// "cwnd MUST NOT be increased unless the whole window is used": an
	// application that sends little learns nothing about the path.
	if s.inRecovery || !s.windowLimited {
		return
	}
	if c.cwnd <= c.ssthresh {
		// Slow start. The RFC lets one SACK open the window by one packet
		// only, to limit bursts; the pacer does that here, so that one SACK
		// for a whole batch of packets counts in full.
		c.cwnd += s.newlyAcked
		return
	}
	// Congestion avoidance, section 7.2.2: one packet per window.
	c.partialAcked += s.newlyAcked
	if c.partialAcked >= c.cwnd {
		c.partialAcked -= c.cwnd
		c.cwnd += c.mtu
	}
}

func (c *newReno) congested(_ instant, _ int) {
	c.undoCwnd, c.undoSsthresh = c.cwnd, c.ssthresh
	c.ssthresh = max(c.cwnd/2, 4*c.mtu) // section 7.2.3
	c.cwnd = c.ssthresh
	c.partialAcked = 0
}

func (c *newReno) timedOut(_ instant, _ int) {
	c.undoCwnd, c.undoSsthresh = c.cwnd, c.ssthresh
	c.ssthresh = max(c.cwnd/2, 4*c.mtu)
	c.cwnd = c.mtu
	c.partialAcked = 0
}

func (c *newReno) undo(_ instant) {
	c.cwnd, c.ssthresh = max(c.cwnd, c.undoCwnd), max(c.ssthresh, c.undoSsthresh)
}

// idle: "cwnd SHOULD be adjusted to max(cwnd / 2, 4 * PMDCS) once per RTO"
// (section 7.2.1).
func (c *newReno) idle(_ instant, timeouts int) {
	c.ssthresh = max(c.ssthresh, c.cwnd*3/4)
	for ; timeouts > 0 && c.cwnd > 4*c.mtu; timeouts-- {
		c.cwnd = max(c.cwnd/2, 4*c.mtu)
	}
}

func (c *newReno) window() int { return c.cwnd }

// pacingRate spreads a window over somewhat less than a round trip, so that
// pacing is never what limits the flow.
func (c *newReno) pacingRate(srtt time.Duration) float64 {
	if srtt == 0 {
		return 0
	}
	gain := 1.25
	if c.cwnd <= c.ssthresh {
		gain = 2
	}
	return gain * float64(c.cwnd) / srtt.Seconds()
}

// pacer spaces packets by a rate, with a burst that hides the granularity of
// timers and lets packets leave in batches.
type pacer struct {
	next instant // when the next packet may leave, were there no burst
}

const (
	// paceBurstTime is how far ahead of the rate the sender may run: a timer's
	// granularity.
	paceBurstTime = time.Millisecond
	// paceBurstPackets is the least burst, an initial window.
	paceBurstPackets = 10
)

// ready reports whether a packet may leave at t, and if not, when.
func (p *pacer) ready(t instant, rate float64, mtu int) (bool, instant) {
	if rate == 0 {
		return true, 0
	}
	burst := max(paceBurstTime, time.Duration(float64(paceBurstPackets*mtu)/rate*1e9))
	if p.next <= t+burst {
		return true, 0
	}
	// Wake for half a burst at once, not for every packet.
	return false, p.next - burst/2
}

func (p *pacer) sent(t instant, rate float64, bytes int) {
	if rate == 0 {
		return
	}
	p.next = max(p.next, t) + time.Duration(float64(bytes)/rate*1e9)
}
