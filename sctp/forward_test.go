package sctp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noProbes avoids heartbeats and tail loss probes in a script: the retransmission timer expires
// first.
var noProbes = Config{HeartbeatInterval: -1, MinRTO: 150 * time.Millisecond, MaxRTO: 150 * time.Millisecond, MTU: 1192}

// untilSent lets time pass until a packet is sent.
func (s *script) untilSent() {
	s.t.Helper()
	for len(s.sent) == 0 {
		s.waitDeadline()
	}
}

// RFC 3758, section 3.5, C1 to C3: the sender advances Advanced.Peer.Ack.Point over abandoned
// chunks, and sends a FORWARD-TSN if it is beyond the cumulative ack. RFC 7496, section 3.1, limits
// the retransmissions.
func TestLimitedRetransmissions(t *testing.T) {
	for limit := range uint32(4) {
		s := established(t, noProbes)
		s.send(3, "gone", SendOptions{LimitRetransmits: true, MaxRetransmits: limit})
		s.want(`DATA 1000 s3 ssn0 BE "gone"`)
		for range limit {
			s.untilSent()
			s.want(`DATA 1000 s3 ssn0 BE "gone"`)
		}
		require.Zero(t, s.a.Stats().MessagesAbandoned)
		s.untilSent()
		s.want("FORWARD-TSN 1000 s3:0")
		require.EqualValues(t, 1, s.a.Stats().MessagesAbandoned)
		s.wait(rtt)
		s.receive(sack(1000))
		require.Zero(t, s.a.BufferedAmount())
		require.True(t, s.a.Deadline().IsZero())
		s.send(3, "next")
		s.want(`DATA 1001 s3 ssn1 BE "next"`)
		s.receive(sack(1001))
		s.wantAlive()
	}
}

// The limit applies to fast retransmissions, too, and to tail loss probes.
func TestLimitedRetransmissionsByRACK(t *testing.T) {
	s := established(t, Config{})
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.send(4, "gone", SendOptions{LimitRetransmits: true, MaxRetransmits: 1})
	s.take()
	s.sendMessages(4)
	s.wait(rtt)
	s.receive(sack(999, 1002, 1005))
	s.want(`FORWARD-TSN 1000 s3:0 | DATA 1001 s4 ssn0 BE "gone"`)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1005))
	s.sendMessages(4)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1009))
	s.want("FORWARD-TSN 1001 s4:0") // what was acknowledged above was not abandoned
	s.receive(sack(1009))
	s.wantAlive()

	s = established(t, Config{MinRTO: time.Second})
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.take()
	s.wait(900 * time.Millisecond)
	s.want() // a probe would be a retransmission
}

// RFC 3758, section 3.5, A3: all fragments of a message are abandoned together.
func TestWholeMessagesAreAbandoned(t *testing.T) {
	s := established(t, Config{MTU: 1192})
	s.send(3, strings.Repeat("x", 3000), SendOptions{LimitRetransmits: true})
	s.want("DATA 1000 s3 ssn0 B (1164)", "DATA 1001 s3 ssn0  (1164)", "DATA 1002 s3 ssn0 E (672)")
	s.sendMessages(1)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1003)) // the middle one is missing
	s.wait(s.a.rtt.min / 4)
	// 1003 is acknowledged, but its message is not abandoned: the point stops before it.
	s.want("FORWARD-TSN 1002 s3:0")
	require.EqualValues(t, 1, s.a.Stats().MessagesAbandoned)
	s.receive(sack(1003))
	require.Zero(t, s.a.BufferedAmount())

	// The unsent rest of a message that is partly sent is dropped. The peer must not take the next
	// message for its continuation: a TSN is left out in between.
	s = established(t, Config{MTU: 1192, InitialCongestionWindow: 2300})
	s.send(3, strings.Repeat("x", 6000), SendOptions{LimitRetransmits: true})
	s.want("DATA 1000 s3 ssn0 B (1164)", "DATA 1001 s3 ssn0  (1164)")
	s.send(3, "next")
	s.wait(rtt)
	s.receive(sack(999, 1001, 1001))
	s.take()
	s.wait(s.a.rtt.min)
	lines, _ := s.take()
	all := strings.Join(lines, "\n")
	require.Regexp(t, `FORWARD-TSN 100\d s3:0`, all)
	require.Regexp(t, `DATA 100\d s3 ssn1 I?BE "next"`, all)
	require.NotContains(t, all, "DATA 1000")
	last := s.a.out.next - 1
	s.receive(sack(last))
	require.Zero(t, s.a.BufferedAmount())
	require.Zero(t, s.a.out.count())
}

