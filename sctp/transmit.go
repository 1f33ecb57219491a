package sctp

import (
	"encoding/binary"
	"time"
)

// minFragment is the minimum payload of a chunk that fills the end of a packet: a smaller one costs
// the receiver more than it saves.
const minFragment = 64

// Transmit appends the next packet to send to dst and returns it; ok is false if there is none now.
// The owner calls it until then, after every other call. It does not allocate if dst has room for
// Config.MTU more bytes, or Config.MaxMTU if that is set.
func (a *Association) Transmit(now time.Time, dst []byte) (packet []byte, ok bool) {
	t := a.clock(now)
	if packet, ok = a.ctl.takePacket(dst); ok {
		a.stats.PacketsSent++
		a.stats.BytesSent += uint64(len(packet) - len(dst))
		return packet, true
	}
	if !a.open {
		return dst, false
	}
	start := len(dst)
	limit := start + a.mtu.current
	// Control chunks stay within the base size: if a path that has shrunk dropped acknowledgements,
	// nothing would detect it.
	small := start + a.mtu.base
	var bundleData bool
	switch a.state {
	case StateClosed:
		return dst, false
	case StateCookieWait:
		return a.transmitInit(t, dst)
	case StateCookieEchoed:
		return a.transmitCookieEcho(t, dst)
	case StateEstablished, StateShutdownPending, StateShutdownReceived:
		bundleData = true
		if a.mtuProbeDue(t) {
			return a.finish(a.appendMTUProbe(t, dst), start), true
		}
	}

	dst = appendCommonHeader(dst, a.cfg.SourcePort, a.cfg.DestinationPort, a.hand.peerTag)
	body := len(dst)
	dst = a.ctl.take(dst, small)
	dst = a.appendReConfig(t, dst, small)
	dst = a.appendHeartbeat(t, dst, small)
	bundleSack := a.recv.pending > 0 && len(dst) > body
	dst = a.appendShutdown(dst, small)
	dst = a.appendForwardTSN(t, dst, small)
	// RFC 9260, section 6.2: a delayed acknowledgement is bundled with an outgoing packet.
	if a.recv.sackNow || bundleSack || bundleData && a.recv.pending > 0 && a.mayTransmitData(t) {
		dst = a.appendSack(dst, small)
	}
	if bundleData {
		dst = a.appendData(t, dst, limit)
	}
	if len(dst) == body {
		return dst[:start], false
	}
	return a.finish(dst, start), true
}

// transmitInit appends the packet with the INIT chunk if it is due.
func (a *Association) transmitInit(t instant, dst []byte) ([]byte, bool) {
	if !a.hand.sendInit {
		return dst, false
	}
	start := len(dst)
	a.hand.sendInit = false
	a.hand.inits++
	a.hand.sentAt = t
	// RFC 9260, section 8.5.1: the Verification Tag of a packet with INIT is 0.
	dst = appendCommonHeader(dst, a.cfg.SourcePort, a.cfg.DestinationPort, 0)
	dst = a.appendInit(dst, chunkInit, a.hand.myTag, a.hand.myInitialTSN, nil, nil)
	return a.finish(dst, start), true
}

// transmitCookieEcho appends the packet with the COOKIE ECHO chunk if it is due. RFC 9260, section
// 5.1: COOKIE ECHO is the first chunk of its packet, pending DATA chunks may follow, and no other
// packet is sent until the COOKIE ACK has come. T1 guards the whole packet.
func (a *Association) transmitCookieEcho(t instant, dst []byte) ([]byte, bool) {
	if !a.hand.sendCookie {
		return dst, false
	}
	start := len(dst)
	a.hand.sendCookie = false
	a.hand.echoes++
	a.hand.sentAt = t
	dst = appendCommonHeader(dst, a.cfg.SourcePort, a.cfg.DestinationPort, a.hand.peerTag)
	c := len(dst)
	dst = appendChunkHeader(dst, chunkCookieEcho, 0)
	dst = append(dst, a.hand.cookie...)
	dst = endChunk(dst, c)
	if n := len(a.hand.unrecognized); n > 0 && len(dst)+chunkHeaderSize+n <= start+a.mtu.current {
		e := len(dst)
		dst = appendChunkHeader(dst, chunkError, 0)
		dst = appendCause(dst, CauseUnrecognizedParameters, a.hand.unrecognized)
		dst = endChunk(dst, e)
	}
	dst = a.appendData(t, dst, start+a.mtu.base)
	a.timers[timerT3], a.timers[timerProbe] = 0, 0
	return a.finish(dst, start), true
}

