package sctp

import (
	"encoding/binary"
	"time"

	"github.com/rtcstack/rtcstack/internal/serial"
)

// shutdownState is the state of the graceful shutdown: RFC 9260, section 9.2.
type shutdownState struct {
	wanted   bool // by the user, while the handshake was not over
	send     bool // SHUTDOWN
	sendAck  bool // SHUTDOWN ACK
	attempts int
	// giveUpAt is when SHUTDOWN-ACK-SENT ends if the peer does not answer.
	giveUpAt instant
}

const (
	// Both sides wait for the last packet of a shutdown for shutdownRTOs timeouts of at least
	// minShutdownRTO each, and at most maxShutdownWait. In that time the side that has sent
	// SHUTDOWN ACK repeats it, and the side that has sent SHUTDOWN COMPLETE answers. Four timeouts
	// cover two repetitions, after 1 and 3 RTOs. The minimum is RTO.Min of RFC 9260, section 16,
	// which the peer may have.
	shutdownRTOs    = 4
	minShutdownRTO  = time.Second
	maxShutdownWait = 20 * time.Second
)

// shutdownWait returns how long to wait for the last packet of a shutdown. Timeouts that have
// already expired do not make it longer.
func (a *Association) shutdownWait() time.Duration {
	rtt := a.rtt
	rtt.endBackOff(&a.cfg) // of the copy
	return min(shutdownRTOs*max(rtt.rto, minShutdownRTO), maxShutdownWait)
}

// shutdownGuard is the T5-shutdown-guard timer of RFC 9260, section 9.2. Its recommended five times
// RTO.Max is five minutes, too long for a connection that is being closed.
const shutdownGuard = 60 * time.Second

// Shutdown ends the association gracefully: queued messages are delivered, then both sides close.
// EventClosed follows. If the peer does not acknowledge everything and answer within 60 s, the
// association is aborted. Before StateCookieEchoed Shutdown is an Abort.
//
// One side sends the last packet of a shutdown, SHUTDOWN COMPLETE, and cannot know whether it has
// arrived. On that side [Association.Deadline] stays set for 4 to 20 s after EventClosed, four
// retransmission timeouts of at least 1 s, and the owner should keep calling Receive and Transmit
// until then: the association answers a peer that repeats its SHUTDOWN ACK. A peer without an
// answer ends after the same time, without an error, because by then both sides have acknowledged
// everything.
func (a *Association) Shutdown(now time.Time) {
	t := a.clock(now)
	switch a.state {
	case StateEstablished:
		a.beginShutdown(t)
	case StateCookieEchoed:
		a.shutdown.wanted = true // after the messages sent early
	case StateClosed, StateCookieWait:
		a.abort(t, CauseUserInitiatedAbort, "", false)
	}
}

func (a *Association) beginShutdown(t instant) {
	a.state = StateShutdownPending
	a.timers[timerT5] = t + shutdownGuard
	a.progressShutdown(t)
}

// peerShutDown reports whether the peer has sent SHUTDOWN, which it does when everything that it
// sent is acknowledged.
func (a *Association) peerShutDown() bool {
	return a.state == StateShutdownReceived || a.state == StateShutdownAckSent
}

// allAcknowledged reports whether nothing is unsent or outstanding.
func (a *Association) allAcknowledged() bool {
	return a.out.base == a.out.next && a.send.unsent == 0
}

// progressShutdown takes the next step if nothing is outstanding.
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

// sendShutdownAck enters the SHUTDOWN-ACK-SENT state, or answers another SHUTDOWN in it. Both sides
// have everything that the other one sent.
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

// shutdownAgain repeats SHUTDOWN after a packet with DATA: RFC 9260, section 9.2.
func (a *Association) shutdownAgain(t instant) {
	a.shutdown.send = true
	a.timers[timerT2] = t + a.rtt.rto
}

func (a *Association) shutdownTimeout(t instant) {
	s := &a.shutdown
	switch a.state {
	case StateClosed: // a repeated SHUTDOWN ACK is not answered any more
	case StateShutdownSent:
		if s.attempts++; s.attempts > a.cfg.MaxRetransmits {
			a.close(ErrPeerUnreachable)
			return
		}
		a.rtt.backOff()
		a.timers[timerT2] = t + a.rtt.rto
		s.send = true
	case StateShutdownAckSent:
		// RFC 9260, section 9.2, reports the peer as unreachable here. But only the SHUTDOWN
		// COMPLETE of a peer is missing that may be gone.
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
		// SHUTDOWN acknowledges like a SACK without gaps.
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
		// T5 runs on the side that has begun the shutdown: sending the messages queued here may
		// take long.
		a.state = StateShutdownReceived
	case StateShutdownSent:
		// RFC 9260, section 9.2: both sides have begun the shutdown.
		a.sendShutdownAck(t)
	case StateShutdownAckSent:
		a.sendShutdownAck(t)
	}
	a.progressShutdown(t)
}

func (a *Association) receiveShutdownAck(tag uint32) {
	switch a.state {
	case StateClosed, StateCookieWait, StateCookieEchoed:
		// RFC 9260, section 8.5.1, E: it belongs to an earlier association.
		a.outOfTheBlue(tag, []byte{byte(chunkShutdownAck)})
	case StateShutdownSent, StateShutdownAckSent:
		b := a.ctl.beginPacket(&a.cfg, a.hand.peerTag)
		b = append(b, byte(chunkShutdownComplete), 0, 0, chunkHeaderSize)
		a.ctl.endPacket(b)
		a.close(nil)
		a.timers[timerT2] = a.last + a.shutdownWait()
	}
}
