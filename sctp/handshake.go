package sctp

import (
	"encoding/binary"
	"io"
	"log/slog"
	"time"
)

// handshake is the state of the four-way handshake:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-5
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
	answered   bool // an INIT of the peer was answered, before ours was sent
	sendCookie bool
	attempts   int // retransmissions of INIT or COOKIE ECHO
	stale      int // cookies that the peer called stale
	// The INITs and COOKIE ECHOs sent, and when the last of either left.
	inits, echoes int
	sentAt        instant
	// The cookie's causes of ERROR that the COOKIE ECHO is bundled with: the
	// parameters of the INIT ACK that we did not know.
	unrecognized []byte
	secret       [32]byte
}

// peerInit is what an INIT or INIT ACK says.
type peerInit struct {
	tag, window, tsn      uint32
	outStreams, inStreams uint16
	features              features
	cookie                []byte // view
	preserve              uint32 // ms that the cookie should live longer
	unrecognized          []byte // parameters to report
}

// features is what a peer says it supports.
type features uint8

const (
	featureForwardTSN features = 1 << iota
	featureReconfig
	featureIData
	featureIForwardTSN
	featureZeroChecksum
)

// errorDetectionDTLS is the Error Detection Method Identifier "SCTP over DTLS":
// https://www.rfc-editor.org/rfc/rfc9653.html#section-9.2
const errorDetectionDTLS = 1

func (h *handshake) init(a *Association) {
	var b [40]byte
	a.random(b[:])
	h.myTag = max(1, binary.BigEndian.Uint32(b[:])) // "MUST NOT be 0"
	h.myInitialTSN = binary.BigEndian.Uint32(b[4:])
	copy(h.secret[:], b[8:])
	h.outStreams, h.inStreams = a.cfg.MaxStreams, a.cfg.MaxStreams
}

// random fills b. A source of randomness that fails leaves nothing to do that
// would be safe.
func (a *Association) random(b []byte) {
	if _, err := io.ReadFull(a.cfg.Rand, b); err != nil {
		panic("sctp: reading random bytes: " + err.Error())
	}
}

// Streams returns the number of streams in each direction: the negotiated
// ones once connected, the offered ones before.
func (a *Association) Streams() (out, in uint16) { return a.hand.outStreams, a.hand.inStreams }

// tagOK checks the verification tag of a packet by its first chunk:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-8.5
func (a *Association) tagOK(tag uint32, chunks []byte) bool {
	switch chunkType(chunks[0]) {
	case chunkInit:
		// "it SHOULD verify that the packet contains only an INIT chunk.
		// Otherwise, the endpoint MUST silently discard the packet."
		return tag == 0 && pad4(int(binary.BigEndian.Uint16(chunks[2:]))) >= len(chunks)
	case chunkCookieEcho:
		return true // checked against the cookie
	case chunkAbort, chunkShutdownComplete:
		if chunks[1]&flagT != 0 {
			return a.hand.peerTag != 0 && tag == a.hand.peerTag
		}
	}
	return tag == a.hand.myTag
}

// outOfTheBlue answers a packet that belongs to no association, where the RFC
// wants an answer: https://www.rfc-editor.org/rfc/rfc9260.html#section-8.4
func (a *Association) outOfTheBlue(tag uint32, chunks []byte) {
	switch chunkType(chunks[0]) {
	case chunkShutdownAck:
		// "the receiver SHOULD respond with a SHUTDOWN COMPLETE"; its T bit
		// says that the tag is the reflected one.
		p := a.ctl.beginPacket(&a.cfg, tag)
		p = append(p, byte(chunkShutdownComplete), flagT, 0, chunkHeaderSize)
		a.ctl.endPacket(p)
	default:
		// One association is all there is between these two ports, and the
		// packet came through its DTLS connection (or its owner's socket):
		// a wrong tag is a stale or forged packet of this very association.
		// Answering with ABORT would help nobody but a forger.
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
		// https://www.rfc-editor.org/rfc/rfc9653.html#section-4
		dst = appendParam(dst, paramZeroChecksum, []byte{0, 0, 0, errorDetectionDTLS})
	}
	dst = append(dst, unrecognized...)
	return endChunk(dst, start)
}