// finish completes the packet that begins at start.
func (a *Association) finish(dst []byte, start int) []byte {
	// RFC 9653, section 5.2: packets with INIT and COOKIE ECHO have a correct CRC32c.
	if !a.hand.zeroChecksum || a.state < StateEstablished {
		setChecksum(dst[start:])
	}
	a.stats.PacketsSent++
	a.stats.BytesSent += uint64(len(dst) - start)
	return dst
}

// mayTransmitData reports whether appendData would append something.
func (a *Association) mayTransmitData(t instant) bool {
	o := &a.out
	if o.lost.n == 0 && a.send.first() == nil && !a.loss.probe {
		if o.inFlight < a.cc.window() {
			o.rate.limitedByApplication(o.inFlight)
		}
		return false
	}
	if a.loss.probe {
		return true
	}
	if o.inFlight >= a.cc.window() {
		a.loss.windowLimited = true
		return false
	}
	rate := a.cc.pacingRate(a.rtt.srtt)
	ok, at := a.pace.ready(t, rate, a.mtu.current)
	if !ok {
		a.timers[timerPace] = at
	}
	return ok
}

// appendData fills the packet with chunks to retransmit and new ones, as the congestion window, the
// peer's receive window and the pacer allow.
func (a *Association) appendData(t instant, dst []byte, limit int) []byte {
	if !a.mayTransmitData(t) {
		return dst
	}
	o := &a.out
	start := len(dst)
	a.send.schedule.beginPacket(a.hand.interleaving)
	if o.inFlight == 0 && o.lastSent != 0 {
		a.cc.restart(t, int((t-o.lastSent)/a.rtt.rto))
	}
	if o.lost.n > 0 {
		var ok bool
		if dst, ok = a.appendLost(t, dst, start, limit); !ok {
			return dst
		}
	}
	dst = a.appendUnsent(t, dst, start, limit)
	if a.loss.probe {
		a.loss.probe = false
		if len(dst) > start {
			a.probeSentNow(t, false)
		} else {
			dst = a.appendProbe(t, dst, limit)
		}
	}
	if n := len(dst) - start; n > 0 {
		a.pace.sent(t, a.cc.pacingRate(a.rtt.srtt), n)
		if a.timers[timerT3] == 0 {
			a.timers[timerT3] = t + a.rtt.rto
		}
		a.armProbe(t)
		a.notifyWritable()
		a.mtuDataSent(limit - len(dst))
	}
	return dst
}

// appendLost appends lost chunks. RFC 9260, section 6.1, rule C: retransmissions go before new
// data. It reports false if the first one does not fit beside the control chunks before start, and
// has to be sent in a packet of its own.
func (a *Association) appendLost(t instant, dst []byte, start, limit int) ([]byte, bool) {
	o := &a.out
	for o.lost.n > 0 {
		tsn := o.lost.head
		c := o.at(tsn)
		if c.msg.expires != 0 && c.msg.expires <= t {
			a.stats.MessagesAbandoned++
			a.abandon(t, c.msg)
			continue
		}
		room := limit - len(dst)
		if o.wireSize(c) > room && !(len(dst) == start && room >= a.mtu.base-commonHeaderSize) {
			return dst, len(dst) > start
		}
		if int(c.size) > o.windowRoom() && o.inFlight > 0 {
			break
		}
		dst = a.appendChunk(dst, tsn, c)
		o.sent(t, tsn)
		a.stats.Retransmissions++
	}
	return dst, true
}

// appendUnsent appends chunks of messages that wait for their first transmission, unless a lost
// chunk waits, too.
func (a *Association) appendUnsent(t instant, dst []byte, start, limit int) []byte {
	o := &a.out
	var only *outStream // the stream of the packet, if the scheduler does not bundle streams
	for o.lost.n == 0 && o.count() < maxOutstanding {
		m := a.send.first()
		if m == nil || only != nil && m.queue != only {
			break
		}
		if m.expires != 0 && m.expires <= t {
			a.stats.MessagesAbandoned++
			a.abandon(t, m)
			continue
		}
		size := a.fragmentSize(m, limit-len(dst))
		// RFC 9260, section 6.1, rule A: with nothing in flight, one chunk may probe a closed
		// window. Otherwise a whole chunk waits for room, to avoid the silly window syndrome.
		if size == 0 || size > o.windowRoom() && (o.inFlight > 0 || len(dst) > start) {
			break
		}
		if a.send.schedule.kind == SchedulerRoundRobinPacket {
			only = m.queue
		}
		dst = a.appendNew(t, dst, m, size)
		if o.inFlight >= a.cc.window() {
			break
		}
	}
	return dst
}

