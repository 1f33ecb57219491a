package sctp

import (
	"encoding/binary"
	"log/slog"
	"time"
)

// pathMTU finds out how large a packet may be: Datagram Packetization Layer
// Path MTU Discovery, https://www.rfc-editor.org/rfc/rfc8899.html. Packets that
// are larger than the path takes vanish without a sign (no ICMP message reaches
// through DTLS), so a size is used once one such packet was acknowledged, and no
// longer once they cease to be.
//
// A probe is a packet of HEARTBEAT chunks with padded information, and not a
// HEARTBEAT with a PAD chunk (RFC 4820) as in RFC 8899, section 6.2.1.2. A
// receiver that does not know PAD must skip it (RFC 9260, section 3.2), but not
// every one does: werift throws an exception that ends its process, and pion
// drops the packet. PAD could be kept for the peers that list it in their
// Supported Extensions (RFC 5061, section 4.2.7), but RFC 4820 is older than
// that parameter, and nobody does: neither usrsctp (Firefox, libdatachannel),
// which knows PAD, nor dcsctp (Chromium), pion, aiortc and werift.
//
// One large HEARTBEAT would not do, either. Its answer is as large, and a peer
// does not send what exceeds its own idea of the MTU: dcsctp drops the answer,
// usrsctp keeps it in its queue for good. So there are several, each of which is
// answered in a packet of the smallest size, and one answer is enough. Unlike a
// large answer, it also says nothing about the way back.
//
// A chunk that has its TSN cannot be cut any smaller, and with "don't fragment"
// set nobody else cuts it. So that no shrinking path can leave one behind that
// never arrives, a chunk always fits in a packet of the base size; a larger
// packet holds more chunks. In a packet of 1412 bytes the second chunk's header
// costs 1.1 % of it, and 15 % of the packets are saved, with what each costs in
// DTLS, UDP and the routers on the way. Over loopback, where a packet in a batch
// costs next to nothing, the additional chunks were measured to take 4 % more CPU
// time for a byte; they are paid for where a packet costs more than 0.4 µs.
//
// MIN_PLPMTU is the base size (section 5.2 allows it): the DTLS handshake has
// come through with such packets.
type pathMTU struct {
	current   int // PLPMTU: the size of the largest packet to send, but for probes
	base, max int // BASE_PLPMTU and MAX_PLPMTU

	state   mtuState
	probed  int    // PROBED_SIZE
	count   int    // PROBE_COUNT: probes of that size that were lost
	nonce   uint64 // of the probes of that size; 0: none was sent yet
	waiting bool   // one is not answered yet
	ceiling int    // the least size that is taken to be too large
	known   int    // what the path took before a black hole: tried first

	// dataSent: a full packet was sent since the last probe. An association
	// that has nothing to fill packets with sends no probes.
	dataSent bool
	probeAt  instant // no probe before then
	raiseAt  instant // when the search begins anew, to see whether the path has changed

	// lost counts the packets above the base size that were found lost after
	// newest, the time of sending of the newest one acknowledged.
	lost   int
	newest instant
}

// mtuState is a state of https://www.rfc-editor.org/rfc/rfc8899.html#section-5.2
type mtuState uint8

const (
	mtuDisabled       mtuState = iota // no association yet, or nothing to look for
	mtuBase                           // it is being confirmed that the path takes the base size
	mtuSearching                      // a larger one is looked for
	mtuSearchComplete                 // found; PMTU_RAISE_TIMER runs
	mtuError                          // the base size was not confirmed; it is used all the same
)

// Constants of https://www.rfc-editor.org/rfc/rfc8899.html#section-5.1
const (
	// maxProbes is MAX_PROBES. It counts the probes of one size; the search
	// goes on below a size that failed.
	maxProbes = 3
	// minProbeTimer is the least PROBE_TIMER, which otherwise is probeTimerRTOs
	// retransmission timeouts. (It "SHOULD be larger than 15 seconds", in
	// protocols that do not measure the round-trip time.)
	minProbeTimer  = time.Second
	probeTimerRTOs = 3
	// raiseTimer is PMTU_RAISE_TIMER. There is no timer as such: data that is
	// sent later than this after a search begins the next.
	raiseTimer = 600 * time.Second
	// mtuStep is the least gain worth a probe (section 5.3.2).
	mtuStep = 16
	// blackHolePackets is how many packets above the base size must be lost in
	// a row, while smaller ones arrive. A mistake costs two round trips at the
	// base size, so this need not be sure.
	blackHolePackets = 6

	// mtuProbeInfoSize is the information of a probe, nonce and size, without
	// its padding. With it, the information is longer than that of other
	// HEARTBEATs (heartbeatInfoSize).
	mtuProbeInfoSize = 12
	// maxProbeChunk is the most that one HEARTBEAT of a probe takes. All of it
	// comes back.
	maxProbeChunk = chunkHeaderSize + maxHeartbeatEcho
)

