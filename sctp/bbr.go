package sctp

import (
	"math"
	"math/rand/v2"
	"time"
)

// bbr is BBR version 3, draft-ietf-ccwg-bbr-04: a model of the path, its bandwidth and its
// round-trip time, determines the bytes in flight, instead of losses. The names are those of the
// draft. bbr_model.go has the model, this file the states.
//
// It differs from the draft in the treatment of losses. lossThreshold determines which losses count
// as congestion at all. As to the short-term model, which the draft narrows after each round trip
// with a loss:
//
//   - Only losses beyond the threshold, as a share of the bytes delivered, narrow it. At 1 % of
//     random loss any other rule costs a third of the rate between two probes; the threshold is the
//     one of the draft for excessive loss.
//   - Losses of data sent while probing for bandwidth (Startup, ProbeBW_UP) do not narrow it. They
//     have ended the probe and set inflight_longterm; counted again, they cost 30 % of the rate for
//     the following two seconds.
type bbr struct {
	mtu         int
	initialCwnd int
	cwnd        int
	priorCwnd   int
	pacing      float64 // bytes per second; 0: no measurement yet
	rng         *rand.Rand

	state      bbrState
	pacingGain float64
	cwndGain   float64

	model bbrModel

	// Startup and Drain.
	fullBW          float64
	fullBWCount     int
	fullBWNow       bool
	fullBWReached   bool
	lossEvents      int // in this round of Startup
	recovering      bool
	recoveringRound bool // a whole round trip passed in recovery
	drainStart      uint64

	// ProbeBW.
	cycleStamp          instant
	probeWait           time.Duration
	roundsSinceProbe    int
	ackPhase            bbrAckPhase
	probeSample         bool // samples come from probing for bandwidth
	probeUpRounds       int
	probeUpAcked        int
	probeUpAckedPerInc  int
	prevProbeTooHigh    bool
	prevProbePrecaution bool

	// ProbeRTT.
	probeRTTMin time.Duration
	// The longest round-trip times of this round trip and the one before.
	roundRTT, prevRTT time.Duration
	probeRTTMinStamp  instant
	probeRTTExpired   bool
	probeRTTDone      instant
	probeRTTRoundDone bool
	idleRestart       bool

	undoState           bbrState
	undoBWShort         float64
	undoShort, undoLong int
}

type bbrState uint8

const (
	bbrNone bbrState = iota
	bbrStartup
	bbrDrain
	bbrProbeDown
	bbrProbeCruise
	bbrProbeRefill
	bbrProbeUp
	bbrProbeRTT
)

type bbrAckPhase uint8

const (
	bbrAcksInit bbrAckPhase = iota
	bbrAcksRefilling
	bbrAcksProbeStarting
	bbrAcksProbeFeedback
	bbrAcksProbeStopping
)

// Constants of section 2 of the draft.
const (
	bbrStartupPacingGain = 2.77
	bbrDrainPacingGain   = 0.5
	bbrStartupCwndGain   = 2
	// bbrDefaultCwndGain is 2 in the draft. With a queue of one bandwidth-delay product that leaves
	// no room between the data of two BBR flows and the end of the queue, and a NewReno or CUBIC
	// flow beside it gets a quarter of the rate. At 1.5 it gets a third, and a single flow is as
	// fast: extra_acked accounts for acknowledgements that arrive in bursts.
	bbrDefaultCwndGain  = 1.5
	bbrProbeUpCwndGain  = 2.25
	bbrProbeRTTCwndGain = 0.5
	// bbrPacingMargin is 0.99 in the draft. A fifth of that margin still drains a queue in the
	// three seconds between probes.
	bbrPacingMargin  = 0.998
	bbrLossThreshold = 0.02
	// bbrLossThresholdNoQueue keeps a path with bursts of radio loss, 3 % on average, usable. It is
	// not higher because a policer drops packets without a queue.
	bbrLossThresholdNoQueue = 0.06
	bbrBeta                 = 0.7
	bbrHeadroom             = 0.15
	bbrMinPipePackets       = 4
	bbrStartupFullLossCnt   = 6
	bbrMinRTTFilterLen      = 10 * time.Second
	bbrProbeRTTInterval     = 5 * time.Second
	bbrProbeRTTDuration     = 200 * time.Millisecond
	bbrExtraAckedFilterLen  = 10 // round trips
	bbrMaxRenoRounds        = 63
	bbrInfinity             = math.MaxInt32
)

