package ice

import "time"

// pacer spaces new transactions: on average one in Ta, at most checkBurst at once. It is a token bucket in the form of the
// time at which the bucket is full again; the zero value with an interval is a full bucket.
type pacer struct {
	interval time.Duration // Ta
	full     time.Time
}

// ready reports whether a transaction may start now.
func (p *pacer) ready(now time.Time) bool { return !now.Before(p.next()) }

// next returns when a transaction may start; in the past, or zero, if now.
func (p *pacer) next() time.Time {
	if p.full.IsZero() {
		return time.Time{}
	}
	return p.full.Add(-(checkBurst - 1) * p.interval)
}

// take pays for one transaction that starts now, on credit if need be.
func (p *pacer) take(now time.Time) {
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(p.interval)
}
