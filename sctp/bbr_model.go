package sctp

import "time"

// bbrModel is BBR's model of the path: sections 5.5 and following of the draft.
type bbrModel struct {
	// Round trips, counted by packets.
	nextRoundDelivered uint64
	roundCount         uint64
	roundStart         bool
	delivered          uint64 // C.delivered of the last sample
	appLimited         bool   // the last sample was

	maxBWFilter [2]float64 // of this ProbeBW cycle and the one before
	bwShort     float64    // bw_shortterm; 0: infinity
	bw          float64    // min of the two
	minRTT      time.Duration
	minRTTStamp instant

	inflightLong  int // inflight_longterm; bbrInfinity: none
	inflightShort int // inflight_shortterm

	// The delivery signals of the last round trip.
	bwLatest           float64
	inflightLatest     int
	lossRoundDelivered uint64
	lossRoundStart     bool
	lossInRound        bool
	// probedUntil is C.delivered when the last probe for bandwidth ended.
	probedUntil uint64
	// The sums of the round trip: those of the last whole one while lossRoundStart is set.
	deliveredInRound, lostInRound int
	deliveredSoFar, lostSoFar     int

	// Aggregation of acknowledgements.
	extraAcked     maxFilter
	extraStart     instant
	extraDelivered float64
}

func (m *bbrModel) init() {
	m.inflightLong, m.inflightShort = bbrInfinity, bbrInfinity
}

func (m *bbrModel) maxBW() float64 { return max(m.maxBWFilter[0], m.maxBWFilter[1]) }

// bdp returns the bandwidth-delay product in bytes.
func (m *bbrModel) bdp() float64 { return m.bw * m.minRTT.Seconds() }

func (m *bbrModel) startRound() { m.nextRoundDelivered = m.delivered }

// updateLatest is UpdateLatestDeliverySignals.
func (m *bbrModel) updateLatest(s *ackSample) {
	m.delivered, m.appLimited = s.delivered, s.appLimited
	m.lossRoundStart = false
	m.bwLatest = max(m.bwLatest, s.rate())
	m.inflightLatest = max(m.inflightLatest, s.sampleBytes)
	m.deliveredSoFar += s.newlyAcked
	if s.priorDelivered >= m.lossRoundDelivered {
		m.lossRoundDelivered = s.delivered
		m.lossRoundStart = true
		m.deliveredInRound, m.lostInRound = m.deliveredSoFar, m.lostSoFar
		m.deliveredSoFar, m.lostSoFar = 0, 0
	}
}

// advanceLatest is AdvanceLatestDeliverySignals.
func (m *bbrModel) advanceLatest(s *ackSample) {
	if m.lossRoundStart {
		m.bwLatest, m.inflightLatest = s.rate(), s.sampleBytes
	}
}

func (m *bbrModel) resetCongestionSignals() {
	m.lossInRound = false
	m.bwLatest, m.inflightLatest = 0, 0
}

func (m *bbrModel) resetShortTerm() { m.bwShort, m.inflightShort = 0, bbrInfinity }

// updateRound is UpdateRound.
func (m *bbrModel) updateRound(s *ackSample) {
	m.roundStart = s.priorDelivered >= m.nextRoundDelivered
	if m.roundStart {
		m.startRound()
		m.roundCount++
	}
}

// updateMaxBW is UpdateMaxBw. A sample limited by the application counts only if it is not lower
// than the maximum.
func (m *bbrModel) updateMaxBW(s *ackSample) {
	if rate := s.rate(); rate > 0 && (rate >= m.maxBW() || !s.appLimited) {
		m.maxBWFilter[0] = max(m.maxBWFilter[0], rate)
	}
	m.bound()
}

func (m *bbrModel) advanceMaxBWFilter() {
	if m.maxBWFilter[0] > 0 { // otherwise only the old one is known
		m.maxBWFilter[1], m.maxBWFilter[0] = m.maxBWFilter[0], 0
	}
}

// bound is BoundBWForModel.
func (m *bbrModel) bound() {
	m.bw = m.maxBW()
	if m.bwShort != 0 {
		m.bw = min(m.bw, m.bwShort)
	}
}

// updateAckAggregation is UpdateACKAggregation.
func (m *bbrModel) updateAckAggregation(s *ackSample, cwnd int, fullBWReached bool) {
	expected := m.bw * (s.t - m.extraStart).Seconds()
	if m.extraDelivered <= expected {
		m.extraDelivered, m.extraStart, expected = 0, s.t, 0
	}
	m.extraDelivered += float64(s.newlyAcked)
	length := uint64(1)
	if fullBWReached {
		length = bbrExtraAckedFilterLen
	}
	m.extraAcked.update(min(m.extraDelivered-expected, float64(cwnd)), m.roundCount, length)
}

// maxFilter is a maximum over a window of round trips, in two halves: the
// current one and the one before.
type maxFilter struct {
	max       float64
	now, prev float64
	since     uint64
}

func (f *maxFilter) update(v float64, round, length uint64) {
	if round-f.since >= max(length/2, 1) {
		f.prev, f.now, f.since = f.now, 0, round
	}
	f.now = max(f.now, v)
	f.max = max(f.now, f.prev)
}