func newBBR(mtu, initial int, src rand.Source) *bbr {
	c := &bbr{mtu: mtu, initialCwnd: initial, cwnd: initial, rng: rand.New(src), probeUpAckedPerInc: bbrInfinity}
	c.model.init()
	c.enterStartup()
	return c
}

func (c *bbr) setMTU(mtu int) { c.mtu = mtu }

func (c *bbr) window() int { return c.cwnd }

// pacingRate returns the rate in bytes per second. Before the first measurement the initial window
// is sent within the round trip of the handshake.
func (c *bbr) pacingRate(srtt time.Duration) float64 {
	if c.pacing == 0 && srtt > 0 { // BBRInitPacingRate
		c.pacing = bbrStartupPacingGain * float64(c.initialCwnd) / srtt.Seconds()
	}
	return c.pacing
}

// acked is BBRUpdateOnACK.
func (c *bbr) acked(s *ackSample) {
	m := &c.model
	m.updateLatest(s)
	m.updateRound(s)
	if m.roundStart {
		c.prevRTT, c.roundRTT = c.roundRTT, 0
		c.roundsSinceProbe++
	}
	c.roundRTT = max(c.roundRTT, s.rtt)
	m.updateMaxBW(s)
	if m.lossRoundStart {
		c.adaptLowerBounds()
	}
	m.updateAckAggregation(s, c.cwnd, c.fullBWReached)
	c.checkFullBWReached(s)
	c.checkStartupDone(s)
	c.checkDrainDone(s)
	c.updateProbeBWCyclePhase(s)
	c.updateMinRTT(s)
	c.checkProbeRTT(s)
	m.advanceLatest(s)
	m.bound()

	c.setPacingRate(c.pacingGain)
	c.setCwnd(s)
}

// setPacingRate is BBRSetPacingRateWithGain. The initial rate is a minimum until the path is known
// to be full: the first sample is often one small message whose SACK was delayed, a rate of
// kilobytes per second.
func (c *bbr) setPacingRate(gain float64) {
	if rate := gain * c.model.bw * bbrPacingMargin; rate > 0 && (c.fullBWReached || rate > c.pacing) {
		c.pacing = rate
	}
}

func (c *bbr) minPipe() int { return bbrMinPipePackets * c.mtu }

// quantum returns the send quantum, the size of a burst.
func (c *bbr) quantum() int {
	return max(2*c.mtu, min(int(c.pacing/1000), 64<<10))
}

// bdpMultiple is BDPMultiple.
func (c *bbr) bdpMultiple(gain float64) int {
	if c.model.minRTT == 0 || c.model.bw == 0 {
		return c.initialCwnd
	}
	return int(gain * c.model.bdp())
}

// quantize is QuantizationBudget.
func (c *bbr) quantize(inflight int) int {
	inflight = max(inflight, 3*c.quantum(), c.minPipe())
	if c.state == bbrProbeUp {
		inflight += 2 * c.mtu
	}
	return inflight
}

