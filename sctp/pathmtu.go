package sctp

import (
	"encoding/binary"
	"log/slog"
	"time"
)

// pathMTU determines how large a packet may be, by Datagram Packetization Layer Path MTU Discovery
// (RFC 8899). The path drops packets that are too large without an error (no ICMP message passes
// through DTLS), so that a size is used when such a packet was acknowledged, and only as long as
// such packets are.
//
// A probe is a packet of HEARTBEAT chunks with padded information, and not a HEARTBEAT with a PAD
// chunk (RFC 4820) as in RFC 8899, section 6.2.1.2. A receiver that does not know PAD must skip it
// (RFC 9260, section 3.2), but some do not: werift throws an exception that ends its process, and
// pion drops the packet. PAD could be restricted to peers that list it in their Supported
// Extensions (RFC 5061, section 4.2.7), but RFC 4820 is older than that parameter, and no
// implementation lists it: neither usrsctp (Firefox, libdatachannel), which supports PAD, nor
// dcsctp (Chromium), pion, aiortc and werift.
//
// One large HEARTBEAT would not work, either. Its answer is as large, and a peer does not send
// packets above its own MTU: dcsctp drops the answer, usrsctp keeps it in its queue for ever. So
// there are several, each of which is answered in a packet of the smallest size, and one answer is
// enough. Unlike a large answer, it implies nothing about the way back.
//
// A chunk that has its TSN cannot be fragmented further, and IP does not fragment if the DF bit is
// set. A chunk always fits in a packet of the base size, so that it can still arrive when the path
// MTU shrinks; a larger packet holds more chunks. In a packet of 1412 bytes the header of the
// second chunk costs 1.1 % of it, and 15 % of the packets are saved, with their cost in DTLS, UDP
// and the routers of the path. Over loopback, where a packet in a batch costs nearly nothing, the
// additional chunks were measured to take 4 % more CPU time per byte; they pay off where a packet
// costs more than 0.4 µs.
//
// MIN_PLPMTU is the base size (RFC 8899, section 5.2, allows it): the DTLS handshake has succeeded
// with packets of that size.
type pathMTU struct {
	current   int // PLPMTU: the size of the largest packet to send, but for probes
	base, max int // BASE_PLPMTU and MAX_PLPMTU

	state   mtuState
	probed  int    // PROBED_SIZE
	count   int    // PROBE_COUNT: probes of that size that were lost
	nonce   uint64 // of the probes of that size; 0: none was sent yet
	waiting bool   // one is not answered yet
	ceiling int    // the smallest size known to be too large
	known   int    // the size that worked before a black hole: tried first

	// dataSent: a full packet was sent since the last probe. An association that does not fill
	// packets sends no probes.
	dataSent bool
	probeAt  instant // no probe before then
	raiseAt  instant // when the search begins again, because the path may have changed

	// lost counts the packets above the base size that were marked lost after newest, the time of
	// sending of the newest one acknowledged.
	lost   int
	newest instant
}

// mtuState is a state of RFC 8899, section 5.2.
type mtuState uint8

const (
	mtuDisabled       mtuState = iota // no association yet, or discovery is disabled
	mtuBase                           // the base size is being confirmed
	mtuSearching                      // larger sizes are probed
	mtuSearchComplete                 // found; PMTU_RAISE_TIMER runs
	mtuError                          // the base size was not confirmed; it is used nevertheless
)

// Constants of RFC 8899, section 5.1.
const (
	// maxProbes is MAX_PROBES. It counts the probes of one size; the search continues below a size
	// that failed.
	maxProbes = 3
	// minProbeTimer is the minimum PROBE_TIMER, which otherwise is probeTimerRTOs retransmission
	// timeouts. RFC 8899, section 5.1.1, recommends 15 seconds to protocols that do not measure the
	// round-trip time.
	minProbeTimer  = time.Second
	probeTimerRTOs = 3
	// raiseTimer is PMTU_RAISE_TIMER. It is not a timer: data sent later than this after a search
	// begins the next search.
	raiseTimer = 600 * time.Second
	// mtuStep is the minimum gain worth a probe (RFC 8899, section 5.3.2).
	mtuStep = 16
	// blackHolePackets is how many packets above the base size must be lost in a row, while smaller
	// ones arrive. A mistake costs two round trips at the base size, so that certainty is not
	// necessary.
	blackHolePackets = 6

	// mtuProbeInfoSize is the size of the information of a probe, nonce and size, without its
	// padding. With it, the information is longer than that of other HEARTBEATs
	// (heartbeatInfoSize).
	mtuProbeInfoSize = 12
	// maxProbeChunk is the maximum size of one HEARTBEAT of a probe. All of it is returned.
	maxProbeChunk = chunkHeaderSize + maxHeartbeatEcho
)

