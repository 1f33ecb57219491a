package sctp

import (
	"encoding/binary"
	"io"
	"log/slog"
	"time"
)

// handshake is the state of the four-way handshake: RFC 9260, section 5.
type handshake struct {
	myTag, peerTag               uint32
	myInitialTSN, peerInitialTSN uint32
	outStreams, inStreams        uint16 // negotiated; the offered number before
	peerForwardTSN               bool   // the peer supports RFC 3758
	peerReconfig                 bool   // the peer supports RFC 6525
	interleaving                 bool   // both support RFC 8260
	zeroChecksum                 bool   // both support RFC 9653 over a lower layer that protects

	cookie     []byte // of the peer, while COOKIE ECHO may have to be sent again
	sendInit   bool
	answered   bool // an INIT of the peer was answered before Connect
	sendCookie bool
	attempts   int // retransmissions of INIT or COOKIE ECHO
	stale      int // ERRORs with the cause Stale Cookie
	// The numbers of INITs and COOKIE ECHOs sent, and when the last of either was.
	inits, echoes int
	sentAt        instant
	// The unrecognized parameters of the INIT ACK, reported in an ERROR chunk beside COOKIE ECHO.
	unrecognized []byte
	secret       [32]byte
}

// peerInit is the content of an INIT or INIT ACK chunk.
type peerInit struct {
	tag, window, tsn      uint32
	outStreams, inStreams uint16
	features              features
	cookie                []byte // view
	preserve              uint32 // ms that the cookie should live longer
	unrecognized          []byte // parameters to report
}

// features is the set of extensions that a peer supports.
type features uint8

const (
	featureForwardTSN features = 1 << iota
	featureReconfig
	featureIData
	featureIForwardTSN
	featureZeroChecksum
)

// chunkFeatures are the extensions that a chunk type in Supported Extensions announces.
var chunkFeatures = map[chunkType]features{chunkReConfig: featureReconfig, chunkForwardTSN: featureForwardTSN,
	chunkIData: featureIData, chunkIForwardTSN: featureIForwardTSN}

// errorDetectionDTLS is the Error Detection Method Identifier of SCTP over DTLS: RFC 9653, section
// 9.2.
const errorDetectionDTLS = 1

func (h *handshake) init(a *Association) {
	var b [40]byte
	a.random(b[:])
	h.myTag = max(1, binary.BigEndian.Uint32(b[:])) // RFC 9260, section 3.3.2: not 0
	h.myInitialTSN = binary.BigEndian.Uint32(b[4:])
	copy(h.secret[:], b[8:])
	h.outStreams, h.inStreams = a.cfg.MaxStreams, a.cfg.MaxStreams
}

// random fills b. It panics if the source of randomness fails: there is no safe way to go on.
func (a *Association) random(b []byte) {
	if _, err := io.ReadFull(a.cfg.Rand, b); err != nil {
		panic("sctp: reading random bytes: " + err.Error())
	}
}

// Streams returns the number of streams in each direction: the negotiated ones once connected, the
// offered ones before.
func (a *Association) Streams() (out, in uint16) { return a.hand.outStreams, a.hand.inStreams }

// tagOK verifies the verification tag of a packet by its first chunk: RFC 9260, section 8.5.
func (a *Association) tagOK(tag uint32, chunks []byte) bool {
	switch chunkType(chunks[0]) {
	case chunkInit:
		// RFC 9260, section 8.5.1, A: INIT is alone in its packet.
		return tag == 0 && pad4(int(binary.BigEndian.Uint16(chunks[2:]))) >= len(chunks)
	case chunkCookieEcho:
		return true // receiveCookieEcho compares it with the cookie
	case chunkAbort, chunkShutdownComplete:
		if chunks[1]&flagT != 0 {
			return a.hand.peerTag != 0 && tag == a.hand.peerTag
		}
	}
	return tag == a.hand.myTag
}

// outOfTheBlue answers a packet of no association as RFC 9260, section 8.4, requires.
func (a *Association) outOfTheBlue(tag uint32, chunks []byte) {
	switch chunkType(chunks[0]) {
	case chunkShutdownAck:
		// The T bit shows that the tag is reflected.
		p := a.ctl.beginPacket(&a.cfg, tag)
		p = append(p, byte(chunkShutdownComplete), flagT, 0, chunkHeaderSize)
		a.ctl.endPacket(p)
	default:
		// There is one association between these two ports, and the packet came through its DTLS
		// connection or socket: a packet with a wrong tag is a stale or forged one of this
		// association. An ABORT would help only an attacker.
	}
}