// setCwnd is SetCwnd with its bounds (section 5.6.4.6 of the draft).
func (c *bbr) setCwnd(s *ackSample) {
	maxInflight := c.quantize(c.bdpMultiple(c.cwndGain) + int(c.model.extraAcked.max))
	if c.fullBWReached {
		c.cwnd = min(c.cwnd+s.newlyAcked, maxInflight)
	} else if c.cwnd < maxInflight || s.delivered < uint64(c.initialCwnd) {
		c.cwnd += s.newlyAcked
	}
	c.cwnd = max(c.cwnd, c.minPipe())
	if c.state == bbrProbeRTT {
		c.cwnd = min(c.cwnd, c.probeRTTCwnd())
	}
	limit := bbrInfinity
	switch {
	case c.state == bbrProbeCruise || c.state == bbrProbeRTT:
		limit = c.inflightWithHeadroom()
	case c.probingBW() || c.state == bbrProbeDown:
		if c.state != bbrStartup {
			limit = c.model.inflightLong
		}
	}
	limit = min(limit, c.model.inflightShort)
	c.cwnd = min(c.cwnd, max(limit, c.minPipe()))
}

func (c *bbr) probeRTTCwnd() int { return max(c.bdpMultiple(bbrProbeRTTCwndGain), c.minPipe()) }

func (c *bbr) inflightWithHeadroom() int {
	long := c.model.inflightLong
	if long == bbrInfinity {
		return long
	}
	return max(long-max(c.mtu, int(bbrHeadroom*float64(long))), c.minPipe())
}

// Startup and Drain: sections 5.3.1 and 5.3.2.

func (c *bbr) enterStartup() {
	c.state = bbrStartup
	c.pacingGain, c.cwndGain = bbrStartupPacingGain, bbrStartupCwndGain
}

func (c *bbr) resetFullBW(rate float64) {
	c.fullBW, c.fullBWCount, c.fullBWNow = rate, 0, false
}

func (c *bbr) checkFullBWReached(s *ackSample) {
	if c.fullBWNow || s.appLimited || s.rate() == 0 {
		return
	}
	if s.rate() >= c.fullBW*1.25 {
		c.resetFullBW(s.rate())
		return
	}
	if !c.model.roundStart {
		return
	}
	c.fullBWCount++
	if c.fullBWNow = c.fullBWCount >= 3; c.fullBWNow {
		c.fullBWReached = true
	}
}

func (c *bbr) checkStartupDone(s *ackSample) {
	if c.state != bbrStartup {
		return
	}
	// Too much loss: section 5.3.1.3 of the draft.
	if c.model.lossRoundStart {
		lossy := float64(c.model.lostInRound) > bbrLossThreshold*float64(c.model.deliveredInRound+c.model.lostInRound)
		if c.recoveringRound && c.lossEvents >= bbrStartupFullLossCnt && lossy && !s.appLimited && !c.fullBWReached {
			c.undoState = bbrStartup
			c.fullBWReached = true
			c.model.inflightLong = max(int(c.model.bdp()), c.model.inflightLatest)
		}
		c.recoveringRound = c.recovering
		c.lossEvents = 0
	}
	if c.fullBWReached {
		c.state = bbrDrain
		c.model.probedUntil = c.model.delivered
		c.pacingGain, c.cwndGain = bbrDrainPacingGain, bbrDefaultCwndGain
		c.drainStart = c.model.roundCount
	}
}

func (c *bbr) checkDrainDone(s *ackSample) {
	if c.state == bbrDrain && (s.inFlight <= c.quantize(c.bdpMultiple(1)) || c.model.roundCount > c.drainStart+3) {
		c.cwndGain = bbrDefaultCwndGain
		c.startProbeDown(s.t)
	}
}

// ProbeBW: section 5.3.3.9 of the draft.

func (c *bbr) probingBW() bool {
	return c.state == bbrStartup || c.state == bbrProbeRefill || c.state == bbrProbeUp
}

func (c *bbr) inProbeBW() bool { return c.state >= bbrProbeDown && c.state <= bbrProbeUp }

func (c *bbr) startProbeDown(t instant) {
	if c.state == bbrProbeUp {
		c.model.probedUntil = c.model.delivered
	}
	c.model.resetCongestionSignals()
	c.probeUpAckedPerInc = bbrInfinity
	c.roundsSinceProbe = c.rng.IntN(2)
	c.probeWait = 2*time.Second + time.Duration(c.rng.Int64N(int64(time.Second)))
	c.cycleStamp = t
	c.ackPhase = bbrAcksProbeStopping
	c.model.startRound()
	c.state = bbrProbeDown
	c.pacingGain, c.cwndGain = 0.9, bbrDefaultCwndGain
}

