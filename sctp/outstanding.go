package sctp

import (
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// chunkState is the state of a sent chunk.
type chunkState uint8

const (
	chunkInFlight  chunkState = iota + 1 // in the list of chunks by time of sending
	chunkLost                            // in the list of chunks to retransmit
	chunkAcked                           // by a gap ack block; the peer may still discard it
	chunkAbandoned                       // RFC 3758: not retransmitted
)

// sentChunk is a DATA chunk that has a TSN and is not cumulatively acknowledged.
type sentChunk struct {
	msg           *outMessage
	offset        uint32 // of the payload in msg
	ordinal       uint32 // SSN or MID
	fsn           uint32 // I-DATA: Fragment Sequence Number
	size          uint16 // of the payload
	stream        uint16
	transmissions uint16
	flags         uint8
	state         chunkState
	sentAt        instant // the last time
	rec           sentRecord
	prev, next    uint32 // TSNs, in the list that state names
}

// tsnList is a doubly linked list of chunks, by TSN.
type tsnList struct {
	head, tail uint32
	n          int
}

// outstanding holds the sent chunks in a ring indexed by TSN. Chunks in flight are linked in the
// order of their last transmission, as RACK needs them, and lost ones in the order in which they
// were detected.
type outstanding struct {
	ring []sentChunk // a power of two long, nil while nothing is outstanding
	base uint32      // the oldest TSN not cumulatively acknowledged
	next uint32      // the next TSN to assign

	flight tsnList
	lost   tsnList
	header int // size of a DATA or I-DATA chunk's header

	inFlight     int        // bytes of chunks in flight, headers included
	payloadSum   int        // bytes of payload in flight, as the peer's window counts
	peerWindow   int        // a_rwnd of the newest SACK
	sacked       []tsnRange // the gap ack blocks of the last SACK
	scratch      []tsnRange
	gapAcked     tsnSet // the TSNs in [base, gapHigh] that gap ack blocks have acknowledged
	gapHigh      uint32 // base-1 if there is none
	rate         rateState
	highestAcked uint32 // the highest TSN acknowledged in any way
	lastSent     instant
}

const (
	// maxOutstanding bounds the chunks in flight: gap ack blocks count TSNs from the cumulative ack
	// in 16 bits.
	maxOutstanding = 65000
	minRing        = 32
	// partialSack is the number of gap ack blocks from which a SACK may have had no room for more.
	partialSack = 64
	// maxPeerWindow bounds the a_rwnd that is taken from a peer.
	maxPeerWindow = 1 << 30
)

func (o *outstanding) init(tsn uint32) {
	*o = outstanding{header: dataHeaderSize, base: tsn, next: tsn, highestAcked: tsn - 1, gapHigh: tsn - 1, peerWindow: o.peerWindow}
}

// wireSize returns the bytes of a chunk that count in the congestion window.
func (o *outstanding) wireSize(c *sentChunk) int { return o.header + int(c.size) }

func (o *outstanding) count() int { return int(o.next - o.base) }

// at returns the chunk with a TSN in [base, next).
func (o *outstanding) at(tsn uint32) *sentChunk { return &o.ring[tsn&uint32(len(o.ring)-1)] }

// add assigns the next TSN.
func (o *outstanding) add() (tsn uint32, c *sentChunk) {
	if n := o.count(); n == len(o.ring) {
		ring := make([]sentChunk, max(minRing, 2*n))
		for tsn := o.base; tsn != o.next; tsn++ {
			ring[tsn&uint32(len(ring)-1)] = *o.at(tsn)
		}
		o.ring = ring
	}
	tsn = o.next
	o.next++
	c = o.at(tsn)
	*c = sentChunk{}
	return tsn, c
}

func (o *outstanding) pushBack(l *tsnList, tsn uint32) {
	c := o.at(tsn)
	if l.n == 0 {
		l.head = tsn
	} else {
		o.at(l.tail).next = tsn
		c.prev = l.tail
	}
	l.tail = tsn
	l.n++
}

func (o *outstanding) unlink(l *tsnList, tsn uint32) {
	c := o.at(tsn)
	if tsn == l.head {
		l.head = c.next
	} else {
		o.at(c.prev).next = c.next
	}
	if tsn == l.tail {
		l.tail = c.prev
	} else {
		o.at(c.next).prev = c.prev
	}
	l.n--
}

// pushFront inserts a chunk that was sent before all in the list.
func (o *outstanding) pushFront(l *tsnList, tsn uint32) {
	c := o.at(tsn)
	if l.n == 0 {
		l.tail = tsn
	} else {
		o.at(l.head).prev = tsn
		c.next = l.head
	}
	l.head = tsn
	l.n++
}

// restoreLost returns all lost chunks to the chunks in flight, in the order in which they were
// sent.
func (o *outstanding) restoreLost() {
	for o.lost.n > 0 {
		tsn := o.lost.tail
		c := o.at(tsn)
		o.unlink(&o.lost, tsn)
		c.msg.lost--
		c.state = chunkInFlight
		o.pushFront(&o.flight, tsn)
		o.inFlight += o.wireSize(c)
		o.payloadSum += int(c.size)
	}
}

// setState moves a chunk between the lists and updates the sums.
func (o *outstanding) setState(tsn uint32, s chunkState) {
	c := o.at(tsn)
	switch c.state {
	case chunkInFlight:
		o.unlink(&o.flight, tsn)
		o.inFlight -= o.wireSize(c)
		o.payloadSum -= int(c.size)
	case chunkLost:
		o.unlink(&o.lost, tsn)
		c.msg.lost--
	}
	c.state = s
	switch s {
	case chunkInFlight:
		o.pushBack(&o.flight, tsn)
		o.inFlight += o.wireSize(c)
		o.payloadSum += int(c.size)
	case chunkLost:
		o.pushBack(&o.lost, tsn)
		c.msg.lost++
	}
}

// sent records a transmission.
func (o *outstanding) sent(t instant, tsn uint32) {
	c := o.at(tsn)
	o.rate.sent(t, c, o.inFlight, o.wireSize(c))
	c.transmissions++
	c.sentAt = t
	o.lastSent = t
	o.setState(tsn, chunkInFlight)
}

// windowRoom returns the bytes of payload for which the peer's receive window has room.
func (o *outstanding) windowRoom() int { return max(0, o.peerWindow-o.payloadSum) }

// pop removes the oldest chunk, which is acknowledged or abandoned. The caller accounts for its bytes.
func (o *outstanding) pop(s *sendQueue) {
	c := o.at(o.base)
	o.setState(o.base, chunkAcked)
	s.chunkDone(c)
	*c = sentChunk{}
	o.base++
}

// release removes all chunks and frees the memory.
func (o *outstanding) release(s *sendQueue) {
	for o.base != o.next {
		o.pop(s)
	}
	o.ring, o.sacked, o.scratch, o.gapAcked.words, o.gapHigh = nil, nil, nil, nil, o.base-1
}

// shrink frees the memory if nothing is outstanding.
func (o *outstanding) shrink() {
	if o.base == o.next {
		o.ring, o.sacked, o.scratch, o.gapAcked.words = nil, nil, nil, nil
	}
}

// tsnRange is a run of TSNs, both ends included.
type tsnRange struct{ first, last uint32 }

// ackTotals sums up the chunks that a SACK newly acknowledged.
type ackTotals struct {
	bytes     int
	newest    instant // the latest transmission among the chunks acknowledged
	newestTSN uint32
	rtt       time.Duration // of that transmission; 0: ambiguous (Karn's algorithm)
	// The sentRecord of the newest, for the delivery rate.
	hasRecord  bool
	record     sentRecord
	recordSent instant
	spurious   int // chunks marked lost and not retransmitted yet
	// tooSoon counts chunks that were retransmitted less than minRTT ago: the acknowledgement is of
	// an earlier transmission.
	tooSoon   int
	minRTT    time.Duration
	reordered bool // a chunk below an earlier acknowledgement, never retransmitted
	// newestLarge is when the latest packet above the base MTU among them was sent.
	newestLarge instant
}

// acknowledge accounts for a chunk's first acknowledgement.
func (o *outstanding) acknowledge(t instant, tsn uint32, c *sentChunk, sum *ackTotals) {
	sum.bytes += o.wireSize(c)
	if c.state == chunkLost {
		sum.spurious++
	} else if c.transmissions > 1 && t-c.sentAt < sum.minRTT {
		sum.tooSoon++
	}
	o.rate.acked(t, c, o.wireSize(c), sum)
	if c.rec.large {
		sum.newestLarge = max(sum.newestLarge, c.sentAt)
	}
	if c.transmissions == 1 {
		if serial.Less32(tsn, o.highestAcked) {
			sum.reordered = true
		}
		if c.sentAt >= sum.newest || sum.rtt == 0 {
			sum.rtt = max(t-c.sentAt, 1)
		}
	}
	if c.sentAt > sum.newest || c.sentAt == sum.newest && serial.Less32(sum.newestTSN, tsn) {
		sum.newest, sum.newestTSN = c.sentAt, tsn
	}
}

// cumulative acknowledges everything up to and including tsn.
func (o *outstanding) cumulative(t instant, tsn uint32, s *sendQueue, sum *ackTotals) {
	if serial.LessEqual32(o.base, o.gapHigh) && serial.LessEqual32(o.base, tsn) {
		last := tsn
		if serial.Less32(o.gapHigh, tsn) {
			last = o.gapHigh
		}
		o.gapAcked.clear(o.base, last)
	}
	var run streamRun
	for serial.LessEqual32(o.base, tsn) {
		c := o.at(o.base)
		if c.state == chunkInFlight || c.state == chunkLost {
			o.acknowledge(t, o.base, c, sum)
		}
		if m := c.msg; m != nil {
			if m.queue != run.stream {
				s.removeRun(&run)
				run = streamRun{stream: m.queue}
			}
			run.size += int(c.size)
			if c.state != chunkAbandoned {
				run.acknowledged += int(c.size)
			}
		}
		o.pop(s)
	}
	s.removeRun(&run)
	o.highestAcked = serial.Max32(o.highestAcked, tsn)
	o.gapHigh = serial.Max32(o.gapHigh, tsn)
}

// gaps acknowledges the chunks of the gap ack blocks, which are ascending and within (base, next).
// TSNs that an earlier SACK has named are skipped 64 at a time, so that a peer that alternates
// between blocks causes no more work than one that only adds to them.
func (o *outstanding) gaps(t instant, blocks []tsnRange, sum *ackTotals) {
	// The blocks become those of the last SACK; the two slices change places.
	o.scratch, o.sacked = o.sacked[:0], blocks
	if len(blocks) == 0 {
		return
	}
	high := blocks[len(blocks)-1].last
	if serial.Less32(o.gapHigh, high) {
		o.gapAcked.grow(o.base, o.gapHigh, high)
		o.gapHigh = high
	}
	for _, b := range blocks {
		for tsn := o.gapAcked.next(false, b.first, b.last); tsn != b.last+1; tsn = o.gapAcked.next(false, tsn+1, b.last) {
			o.gapAcked.add(tsn)
			if c := o.at(tsn); c.state == chunkInFlight || c.state == chunkLost {
				o.acknowledge(t, tsn, c, sum)
				o.setState(tsn, chunkAcked)
			}
		}
	}
	o.highestAcked = serial.Max32(o.highestAcked, high)
}

// reneged marks as lost the chunks that an earlier SACK's gap ack blocks acknowledged and the last
// SACK does not: RFC 9260, section 6.2.1, allows the peer to discard such data. It is called when
// the retransmission timer has expired: until then an older SACK that was overtaken looks the same.
func (o *outstanding) reneged(timeouts int) {
	if len(o.sacked) >= partialSack && timeouts < 2 {
		return // its blocks may be incomplete
	}
	sacked := o.sacked
	for tsn := o.base; tsn != o.next; tsn++ {
		for len(sacked) > 0 && serial.Less32(sacked[0].last, tsn) {
			sacked = sacked[1:]
		}
		if o.at(tsn).state == chunkAcked && (len(sacked) == 0 || serial.Less32(tsn, sacked[0].first)) {
			o.setState(tsn, chunkLost)
			o.gapAcked.clear(tsn, tsn)
		}
	}
}
