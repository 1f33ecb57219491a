package sctp

import (
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// sweepState records that the peer has abandoned messages which may be incomplete here. They are
// searched for once after a packet. A search costs more than a FORWARD-TSN costs the peer, so that
// where there are many incomplete messages, it waits for several FORWARD-TSNs.
type sweepState struct {
	due     bool
	forward bool   // messages that end at tsn or before
	tsn     uint32 // without interleaving
	asked   int    // messages or TSNs abandoned since the last search
	last    instant
}

const (
	// sweepAtOnce is the number of incomplete runs up to which any packet may cause a search.
	sweepAtOnce = 64
	// sweepShare bounds the runs that one search examines for each message abandoned since the last
	// search,
	sweepShare = 4
	// unless the last search is longer ago than sweepInterval: abandoned data must not stay in the
	// receive window.
	sweepInterval = 50 * time.Millisecond
)

// forward drops the incomplete messages that end at tsn or before. With interleaving a TSN alone
// does not identify messages; skipFragments handles them.
func (r *reassembly) forward(tsn uint32) {
	if !r.interleaving {
		r.sweep.due, r.sweep.forward, r.sweep.tsn = true, true, tsn
		r.sweep.asked++
	}
}

// skipFragments drops the incomplete messages of a stream up to a MID.
func (r *reassembly) skipFragments(stream uint16, unordered bool, mid uint32) {
	h := dataHeader{stream: stream}
	if unordered {
		h.flags = flagUnordered
		s := r.stream(stream)
		if !s.skippedAny || serial.Less32(s.skippedUMID, mid) {
			s.skippedUMID, s.skippedAny = mid, true
		}
	}
	slot := r.slot(&h)
	if c := *slot; c != nil && serial.LessEqual32(c.ordinal, mid) {
		*slot = nil
		r.discard(c)
	}
	r.sweep.due = true
	r.sweep.asked++
}

// dropAbandoned performs, after a packet, the search that forward and skipFragments have requested.
func (r *reassembly) dropAbandoned(t instant) {
	s := &r.sweep
	if !s.due {
		return
	}
	if n := len(r.byFirst); n > sweepAtOnce && n > sweepShare*s.asked && t-s.last < sweepInterval {
		return
	}
	abandoned := func(h *dataHeader) bool {
		if r.interleaving {
			return r.isAbandoned(h)
		}
		return s.forward && serial.LessEqual32(h.tsn, s.tsn)
	}
	if c := r.current; c != nil && abandoned(&c.dataHeader) {
		r.current = nil
		r.discard(c)
	}
	for _, f := range r.byFirst {
		if abandoned(&f.dataHeader) {
			delete(r.byFirst, r.key(&f.dataHeader, f.seq))
			delete(r.byLast, r.key(&f.dataHeader, f.last))
			r.discard(f)
		}
	}
	*s = sweepState{last: t}
}
