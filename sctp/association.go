package sctp

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
)

// instant is a time of the association: nanoseconds since just before it was
// first used, so that 0 can mean "not set".
type instant = time.Duration

// State is the state of an association:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-4
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

// Association is one SCTP association, as a state machine without I/O: packets
// and time go in, packets and events come out. It is not safe for concurrent
// use; its owner holds a lock, or runs it in one goroutine.
//
// After any call the owner drains Transmit and Event, and calls Advance once
// the time that Deadline names has come.
type Association struct {
	cfg   Config
	epoch time.Time
	last  instant // the latest time seen; time never runs backwards here

	state       State
	connect     bool // Connect was called
	over        bool // EventClosed was given
	undelivered int  // bytes that were not acknowledged at the end
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
	header      [commonHeaderSize]byte // scratch for the checksum
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

// New returns an association in the closed state. The error is a *[ConfigError]. Memory for traffic is
// allocated when there is some.
func New(cfg Config) (*Association, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	a := &Association{cfg: cfg}
	a.hand.init(a)
	a.resetTransmission()
	a.recv.init(0)
	a.reasm.init(a)
	a.send.schedule.kind = cfg.Scheduler
	a.send.events = &a.events
	a.window.init(&a.cfg)
	return a, nil
}

// resetTransmission gives the sending side its initial state, for a new
// association and for a restarted one.
func (a *Association) resetTransmission() {
	a.out.init(a.hand.myInitialTSN)
	a.rtt.init(&a.cfg)
	a.loss.init()
	a.mtu.init(&a.cfg)
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

// Connect starts the handshake by sending INIT. In WebRTC both sides do so at
// once (https://www.rfc-editor.org/rfc/rfc8831.html#section-5); an association
// that is never told to connect still answers a peer that does, and one that has
// just answered sends its own INIT only when the peer's handshake has not
// succeeded within the initial RTO. It has no effect unless the state is closed and the association has not ended.
func (a *Association) Connect(now time.Time) {
	t := a.clock(now)
	if a.state != StateClosed || a.over || a.connect {
		return
	}
	a.connect = true
	a.state = StateCookieWait
	// The peer may have been faster. Its handshake is enough then; if it comes to nothing, T1 brings ours.
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

// Deadline returns the time at which Advance must be called next; the zero
// time: never. After EventClosed it is how long the owner should keep the
// association: one that has no deadline, and whose Transmit is drained, is done.
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

// Advance fires the timers that are due. Calling it early or late is allowed.
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
			// The owner's next Transmit finds the pacer open.
		case timerExpire:
			a.expire(t)
		case timerMTU:
			a.mtuProbeTimeout(t)
		}
		if a.over {
			return
		}
	}
	a.progressShutdown(t) // what it waited for may have been given up
}

// Receive processes one packet from the peer, which is borrowed for the call.
// A packet that is not for this association, or damaged, is dropped and
// counted.
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
	if a.over {
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
		if !a.receiveChunk(t, c, tag) || a.over {
			break
		}
	}
	if !a.over {
		a.endPacket(t)
	}
}

// checksumOK verifies a packet's checksum. Zero is accepted if we have said
// so, but with INIT and COOKIE ECHO, which come before the peer can know:
// https://www.rfc-editor.org/rfc/rfc9653.html#section-5.3
func (a *Association) checksumOK(packet []byte) bool {
	if a.cfg.EnableZeroChecksum && binary.LittleEndian.Uint32(packet[8:]) == 0 {
		if t := chunkType(packet[commonHeaderSize]); t != chunkInit && t != chunkCookieEcho {
			return true
		}
	}
	return checksumOK(packet, &a.header)
}

// receiveChunk processes one chunk; false: ignore the rest of the packet.
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
		return false // INIT is alone in its packet (section 3.1)
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
		return false // it is alone in its packet, whose tag may be a reflected one
	case chunkError:
		a.receiveError(t, c)
	case chunkPad, chunkECNE, chunkCWR:
		// PAD is made to be ignored (RFC 4820); we send no ECN-capable packets,
		// so that an ECNE or CWR needs no answer.
	default:
		return a.unknownChunk(c)
	}
	return true
}

// unknownChunk follows the two highest bits of an unknown chunk's type:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-3.2-6
func (a *Association) unknownChunk(c chunk) bool {
	a.stats.ChunksUnknown++
	if c.typ&0x40 != 0 { // "report it in an ERROR chunk"
		raw := c.raw[:min(len(c.raw), maxUnrecognizedBytes)]
		a.ctl.errorCause(CauseUnrecognizedChunk, raw)
	}
	return c.typ&0x80 != 0 // "skip this chunk and continue processing"
}

// endPacket does what waits for the last chunk of a packet.
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
	if a.over {
		return
	}
	a.over = true
	a.state = StateClosed
	a.timers = [timerCount]instant{}
	a.undelivered = a.send.buffered
	a.out.release(&a.send)
	a.send.release()
	a.reasm.release()
	a.recv.release()
	a.reset.queued = nil
	a.events.Push(Event{Kind: EventClosed, Err: err})
	if a.cfg.Logger != nil {
		a.cfg.Logger.Debug("sctp: association closed", slog.Any("error", err))
	}
}

// Abort ends the association at once; the next Transmit gives the ABORT chunk
// that tells the peer, with reason (at most 256 bytes of it). EventClosed
// follows with an *AbortError. It has no effect on an association that is over.
func (a *Association) Abort(now time.Time, reason string) {
	t := a.clock(now)
	a.abort(t, CauseUserInitiatedAbort, reason, false)
}

// abort sends ABORT to a peer that is known and closes the association.
func (a *Association) abort(_ instant, code CauseCode, reason string, silent bool) {
	if a.over {
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
		reason = "" // it is the cause's data, not text
	}
	a.close(&AbortError{Code: code, Reason: reason})
}