// init is called with each new congestion control, which is initialized with current. base and max
// are those of the path.
func (m *pathMTU) init() {
	*m = pathMTU{current: m.base, base: m.base, max: m.max}
	m.ceiling = m.max + 1
}

// start is called when the association is established.
func (m *pathMTU) start() {
	if m.max > m.base {
		m.enterBase()
	}
}

func (m *pathMTU) enterBase() {
	m.state = mtuBase
	m.probe(m.base)
	m.probeAt = 0
}

// probe sets the size to probe next.
func (m *pathMTU) probe(size int) {
	m.probed, m.count, m.nonce, m.waiting = size, 0, 0, false
}

// search selects the next size, or ends the search. RFC 8899, section 5.3.2, recommends the sizes
// with the highest gain. The maximum usually works; if not, each probe halves the range.
func (m *pathMTU) search(t instant) {
	switch {
	case m.known > m.current && m.known < m.ceiling:
		m.state = mtuSearching
		m.probe(m.known)
		m.known = 0
	case m.current >= m.max || m.ceiling-m.current <= mtuStep:
		if m.raiseAt <= t {
			m.raiseAt = t + raiseTimer
		}
		m.state, m.probeAt = mtuSearchComplete, m.raiseAt
	case m.ceiling > m.max:
		m.state = mtuSearching
		m.probe(m.max)
	default:
		m.state = mtuSearching
		m.probe((m.current + m.ceiling) / 2 &^ 3)
	}
}

// mtuProbeTimer returns PROBE_TIMER.
func (a *Association) mtuProbeTimer() time.Duration {
	return max(minProbeTimer, probeTimerRTOs*a.rtt.rto)
}

// mtuProbeDue reports whether a probe is to be sent now. It is called for each packet.
func (a *Association) mtuProbeDue(t instant) bool {
	m := &a.mtu
	if !m.dataSent || m.waiting || t < m.probeAt || m.state == mtuDisabled || a.state != StateEstablished {
		return false
	}
	switch m.state {
	case mtuSearchComplete: // the raise timer has expired
		m.ceiling = m.max + 1
		if m.search(t); m.state == mtuSearchComplete {
			return false
		}
	case mtuError:
		m.enterBase()
	}
	// A larger packet has no advantage while the window does not even hold one. The base size has
	// to be confirmed in any case.
	return m.probed <= m.base || a.cc.window() > m.probed && !(a.loss.recovering && a.loss.timedOut)
}

// appendMTUProbe appends the probe, a packet of exactly the size that is probed. RFC 8899, section
// 3: the loss of a probe does not indicate congestion, so that only this file processes it.
func (a *Association) appendMTUProbe(t instant, dst []byte) []byte {
	m := &a.mtu
	var info [maxProbeChunk - chunkHeaderSize - paramHeaderSize]byte
	for m.nonce == 0 {
		a.random(info[:8])
		m.nonce = binary.BigEndian.Uint64(info[:])
	}
	binary.BigEndian.PutUint64(info[:], m.nonce)
	binary.BigEndian.PutUint32(info[8:], uint32(m.probed))
	dst = appendCommonHeader(dst, a.cfg.SourcePort, a.cfg.DestinationPort, a.hand.peerTag)
	rest := m.probed - commonHeaderSize // a multiple of 4, as all sizes are
	for n := (rest + maxProbeChunk - 1) / maxProbeChunk; n > 0; n-- {
		size := rest / n &^ 3
		rest -= size
		c := len(dst)
		dst = appendChunkHeader(dst, chunkHeartbeat, 0)
		dst = appendParam(dst, paramHeartbeatInfo, info[:size-chunkHeaderSize-paramHeaderSize])
		dst = endChunk(dst, c)
	}

	m.waiting, m.dataSent = true, false
	a.timers[timerMTU] = t + a.mtuProbeTimer()
	a.pace.sent(t, a.cc.pacingRate(a.rtt.srtt), m.probed)
	a.stats.MTUProbesSent++
	return dst
}