// appendInit appends an INIT or INIT ACK chunk.
func (a *Association) appendInit(dst []byte, t chunkType, tag, tsn uint32, cookie, unrecognized []byte) []byte {
	start := len(dst)
	dst = appendChunkHeader(dst, t, 0)
	dst = binary.BigEndian.AppendUint32(dst, tag)
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.window.limit))
	dst = binary.BigEndian.AppendUint16(dst, a.cfg.MaxStreams)
	dst = binary.BigEndian.AppendUint16(dst, a.cfg.MaxStreams)
	dst = binary.BigEndian.AppendUint32(dst, tsn)
	if cookie != nil {
		dst = appendParam(dst, paramStateCookie, cookie)
	}
	dst = appendParam(dst, paramForwardTSNSupported, nil)
	if a.cfg.DisableInterleaving {
		dst = appendParam(dst, paramSupportedExtensions, []byte{byte(chunkReConfig), byte(chunkForwardTSN)})
	} else {
		dst = appendParam(dst, paramSupportedExtensions,
			[]byte{byte(chunkReConfig), byte(chunkForwardTSN), byte(chunkIData), byte(chunkIForwardTSN)})
	}
	if a.cfg.EnableZeroChecksum {
		// RFC 9653, section 4.
		dst = appendParam(dst, paramZeroChecksum, []byte{0, 0, 0, errorDetectionDTLS})
	}
	dst = append(dst, unrecognized...)
	return endChunk(dst, start)
}

// parseInit parses an INIT or INIT ACK. ok is false if the chunk must be ignored; abort is set if
// it must be answered by ABORT with that cause.
func parseInit(v []byte, ack bool) (p peerInit, abort CauseCode, ok bool) {
	if len(v) < initHeaderSize-chunkHeaderSize {
		return p, 0, false
	}
	p.tag = binary.BigEndian.Uint32(v)
	p.window = binary.BigEndian.Uint32(v[4:])
	p.outStreams = binary.BigEndian.Uint16(v[8:])
	p.inStreams = binary.BigEndian.Uint16(v[10:])
	p.tsn = binary.BigEndian.Uint32(v[12:])
	// RFC 9260, section 3.3.2: a packet with the Initiate Tag 0 is discarded, and a number of
	// streams of 0 is answered by ABORT.
	if p.tag == 0 {
		return p, 0, false
	}
	if p.outStreams == 0 || p.inStreams == 0 {
		return p, CauseInvalidParameter, true
	}
	for rest := v[16:]; len(rest) > 0; {
		var prm param
		if prm, rest, ok = nextParam(rest); !ok {
			// The length field exceeds the chunk: the parameters before it count.
			break
		}
		more, abort := p.parameter(prm, ack)
		if abort != 0 || !more {
			return p, abort, true
		}
	}
	return p, 0, true
}

// parameter processes one parameter of an INIT or INIT ACK. more is false if the parameters after it
// are ignored.
func (p *peerInit) parameter(prm param, ack bool) (more bool, abort CauseCode) {
	switch prm.typ {
	case paramStateCookie:
		p.cookie = prm.value
	case paramForwardTSNSupported:
		p.features |= featureForwardTSN
	case paramZeroChecksum:
		if len(prm.value) == 4 && binary.BigEndian.Uint32(prm.value) == errorDetectionDTLS {
			p.features |= featureZeroChecksum
		}
	case paramSupportedExtensions:
		for _, t := range prm.value {
			p.features |= chunkFeatures[chunkType(t)]
		}
	case paramCookiePreservative:
		if len(prm.value) >= 4 {
			p.preserve = min(binary.BigEndian.Uint32(prm.value), maxCookiePreservativeTime)
		}
	case paramIPv4, paramIPv6, paramSupportedAddresses, paramECN, paramUnrecognized, paramHeartbeatInfo:
		// There is one path, so that addresses have no meaning: RFC 8261, section 6.
	case paramHostName:
		// RFC 9260, section 3.3.2.1.4: a Host Name Address is answered by ABORT.
		return false, CauseUnresolvableAddress
	default:
		if prm.typ&paramReportUnrecognized != 0 && len(p.unrecognized)+len(prm.raw)+8 <= maxUnrecognizedBytes {
			if ack {
				p.unrecognized = appendPadding(append(p.unrecognized, prm.raw...), len(prm.raw))
			} else {
				p.unrecognized = appendParam(p.unrecognized, paramUnrecognized, prm.raw)
			}
		}
		return prm.typ&paramSkipUnrecognized != 0, 0
	}
	return true, 0
}

