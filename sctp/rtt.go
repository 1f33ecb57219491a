package sctp

import "time"

// rttState measures the round-trip time and derives the retransmission timeout: RFC 9260, section
// 6.3.1.
type rttState struct {
	srtt, rttvar time.Duration // 0: no sample yet
	latest       time.Duration
	min          time.Duration // least of the window below; 0: no sample yet
	minAt        instant
	rto          time.Duration
	low, high    time.Duration // RTO.Min and RTO.Max
	backedOff    bool
}

// minRTTWindow is how long a minimum round-trip time counts: the path may become longer, and a
// connection lasts for hours.
const minRTTWindow = 300 * time.Second

// clockGranularity is G of RFC 9260, section 6.3.1.
const clockGranularity = time.Millisecond

func (r *rttState) init(c *Config) {
	*r = rttState{rto: c.InitialRTO, low: c.MinRTO, high: c.MaxRTO}
}

// sample processes a measurement. The caller observes Karn's algorithm.
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

// derive computes the timeout (RFC 9260, section 6.3.1, C2, C3, C6 and C7).
func (r *rttState) derive() {
	r.backedOff = false
	r.rto = min(max(r.srtt+max(4*r.rttvar, clockGranularity), r.low), r.high)
}

// sampleMin updates the minimum round-trip time of the last minutes.
func (r *rttState) sampleMin(t instant, rtt time.Duration) {
	if r.min == 0 || rtt <= r.min || t-r.minAt > minRTTWindow {
		r.min, r.minAt = max(rtt, 1), t
	}
}

// backOff doubles the timeout after an expiry (RFC 9260, section 6.3.3, E2).
func (r *rttState) backOff() {
	r.rto = min(2*r.rto, r.high)
	r.backedOff = true
}

// endBackOff ends the back-off of the handshake: the peer has answered, and data should not wait as
// long as INIT did. Without a measurement the timeout is the initial one, as in RFC 6298, section
// 5.7, for TCP. The 3 s of that section, for paths on which 1 s was too short, are not needed here,
// where the first acknowledgement undoes an unnecessary timeout (RFC 5682).
func (r *rttState) endBackOff(c *Config) {
	switch {
	case !r.backedOff:
	case r.srtt == 0:
		r.rto, r.backedOff = c.InitialRTO, false
	default:
		r.derive()
	}
}