// RFC 3758, section 4.1: a message whose lifetime ends before it is sent is dropped without a TSN;
// one that was sent is abandoned when it would have to be retransmitted.
func TestLifetime(t *testing.T) {
	t.Run("queued", func(t *testing.T) {
		s := established(t, Config{MTU: 1192, InitialCongestionWindow: 100})
		s.send(1, strings.Repeat("x", 500))
		s.want("DATA 1000 s1 ssn0 BE (500)")
		for range 3 { // the window is full
			s.send(1, "stale", SendOptions{Lifetime: 50 * time.Millisecond})
		}
		s.send(2, "stale, too", SendOptions{Lifetime: 60 * time.Millisecond})
		s.send(1, "fresh", SendOptions{Lifetime: time.Second})
		s.want()
		require.Equal(t, 500+3*5+10+5, s.a.BufferedAmount())
		require.Equal(t, 50*time.Millisecond, s.waitDeadline())
		require.Equal(t, 500+10+5, s.a.BufferedAmount())
		require.Equal(t, 10*time.Millisecond, s.waitDeadline())
		require.Equal(t, 500+5, s.a.BufferedAmount())
		require.EqualValues(t, 4, s.a.Stats().MessagesAbandoned)
		s.wait(rtt)
		s.receive(sack(1000))
		s.want(`DATA 1001 s1 ssn1 BE "fresh"`)
		s.receive(sack(1001))
		s.wantAlive()
	})
	t.Run("in flight", func(t *testing.T) {
		s := established(t, noProbes)
		s.send(1, "sent", SendOptions{Lifetime: 300 * time.Millisecond})
		s.want(`DATA 1000 s1 ssn0 BE "sent"`)
		s.untilSent()
		s.want(`DATA 1000 s1 ssn0 BE "sent"`) // lost within its lifetime
		s.untilSent()
		s.want("FORWARD-TSN 1000 s1:0")
	})
	t.Run("in flight, but it arrives", func(t *testing.T) {
		s := established(t, Config{})
		s.send(1, "sent", SendOptions{Lifetime: time.Millisecond})
		s.want(`DATA 1000 s1 ssn0 BE "sent"`)
		s.wait(rtt)
		s.receive(sack(1000))
		require.Zero(t, s.a.Stats().MessagesAbandoned)
		s.wantAlive()
	})
	t.Run("in the middle", func(t *testing.T) {
		s := established(t, Config{MTU: 1192, InitialCongestionWindow: 1000})
		s.send(1, strings.Repeat("x", 3000), SendOptions{Lifetime: 50 * time.Millisecond})
		s.want("DATA 1000 s1 ssn0 B (1164)")
		require.Equal(t, 50*time.Millisecond, s.waitDeadline())
		s.want("FORWARD-TSN 1001 s1:0")
		s.receive(sack(1001))
		require.Zero(t, s.a.BufferedAmount())
		s.wantAlive()
	})
}