// receiveInit answers INIT with INIT ACK and keeps no state; all that is needed later is in the
// cookie: RFC 9260, section 5.1.
func (a *Association) receiveInit(t instant, c chunk) {
	p, abort, ok := parseInit(c.value, false)
	if !ok {
		a.stats.ChunksInvalid++
		return
	}
	if a.state == StateShutdownAckSent {
		// RFC 9260, section 9.2: the INIT is discarded and SHUTDOWN ACK repeated.
		a.shutdown.sendAck = true
		return
	}
	b := a.ctl.beginPacket(&a.cfg, p.tag)
	if abort != 0 {
		start := len(b)
		b = appendChunkHeader(b, chunkAbort, 0)
		b = appendCause(b, abort, nil)
		a.ctl.endPacket(endChunk(b, start))
		return
	}
	k := cookie{created: t, life: validCookieLife + msToInstant(p.preserve),
		myTag: a.hand.myTag, myTSN: a.hand.myInitialTSN,
		peerTag: p.tag, peerTSN: p.tsn, window: p.window,
		outStreams: min(a.cfg.MaxStreams, p.inStreams), inStreams: min(a.cfg.MaxStreams, p.outStreams),
		features: p.features}
	if a.state >= StateEstablished {
		// RFC 9260, section 5.2.2: the INIT ACK has a new Initiate Tag; the tie-tags identify the
		// association that it may replace.
		var r [8]byte
		a.random(r[:])
		k.myTag = max(1, binary.BigEndian.Uint32(r[:]))
		k.myTSN = binary.BigEndian.Uint32(r[4:])
		k.localTieTag, k.peerTieTag = a.hand.myTag, a.hand.peerTag
	}
	// RFC 9260, section 5.2.1: before that, the INIT ACK repeats the tag and the parameters of our
	// INIT.
	a.hand.answered = true
	b = a.appendInit(b, chunkInitAck, k.myTag, k.myTSN, k.seal(&a.hand.secret), p.unrecognized)
	a.ctl.endPacket(b)
}

// receiveInitAck answers the cookie.
func (a *Association) receiveInitAck(t instant, c chunk) {
	if a.state != StateCookieWait {
		return // RFC 9260, section 5.2.3
	}
	p, abort, ok := parseInit(c.value, true)
	if !ok {
		a.stats.ChunksInvalid++
		if len(c.value) >= initHeaderSize-chunkHeaderSize && p.tag == 0 {
			// RFC 9260, section 3.3.3: the association is destroyed.
			a.abort(t, CauseInvalidParameter, "", true)
		}
		return
	}
	a.hand.peerTag = p.tag
	if abort != 0 {
		a.abort(t, abort, "", false)
		return
	}
	if len(p.cookie) == 0 {
		// RFC 9260, section 5.1: a missing State Cookie is reported and ends the attempt.
		a.abort(t, CauseMissingParameter, "\x00\x00\x00\x01\x00\x07", false)
		return
	}
	if len(p.cookie) > a.cfg.MTU-commonHeaderSize-chunkHeaderSize {
		a.abort(t, CauseOutOfResource, "", false)
		return
	}
	a.applyPeerInit(&p)
	a.hand.cookie = append([]byte(nil), p.cookie...)
	a.hand.unrecognized = p.unrecognized
	if a.hand.inits == 1 { // Karn's algorithm
		a.rtt.sample(t - a.hand.sentAt)
	}
	a.state = StateCookieEchoed
	a.hand.sendInit = false
	a.hand.sendCookie = true
	a.hand.attempts = 0
	a.timers[timerT1] = t + a.rtt.rto
}