func (c *bbr) startProbeCruise() {
	c.state = bbrProbeCruise
	c.pacingGain, c.cwndGain = 1, bbrDefaultCwndGain
}

func (c *bbr) startProbeRefill() {
	c.model.resetShortTerm()
	c.probeUpRounds, c.probeUpAcked = 0, 0
	c.prevProbePrecaution = false
	c.ackPhase = bbrAcksRefilling
	c.model.startRound()
	c.state = bbrProbeRefill
	c.pacingGain, c.cwndGain = 1, bbrDefaultCwndGain
}

func (c *bbr) startProbeUp(s *ackSample) {
	c.ackPhase = bbrAcksProbeStarting
	c.model.startRound()
	c.resetFullBW(s.rate())
	c.state = bbrProbeUp
	c.pacingGain, c.cwndGain = 1.25, bbrProbeUpCwndGain
	c.raiseInflightSlope()
}

func (c *bbr) updateProbeBWCyclePhase(s *ackSample) {
	if !c.fullBWReached || c.adaptLongTermModel(s) || !c.inProbeBW() {
		return
	}
	switch c.state {
	case bbrProbeDown:
		if !c.timeToProbe(s.t) && s.inFlight <= c.inflightWithHeadroom() &&
			float64(s.inFlight) <= max(c.model.maxBW()*c.model.minRTT.Seconds(), float64(c.minPipe())) {
			c.startProbeCruise()
		}
	case bbrProbeCruise:
		c.timeToProbe(s.t)
	case bbrProbeRefill:
		if c.model.roundStart {
			c.probeSample = true
			c.startProbeUp(s)
		}
	case bbrProbeUp:
		if c.timeToGoDown(s) {
			c.prevProbeTooHigh = false
			c.startProbeDown(s.t)
		}
	}
}

// timeToProbe is IsTimeToProbeBW: after a time, or after as many round trips as a Reno flow of that
// size would have between two losses.
func (c *bbr) timeToProbe(t instant) bool {
	reno := min(min(int(c.model.bdp()), c.cwnd)/c.mtu, bbrMaxRenoRounds)
	if t > c.cycleStamp+c.probeWait || c.roundsSinceProbe >= reno {
		c.startProbeRefill()
		return true
	}
	return false
}

func (c *bbr) timeToGoDown(s *ackSample) bool {
	long := c.model.inflightLong
	if c.prevProbeTooHigh && s.inFlight >= long {
		c.prevProbePrecaution = true
		return true
	}
	if s.windowLimited && c.cwnd >= long {
		c.resetFullBW(s.rate())
		return false
	}
	return c.fullBWNow
}

func (c *bbr) raiseInflightSlope() {
	growth := 1 << c.probeUpRounds
	c.probeUpRounds = min(c.probeUpRounds+1, 30)
	c.probeUpAckedPerInc = max(c.cwnd/growth, c.mtu)
}

func (c *bbr) probeInflightUpward(s *ackSample) {
	if !s.windowLimited || c.cwnd < c.model.inflightLong {
		return
	}
	c.probeUpAcked += s.newlyAcked
	if c.probeUpAcked >= c.probeUpAckedPerInc {
		delta := c.probeUpAcked / c.probeUpAckedPerInc
		c.probeUpAcked -= delta * c.probeUpAckedPerInc
		c.model.inflightLong = min(c.model.inflightLong+delta*c.mtu, bbrInfinity)
	}
	if c.model.roundStart {
		c.raiseInflightSlope()
	}
}

