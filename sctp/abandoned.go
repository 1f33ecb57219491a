package sctp

import (
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// sweepState says which incomplete messages the peer has given up and the
// reassembly still holds. They are looked for after a packet, all at once. Looking
// at a run of fragments costs more than a peer pays for a FORWARD-TSN, so that
// where there are many, several of these are waited for.
type sweepState struct {
	due     bool
	forward bool   // those that end at tsn or before
	tsn     uint32 // without interleaving
	asked   int    // messages or TSNs given up since the last sweep
	last    instant
}

const (
	// sweepAtOnce is how many incomplete runs are looked at after any packet.
	sweepAtOnce = 64
	// sweepShare: one sweep looks at no more than so many runs for each message
	// that was given up since the last one,
	sweepShare = 4
	// sweepInterval: unless the last one is longer ago than this. What a peer
	// gave up must not stay in the receive window.
	sweepInterval = 50 * time.Millisecond
)

// forward drops the incomplete messages that end at tsn or before: the rest of
// them will not come. With interleaving nothing can be told from a TSN alone;
// skipFragments does it by message.
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

// dropAbandoned does, after a packet, what forward and skipFragments asked for.
func (r *reassembly) dropAbandoned(t instant) {
	s := &r.sweep
	if !s.due {
		return
	}
	if n := len(r.byFirst); n > sweepAtOnce && n > sweepShare*s.asked && t-s.last < sweepInterval {
		return
	}
	given := func(h *dataHeader) bool {
		if r.interleaving {
			return r.isAbandoned(h)
		}
		return s.forward && serial.LessEqual32(h.tsn, s.tsn)
	}
	if c := r.current; c != nil && given(&c.dataHeader) {
		r.current = nil
		r.discard(c)
	}
	for _, f := range r.byFirst {
		if given(&f.dataHeader) {
			delete(r.byFirst, r.key(&f.dataHeader, f.seq))
			delete(r.byLast, r.key(&f.dataHeader, f.last))
			r.discard(f)
		}
	}
	*s = sweepState{last: t}
}
