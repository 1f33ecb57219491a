package sctp

import "time"

// rateState measures the delivery rate: each chunk records the bytes delivered when it was sent,
// and its acknowledgement then shows how fast data was delivered in between:
// draft-ietf-ccwg-bbr-04, section 4.1.
type rateState struct {
	delivered   uint64  // bytes acknowledged so far (C.delivered)
	deliveredAt instant // when that last grew
	firstSent   instant // send time of the packet that began the current sample
	lost        uint64  // bytes found lost so far
	// appLimited is the value of delivered up to which samples measure the rate of the application,
	// not of the path; 0: there are no such samples.
	appLimited uint64
}

// sentRecord is the state recorded with a chunk (P.delivered and so on).
type sentRecord struct {
	delivered   uint64
	lost        uint64
	deliveredAt instant
	firstSent   instant
	txInFlight  int32
	appLimited  bool
	large       bool // the last chunk of a packet above the base size
}

// rateSample is the delivery rate sample of one SACK (RS).
type rateSample struct {
	delivered      uint64        // bytes delivered so far (C.delivered)
	priorDelivered uint64        // bytes delivered when the newest packet acknowledged was sent
	sampleBytes    int           // delivered in between
	interval       time.Duration // in which; 0: no sample
	txInFlight     int           // bytes in flight when that packet was sent
	sampleLost     int           // bytes found lost since then
	appLimited     bool
}

// rate returns the rate in bytes per second, 0 without a sample.
func (s *rateSample) rate() float64 {
	if s.interval <= 0 {
		return 0
	}
	return float64(s.sampleBytes) / s.interval.Seconds()
}

// sent records a transmission of size bytes; inFlight is without them.
func (r *rateState) sent(t instant, c *sentChunk, inFlight, size int) {
	if inFlight == 0 {
		r.firstSent, r.deliveredAt = t, t
	}
	c.rec = sentRecord{delivered: r.delivered, lost: r.lost, deliveredAt: r.deliveredAt, firstSent: r.firstSent,
		txInFlight: int32(inFlight + size), appLimited: r.appLimited != 0}
}

// acked is called for the first acknowledgement of each chunk.
func (r *rateState) acked(t instant, c *sentChunk, size int, sum *ackTotals) {
	r.delivered += uint64(size)
	r.deliveredAt = t
	// The newest transmission determines the sample.
	if !sum.hasRecord || c.rec.delivered > sum.record.delivered ||
		c.rec.delivered == sum.record.delivered && c.sentAt > sum.recordSent {
		sum.hasRecord, sum.record, sum.recordSent = true, c.rec, c.sentAt
	}
}

// sample completes the sample of a SACK.
func (r *rateState) sample(sum *ackTotals, minRTT time.Duration) rateSample {
	if r.appLimited != 0 && r.delivered > r.appLimited {
		r.appLimited = 0
	}
	s := rateSample{delivered: r.delivered}
	if !sum.hasRecord {
		return s
	}
	rec := &sum.record
	r.firstSent = sum.recordSent
	s.priorDelivered = rec.delivered
	s.sampleBytes = int(r.delivered - rec.delivered)
	s.txInFlight = int(rec.txInFlight)
	s.sampleLost = int(r.lost - rec.lost)
	s.appLimited = rec.appLimited
	// The slower of the two phases, sending and acknowledging, so that a burst in one of them does
	// not count as rate.
	s.interval = max(sum.recordSent-rec.firstSent, r.deliveredAt-rec.deliveredAt)
	if s.interval < minRTT {
		s.interval = 0 // too short for a sample
	}
	return s
}

// limitedByApplication is called when there is nothing to send and room for it.
func (r *rateState) limitedByApplication(inFlight int) {
	r.appLimited = max(r.delivered+uint64(inFlight), 1)
}
