package sctp

import (
	"encoding/binary"
	"math"
	"time"
)

// heartbeatState probes an idle peer: RFC 9260, section 8.3.
type heartbeatState struct {
	send         bool
	unanswered   bool   // the last one is
	nonce        uint64 // of the last one
	sentAt       instant
	lastReceived instant // when the peer was last lastReceived of
}

const (
	heartbeatInfoSize = 16
	// maxHeartbeatEcho bounds the information of a peer's HEARTBEAT that is returned; it has to fit
	// in a packet.
	maxHeartbeatEcho = MinMTU - commonHeaderSize - chunkHeaderSize - sackHeaderSize
)

func (h *heartbeatState) start(a *Association, t instant) {
	*h = heartbeatState{lastReceived: t}
	h.schedule(a, t)
	// If the handshake measured no round-trip time, a HEARTBEAT does. Unlike that of the first
	// message, its time contains no delayed acknowledgement.
	h.send = a.rtt.srtt == 0 && a.timers[timerHeartbeat] != 0
}

// schedule sets the timer of the next heartbeat: HB.interval plus RTO, with a jitter of half the
// RTO (RFC 9260, section 8.3).
func (h *heartbeatState) schedule(a *Association, t instant) {
	if a.cfg.HeartbeatInterval < 0 {
		return
	}
	var b [8]byte
	a.random(b[:])
	h.nonce = binary.BigEndian.Uint64(b[:])
	jitter := time.Duration((float64(b[0])/math.MaxUint8 - 0.5) * float64(a.rtt.rto))
	a.timers[timerHeartbeat] = t + a.cfg.HeartbeatInterval + a.rtt.rto + jitter
}

// traffic records that a packet came from the peer. The timer compares the time when it fires, so
// that it is not set for each packet.
func (h *heartbeatState) traffic(t instant) { h.lastReceived = t }

func (a *Association) heartbeatTimeout(t instant) {
	h := &a.heartbeat
	if a.state != StateEstablished && a.state != StateShutdownPending && a.state != StateShutdownReceived {
		return
	}
	if h.unanswered {
		h.unanswered = false
		if a.loss.errors++; a.loss.errors > a.cfg.MaxRetransmits {
			a.close(ErrPeerUnreachable)
			return
		}
		a.rtt.backOff()
	}
	if next := h.lastReceived + a.cfg.HeartbeatInterval; next > t {
		a.timers[timerHeartbeat] = next
		return
	}
	a.Trim()
	h.schedule(a, t)
	if a.out.inFlight == 0 { // data in flight probes, too
		h.send = true
	}
}

// Trim frees the memory that traffic needs and an idle association does not. Every heartbeat does
// so; the owner may call it earlier, at any time, when traffic has ended.
func (a *Association) Trim() {
	a.out.shrink()
	if len(a.send.schedule.heap) == 0 {
		a.send.schedule.heap = nil
	}
	a.reasm.ready.Trim()
	a.reasm.free = nil
	a.events.Trim()
	if len(a.ctl.chunks) == 0 && len(a.ctl.errors) == 0 {
		a.ctl.chunks, a.ctl.errors = nil, nil
	}
	a.recv.shrink()
}

func (a *Association) appendHeartbeat(t instant, dst []byte, limit int) []byte {
	h := &a.heartbeat
	if !h.send || len(dst)+chunkHeaderSize+paramHeaderSize+heartbeatInfoSize > limit {
		return dst
	}
	h.send, h.unanswered, h.sentAt = false, true, t
	var info [heartbeatInfoSize]byte
	binary.BigEndian.PutUint64(info[:], h.nonce)
	binary.BigEndian.PutUint64(info[8:], uint64(t))
	start := len(dst)
	dst = appendChunkHeader(dst, chunkHeartbeat, 0)
	dst = appendParam(dst, paramHeartbeatInfo, info[:])
	return endChunk(dst, start)
}

// receiveHeartbeat returns the information unchanged.
func (a *Association) receiveHeartbeat(c chunk) {
	if a.state < StateCookieEchoed || len(c.value) > maxHeartbeatEcho {
		a.stats.ChunksInvalid++
		return
	}
	var b [chunkHeaderSize + maxHeartbeatEcho + 3]byte
	ack := appendChunkHeader(b[:0], chunkHeartbeatAck, 0)
	ack = append(ack, c.value...)
	a.ctl.add(endChunk(ack, 0))
}

func (a *Association) receiveHeartbeatAck(t instant, c chunk) {
	h := &a.heartbeat
	p, _, ok := nextParam(c.value)
	if ok && p.typ == paramHeartbeatInfo && len(p.value) > heartbeatInfoSize {
		a.mtuProbeAcked(t, p.value)
		return
	}
	if !ok || p.typ != paramHeartbeatInfo || len(p.value) != heartbeatInfoSize {
		a.stats.ChunksInvalid++
		return
	}
	if !h.unanswered || binary.BigEndian.Uint64(p.value) != h.nonce || binary.BigEndian.Uint64(p.value[8:]) != uint64(h.sentAt) {
		return
	}
	h.unanswered = false
	a.loss.errors = 0
	a.rtt.sample(t - h.sentAt)
	a.rtt.sampleMin(t, t-h.sentAt)
}