// init is called with each new congestion control, which learns of current.
func (m *pathMTU) init(c *Config) {
	*m = pathMTU{current: c.MTU, base: c.MTU, max: c.MaxMTU}
	m.ceiling = m.max + 1
}

// start is called when the association is established: "PL indicates
// connectivity".
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

// probe chooses the size to probe next.
func (m *pathMTU) probe(size int) {
	m.probed, m.count, m.nonce, m.waiting = size, 0, 0, false
}

// search chooses the next size, or ends the search: "Implementations SHOULD
// select the set of probe packet sizes to maximize the gain in PLPMTU from each
// search step" (section 5.3.2). The maximum usually works; if not, each probe
// halves what is uncertain.
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

// probeTimer is PROBE_TIMER.
func (a *Association) mtuProbeTimer() time.Duration {
	return max(minProbeTimer, probeTimerRTOs*a.rtt.rto)
}

// mtuProbeDue reports whether a probe is to be sent now. It is asked for each
// packet.
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
	// A larger packet is of no use while there is not even room for one. The
	// base size has to be confirmed in any case.
	return m.probed <= m.base || a.cc.window() > m.probed && !(a.loss.recovering && a.loss.timedOut)
}

// appendMTUProbe makes the probe: a packet of the very size that is probed.
// "Loss of a probe packet SHOULD NOT be treated as an indication of congestion"
// (https://www.rfc-editor.org/rfc/rfc8899.html#section-3): nobody but this file
// hears of it.
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

// mtuProbeTimeout: the probe was lost, for whatever reason.
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
		// The peer may just not answer HEARTBEATs, or none that are so large.
		m.state, m.probeAt = mtuError, t+raiseTimer
		return
	}
	m.ceiling = m.probed
	m.search(t)
}

// mtuProbeAcked takes the information of a HEARTBEAT ACK. An answer that comes
// after the timeout counts as long as the same size is probed. The answers to
// the other HEARTBEATs of the packet say nothing more.
func (a *Association) mtuProbeAcked(t instant, info []byte) {
	m := &a.mtu
	if m.nonce == 0 || binary.BigEndian.Uint64(info) != m.nonce || binary.BigEndian.Uint32(info[8:]) != uint32(m.probed) {
		return
	}
	a.timers[timerMTU] = 0
	a.stats.MTUProbesAcked++
	a.loss.errors = 0 // https://www.rfc-editor.org/rfc/rfc9260.html#section-8.1
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
	// "An update to the PLPMTU (or MPS) MUST NOT increase the congestion window
	// measured in bytes": it only sets the window's unit and lower bound.
	a.cc.setMTU(size)
	if a.cfg.Logger != nil {
		a.cfg.Logger.Debug("sctp: path MTU", slog.Int("bytes", size))
	}
}

// mtuDataSent is told of each packet with data, of which room bytes are left
// empty.
func (a *Association) mtuDataSent(room int) {
	m := &a.mtu
	if room < a.out.header+minFragment {
		m.dataSent = true
	}
	if m.current-room > m.base {
		// One chunk stands for the packet: its last, which is the last in flight.
		a.out.at(a.out.flight.tail).rec.large = true
	}
}

// Black holes: https://www.rfc-editor.org/rfc/rfc8899.html#section-4.3

// mtuPacketLost is told of each packet above the base size that was found
// lost. What is found lost before anything that was sent later and is as large
// has arrived was perhaps too large.
func (a *Association) mtuPacketLost(sentAt instant) {
	m := &a.mtu
	if sentAt <= m.newest || m.current <= m.base {
		return
	}
	if m.lost++; m.lost >= blackHolePackets {
		a.blackHole()
	}
}

// mtuPacketAcked is told of the newest packet above the base size that a SACK
// acknowledged.
func (m *pathMTU) packetAcked(sentAt instant) {
	if sentAt > m.newest {
		m.newest, m.lost = sentAt, 0
	}
}

// mtuTimedOut is told when the retransmission timer has expired and all that
// was in flight is taken for lost. If nothing arrives any more, that may well
// be the size's fault.
func (a *Association) mtuTimedOut() {
	if a.mtu.lost > 0 {
		a.blackHole()
	}
}

// blackHole falls back to the base size. What the path took before is tried
// again, once the base size is confirmed: perhaps it only was a bad moment.
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

// PathChanged says that the packets take another way from now on, such as after
// ICE has selected another pair of addresses: what was learned about the size
// of packets does not hold there.
func (a *Association) PathChanged(now time.Time) {
	a.clock(now)
	m := &a.mtu
	if m.state == mtuDisabled || a.over {
		return
	}
	a.setMTU(m.base)
	a.timers[timerMTU] = 0
	m.known, m.ceiling, m.raiseAt = 0, m.max+1, 0
	m.enterBase()
}
