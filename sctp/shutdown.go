package sctp

import (
	"encoding/binary"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// shutdownState is the graceful end of an association:
// https://www.rfc-editor.org/rfc/rfc9260.html#section-9.2
type shutdownState struct {
	wanted   bool // by the user, while the handshake was not over
	send     bool // SHUTDOWN
	sendAck  bool // SHUTDOWN ACK
	attempts int
	// giveUpAt is when SHUTDOWN-ACK-SENT ends if the peer stays silent.
	giveUpAt instant
}

const (
	// The two sides wait for the last packet of a shutdown for shutdownRTOs timeouts of at least
	// minShutdownRTO each, and for maxShutdownWait at most. In that time the side that has sent
	// SHUTDOWN ACK repeats it, and the side that has sent SHUTDOWN COMPLETE answers. Four timeouts
	// cover two repetitions, after 1 and 3 RTOs. The least RTO is RTO.Min of
	// https://www.rfc-editor.org/rfc/rfc9260.html#section-16, which the peer may have.
	shutdownRTOs    = 4
	minShutdownRTO  = time.Second
	maxShutdownWait = 20 * time.Second
)

// shutdownWait returns how long to wait for the last packet of a shutdown. Timeouts that have
// expired already do not make it longer.
func (a *Association) shutdownWait() time.Duration {
	rtt := a.rtt
	rtt.endBackOff(&a.cfg) // of the copy
	return min(shutdownRTOs*max(rtt.rto, minShutdownRTO), maxShutdownWait)
}

// shutdownGuard is the T5-shutdown-guard timer, "5 times RTO.Max" there. Five
// times that long for a connection that is being closed serves nobody.
const shutdownGuard = 60 * time.Second

// Shutdown ends the association gracefully: what is queued is delivered, then
// both sides close. EventClosed follows. Before StateCookieEchoed it is an Abort.
//
// One side sends the last packet of a shutdown, SHUTDOWN COMPLETE, and cannot know whether it has
// arrived. On that side [Association.Deadline] stays set for 4 to 20 s after EventClosed, four
// retransmission timeouts of at least 1 s, and the owner should keep calling Receive and Transmit
// until then: the association answers a peer that repeats its SHUTDOWN ACK. A peer that gets no
// answer ends after the same time, without an error, because by then both sides have acknowledged
// everything.
func (a *Association) Shutdown(now time.Time) {
	t := a.clock(now)
	switch a.state {
	case StateEstablished:
		a.beginShutdown(t)
	case StateCookieEchoed:
		a.shutdown.wanted = true // what was sent already is to arrive
	case StateClosed, StateCookieWait:
		a.abort(t, CauseUserInitiatedAbort, "", false)
	}
}

func (a *Association) beginShutdown(t instant) {
	a.state = StateShutdownPending
	a.timers[timerT5] = t + shutdownGuard
	a.progressShutdown(t)
}

// peerShutDown reports whether the peer has sent SHUTDOWN, which it does when
// everything that it sent is acknowledged.
func (a *Association) peerShutDown() bool {
	return a.state == StateShutdownReceived || a.state == StateShutdownAckSent
}

// allAcknowledged reports whether the peer has everything.
func (a *Association) allAcknowledged() bool {
	return a.out.base == a.out.next && a.send.unsent == 0
}

// progressShutdown takes the next step when nothing is outstanding any more.
func (a *Association) progressShutdown(t instant) {
	switch {
	case a.state == StateShutdownPending && a.allAcknowledged():
		a.state = StateShutdownSent
		a.shutdown.send = true
		a.shutdown.attempts = 0
		a.timers[timerT2] = t + a.rtt.rto
	case a.state == StateShutdownReceived && a.allAcknowledged():
		a.sendShutdownAck(t)
	}
}

// sendShutdownAck enters the SHUTDOWN-ACK-SENT state, or answers another SHUTDOWN
// in it. Both sides have everything that the other one sent.
func (a *Association) sendShutdownAck(t instant) {
	s := &a.shutdown
	if a.state != StateShutdownAckSent {
		a.state = StateShutdownAckSent
		s.attempts = 0
		a.timers[timerT5] = 0
		a.timers[timerT2] = t + a.rtt.rto
	}
	s.send, s.sendAck = false, true
	s.giveUpAt = t + a.shutdownWait()
	a.timers[timerT2] = min(a.timers[timerT2], s.giveUpAt)
}

// shutdownAgain: "the SHUTDOWN sender MUST immediately respond to each received
// packet containing one or more DATA chunks with a SHUTDOWN chunk and restart
// the T2-shutdown timer."
func (a *Association) shutdownAgain(t instant) {
	a.shutdown.send = true
	a.timers[timerT2] = t + a.rtt.rto
}

func (a *Association) shutdownTimeout(t instant) {
	s := &a.shutdown
	switch a.state {
	case StateClosed: // the time is over to answer a SHUTDOWN ACK that comes again
	case StateShutdownSent:
		if s.attempts++; s.attempts > a.cfg.MaxRetransmits {
			a.close(ErrPeerUnreachable)
			return
		}
		a.rtt.backOff()
		a.timers[timerT2] = t + a.rtt.rto
		s.send = true
	case StateShutdownAckSent:
		// "... the endpoint SHOULD destroy the TCB and SHOULD report the peer endpoint
		// unreachable": but all that is missing is the SHUTDOWN COMPLETE of a peer that
		// need not be there any more.
		if s.attempts++; t >= s.giveUpAt || s.attempts > a.cfg.MaxRetransmits {
			a.close(nil)
			return
		}
		a.rtt.backOff()
		a.timers[timerT2] = min(t+a.rtt.rto, s.giveUpAt)
		s.sendAck = true
	}
}

func (a *Association) appendShutdown(dst []byte, limit int) []byte {
	s := &a.shutdown
	if s.send && len(dst)+8 <= limit {
		s.send = false
		dst = append(dst, byte(chunkShutdown), 0, 0, 8)
		dst = binary.BigEndian.AppendUint32(dst, a.recv.cum)
	}
	if s.sendAck && len(dst)+4 <= limit {
		s.sendAck = false
		dst = append(dst, byte(chunkShutdownAck), 0, 0, chunkHeaderSize)
	}
	return dst
}

func (a *Association) receiveShutdown(t instant, c chunk) {
	if len(c.value) < 4 {
		a.stats.ChunksInvalid++
		return
	}
	if a.state < StateEstablished {
		return
	}
	cum := binary.BigEndian.Uint32(c.value)
	if !serial.Less32(cum, a.out.next) {
		a.stats.ChunksInvalid++
		return
	}
	if serial.LessEqual32(a.out.base, cum) {
		// The SHUTDOWN acknowledges like a SACK without gaps.
		var sum ackTotals
		a.out.cumulative(t, cum, &a.send, &sum)
		a.timers[timerT3] = 0
		if a.out.base != a.out.next {
			a.timers[timerT3] = t + a.rtt.rto
		}
		a.advancePeerAck(t)
	}
	switch a.state {
	case StateEstablished, StateShutdownPending:
		// T5 is the shutdown sender's: what is queued here may take long, and
		// the peer waits for it.
		a.state = StateShutdownReceived
	case StateShutdownSent:
		// Both at once: "respond with a SHUTDOWN ACK ... and enter the
		// SHUTDOWN-ACK-SENT state".
		a.sendShutdownAck(t)
	case StateShutdownAckSent:
		a.sendShutdownAck(t)
	}
	a.progressShutdown(t)
}

func (a *Association) receiveShutdownAck(tag uint32) {
	switch a.state {
	case StateClosed, StateCookieWait, StateCookieEchoed:
		// Section 8.5.1 E: it is of an association before this one.
		a.outOfTheBlue(tag, []byte{byte(chunkShutdownAck)})
	case StateShutdownSent, StateShutdownAckSent:
		b := a.ctl.beginPacket(&a.cfg, a.hand.peerTag)
		b = append(b, byte(chunkShutdownComplete), 0, 0, chunkHeaderSize)
		a.ctl.endPacket(b)
		a.close(nil)
		a.timers[timerT2] = a.last + a.shutdownWait()
	}
}