// applyPeerInit takes over the parameters of the peer.
func (a *Association) applyPeerInit(p *peerInit) {
	a.hand.peerTag, a.hand.peerInitialTSN = p.tag, p.tsn
	a.hand.outStreams = min(a.cfg.MaxStreams, p.inStreams)
	a.hand.inStreams = min(a.cfg.MaxStreams, p.outStreams)
	h := &a.hand
	h.peerForwardTSN = p.features&featureForwardTSN != 0
	h.peerReconfig = p.features&featureReconfig != 0
	h.zeroChecksum = a.cfg.EnableZeroChecksum && p.features&featureZeroChecksum != 0
	const both = featureIData | featureIForwardTSN
	h.interleaving = !a.cfg.DisableInterleaving && p.features&both == both
	a.out.header = dataHeaderSize
	if h.interleaving {
		a.out.header = iDataHeaderSize
	}
	a.reasm.interleaving = h.interleaving
	a.out.peerWindow = int(min(p.window, maxPeerWindow))
	a.send.partial.budget = a.out.peerWindow / 2
	a.recv.init(p.tsn)
	a.recv.lastWindow = a.window.limit
	a.reset.nextPeerRequest = p.tsn
}

// receiveCookieEcho completes the handshake of a peer's INIT by the table of RFC 9260, section
// 5.2.4. It reports whether the chunks after it are processed.
func (a *Association) receiveCookieEcho(t instant, c chunk, tag uint32) bool {
	k, err := openCookie(c.value, &a.hand.secret)
	if err != nil || tag != k.myTag {
		a.stats.CookiesInvalid++ // RFC 9260, section 5.1.5: discarded
		return false
	}
	h := &a.hand
	sameMine, samePeer := k.myTag == h.myTag, k.peerTag == h.peerTag
	if age := t - k.created; age > k.life && !(sameMine && samePeer) {
		// RFC 9260, section 3.3.10.3: the staleness is in microseconds.
		var v [4]byte
		binary.BigEndian.PutUint32(v[:], uint32(min(age-k.life, 1<<40)/1000))
		b := a.ctl.beginPacket(&a.cfg, k.peerTag)
		start := len(b)
		b = appendChunkHeader(b, chunkError, 0)
		b = appendCause(b, CauseStaleCookie, v[:])
		a.ctl.endPacket(endChunk(b, start))
		return false
	}
	p := peerInit{tag: k.peerTag, window: k.window, tsn: k.peerTSN, outStreams: k.inStreams, inStreams: k.outStreams,
		features: k.features}
	switch {
	case a.state == StateClosed || a.state == StateCookieWait && sameMine:
		// No association yet (RFC 9260, section 5.1), or action B: simultaneous INITs.
		a.applyPeerInit(&p)
		a.sampleCookie(t - k.created)
		a.establish(t)
	case a.state == StateCookieEchoed && sameMine && !samePeer:
		// Action B: the INIT of the peer came after its INIT ACK.
		a.applyPeerInit(&p)
		a.sampleCookie(t - k.created)
		a.establish(t)
	case a.state == StateCookieEchoed && sameMine:
		a.sampleCookie(t - k.created)
		a.establish(t) // action D
	case sameMine && samePeer:
		// Action D in a later state: the COOKIE ACK was lost.
	case !sameMine && !samePeer && k.localTieTag == h.myTag && k.peerTieTag == h.peerTag && k.localTieTag != 0:
		// Action A: the peer restarted.
		if a.state == StateShutdownAckSent {
			a.ctl.errorCause(CauseCookieWhileShutdown, nil)
			a.shutdown.sendAck = true
			return false
		}
		h.myTag, h.myInitialTSN = k.myTag, k.myTSN
		a.restart(t, &p, t-k.created)
	default:
		a.stats.CookiesInvalid++ // action C, or no row of the table
		return false
	}
	a.ctl.flag(chunkCookieAck)
	return true
}