// RFC 3758, section 3.2: the chunk names streams with their largest abandoned SSN, and no unordered
// messages. Section 3.5, C2: the point moves over consecutive TSNs only.
func TestForwardTSNList(t *testing.T) {
	s := established(t, noProbes)
	gone := SendOptions{LimitRetransmits: true}
	unordered := SendOptions{LimitRetransmits: true, Unordered: true}
	s.hold = true
	s.send(1, "a", gone)      // 1000
	s.send(2, "b", gone)      // 1001
	s.send(1, "c", gone)      // 1002
	s.send(3, "d", unordered) // 1003
	s.send(4, "reliable")     // 1004
	s.send(5, "e", gone)      // 1005
	s.flush()
	s.take()
	s.untilSent()
	s.want(`FORWARD-TSN 1003 s1:1 s2:0 | DATA 1004 s4 ssn0 BE "reliable"`)
	s.wait(rtt)
	s.receive(sack(1003))
	s.want()
	s.receive(sack(1004))
	s.want("FORWARD-TSN 1005 s5:0")
	s.receive(sack(1005))
	require.True(t, s.a.Deadline().IsZero())

	// Data that arrived in the meantime needs no FORWARD-TSN.
	s = established(t, Config{HeartbeatInterval: -1})
	s.send(1, "late", gone)
	s.take()
	s.sendMessages(3)
	s.wait(rtt)
	s.hold = true
	s.receive(sack(999, 1001, 1003))
	s.receive(sack(1003))
	s.flush()
	s.want()
	require.True(t, s.a.Deadline().IsZero())
}

// RFC 3758, section 3.5, F2 and F3: the retransmission timer repeats a lost FORWARD-TSN until the
// peer has confirmed it.
func TestLostForwardTSN(t *testing.T) {
	s := established(t, noProbes)
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.take()
	for range 5 {
		s.untilSent()
		s.want("FORWARD-TSN 1000 s3:0")
	}
	s.receive(sack(1000))
	require.True(t, s.a.Deadline().IsZero())

	// A peer that does not answer at all is unreachable.
	cfg := noProbes
	cfg.MaxRetransmits = 3
	s = established(t, cfg)
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.wait(time.Minute)
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())

	// A SACK without progress a round trip later causes another one.
	s = established(t, Config{})
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.take()
	s.sendMessages(3)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1003))
	s.want("FORWARD-TSN 1000 s3:0")
	s.receive(sack(999, 1001, 1003))
	s.want()
	s.wait(rtt + 1)
	s.receive(sack(999, 1001, 1003))
	s.want("FORWARD-TSN 1000 s3:0")
	s.receive(sack(1003))
	s.wantAlive()
}

// A list that does not fit is sent in parts.
func TestLongForwardTSNList(t *testing.T) {
	s := established(t, noProbes)
	s.hold = true
	for i := range uint16(600) {
		s.send(i, "x", SendOptions{LimitRetransmits: true})
	}
	s.flush()
	s.wait(200 * time.Millisecond)
	s.take()
	for range 5 {
		s.untilSent()
		_, raw := s.take()
		for _, p := range raw {
			require.Equal(t, byte(192), p[12])
			cum := uint32(p[16])<<24 | uint32(p[17])<<16 | uint32(p[18])<<8 | uint32(p[19])
			s.receive(sack(cum))
		}
		if s.a.out.count() == 0 {
			break
		}
	}
	s.take()
	require.Zero(t, s.a.BufferedAmount())
	s.wantAlive()
}

// RFC 3758, section 3.3.1: if the peer has not sent the Forward-TSN-Supported parameter, messages
// are reliable.
func TestPeerWithoutForwardTSN(t *testing.T) {
	s := newScript(t, noProbes)
	s.connect(initAck(peerTag, peerTSN))
	s.send(1, "a", SendOptions{LimitRetransmits: true})
	s.send(2, "b", SendOptions{Lifetime: time.Millisecond})
	s.take()
	for range 3 {
		s.untilSent()
		s.want(`DATA 1000 s1 ssn0 BE "a" | DATA 1001 s2 ssn0 BE "b"`)
	}
}