// parseInit reads an INIT or INIT ACK. ok is false when it must be ignored;
// abort is set when it must be answered by ABORT with that cause.
func parseInit(v []byte, ack bool) (p peerInit, abort CauseCode, ok bool) {
	if len(v) < initHeaderSize-chunkHeaderSize {
		return p, 0, false
	}
	p.tag = binary.BigEndian.Uint32(v)
	p.window = binary.BigEndian.Uint32(v[4:])
	p.outStreams = binary.BigEndian.Uint16(v[8:])
	p.inStreams = binary.BigEndian.Uint16(v[10:])
	p.tsn = binary.BigEndian.Uint32(v[12:])
	// "If the value of the Initiate Tag in a received INIT chunk is found to
	// be 0, the receiver MUST silently discard the packet"; "A receiver
	// receiving the OS (MIS) value set to 0 in the INIT chunk SHOULD abort".
	if p.tag == 0 {
		return p, 0, false
	}
	if p.outStreams == 0 || p.inStreams == 0 {
		return p, CauseInvalidParameter, true
	}
	for rest := v[16:]; len(rest) > 0; {
		var prm param
		if prm, rest, ok = nextParam(rest); !ok {
			// What the length field says is not there: nothing after it can be
			// trusted, what came before stands.
			break
		}
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
				switch chunkType(t) {
				case chunkReConfig:
					p.features |= featureReconfig
				case chunkForwardTSN:
					p.features |= featureForwardTSN
				case chunkIData:
					p.features |= featureIData
				case chunkIForwardTSN:
					p.features |= featureIForwardTSN
				}
			}
		case paramCookiePreservative:
			if len(prm.value) >= 4 {
				p.preserve = min(binary.BigEndian.Uint32(prm.value), maxCookiePreservativeTime)
			}
		case paramIPv4, paramIPv6, paramSupportedAddresses, paramECN, paramUnrecognized, paramHeartbeatInfo:
			// Addresses mean nothing below DTLS: RFC 8261 has one path.
		case paramHostName:
			// "An endpoint receiving an INIT or INIT ACK containing this
			// parameter MUST send an ABORT and MAY include an Unresolvable
			// Address cause" (section 3.3.2.1.4)
			return p, CauseUnresolvableAddress, true
		default:
			if prm.typ&paramReportUnrecognized != 0 && len(p.unrecognized)+len(prm.raw)+8 <= maxUnrecognizedBytes {
				if ack {
					p.unrecognized = append(p.unrecognized, prm.raw...)
					p.unrecognized = append(p.unrecognized, make([]byte, pad4(len(prm.raw))-len(prm.raw))...)
				} else {
					p.unrecognized = appendParam(p.unrecognized, paramUnrecognized, prm.raw)
				}
			}
			if prm.typ&paramSkipUnrecognized == 0 {
				return p, 0, true // "Stop processing this parameter"
			}
		}
	}
	return p, 0, true
}

// receiveInit answers INIT with INIT ACK and keeps nothing: all that is needed
// later is in the cookie. https://www.rfc-editor.org/rfc/rfc9260.html#section-5.1
func (a *Association) receiveInit(t instant, c chunk) {
	p, abort, ok := parseInit(c.value, false)
	if !ok {
		a.stats.ChunksInvalid++
		return
	}
	if a.state == StateShutdownAckSent {
		// Section 9.2: "it SHOULD discard the INIT chunk and retransmit the
		// SHUTDOWN ACK chunk."
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
		// Section 5.2.2: "it MUST respond with an INIT ACK chunk ... using a
		// new Initiate Tag"; the tie-tags say which association it may replace.
		var r [8]byte
		a.random(r[:])
		k.myTag = max(1, binary.BigEndian.Uint32(r[:]))
		k.myTSN = binary.BigEndian.Uint32(r[4:])
		k.localTieTag, k.peerTieTag = a.hand.myTag, a.hand.peerTag
	}
	// Before that, section 5.2.1: the tag of the INIT we sent is reused, "with
	// the same parameters".
	a.hand.answered = true
	b = a.appendInit(b, chunkInitAck, k.myTag, k.myTSN, k.seal(&a.hand.secret), p.unrecognized)
	a.ctl.endPacket(b)
}

