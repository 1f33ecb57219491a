package sctp

import (
	"encoding/binary"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// tsnTracker records which TSNs have arrived and are to be acknowledged: RFC 9260, section 6.2.
type tsnTracker struct {
	cum    uint32 // everything up to here has arrived
	high   uint32 // the highest TSN that has arrived; cum if none is missing
	above  tsnSet // the TSNs in (cum, high] that have arrived
	blocks int    // the runs of consecutive TSNs in it: the gap ack blocks

	dups []uint32 // arrived again since the last SACK
	// nextReport is where the blocks of the next SACK continue, if not all fit.
	nextReport uint32

	newData bool // a DATA chunk came in the current packet
	pending int  // packets with data since the last SACK
	sackNow bool
	// lastWindow is the a_rwnd of the last SACK.
	lastWindow int
}

const (
	// maxTSNAhead bounds the distance of a TSN from the cumulative ack: gap ack blocks count in 16
	// bits, so that a higher TSN could not be acknowledged.
	maxTSNAhead = 65535
	// maxDuplicates bounds the Duplicate TSNs of one SACK.
	maxDuplicates = 32
)

func (r *tsnTracker) init(peerInitialTSN uint32) {
	*r = tsnTracker{cum: peerInitialTSN - 1, high: peerInitialTSN - 1}
}

func (r *tsnTracker) release() { r.above.words, r.dups = nil, nil }

// skipTo sets the cumulative TSN and removes all others.
func (r *tsnTracker) skipTo(tsn uint32) {
	r.above.clear(r.cum+1, r.high)
	r.cum, r.high, r.blocks, r.dups = tsn, tsn, 0, r.dups[:0]
}

// shrink frees the memory that is needed while a TSN is missing.
func (r *tsnTracker) shrink() {
	if !r.missing() {
		r.above.words = nil
	}
}

func (r *tsnTracker) beginPacket() { r.newData = false }

// highest returns the highest TSN that has arrived.
func (r *tsnTracker) highest() uint32 { return r.high }

// missing reports whether a TSN is missing below one that has arrived.
func (r *tsnTracker) missing() bool { return r.cum != r.high }

// seen reports whether the TSN has arrived before.
func (r *tsnTracker) seen(tsn uint32) bool {
	return serial.LessEqual32(tsn, r.cum) || serial.LessEqual32(tsn, r.high) && r.above.has(tsn)
}

// add records a TSN that was not seen before, and that is at most maxTSNAhead above the cumulative
// ack.
func (r *tsnTracker) add(tsn uint32) {
	if tsn == r.cum+1 {
		r.forward(tsn)
		return
	}
	r.blocks++
	if r.seen(tsn - 1) {
		r.blocks--
	}
	if serial.Less32(r.high, tsn) {
		r.above.grow(r.cum+1, r.high, tsn)
		r.high = tsn
	} else if r.above.has(tsn + 1) { // tsn is not the highest, so that this is in range
		r.blocks--
	}
	r.above.add(tsn)
}

// forward moves the cumulative ack to tsn at least, as FORWARD-TSN demands, and on over the TSNs
// that have arrived. It examines no TSN that it does not pass.
func (r *tsnTracker) forward(tsn uint32) {
	from := r.cum + 1
	r.cum = serial.Max32(r.cum, tsn)
	for serial.LessEqual32(from, r.high) {
		last := r.high
		if serial.Less32(r.cum+1, last) {
			last = r.cum + 1
		}
		first := r.above.next(true, from, last)
		if first == last+1 {
			break
		}
		from = r.above.next(false, first, r.high)
		r.above.clear(first, from-1)
		r.blocks--
		r.cum = serial.Max32(r.cum, from-1)
	}
	r.high = serial.Max32(r.high, r.cum)
}

// block returns the first run of TSNs that have arrived from tsn on; there must be one.
func (r *tsnTracker) block(tsn uint32) tsnRange {
	first := r.above.next(true, tsn, r.high)
	return tsnRange{first, r.above.next(false, first, r.high) - 1}
}

// duplicate records a TSN that arrived again.
func (r *tsnTracker) duplicate(tsn uint32) {
	if len(r.dups) < maxDuplicates {
		r.dups = append(r.dups, tsn)
	}
	// RFC 9260, section 6.2: a packet with duplicates and no new data is acknowledged without
	// delay.
	r.sackNow = true
}

// scheduleSack determines, after a packet, when it is acknowledged: at once if a TSN is missing,
// else after the second packet or SACKDelay (RFC 9260, section 6.2). If packets arrive in batches,
// the owner transmits after the batch, and one SACK acknowledges all of it.
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
	case r.pending >= 2 || r.missing() || a.cfg.SACKDelay == 0 || a.state == StateShutdownSent:
		r.sackNow = true
	case a.timers[timerSACK] == 0:
		a.timers[timerSACK] = t + a.cfg.SACKDelay
	}
}

