package sctp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// instant is a time of the association: nanoseconds since just before its first call, so that 0
// means "not set".
type instant = time.Duration

// State is the state of an association: RFC 9260, section 4.
type State uint8

// The states of RFC 9260, section 4.
const (
	StateClosed State = iota
	StateCookieWait
	StateCookieEchoed
	StateEstablished
	StateShutdownPending
	StateShutdownSent
	StateShutdownReceived
	StateShutdownAckSent
)

var stateNames = [...]string{"closed", "cookie-wait", "cookie-echoed", "established",
	"shutdown-pending", "shutdown-sent", "shutdown-received", "shutdown-ack-sent"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Association is one SCTP association, as a state machine without I/O: packets and time go in,
// packets and events come out. It is not safe for concurrent use; its owner holds a lock, or runs
// it in one goroutine. Create it with [New]; the zero value is an association that has ended.
//
// After any call the owner drains Transmit, ReadMessage and Event, and calls Advance at the time
// that Deadline returns.
type Association struct {
	cfg   Config
	epoch time.Time
	last  instant // the latest time passed in; an earlier one counts as this

	state       State
	connect     bool                   // Connect was called
	open        bool                   // since New, until the association ends
	header      [commonHeaderSize]byte // scratch for the checksum; here, as it fills a gap
	undelivered int                    // bytes that were not acknowledged at the end
	timers      [timerCount]instant
	events      ring.Queue[Event]
	hand        handshake
	ctl         controlQueue
	rtt         rttState
	out         outstanding
	loss        lossState
	cc          congestionControl
	sample      ackSample // for cc, here so that it is not allocated
	lostSample  lostSample
	pace        pacer
	send        sendQueue
	fwd         forwardState
	recv        tsnTracker
	reasm       reassembly
	window      receiveWindow
	mtu         pathMTU
	reset       resetState
	shutdown    shutdownState
	heartbeat   heartbeatState
	stats       Stats
}

// New returns an association in the closed state. The error is a *[ConfigError]. Memory for traffic
// is allocated when there is some.
func New(cfg Config) (*Association, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	a := &Association{cfg: cfg, open: true}
	a.hand.init(a)
	a.mtu.base, a.mtu.max = cfg.MTU, cfg.MaxMTU
	a.resetTransmission()
	a.recv.init(0)
	a.reasm.init(a)
	a.send.schedule.kind = cfg.Scheduler
	a.send.events = &a.events
	a.window.init(&a.cfg)
	return a, nil
}

// resetTransmission initializes the sending side, for a new association and for a restarted one.
func (a *Association) resetTransmission() {
	a.out.init(a.hand.myInitialTSN)
	a.rtt.init(&a.cfg)
	a.loss.init()
	a.mtu.init()
	a.cc = a.newCongestionControl()
	a.pace = pacer{}
	a.reset.init(a.hand.myInitialTSN)
	a.fwd = forwardState{advancedPeerAck: a.hand.myInitialTSN - 1}
}

// clock converts a caller's time.
func (a *Association) clock(now time.Time) instant {
	if a.epoch.IsZero() {
		a.epoch = now.Add(-1)
	}
	if t := now.Sub(a.epoch); t > a.last {
		a.last = t
	}
	return a.last
}

// State returns the association's state.
func (a *Association) State() State { return a.state }

// Connect starts the handshake by sending INIT. In WebRTC both sides do so at the same time (RFC
// 8831, section 5). An association on which Connect is never called still answers a peer that
// connects. One that has just answered a peer sends its own INIT only if the peer's handshake has
// not succeeded within the initial RTO. Connect has no effect unless the state is closed and the
// association has not ended.
func (a *Association) Connect(now time.Time) {
	t := a.clock(now)
	if a.state != StateClosed || !a.open || a.connect {
		return
	}
	a.connect = true
	a.state = StateCookieWait
	// If the peer's INIT came first, its handshake is enough. T1 sends an INIT if it fails.
	a.hand.sendInit = !a.hand.answered
	a.hand.attempts = 0
	a.timers[timerT1] = t + a.rtt.rto
}

// Timers. Each is an instant in Association.timers, 0 when it is not running.
const (
	timerT1        = iota // INIT or COOKIE ECHO
	timerT2               // SHUTDOWN or SHUTDOWN ACK
	timerT3               // retransmission
	timerT5               // shutdown guard
	timerProbe            // tail loss probe
	timerReorder          // RACK: a reordering window ends
	timerSACK             // delayed acknowledgement
	timerReconfig         // RE-CONFIG retransmission
	timerHeartbeat        // heartbeat
	timerPace             // the pacer lets the next packet go
	timerExpire           // the lifetime of a message ends that waits to be sent, or to be sent again
	timerMTU              // a path MTU probe is lost
	timerCount
)

// Deadline returns the time at which Advance must be called next; the zero time means never. After
// EventClosed, the owner keeps the association until Deadline is zero and Transmit is drained.
func (a *Association) Deadline() time.Time {
	var first instant
	for _, t := range a.timers {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	if first == 0 {
		return time.Time{}
	}
	return a.epoch.Add(first)
}

// Advance fires the timers that are due. It may be called early or late.
func (a *Association) Advance(now time.Time) {
	t := a.clock(now)
	for i := range a.timers {
		if a.timers[i] == 0 || a.timers[i] > t {
			continue
		}
		a.timers[i] = 0
		switch i {
		case timerT1:
			a.handshakeTimeout(t)
		case timerT2:
			a.shutdownTimeout(t)
		case timerT3:
			a.retransmissionTimeout(t)
		case timerT5:
			a.abort(t, CauseUserInitiatedAbort, "shutdown took too long", false)
		case timerProbe:
			a.probeTimeout()
		case timerReorder:
			a.detectLoss(t)
		case timerSACK:
			a.recv.sackNow = true
		case timerReconfig:
			a.reconfigTimeout()
		case timerHeartbeat:
			a.heartbeatTimeout(t)
		case timerPace:
			// The next Transmit finds the pacer open.
		case timerExpire:
			a.expire(t)
		case timerMTU:
			a.mtuProbeTimeout(t)
		}
		if !a.open {
			return
		}
	}
	a.progressShutdown(t) // the data that it waits for may have been abandoned
}

// Receive processes one packet from the peer, which is borrowed for the call. A packet that is
// damaged, or not for this association, is counted and dropped.
func (a *Association) Receive(now time.Time, packet []byte) {
	t := a.clock(now)
	a.stats.PacketsReceived++
	a.stats.BytesReceived += uint64(len(packet))
	if len(packet) < commonHeaderSize+chunkHeaderSize ||
		binary.BigEndian.Uint16(packet) != a.cfg.DestinationPort ||
		binary.BigEndian.Uint16(packet[2:]) != a.cfg.SourcePort {
		a.stats.PacketsInvalid++
		return
	}
	if !a.checksumOK(packet) {
		a.stats.ChecksumErrors++
		return
	}
	tag := binary.BigEndian.Uint32(packet[4:])
	if !a.open {
		a.outOfTheBlue(tag, packet[commonHeaderSize:])
		return
	}
	if !a.tagOK(tag, packet[commonHeaderSize:]) {
		a.stats.PacketsInvalid++
		a.outOfTheBlue(tag, packet[commonHeaderSize:])
		return
	}
	a.recv.beginPacket()
	rest := packet[commonHeaderSize:]
	for len(rest) > 0 {
		var c chunk
		var ok bool
		if c, rest, ok = nextChunk(rest); !ok {
			a.stats.ChunksInvalid++
			break
		}
		if !a.receiveChunk(t, c, tag) || !a.open {
			break
		}
	}
	if a.open {
		a.endPacket(t)
	}
}

// checksumOK verifies a packet's checksum. Zero is accepted if EnableZeroChecksum announced that,
// except with INIT and COOKIE ECHO, which the peer sends before it can know: RFC 9653, section 5.3.
func (a *Association) checksumOK(packet []byte) bool {
	if a.cfg.EnableZeroChecksum && binary.LittleEndian.Uint32(packet[8:]) == 0 {
		if t := chunkType(packet[commonHeaderSize]); t != chunkInit && t != chunkCookieEcho {
			return true
		}
	}
	return checksumOK(packet, &a.header)
}

// receiveChunk processes one chunk. It reports false if the rest of the packet is to be ignored.
func (a *Association) receiveChunk(t instant, c chunk, tag uint32) bool {
	switch c.typ {
	case chunkData, chunkIData:
		a.receiveData(t, c)
	case chunkSack:
		a.receiveSack(t, c)
	case chunkForwardTSN, chunkIForwardTSN:
		a.receiveForwardTSN(c)
	case chunkInit:
		a.receiveInit(t, c)
		return false // INIT is alone in its packet (RFC 9260, section 6.10)
	case chunkInitAck:
		a.receiveInitAck(t, c)
		return false
	case chunkCookieEcho:
		return a.receiveCookieEcho(t, c, tag)
	case chunkCookieAck:
		a.receiveCookieAck(t)
	case chunkHeartbeat:
		a.receiveHeartbeat(c)
	case chunkHeartbeatAck:
		a.receiveHeartbeatAck(t, c)
	case chunkReConfig:
		a.receiveReConfig(t, c)
	case chunkAbort:
		e := abortError(c.value)
		e.AfterShutdown = a.peerShutDown()
		a.close(e)
	case chunkShutdown:
		a.receiveShutdown(t, c)
	case chunkShutdownAck:
		a.receiveShutdownAck(tag)
	case chunkShutdownComplete:
		if a.state == StateShutdownAckSent {
			a.close(nil)
		}
		return false // it is alone in its packet (RFC 9260, section 6.10)
	case chunkError:
		a.receiveError(t, c)
	case chunkPad, chunkECNE, chunkCWR:
		// RFC 4820: PAD is ignored. No packet of this side is ECN-capable, so that ECNE and CWR
		// need no answer.
	default:
		return a.unknownChunk(c)
	}
	return true
}

// unknownChunk follows the two highest bits of an unknown chunk's type: RFC 9260, section 3.2.
func (a *Association) unknownChunk(c chunk) bool {
	a.stats.ChunksUnknown++
	if c.typ&0x40 != 0 { // report it in an ERROR chunk
		raw := c.raw[:min(len(c.raw), maxUnrecognizedBytes)]
		a.ctl.errorCause(CauseUnrecognizedChunk, raw)
	}
	return c.typ&0x80 != 0 // go on with the next chunk
}

// endPacket does the work that follows the last chunk of a packet.
func (a *Association) endPacket(t instant) {
	a.reasm.dropAbandoned(t)
	a.scheduleSack(t)
	if a.state >= StateEstablished {
		a.heartbeat.traffic(t)
	}
	a.progressShutdown(t)
}

// close ends the association.
func (a *Association) close(err error) {
	if !a.open {
		return
	}
	a.open = false
	a.state = StateClosed
	a.timers = [timerCount]instant{}
	a.undelivered = a.send.buffered
	a.out.release(&a.send)
	a.send.end()
	a.reasm.release()
	a.recv.release()
	a.reset.queued = nil
	a.events.Push(Event{Kind: EventClosed, Err: err})
	if a.cfg.Logger != nil {
		a.cfg.Logger.Debug("sctp: association closed", slog.Any("error", err))
	}
}

// Abort ends the association at once. The next Transmit returns the packet with the ABORT chunk,
// which contains reason (at most 256 bytes of it). EventClosed follows with an *AbortError.
// Abort has no effect on an association that has ended.
func (a *Association) Abort(now time.Time, reason string) {
	t := a.clock(now)
	a.abort(t, CauseUserInitiatedAbort, reason, false)
}

// abort sends ABORT to a known peer, unless silent, and closes the association.
func (a *Association) abort(_ instant, code CauseCode, reason string, silent bool) {
	if !a.open {
		return
	}
	reason = reason[:min(len(reason), maxReasonBytes)]
	if a.hand.peerTag != 0 && !silent {
		b := a.ctl.beginPacket(&a.cfg, a.hand.peerTag)
		start := len(b)
		b = appendChunkHeader(b, chunkAbort, 0)
		b = appendCause(b, code, []byte(reason))
		a.ctl.endPacket(endChunk(b, start))
	}
	if code != CauseUserInitiatedAbort && code != CauseProtocolViolation {
		reason = "" // the data of the cause, not text
	}
	a.close(&AbortError{Code: code, Reason: reason})
}
