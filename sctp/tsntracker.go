package sctp

import (
	"encoding/binary"
	"sort"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// tsnTracker knows which TSNs have arrived and what to acknowledge:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-6.2
type tsnTracker struct {
	cum    uint32     // everything up to here has arrived
	ranges []tsnRange // what arrived above, ascending, not adjacent
	dups   []uint32   // arrived again since the last SACK
	// nextReport is where the next SACK goes on naming ranges, if not all fit.
	nextReport uint32

	newData bool // a DATA chunk came in the current packet
	pending int  // packets with data since the last SACK
	sackNow bool
	// lastWindow is the a_rwnd of the last SACK.
	lastWindow int
}

const (
	// maxTSNAhead bounds how far above the cumulative ack a TSN may be: gap
	// ack blocks count in 16 bits, so what is further could not be
	// acknowledged anyway.
	maxTSNAhead = 65535
	// maxDuplicates bounds the duplicates reported in one SACK.
	maxDuplicates = 32
)

func (r *tsnTracker) init(peerInitialTSN uint32) { *r = tsnTracker{cum: peerInitialTSN - 1} }

func (r *tsnTracker) release() { r.ranges, r.dups = nil, nil }

func (r *tsnTracker) beginPacket() { r.newData = false }

// highest returns the highest TSN that has arrived.
func (r *tsnTracker) highest() uint32 {
	if n := len(r.ranges); n > 0 {
		return r.ranges[n-1].last
	}
	return r.cum
}

// seen reports whether the TSN has arrived before.
func (r *tsnTracker) seen(tsn uint32) bool {
	if serial.LessEqual32(tsn, r.cum) {
		return true
	}
	i := r.search(tsn)
	return i < len(r.ranges) && serial.LessEqual32(r.ranges[i].first, tsn)
}

// search returns the first range that ends at tsn or later.
func (r *tsnTracker) search(tsn uint32) int {
	n := len(r.ranges)
	if n == 0 || serial.Less32(r.ranges[n-1].last, tsn) {
		return n // the usual case: beyond all that has arrived
	}
	return sort.Search(n, func(i int) bool { return serial.LessEqual32(tsn, r.ranges[i].last) })
}

// add takes note of a TSN that was not seen before.
func (r *tsnTracker) add(tsn uint32) {
	if tsn == r.cum+1 {
		r.cum = tsn
		r.absorb()
		return
	}
	i := r.search(tsn)
	joinsBefore := i > 0 && r.ranges[i-1].last+1 == tsn
	joinsAfter := i < len(r.ranges) && r.ranges[i].first == tsn+1
	switch {
	case joinsBefore && joinsAfter:
		r.ranges[i-1].last = r.ranges[i].last
		r.ranges = append(r.ranges[:i], r.ranges[i+1:]...)
	case joinsBefore:
		r.ranges[i-1].last = tsn
	case joinsAfter:
		r.ranges[i].first = tsn
	default:
		r.ranges = append(r.ranges, tsnRange{})
		copy(r.ranges[i+1:], r.ranges[i:])
		r.ranges[i] = tsnRange{tsn, tsn}
	}
}

// absorb moves the cumulative ack over what has arrived already.
func (r *tsnTracker) absorb() {
	n := 0
	for n < len(r.ranges) && serial.LessEqual32(r.ranges[n].first, r.cum+1) {
		r.cum = serial.Max32(r.cum, r.ranges[n].last)
		n++
	}
	if n > 0 {
		r.ranges = r.ranges[:copy(r.ranges, r.ranges[n:])]
	}
}

// forward moves the cumulative ack to tsn at least, as FORWARD-TSN demands.
func (r *tsnTracker) forward(tsn uint32) {
	r.cum = serial.Max32(r.cum, tsn)
	r.absorb()
}

// duplicate takes note of a TSN that came again.
func (r *tsnTracker) duplicate(tsn uint32) {
	if len(r.dups) < maxDuplicates {
		r.dups = append(r.dups, tsn)
	}
	// "When a packet arrives with duplicate DATA chunk(s) ... the endpoint
	// MUST immediately send a SACK chunk with no delay."
	r.sackNow = true
}

// scheduleSack decides, after a packet, when it is acknowledged: at once when
// something is missing, else after the second packet or a short while
// (section 6.2). Where packets come in batches, the owner transmits after the
// batch, and one SACK acknowledges all of it.
func (a *Association) scheduleSack(t instant) {
	r := &a.recv
	if !r.newData {
		return
	}
	r.pending++
	if a.state == StateShutdownSent {
		a.shutdownAgain(t)
	}
	switch {
	case r.pending >= 2 || len(r.ranges) > 0 || a.cfg.SACKDelay == 0 || a.state == StateShutdownSent:
		r.sackNow = true
	case a.timers[timerSACK] == 0:
		a.timers[timerSACK] = t + a.cfg.SACKDelay
	}
}

// reported chooses the gap ack blocks of the next SACK when at most n fit. A
// burst that overflows a queue leaves thousands of holes. Were only the lowest
// blocks ever named, the sender could not know of all that arrived above them,
// and would have to repair the holes a packet's worth a round trip. So half of
// the room is for the lowest, and the other half goes round the rest, from SACK
// to SACK.
func (r *tsnTracker) reported(n int) (low, high []tsnRange) {
	if len(r.ranges) <= n {
		return r.ranges, nil
	}
	low = r.ranges[:n/2]
	n -= len(low)
	i := max(r.search(r.nextReport), len(low))
	if i >= len(r.ranges) {
		i = len(low)
	}
	high = r.ranges[i:min(i+n, len(r.ranges))]
	r.nextReport = high[len(high)-1].last + 1
	if i+n >= len(r.ranges) {
		r.nextReport = r.cum
	}
	return low, high
}

// appendSack encodes a SACK chunk.
func (a *Association) appendSack(dst []byte, limit int) []byte {
	room := limit - len(dst) - sackHeaderSize
	if room < 0 {
		return dst
	}
	r := &a.recv
	low, high := r.reported(room / 4)
	blocks := len(low) + len(high)
	dups := min(len(r.dups), room/4-blocks)
	window := a.receiveWindow()
	dst = append(dst, byte(chunkSack), 0, 0, 0)
	binary.BigEndian.PutUint16(dst[len(dst)-2:], uint16(sackHeaderSize+4*(blocks+dups)))
	dst = binary.BigEndian.AppendUint32(dst, r.cum)
	dst = binary.BigEndian.AppendUint32(dst, uint32(window))
	dst = binary.BigEndian.AppendUint16(dst, uint16(blocks))
	dst = binary.BigEndian.AppendUint16(dst, uint16(dups))
	for _, part := range [...][]tsnRange{low, high} {
		for _, b := range part {
			dst = binary.BigEndian.AppendUint16(dst, uint16(b.first-r.cum))
			dst = binary.BigEndian.AppendUint16(dst, uint16(b.last-r.cum))
		}
	}
	for _, tsn := range r.dups[:dups] {
		dst = binary.BigEndian.AppendUint32(dst, tsn)
	}
	r.dups = r.dups[:0]
	r.pending, r.sackNow, r.lastWindow = 0, false, window
	a.timers[timerSACK] = 0
	a.stats.SACKsSent++
	return dst
}

// receiveWindow is the a_rwnd to advertise.
func (a *Association) receiveWindow() int {
	if a.reasm.ready.Len()+a.reasm.lent == 0 {
		a.window.incomplete(a.reasm.held)
	}
	return max(0, a.window.limit-a.reasm.held)
}