// appendBlocks appends the gap ack blocks of the next SACK, of which at most n fit, and returns
// their number. A burst that overflows a queue causes thousands of gaps. With only the lowest
// blocks, the sender would not be informed of the data above them, and could repair only the gaps
// of one SACK in a round trip. So half of the room is for the lowest blocks, and the other half
// rotates through the rest, from SACK to SACK.
func (r *tsnTracker) appendBlocks(dst []byte, n int) ([]byte, int) {
	low := n / 2
	if r.blocks <= n {
		low = r.blocks
	}
	at := r.cum + 1
	for range low {
		dst, at = r.appendBlock(dst, at)
	}
	if r.blocks <= n {
		return dst, low
	}
	rest := at
	if serial.Less32(rest, r.nextReport) && serial.LessEqual32(r.nextReport, r.high) {
		at = r.nextReport
	}
	count := low
	for ; count < n && serial.LessEqual32(at, r.high); count++ {
		dst, at = r.appendBlock(dst, at)
	}
	r.nextReport = at
	if !serial.LessEqual32(at, r.high) {
		r.nextReport = r.cum // begin with the lowest again
	}
	return dst, count
}

// appendBlock appends the first gap ack block from tsn on, and returns where the next may begin.
func (r *tsnTracker) appendBlock(dst []byte, tsn uint32) ([]byte, uint32) {
	b := r.block(tsn)
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.first-r.cum))
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.last-r.cum))
	return dst, b.last + 1
}

// appendSack encodes a SACK chunk.
func (a *Association) appendSack(dst []byte, limit int) []byte {
	room := limit - len(dst) - sackHeaderSize
	if room < 0 {
		return dst
	}
	r := &a.recv
	window := a.receiveWindow()
	start := len(dst)
	dst = append(dst, byte(chunkSack), 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, r.cum)
	dst = binary.BigEndian.AppendUint32(dst, uint32(window))
	dst = append(dst, 0, 0, 0, 0)
	dst, blocks := r.appendBlocks(dst, room/4)
	dups := min(len(r.dups), room/4-blocks)
	for _, tsn := range r.dups[:dups] {
		dst = binary.BigEndian.AppendUint32(dst, tsn)
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16(len(dst)-start))
	binary.BigEndian.PutUint16(dst[start+12:], uint16(blocks))
	binary.BigEndian.PutUint16(dst[start+14:], uint16(dups))
	r.dups = r.dups[:0]
	r.pending, r.sackNow, r.lastWindow = 0, false, window
	a.timers[timerSACK] = 0
	a.stats.SACKsSent++
	return dst
}

// receiveWindow returns the a_rwnd to advertise.
func (a *Association) receiveWindow() int {
	if a.reasm.ready.Len() == 0 {
		a.window.incomplete(a.reasm.charged-a.reasm.unreleased, a.reasm.unreleased)
	}
	return max(0, a.window.limit-a.reasm.charged)
}