// restart puts the association into its initial state with the restarted peer, whose cookie came
// back after rtt.
func (a *Association) restart(t instant, p *peerInit, rtt time.Duration) {
	refused := a.send.refused
	a.out.release(&a.send)
	a.send.release()
	a.send.refused = refused // notifyWritable below reports the room
	a.reasm.release()
	a.recv.release()
	a.timers = [timerCount]instant{}
	a.shutdown = shutdownState{}
	a.resetTransmission()
	a.applyPeerInit(p)
	a.events.Push(Event{Kind: EventRestarted})
	a.state = StateCookieEchoed
	a.sampleCookie(rtt)
	a.establish(t)
	a.notifyWritable()
}

// minCookieRetransmission is the minimum time after which any implementation retransmits a COOKIE
// ECHO: this one after its minimum retransmission timeout, others after 400 ms or more.
const minCookieRetransmission = DefaultMinRTO

// sampleCookie takes the time from an INIT ACK to the COOKIE ECHO with its cookie as the round-trip
// time of the side that answers. Each INIT ACK has a cookie of its own, so that a retransmitted
// INIT does not matter. But a retransmitted COOKIE ECHO cannot be distinguished from the first one,
// and the time would contain the peer's timeout (Karn's algorithm). It counts only if it is so
// short that no peer can have retransmitted the COOKIE ECHO.
func (a *Association) sampleCookie(rtt time.Duration) {
	if a.rtt.srtt == 0 && rtt < min(a.cfg.MinRTO, minCookieRetransmission) {
		a.rtt.sample(rtt)
	}
}

func (a *Association) receiveCookieAck(t instant) {
	if a.state == StateCookieEchoed {
		if a.hand.echoes == 1 {
			a.rtt.sample(t - a.hand.sentAt)
		}
		a.establish(t)
	}
}

// establish enters the ESTABLISHED state.
func (a *Association) establish(t instant) {
	a.state = StateEstablished
	a.timers[timerT1] = 0
	a.hand.sendInit, a.hand.sendCookie = false, false
	a.hand.cookie, a.hand.unrecognized = nil, nil
	a.loss.errors = 0
	a.rtt.endBackOff(&a.cfg)
	a.heartbeat.start(a, t)
	a.mtu.start()
	if a.out.count() > 0 { // it was sent with COOKIE ECHO, under T1
		a.timers[timerT3] = t + a.rtt.rto
	}
	a.events.Push(Event{Kind: EventConnected})
	if a.shutdown.wanted {
		a.beginShutdown(t)
	}
	if a.cfg.Logger != nil {
		a.cfg.Logger.Debug("sctp: association established", slog.Int("out", int(a.hand.outStreams)), slog.Int("in", int(a.hand.inStreams)))
	}
}

// handshakeTimeout is the expiry of T1: RFC 9260, section 5.1.
func (a *Association) handshakeTimeout(t instant) {
	h := &a.hand
	if h.attempts++; h.attempts > a.cfg.MaxInitRetransmits {
		a.close(ErrHandshakeTimeout)
		return
	}
	a.rtt.backOff()
	a.timers[timerT1] = t + a.rtt.rto
	if a.state == StateCookieWait {
		h.sendInit = true
	} else {
		h.sendCookie = true
		a.loseEarlyData(t)
	}
}

// loseEarlyData marks the data that was sent with COOKIE ECHO for retransmission with the next one.
func (a *Association) loseEarlyData(t instant) {
	for o := &a.out; o.flight.n > 0; {
		a.markLost(t, o.flight.head, o.at(o.flight.head))
	}
}

// receiveError processes the one cause that has an effect, Stale Cookie: RFC 9260, section 5.2.6.
func (a *Association) receiveError(t instant, c chunk) {
	for rest := c.value; len(rest) > 0; {
		p, next, ok := nextParam(rest)
		if !ok {
			a.stats.ChunksInvalid++
			return
		}
		rest = next
		a.stats.ErrorsReceived++
		if CauseCode(p.typ) == CauseStaleCookie && a.state == StateCookieEchoed {
			if a.hand.stale++; a.hand.stale > a.cfg.MaxInitRetransmits {
				a.close(ErrStaleCookie)
				return
			}
			// RFC 9260, section 5.2.6, 1): begin again with a new INIT.
			a.state = StateCookieWait
			a.loseEarlyData(t)
			a.hand.peerTag = 0
			a.hand.attempts = 0
			a.hand.sendCookie, a.hand.sendInit = false, true
			a.timers[timerT1] = t + a.rtt.rto
		}
	}
}