// adaptLongTermModel is AdaptLongTermModel; it reports whether it has changed the state.
func (c *bbr) adaptLongTermModel(s *ackSample) bool {
	m := &c.model
	if c.ackPhase == bbrAcksProbeStarting && m.roundStart {
		c.ackPhase = bbrAcksProbeFeedback
	}
	if c.ackPhase == bbrAcksProbeStopping && m.roundStart {
		c.probeSample = false
		c.ackPhase = bbrAcksInit
		if c.inProbeBW() && !s.appLimited {
			m.advanceMaxBWFilter()
		}
		if c.inProbeBW() && c.prevProbePrecaution && !c.prevProbeTooHigh {
			c.startProbeRefill()
			return true
		}
	}
	if !c.inflightTooHigh(s.sampleLost, s.txInFlight) && m.inflightLong != bbrInfinity {
		m.inflightLong = max(m.inflightLong, s.txInFlight)
		if c.state == bbrProbeUp {
			c.probeInflightUpward(s)
		}
	}
	return false
}

// lossThreshold returns the share of loss above which the path counts as overloaded: that of the
// draft, or a higher one while no round-trip time shows a queue, because losses then have another
// cause.
func (c *bbr) lossThreshold() float64 {
	if m := c.model.minRTT; m != 0 && max(c.roundRTT, c.prevRTT) < m+m/8 {
		return bbrLossThresholdNoQueue
	}
	return bbrLossThreshold
}

func (c *bbr) inflightTooHigh(lost, txInFlight int) bool {
	return float64(lost) > float64(txInFlight)*c.lossThreshold()
}

// lost is HandleLostPacket.
func (c *bbr) lost(s *lostSample) {
	m := &c.model
	c.lossEvents++
	if c.state == bbrStartup || s.priorDelivered >= m.probedUntil {
		if !m.lossInRound {
			m.lossRoundDelivered = s.delivered
			c.saveState()
		}
		m.lossInRound = true
		m.lostSoFar += s.size
	}
	if !c.probeSample || !c.inflightTooHigh(int(s.lost), s.txInFlight) {
		return
	}
	// InflightAtLoss: the prefix of the chunk at which losses crossed the threshold.
	prev := float64(s.txInFlight - s.size)
	lostPrev := float64(int(s.lost) - s.size)
	prefix := max(0, (bbrLossThreshold*prev-lostPrev)/(1-bbrLossThreshold))
	c.inflightWasTooHigh(s, int(prev+prefix))
}

// inflightWasTooHigh is HandleInflightTooHigh.
func (c *bbr) inflightWasTooHigh(s *lostSample, inflight int) {
	c.prevProbeTooHigh = true
	c.probeSample = false // only react once to each probe
	if !s.appLimited {
		target := min(int(c.model.bdp()), c.cwnd)
		c.model.inflightLong = max(inflight, int(float64(target)*bbrBeta))
	}
	if c.state == bbrProbeUp {
		c.undoState = bbrProbeUp
		c.startProbeDown(s.t)
	}
}

// adaptLowerBounds is AdaptLowerBoundsFromCongestion, at the end of a round trip; the comment of
// bbr explains the threshold.
func (c *bbr) adaptLowerBounds() {
	m := &c.model
	if !c.probingBW() && m.lossInRound &&
		float64(m.lostInRound) > c.lossThreshold()*float64(m.lostInRound+m.deliveredInRound) {
		if m.bwShort == 0 {
			m.bwShort = m.maxBW()
		}
		if m.inflightShort == bbrInfinity {
			m.inflightShort = c.cwnd
		}
		m.bwShort = max(m.bwLatest, bbrBeta*m.bwShort)
		m.inflightShort = max(m.inflightLatest, int(bbrBeta*float64(m.inflightShort)))
	}
	m.lossInRound = false
}

// ProbeRTT: section 5.3.4.3 of the draft.

func (c *bbr) updateMinRTT(s *ackSample) {
	m := &c.model
	c.probeRTTExpired = c.probeRTTMinStamp != 0 && s.t > c.probeRTTMinStamp+bbrProbeRTTInterval
	if s.rtt > 0 && (c.probeRTTMin == 0 || s.rtt < c.probeRTTMin || c.probeRTTExpired) {
		c.probeRTTMin, c.probeRTTMinStamp = s.rtt, s.t
	}
	if c.probeRTTMin != 0 && (m.minRTT == 0 || c.probeRTTMin < m.minRTT || s.t > m.minRTTStamp+bbrMinRTTFilterLen) {
		m.minRTT, m.minRTTStamp = c.probeRTTMin, c.probeRTTMinStamp
	}
}