// RFC 3758, section 3.6: the receiver treats the abandoned TSNs as received, delivers the messages
// that waited for them, and sends a SACK at once.
func TestForwardTSNReceived(t *testing.T) {
	t.Run("skips what is missing", func(t *testing.T) {
		s := established(t, Config{})
		s.receive(data(2000, 1, 0, "BE", "0"), data(2002, 1, 2, "BE", "2"), data(2004, 1, 4, "BE", "4"), data(2005, 2, 1, "BE", "other"))
		s.want("SACK 2000 2002-2002 2004-2005")
		s.receive(forwardTSN(2001, 1, 1))
		s.want("SACK 2002 2004-2005")
		s.wantMessages("1:0", "1:2")
		s.receive(forwardTSN(2003, 1, 3, 2, 0))
		s.want("SACK 2005")
		s.wantMessages("1:4", "2:other")
		// Abandoned data that arrives late is a duplicate.
		s.receive(data(2001, 1, 1, "BE", "1"))
		s.want("SACK 2005 dup 2001")
		s.wantMessages()
		s.receive(data(2006, 1, 5, "BE", "5"), data(2007, 2, 2, "BE", "6"))
		s.wantMessages("1:5", "2:6")
		require.Zero(t, s.a.Stats().Held)
	})
	t.Run("across the wraps", func(t *testing.T) {
		s := newScript(t, Config{})
		s.connect(initAck(peerTag, 0xfffffff0, supportsAll))
		s.a.reasm.stream(1).next = 0xfffe
		s.receive(data(3, 1, 1, "BE", "after"))
		s.receive(forwardTSN(2, 1, 0))
		s.wantMessages("1:after")
		require.EqualValues(t, 3, s.a.recv.cum)
	})
	// A FORWARD-TSN that is out of date is answered by a SACK, because the last one may be lost.
	t.Run("out of date", func(t *testing.T) {
		s := established(t, Config{})
		s.receive(forwardTSN(2005))
		s.want("SACK 2005")
		for _, tsn := range []uint32{2005, 2004, 1999, 0} {
			s.receive(forwardTSN(tsn, 1, 9))
			s.want("SACK 2005")
		}
		s.receive(data(2006, 1, 0, "BEI", "x"))
		s.wantMessages("1:x")
	})
	t.Run("far ahead", func(t *testing.T) {
		s := established(t, Config{})
		s.receive(data(2005, 1, 0, "BE", "beyond"))
		s.take()
		s.receive(forwardTSN(1999 + 65536))
		s.receive(forwardTSN(1999 + 1<<31 - 1))
		require.EqualValues(t, 2, s.a.Stats().ChunksInvalid)
		require.EqualValues(t, 1999, s.a.recv.cum)
		s.take()
		s.receive(forwardTSN(1999 + 65535))
		s.want("SACK 67534")
		s.wantMessages("1:beyond")
		s.wantAlive()
	})
	t.Run("incomplete messages", func(t *testing.T) {
		s := established(t, Config{})
		s.receive(data(2000, 1, 0, "B", "x"), data(2002, 1, 0, "", "x")) // 2001 and the end missing
		s.receive(data(2005, 1, 1, "", "b"))                             // another, beyond
		require.NotZero(t, s.a.Stats().Held)
		s.take()
		s.receive(forwardTSN(2003, 1, 0))
		s.want("SACK 2003 2005-2005")
		s.receive(data(2004, 1, 1, "B", "a"), data(2006, 1, 1, "E", "c"))
		s.wantMessages("1:abc")
		require.Zero(t, s.a.Stats().Held)
	})
	t.Run("only the head is there", func(t *testing.T) {
		s := established(t, Config{})
		s.receive(data(2000, 1, 0, "UB", "x"))
		s.receive(forwardTSN(2001))
		require.Zero(t, s.a.Stats().Held)
		s.receive(data(2002, 1, 0, "UBE", "y"))
		s.wantMessages("unordered 1:y")
	})
	t.Run("streams beyond, numbers of the past, half a pair", func(t *testing.T) {
		s := newScript(t, Config{MaxStreams: 10})
		s.connect(initAck(peerTag, peerTSN, supportsAll))
		s.receive(data(2000, 1, 0, "BE", "0"), data(2001, 1, 1, "BE", "1"))
		s.wantMessages("1:0", "1:1")
		s.take()
		s.receive(rawChunk(192, 0, uint32(2003), uint16(10), uint16(7), uint16(65535), uint16(7), uint16(1), uint16(0), uint16(1)))
		s.want("SACK 2003")
		s.receive(data(2004, 1, 2, "BE", "2"))
		s.wantMessages("1:2")
		s.receive(rawChunk(192, 0, uint16(1)))
		require.EqualValues(t, 1, s.a.Stats().ChunksInvalid)
	})
}