// receiveInitAck answers the cookie.
func (a *Association) receiveInitAck(t instant, c chunk) {
	if a.state != StateCookieWait {
		return // section 5.2.3: "discarded"
	}
	p, abort, ok := parseInit(c.value, true)
	if !ok {
		a.stats.ChunksInvalid++
		if len(c.value) >= initHeaderSize-chunkHeaderSize && p.tag == 0 {
			// Section 3.3.3: "the receiver MUST destroy the association".
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
		// Section 5.1: a missing State Cookie is reported and ends the attempt.
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
	if a.hand.inits == 1 { // Karn: an INIT sent twice gives no sample
		a.rtt.sample(t - a.hand.sentAt)
	}
	a.state = StateCookieEchoed
	a.hand.sendInit = false
	a.hand.sendCookie = true
	a.hand.attempts = 0
	a.timers[timerT1] = t + a.rtt.rto
}

// applyPeerInit takes over what the peer said of itself.
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

// receiveCookieEcho completes the handshake of a peer's INIT, following the
// table of https://www.rfc-editor.org/rfc/rfc9260.html#section-5.2.4
func (a *Association) receiveCookieEcho(t instant, c chunk, tag uint32) bool {
	k, err := openCookie(c.value, &a.hand.secret)
	if err != nil || tag != k.myTag {
		a.stats.CookiesInvalid++ // section 5.1.5: "silently discarded"
		return false
	}
	h := &a.hand
	sameMine, samePeer := k.myTag == h.myTag, k.peerTag == h.peerTag
	if age := t - k.created; age > k.life && !(sameMine && samePeer) {
		// Section 5.1.5: the ERROR's measure of staleness is in microseconds.
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
		// No association yet (section 5.1), or action B: simultaneous INITs.
		a.applyPeerInit(&p)
		a.sampleCookie(t - k.created)
		a.establish(t)
	case a.state == StateCookieEchoed && sameMine && !samePeer:
		// Action B: the peer's INIT came later than its INIT ACK promised.
		a.applyPeerInit(&p)
		a.sampleCookie(t - k.created)
		a.establish(t)
	case a.state == StateCookieEchoed && sameMine:
		a.sampleCookie(t - k.created)
		a.establish(t) // action D
	case sameMine && samePeer:
		// Action D in a later state: our COOKIE ACK was lost.
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

// restart gives the association the initial state of a new one with the peer
// that has restarted, whose cookie came back after rtt.
func (a *Association) restart(t instant, p *peerInit, rtt time.Duration) {
	refused := a.send.refused
	a.out.release(&a.send)
	a.send.release()
	a.send.refused = refused // told below that there is room
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

// minCookieRetransmission is the least time after which any implementation sends a COOKIE ECHO
// again: ours takes its least retransmission timeout, others take 400 ms or more.
const minCookieRetransmission = DefaultMinRTO

// sampleCookie takes the time from an INIT ACK to the COOKIE ECHO with its cookie as the round trip
// of the side that answers. Each INIT ACK has a cookie of its own, so that an INIT that was sent
// again does not matter. But nothing tells a COOKIE ECHO that was sent again from the first one,
// and the time would then be the peer's timeout (Karn). It counts only if it is so short that no
// peer can have sent the COOKIE ECHO twice.
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
	if a.out.count() > 0 { // it went along with COOKIE ECHO, under T1
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

// handshakeTimeout is T1: https://www.rfc-editor.org/rfc/rfc9260.html#section-4-9
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

// loseEarlyData makes the data that went along with COOKIE ECHO go again with the next one.
func (a *Association) loseEarlyData(t instant) {
	for o := &a.out; o.flight.n > 0; {
		a.markLost(t, o.flight.head, o.at(o.flight.head))
	}
}

// receiveError looks at the one cause that matters to us:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-5.2.6
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
			// "Send a new INIT chunk to the endpoint to generate a new State
			// Cookie and reattempt the setup procedure."
			a.state = StateCookieWait
			a.loseEarlyData(t)
			a.hand.peerTag = 0
			a.hand.attempts = 0
			a.hand.sendCookie, a.hand.sendInit = false, true
			a.timers[timerT1] = t + a.rtt.rto
		}
	}
}