func (c *bbr) checkProbeRTT(s *ackSample) {
	if c.state != bbrProbeRTT && c.probeRTTExpired && !c.idleRestart {
		c.saveCwnd()
		c.state = bbrProbeRTT
		c.pacingGain, c.cwndGain = 1, bbrProbeRTTCwndGain
		c.probeRTTDone = 0
		c.ackPhase = bbrAcksProbeStopping
		c.model.startRound()
	}
	if c.state == bbrProbeRTT {
		switch {
		case c.probeRTTDone == 0 && s.inFlight <= c.probeRTTCwnd():
			c.probeRTTDone = s.t + bbrProbeRTTDuration
			c.probeRTTRoundDone = false
			c.model.startRound()
		case c.probeRTTDone != 0:
			if c.model.roundStart {
				c.probeRTTRoundDone = true
			}
			if c.probeRTTRoundDone {
				c.checkProbeRTTDone(s.t)
			}
		}
	}
	if s.sampleBytes > 0 {
		c.idleRestart = false
	}
}

func (c *bbr) checkProbeRTTDone(t instant) {
	if c.probeRTTDone == 0 || t <= c.probeRTTDone {
		return
	}
	c.probeRTTMinStamp = t
	c.restoreCwnd()
	c.model.resetShortTerm()
	if c.fullBWReached {
		c.startProbeDown(t)
		c.startProbeCruise()
	} else {
		c.enterStartup()
	}
}

// restart is HandleRestartFromIdle.
func (c *bbr) restart(t instant, _ int) {
	if !c.model.appLimited {
		return
	}
	c.idleRestart = true
	c.model.extraStart = t
	if c.inProbeBW() {
		c.setPacingRate(1)
	} else if c.state == bbrProbeRTT {
		c.checkProbeRTTDone(t)
	}
}

// Loss recovery: sections 5.5.11 and 5.6.4.4.

func (c *bbr) saveCwnd() {
	if !c.recovering && c.state != bbrProbeRTT {
		c.priorCwnd = c.cwnd
	} else {
		c.priorCwnd = max(c.priorCwnd, c.cwnd)
	}
}

func (c *bbr) restoreCwnd() { c.cwnd = max(c.cwnd, c.priorCwnd) }

func (c *bbr) saveState() {
	c.saveCwnd()
	c.undoState = bbrNone
	c.undoBWShort, c.undoShort, c.undoLong = c.model.bwShort, c.model.inflightShort, c.model.inflightLong
}

func (c *bbr) congested(instant, int) {
	c.saveState()
	c.recovering = true
}

func (c *bbr) recovered(instant) {
	c.recovering = false
	c.restoreCwnd()
}

func (c *bbr) timedOut(_ instant, _ int) {
	c.saveState()
	c.recovering = true
	c.cwnd = c.mtu // nothing is in flight any more
}

func (c *bbr) undo(instant) {
	m := &c.model
	c.recovering = false
	c.restoreCwnd()
	m.lossInRound = false
	c.resetFullBW(0)
	if m.bwShort != 0 {
		m.bwShort = max(m.bwShort, c.undoBWShort)
		if c.undoBWShort == 0 {
			m.bwShort = 0
		}
	}
	m.inflightShort = max(m.inflightShort, c.undoShort)
	m.inflightLong = max(m.inflightLong, c.undoLong)
	if c.state != bbrProbeRTT {
		switch {
		case c.undoState == bbrStartup && c.state != bbrStartup:
			c.fullBWReached = false
			c.enterStartup()
		case c.undoState == bbrProbeUp && c.state != bbrProbeUp:
			c.startProbeRefill()
		}
	}
	c.undoState = bbrNone

}