// fragmentSize returns the size of the next chunk's payload of a message in a packet that has room
// for so many bytes; 0: the chunk goes into another packet.
func (a *Association) fragmentSize(m *outMessage, room int) int {
	most := a.mtu.base - commonHeaderSize - a.out.header // a chunk fits in a packet of the base size: see pathMTU
	rest := len(m.buf.B) - m.sent
	size := min(rest, (room-a.out.header)&^3, most)
	if size <= 0 || size < rest && size < minFragment {
		return 0
	}
	if m.sent == 0 && size < rest && 4*size < rest && most >= rest {
		// The message fits in a packet of its own. To split it for the little room that is left in
		// this one would cost a second chunk, and make the message depend on two packets.
		return 0
	}
	return size
}

// appendNew appends the next chunk of a message.
func (a *Association) appendNew(t instant, dst []byte, m *outMessage, size int) []byte {
	q := &a.send
	s := m.queue
	tsn, c := a.out.add()
	c.msg, c.stream, c.offset, c.size = m, m.stream, uint32(m.sent), uint16(size)
	if m.sent == 0 {
		c.flags = flagBeginning
		m.firstTSN = tsn
		if !m.unordered {
			m.ordinal = s.nextMID
			s.nextMID++
		} else {
			m.ordinal = s.nextUMID
			s.nextUMID++
		}
	}
	c.fsn = m.fsn
	m.fsn++
	if m.unordered {
		c.flags |= flagUnordered
	}
	c.ordinal = m.ordinal
	m.refs++
	m.lastTSN = tsn
	m.sent += size
	q.unqueue(s, size)
	s.lastTSN, s.used = tsn, true
	if c.flags&flagBeginning != 0 && m.sent < len(m.buf.B) && a.hand.interleaving {
		q.partial.add(m)
	}
	if m.sent == len(m.buf.B) {
		c.flags |= flagEnd
		q.partial.remove(m)
		q.unlinkHead(s)
	}
	// Without interleaving, the fragments of a message stay together.
	q.schedule.served(s, size, c.flags&flagEnd == 0 && !a.hand.interleaving || q.schedule.kind == SchedulerRoundRobinPacket)
	if a.loss.probe || a.state != StateEstablished {
		// RFC 7053: the sender waits for the acknowledgement of a tail loss probe and during a
		// shutdown. With COOKIE ECHO it is bundled with COOKIE ACK.
		c.flags |= flagImmediate
	}
	dst = a.appendChunk(dst, tsn, c)
	a.out.sent(t, tsn)
	return dst
}

// appendChunk encodes a DATA or I-DATA chunk.
func (a *Association) appendChunk(dst []byte, tsn uint32, c *sentChunk) []byte {
	size := uint16(a.out.header) + c.size
	if !a.hand.interleaving {
		dst = append(dst, byte(chunkData), c.flags, byte(size>>8), byte(size))
		dst = binary.BigEndian.AppendUint32(dst, tsn)
		dst = binary.BigEndian.AppendUint16(dst, c.stream)
		dst = binary.BigEndian.AppendUint16(dst, uint16(c.ordinal))
		dst = binary.BigEndian.AppendUint32(dst, c.msg.ppid)
	} else {
		// RFC 8260, section 2.1.
		dst = append(dst, byte(chunkIData), c.flags, byte(size>>8), byte(size))
		dst = binary.BigEndian.AppendUint32(dst, tsn)
		dst = binary.BigEndian.AppendUint16(dst, c.stream)
		dst = append(dst, 0, 0)
		dst = binary.BigEndian.AppendUint32(dst, c.ordinal)
		if c.flags&flagBeginning != 0 {
			dst = binary.BigEndian.AppendUint32(dst, c.msg.ppid)
		} else {
			dst = binary.BigEndian.AppendUint32(dst, c.fsn)
		}
	}
	dst = append(dst, c.msg.buf.B[c.offset:c.offset+uint32(c.size)]...)
	a.stats.ChunksSent++
	return appendPadding(dst, int(c.size))
}
