package sctp

import "time"

// rttState measures the round-trip time and derives the retransmission
// timeout: https://www.rfc-editor.org/rfc/rfc9260.html#section-6.3.1
type rttState struct {
	srtt, rttvar time.Duration // 0: no sample yet
	latest       time.Duration
	min          time.Duration // least of the window below; 0: no sample yet
	minAt        instant
	rto          time.Duration
	low, high    time.Duration // RTO.Min and RTO.Max
	backedOff    bool
}

// minRTTWindow is how long a least round-trip time counts: a path may become
// longer, and a connection lives for hours.
const minRTTWindow = 300 * time.Second

// clockGranularity is G of RFC 9260: no timer of ours is finer.
const clockGranularity = time.Millisecond

func (r *rttState) init(c *Config) {
	*r = rttState{rto: c.InitialRTO, low: c.MinRTO, high: c.MaxRTO}
}

// sample takes a measurement of a packet that was sent once (Karn's rule is the
// caller's).
func (r *rttState) sample(rtt time.Duration) {
	rtt = max(rtt, 1)
	r.latest = rtt
	if r.srtt == 0 {
		r.srtt, r.rttvar = rtt, rtt/2
	} else {
		// RTO.Alpha = 1/8, RTO.Beta = 1/4
		r.rttvar += ((r.srtt - rtt).Abs() - r.rttvar) / 4
		r.srtt += (rtt - r.srtt) / 8
	}
	r.derive()
}

// derive computes the timeout from what was measured (C2, C3, C6 and C7).
func (r *rttState) derive() {
	r.backedOff = false
	r.rto = min(max(r.srtt+max(4*r.rttvar, clockGranularity), r.low), r.high)
}

// sampleMin keeps the least round-trip time of the last minutes.
func (r *rttState) sampleMin(t instant, rtt time.Duration) {
	if r.min == 0 || rtt <= r.min || t-r.minAt > minRTTWindow {
		r.min, r.minAt = max(rtt, 1), t
	}
}

// backOff doubles the timeout after an expiry (section 6.3.3, E2).
func (r *rttState) backOff() {
	r.rto = min(2*r.rto, r.high)
	r.backedOff = true
}

// endBackOff ends the handshake's back-off with it: the peer has answered, and data should not wait
// for what INIT had to. Without a measurement the timeout is the initial one again, as RFC 6298,
// section 5.7, has it for TCP; the 3 s that it sets then are for paths on which 1 s was too short,
// where here the first acknowledgement undoes a timeout that was not needed (RFC 5682).
func (r *rttState) endBackOff(c *Config) {
	switch {
	case !r.backedOff:
	case r.srtt == 0:
		r.rto, r.backedOff = c.InitialRTO, false
	default:
		r.derive()
	}
}
