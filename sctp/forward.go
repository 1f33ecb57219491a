package sctp

import (
	"encoding/binary"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// forwardState is the sending side of partial reliability: RFC 3758, section 3.5.
type forwardState struct {
	advancedPeerAck uint32 // Advanced.Peer.Ack.Point
	send            bool   // a FORWARD-TSN is due
	lastSent        instant
	lastNewCum      uint32 // the New Cumulative TSN of the last one
	unconfirmed     bool   // advancedPeerAck is ahead of the peer
}

const (
	// minForwardInterval is the minimum time after which a FORWARD-TSN is repeated, however short
	// the round trip is: building one examines many chunks.
	minForwardInterval = 10 * time.Millisecond
	// maxForwardTSNs bounds the distance of a FORWARD-TSN from the cumulative ack. The next one
	// continues when the peer has confirmed it.
	maxForwardTSNs = 4096
)

// pending reports whether the peer has not confirmed the last FORWARD-TSN.
func (f *forwardState) pending() bool { return f.unconfirmed }

// resend plans another FORWARD-TSN if the peer had the time to answer the last one.
func (f *forwardState) resend(t instant, srtt time.Duration) {
	if f.unconfirmed && t-f.lastSent > max(srtt, minForwardInterval) {
		f.send = true
	}
}

// resendNow is for the retransmission timer.
func (f *forwardState) resendNow() { f.send = f.unconfirmed }

// abandon abandons a message: none of its chunks is retransmitted, and its unsent rest is dropped
// (RFC 3758, section 3.5, A3).
func (a *Association) abandon(t instant, m *outMessage) {
	o := &a.out
	a.send.expiry.remove(m)
	outstanding := m.refs > 0
	first, last := m.firstTSN, m.lastTSN
	if m.sent < len(m.buf.B) {
		if m.sent > 0 {
			// The peer may have acknowledged every fragment sent so far, and wait for the rest. A
			// chunk that is never sent takes the next TSN, so that a FORWARD-TSN can skip it.
			tsn, c := o.add()
			c.stream, c.ordinal, c.flags = m.stream, m.ordinal, flagEnd
			if m.unordered {
				c.flags |= flagUnordered
			}
			o.setState(tsn, chunkAbandoned)
			m.queue.lastTSN = tsn
		}
		a.send.drop(m) // it is the head of its stream; freed if nothing of it is outstanding
	} else {
		m.abandoned = true
	}
	if !outstanding {
		a.advancePeerAck(t)
		return
	}
	for tsn := serial.Max32(first, o.base); serial.LessEqual32(tsn, last); tsn++ {
		if c := o.at(tsn); c.msg == m {
			o.setState(tsn, chunkAbandoned)
		}
	}
	a.advancePeerAck(t)
}

// advancePeerAck moves Advanced.Peer.Ack.Point over the abandoned chunks that follow the cumulative
// ack (RFC 3758, section 3.5, C1 and C2) and plans a FORWARD-TSN if it is ahead.
func (a *Association) advancePeerAck(t instant) {
	o, f := &a.out, &a.fwd
	cum := o.base - 1
	if serial.Less32(f.advancedPeerAck, cum) {
		f.advancedPeerAck = cum
	}
	before := f.advancedPeerAck
	for f.advancedPeerAck+1 != o.next && o.at(f.advancedPeerAck+1).state == chunkAbandoned {
		f.advancedPeerAck++
	}
	f.unconfirmed = serial.Less32(cum, f.advancedPeerAck)
	if !f.unconfirmed {
		f.send = false
		return
	}
	advanced := f.advancedPeerAck != before
	if advanced && a.timers[timerT3] == 0 {
		a.timers[timerT3] = t + a.rtt.rto
	}
	switch {
	case a.loss.errors > 0:
		// If the peer does not answer, the next one is sent when the retransmission timer expires.
		// One for each message that expires until then would list all outstanding chunks each time.
	case advanced, f.lastNewCum == cum: // it confirms the last one, and there is more
		f.send = true
	default:
		f.resend(t, a.rtt.srtt)
	}
}

// appendForwardTSN appends a FORWARD-TSN chunk (RFC 3758, section 3.2) or an I-FORWARD-TSN chunk
// (RFC 8260, section 2.3.1), whose entries name unordered messages, too, if it is due.
func (a *Association) appendForwardTSN(t instant, dst []byte, limit int) []byte {
	if !a.fwd.send || len(dst)+chunkHeaderSize+8 > limit {
		return dst
	}
	return a.encodeForwardTSN(t, dst, limit)
}

// encodeForwardTSN encodes the chunk. It is a function of its own because its index takes 2 KiB of
// stack: inside appendForwardTSN, which is called for each packet, the stack of every new goroutine
// that sends would have to grow.
func (a *Association) encodeForwardTSN(t instant, dst []byte, limit int) []byte {
	f, o := &a.fwd, &a.out
	f.send = false
	f.lastSent = t
	typ, entry := chunkForwardTSN, 4
	if a.hand.interleaving {
		typ, entry = chunkIForwardTSN, 8
	}
	start := len(dst)
	dst = appendChunkHeader(dst, typ, 0)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	list := len(dst)
	var index forwardIndex
	count, unorderedToo := 0, false
	tsn, last := o.base, f.advancedPeerAck
	if last-tsn >= maxForwardTSNs {
		last = tsn + maxForwardTSNs - 1
	}
	for ; serial.LessEqual32(tsn, last); tsn++ {
		c := o.at(tsn)
		unordered := uint16(c.flags & flagUnordered >> 2)
		if unordered != 0 && (!a.hand.interleaving || c.flags&(flagBeginning|flagEnd) == flagBeginning|flagEnd) {
			// Without interleaving only ordered messages are named. With it, an unordered message
			// of one fragment needs no entry.
			continue
		}
		// An entry has the largest number of its stream: a later chunk replaces it.
		at := index.find(dst[list:], entry, c.stream, unordered)
		if *at == 0 {
			if len(dst)+entry > limit || count == maxForwardEntries {
				break // the rest comes with the next FORWARD-TSN
			}
			dst = binary.BigEndian.AppendUint16(dst, c.stream)
			if entry == 4 {
				dst = binary.BigEndian.AppendUint16(dst, uint16(c.ordinal))
			} else {
				dst = binary.BigEndian.AppendUint16(dst, unordered)
				dst = binary.BigEndian.AppendUint32(dst, c.ordinal)
			}
			count++
			*at = uint16(count)
			unorderedToo = unorderedToo || unordered != 0
			continue
		}
		e := dst[list+int(*at-1)*entry:]
		if entry == 4 {
			binary.BigEndian.PutUint16(e[2:], uint16(c.ordinal))
		} else {
			// Fragments of several messages alternate, so that a later TSN may be of an earlier
			// message.
			binary.BigEndian.PutUint32(e[4:], serial.Max32(binary.BigEndian.Uint32(e[4:]), c.ordinal))
		}
	}
	if unorderedToo {
		a.excludeUnfinished(&index, dst[list:], tsn)
	}
	f.lastNewCum = tsn - 1
	binary.BigEndian.PutUint32(dst[list-4:], f.lastNewCum)
	a.stats.ForwardTSNsSent++
	return endChunk(dst, start)
}

// excludeUnfinished lowers the unordered MIDs of the entries of an I-FORWARD-TSN below those of
// messages that are still being sent: the peer drops all messages up to the MID of an entry. from
// is the first TSN beyond the new cumulative one.
func (a *Association) excludeUnfinished(index *forwardIndex, entries []byte, from uint32) {
	o := &a.out
	for tsn := from; tsn != o.next; tsn++ {
		c := o.at(tsn)
		if c.flags&flagUnordered == 0 || c.state == chunkAbandoned {
			continue
		}
		n := *index.find(entries, 8, c.stream, 1)
		if n == 0 {
			continue
		}
		if e := entries[(n-1)*8:]; serial.LessEqual32(c.ordinal, binary.BigEndian.Uint32(e[4:])) {
			binary.BigEndian.PutUint32(e[4:], c.ordinal-1)
		}
	}
}

// forwardIndex finds the entries of a FORWARD-TSN by their streams: a hash table of their numbers,
// counted from 1, with linear probing. The peer determines how many chunks and streams there are to
// name.
type forwardIndex [2 * maxForwardEntries]uint16

// maxForwardEntries bounds the entries of a FORWARD-TSN. It is a power of two, and more than fit in
// a packet of 1,500 bytes.
const maxForwardEntries = 512

// find returns the place of the number of an entry; the number is 0 if there is no such entry.
func (x *forwardIndex) find(entries []byte, size int, stream, unordered uint16) *uint16 {
	hash := (uint32(stream)<<1 | uint32(unordered)) * 0x9e3779b1 >> 16
	for ; ; hash++ {
		n := &x[hash%uint32(len(x))]
		if *n == 0 {
			return n
		}
		e := entries[int(*n-1)*size:]
		if binary.BigEndian.Uint16(e) == stream && (size == 4 || binary.BigEndian.Uint16(e[2:]) == unordered) {
			return n
		}
	}
}

// receiveForwardTSN processes the peer's abandoned TSNs: RFC 3758, section 3.6.
func (a *Association) receiveForwardTSN(c chunk) {
	if !a.acceptsData() {
		return
	}
	if len(c.value) < 4 || (c.typ == chunkIForwardTSN) != a.hand.interleaving {
		a.stats.ChunksInvalid++
		return
	}
	tsn := binary.BigEndian.Uint32(c.value)
	r := &a.recv
	r.sackNow = true // the sender waits for the confirmation
	if serial.LessEqual32(tsn, r.cum) {
		return // out of date, and confirmed again
	}
	if tsn-r.cum > maxTSNAhead {
		a.stats.ChunksInvalid++
		return
	}
	if a.reset.kind == requestAssociation && !a.queueChunk(c, tsn) {
		return
	}
	r.forward(tsn)
	if a.reset.kind != requestAssociation {
		a.forwardStreams(c, tsn)
		a.reset.received(a)
	}
}

// forwardStreams skips the messages that a FORWARD-TSN names.
func (a *Association) forwardStreams(c chunk, tsn uint32) {
	v := c.value[4:]
	if !a.hand.interleaving {
		for ; len(v) >= 4; v = v[4:] {
			if stream := binary.BigEndian.Uint16(v); stream < a.hand.inStreams {
				a.reasm.skip(stream, uint32(binary.BigEndian.Uint16(v[2:])))
			}
		}
		a.reasm.forward(tsn)
	} else {
		for ; len(v) >= 8; v = v[8:] {
			stream, unordered, mid := binary.BigEndian.Uint16(v), v[3]&1 != 0, binary.BigEndian.Uint32(v[4:])
			if stream >= a.hand.inStreams {
				continue
			}
			a.reasm.skipFragments(stream, unordered, mid)
			if !unordered {
				a.reasm.skip(stream, mid)
			}
		}
	}
}