// mtuProbeTimeout handles the loss of a probe.
func (a *Association) mtuProbeTimeout(t instant) {
	m := &a.mtu
	if !m.waiting {
		return
	}
	m.waiting = false
	a.stats.MTUProbesLost++
	if m.count++; m.count < maxProbes {
		return // again, with the next data
	}
	if m.state == mtuBase {
		// The peer may not answer HEARTBEATs, or none of this size.
		m.state, m.probeAt = mtuError, t+raiseTimer
		return
	}
	m.ceiling = m.probed
	m.search(t)
}

// mtuProbeAcked processes the information of a HEARTBEAT ACK. An answer after the timeout counts as
// long as the same size is probed. The answers to the other HEARTBEATs of the packet have no
// effect.
func (a *Association) mtuProbeAcked(t instant, info []byte) {
	m := &a.mtu
	if m.nonce == 0 || binary.BigEndian.Uint64(info) != m.nonce || binary.BigEndian.Uint32(info[8:]) != uint32(m.probed) {
		return
	}
	a.timers[timerMTU] = 0
	a.stats.MTUProbesAcked++
	a.loss.errors = 0 // RFC 9260, section 8.1
	size := m.probed
	m.probe(0)
	a.setMTU(size)
	m.search(t)
}

// setMTU changes the size of packets.
func (a *Association) setMTU(size int) {
	m := &a.mtu
	if size == m.current {
		return
	}
	m.current = size
	m.lost = 0
	// RFC 8899, section 3: a new PLPMTU does not increase the congestion window; it only sets its
	// unit and lower bound.
	a.cc.setMTU(size)
	if a.cfg.Logger != nil {
		a.cfg.Logger.Debug("sctp: path MTU", slog.Int("bytes", size))
	}
}

// mtuDataSent accounts for a packet with data, of which room bytes are empty.
func (a *Association) mtuDataSent(room int) {
	m := &a.mtu
	if room < a.out.header+minFragment {
		m.dataSent = true
	}
	if m.current-room > m.base {
		// One chunk represents the packet: its last, which is the last in flight.
		a.out.at(a.out.flight.tail).rec.large = true
	}
}

// Black holes: RFC 8899, section 4.3.

// mtuPacketLost accounts for a packet above the base size that was marked lost. Such losses may be
// due to the size until a packet as large that was sent later has arrived.
func (a *Association) mtuPacketLost(sentAt instant) {
	m := &a.mtu
	if sentAt <= m.newest || m.current <= m.base {
		return
	}
	if m.lost++; m.lost >= blackHolePackets {
		a.blackHole()
	}
}

// packetAcked accounts for the newest packet above the base size that a SACK acknowledged.
func (m *pathMTU) packetAcked(sentAt instant) {
	if sentAt > m.newest {
		m.newest, m.lost = sentAt, 0
	}
}

// mtuTimedOut is called when the retransmission timer has expired and everything in flight is
// marked lost. If nothing arrives any more, the cause may be the size.
func (a *Association) mtuTimedOut() {
	if a.mtu.lost > 0 {
		a.blackHole()
	}
}

// blackHole falls back to the base size. The previous size is tried again when the base size is
// confirmed: the loss may have been temporary.
func (a *Association) blackHole() {
	m := &a.mtu
	if m.current <= m.base {
		return
	}
	a.stats.MTUBlackHoles++
	m.known = m.current
	a.setMTU(m.base)
	a.timers[timerMTU] = 0
	m.enterBase()
}

// PathChanged informs the association that its packets take another path from now on, such as after
// ICE has selected the first or another pair of addresses: the size of packets is determined anew,
// from mtu up to maxMTU bytes. Zero keeps the respective size of the path before; the sizes are at
// most those of Config. A chunk that was sent before may be larger than the new size, and so is its
// retransmission. Data that the previous path has lost is retransmitted as after PathRestored.
func (a *Association) PathChanged(now time.Time, mtu, maxMTU int) {
	a.PathRestored(now)
	m := &a.mtu
	if !a.open {
		return
	}
	if mtu > 0 {
		m.base = min(max(mtu&^3, MinMTU), a.cfg.MTU)
	}
	a.setMTU(m.base)
	if a.cfg.MaxMTU == 0 {
		return
	}
	if maxMTU > 0 {
		m.max = min(maxMTU&^3, a.cfg.MaxMTU)
	}
	m.max = max(m.max, m.base)
	a.timers[timerMTU] = 0
	m.known, m.ceiling, m.raiseAt = 0, m.max+1, 0
	m.enterBase()
}
