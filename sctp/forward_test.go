package sctp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noProbes keeps heartbeats and tail loss probes out of a script: the
// retransmission timer comes first.
var noProbes = Config{HeartbeatInterval: -1, MinRTO: 150 * time.Millisecond, MaxRTO: 150 * time.Millisecond, MTU: 1192}

// untilSent lets time pass until something comes out.
func (s *script) untilSent() {
	s.t.Helper()
	for len(s.sent) == 0 {
		s.waitDeadline()
	}
}

// https://www.rfc-editor.org/rfc/rfc3758.html#section-3.5, C1) and C2): "the data
// sender ... SHOULD ... advance the Advanced.Peer.Ack.Point"; C3) "If, after step C1
// and C2, the Advanced.Peer.Ack.Point is greater than the Cumulative TSN ACK carried in
// the received SACK, the data sender MUST send the data receiver a FORWARD TSN chunk".
// RFC 7496, section 4.2 limits the retransmissions.
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

// The limit counts for fast retransmissions too, and for tail loss probes.
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

// Section 3.5 A3: "When a TSN is 'abandoned', if it is part of a fragmented message, all
// other TSN's within that fragmented message MUST be abandoned at the same time."
func TestWholeMessagesAreAbandoned(t *testing.T) {
	s := established(t, Config{MTU: 1192})
	s.send(3, strings.Repeat("x", 3000), SendOptions{LimitRetransmits: true})
	s.want("DATA 1000 s3 ssn0 B (1164)", "DATA 1001 s3 ssn0  (1164)", "DATA 1002 s3 ssn0 E (672)")
	s.sendMessages(1)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1003)) // the middle one is missing
	s.wait(s.a.rtt.min / 4)
	// 1003 is acknowledged, but its message is not abandoned: the point stops
	// before it.
	s.want("FORWARD-TSN 1002 s3:0")
	require.EqualValues(t, 1, s.a.Stats().MessagesAbandoned)
	s.receive(sack(1003))
	require.Zero(t, s.a.BufferedAmount())

	// Of a message that was being sent the rest is never sent. The peer must not
	// take the next message for a continuation of it: a TSN is left out in between.
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

// Section 4.1, a lifetime: "if ... the lifetime expires before the message is sent ...
// the sender discards it" without a TSN; a message that was sent is abandoned when it
// would have to be sent again.
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

// Section 3.2: the chunk names "Stream-N" and "Stream Sequence-N", "the sequence number
// ... that is the largest"; ordered messages only, "the data sender SHOULD NOT include
// [unordered ones]"; 3.5 C2: the point moves over consecutive TSNs only.
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

	// What arrived after all needs no FORWARD-TSN.
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

// Section 3.5, F2 and F3: "If the T3-rtx timer expires ... the sender MUST ... send a
// FORWARD TSN"; one that was lost is sent again until the peer has gone on.
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

	// A peer that answers nothing at all is unreachable.
	cfg := noProbes
	cfg.MaxRetransmits = 3
	s = established(t, cfg)
	s.send(3, "gone", SendOptions{LimitRetransmits: true})
	s.wait(time.Minute)
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())

	// SACKs that show no progress a round trip later ask for another.
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

// A list that does not fit is told in parts.
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

// Section 3.3.1: the FORWARD-TSN-supported parameter. Without it messages are reliable.
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

// Section 3.6: "the data receiver MUST process the FORWARD TSN: ... treat all such TSNs
// as received, ... advance its cumulative TSN point locally"; "deliver ... messages that
// were waiting"; "SHOULD ... immediately send a SACK".
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
		// What comes late all the same is a duplicate.
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
	// "... out of date ... SHOULD ... send a SACK", since the last one may be lost.
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
