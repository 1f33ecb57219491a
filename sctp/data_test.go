package sctp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 6.9: the fragments of a message have consecutive TSNs and the same SSN. The
// first one has the B bit, the last one the E bit, the others neither.
func TestFragmentation(t *testing.T) {
	s := established(t, Config{MTU: 1192})
	s.send(4, strings.Repeat("x", 3000))
	s.want("DATA 1000 s4 ssn0 B (1164)", "DATA 1001 s4 ssn0  (1164)", "DATA 1002 s4 ssn0 E (672)")
	s.wait(rtt)
	s.receive(sack(1002))
	s.send(4, strings.Repeat("x", 3000), SendOptions{Unordered: true})
	s.want("DATA 1003 s4 UB (1164)", "DATA 1004 s4 U (1164)", "DATA 1005 s4 UE (672)")
	s.wait(rtt)
	s.receive(sack(1005))
	s.send(4, strings.Repeat("x", 1164))
	s.want("DATA 1006 s4 ssn1 BE (1164)")
	s.receive(sack(1006))
	// An MTU is rounded down to a multiple of 4.
	s = established(t, Config{MTU: 1195})
	s.send(4, strings.Repeat("x", 1165))
	s.want("DATA 1000 s4 ssn0 B (1164)", `DATA 1001 s4 ssn0 E "x"`)
}

// RFC 9260, section 6.10: chunks are bundled up to the path MTU. A message is not fragmented to
// fill a few bytes at the end of a packet.
func TestBundling(t *testing.T) {
	s := established(t, Config{MTU: 1192})
	s.hold = true
	s.send(1, strings.Repeat("a", 500))
	s.send(1, strings.Repeat("b", 500), SendOptions{Unordered: true})
	s.send(1, strings.Repeat("c", 400)) // 132 bytes are left, 116 of them for payload
	s.send(1, strings.Repeat("d", 700)) // 180 and 164 are left of the second packet
	s.send(1, strings.Repeat("e", 120)) // and now 44 and 28: less than is worth a chunk
	s.send(1, strings.Repeat("f", 40))
	s.flush()
	s.want("DATA 1000 s1 ssn0 BE (500) | DATA 1001 s1 UBE (500) | DATA 1002 s1 ssn1 B (132)",
		"DATA 1003 s1 ssn1 E (268) | DATA 1004 s1 ssn2 BE (700) | DATA 1005 s1 ssn3 BE (120)",
		`DATA 1006 s1 ssn4 BE "`+strings.Repeat("f", 40)+`"`)
}

// permutations calls f with all orders of 0..n-1.
func permutations(n int, f func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(int)
	permute = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}

// RFC 9260, sections 6.6 and 6.9: fragments are reassembled, and ordered messages of a stream
// delivered in the order of their SSNs, in whatever order they arrive, and across the wrap of the
// TSN.
func TestReassemblyInAnyOrder(t *testing.T) {
	for _, first := range []uint32{peerTSN, 0xfffffffd} {
		chunks := [][]byte{
			data(first, 1, 0, "B", "aa"), data(first+1, 1, 0, "", "b"), data(first+2, 1, 0, "E", "c"),
			data(first+3, 1, 1, "BE", "whole"),
			data(first+4, 1, 2, "B", "d"), data(first+5, 1, 2, "E", "eee"),
		}
		n := 0
		permutations(len(chunks), func(order []int) {
			s := newScript(t, Config{})
			s.receiveTag(0, initChunk(peerTag, first))
			s.receive(cookieEcho(s.cookie))
			for _, i := range order {
				s.receive(chunks[i])
			}
			s.wantMessages("1:aabc", "1:whole", "1:deee")
			require.Equal(t, first+5, s.a.recv.cum)
			require.False(t, s.a.recv.missing())
			require.Zero(t, s.a.Stats().Held)
			require.Zero(t, s.a.Stats().DuplicatesReceived)
			n++
		})
		require.Equal(t, 720, n)
	}

	// Unordered messages are delivered when they are complete.
	chunks := [][]byte{data(2000, 1, 0, "UB", "a"), data(2001, 1, 0, "UE", "b"), data(2002, 1, 0, "UBE", "c"), data(2003, 1, 0, "UB", "d"), data(2004, 1, 0, "UE", "e")}
	last := [][]int{{0, 1}, {2}, {3, 4}}
	text := []string{"unordered 1:ab", "unordered 1:c", "unordered 1:de"}
	permutations(len(chunks), func(order []int) {
		s := newScript(t, Config{})
		s.receiveTag(0, initChunk(peerTag, peerTSN))
		s.receive(cookieEcho(s.cookie))
		var want []string
		for at, i := range order {
			s.receive(chunks[i])
			for m, parts := range last {
				if slices.Contains(parts, i) && !slices.ContainsFunc(parts, func(p int) bool { return !slices.Contains(order[:at+1], p) }) {
					want = append(want, text[m])
				}
			}
		}
		s.wantMessages(want...)
		require.Zero(t, s.a.Stats().Held)
	})
}

// RFC 9260, section 6.6: unordered messages do not wait for ordered ones, and streams do not wait
// for each other.
func TestUnorderedOvertakes(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2001, 1, 1, "BE", "second"))
	s.receive(data(2002, 1, 7, "UBE", "now"))
	s.receive(data(2003, 2, 0, "BE", "elsewhere"))
	s.wantMessages("unordered 1:now", "2:elsewhere")
	s.receive(data(2000, 1, 0, "BE", "first"))
	s.wantMessages("1:first", "1:second")
}

// RFC 9260, sections 6.5 and 1.6: the SSN 0 follows 65535, and the TSN 0 follows 2^32 - 1.
func TestSequenceNumbersWrap(t *testing.T) {
	t.Parallel()
	const messages = 65600
	s := newScript(t, Config{Rand: fixedRand(ownTag, 0xffff8000)})
	s.connect(initAck(peerTag, 0xffff8000))
	s.hold = true
	for n := 0; n < messages; n += 32 {
		for i := range 32 {
			require.NoError(t, s.a.Send(s.now, 1, 51, []byte{byte(n + i)}, SendOptions{}))
		}
		buf, ok := s.a.Transmit(s.now, nil)
		require.True(t, ok)
		for i := range 32 {
			c := buf[12+20*i:]
			require.Equal(t, fields(byte(0), byte(3), uint16(17), uint32(0xffff8000+uint32(n+i)), uint16(1), uint16(n+i), uint32(51), byte(n+i), byte(0), byte(0), byte(0)), c[:20])
		}
		s.a.Receive(s.now, packet(ownTag, sack(uint32(0xffff8000+uint32(n+31)))))
		require.Zero(t, s.a.BufferedAmount())
		s.now = s.now.Add(10 * time.Millisecond)
	}

	n := 0
	take := func() {
		for {
			m, ok := s.a.ReadMessage()
			if !ok {
				return
			}
			require.Equal(t, []byte{byte(n), byte(n >> 8)}, m.Data)
			s.a.Release(s.now, &m)
			n++
		}
	}
	for base := 0; base < messages; base += 40 {
		var chunks [][]byte
		for i := range 40 { // 20 and the 20 after them change places
			k := base + (i+20)%40
			chunks = append(chunks, data(0xffff8000+uint32(k), 9, uint16(k), "BE", string([]byte{byte(k), byte(k >> 8)})))
		}
		s.a.Receive(s.now, packet(ownTag, chunks...))
		take()
		require.Equal(t, base+40, n)
	}
	require.False(t, s.a.recv.missing())
}

// RFC 9260, section 6.2: at least every second packet is acknowledged, each within 200 ms (here
// 20), and there is at most one SACK for each packet.
func TestDelayedAcknowledgement(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 0, 0, "BE", "a"), data(2001, 0, 1, "BE", "b")) // two chunks, one packet
	s.want()
	require.Equal(t, DefaultSACKDelay, s.waitDeadline())
	s.want("SACK 2001")
	s.receive(data(2002, 0, 2, "BE", "c"))
	s.wait(DefaultSACKDelay - 1)
	s.want()
	s.receive(data(2003, 0, 3, "BE", "d"))
	s.want("SACK 2003") // the second packet
	s.wait(time.Second)
	s.want()

	// It is bundled with data.
	s.receive(data(2004, 0, 4, "BE", "e"))
	s.send(3, "reply")
	s.want(`SACK 2004 | DATA 1000 s3 ssn0 BE "reply"`)
	s.wait(DefaultSACKDelay)
	s.want()
	s.receive(sack(1000))

	// One SACK acknowledges all packets of a batch.
	s.hold = true
	for i := range uint32(10) {
		s.receive(data(2005+i, 0, uint16(5+i), "BE", "f"))
	}
	s.flush()
	s.want("SACK 2014")

	for _, delay := range []time.Duration{-1, 7 * time.Millisecond, MaxSACKDelay} {
		s := established(t, Config{SACKDelay: delay})
		s.receive(data(2000, 0, 0, "BE", "a"))
		if delay > 0 {
			s.want()
			require.Equal(t, delay, s.waitDeadline())
		}
		s.want("SACK 2000")
	}
}

// RFC 9260, section 6.7: while there is a gap, each packet that does not fill it is acknowledged at
// once.
func TestGapsAreAcknowledgedAtOnce(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2001, 0, 0, "UBE", "a"))
	s.want("SACK 1999 2001-2001")
	s.receive(data(2003, 0, 0, "UBE", "b"))
	s.want("SACK 1999 2001-2001 2003-2003")
	s.receive(data(2002, 0, 0, "UBE", "c"))
	s.want("SACK 1999 2001-2003")
	s.receive(data(2006, 0, 0, "UBE", "d"), data(2005, 0, 0, "UBE", "e"))
	s.want("SACK 1999 2001-2003 2005-2006")
	s.receive(data(2000, 0, 0, "UBE", "f"))
	s.want("SACK 2003 2005-2006")
	s.receive(data(2004, 0, 0, "UBE", "g"))
	s.wait(DefaultSACKDelay)
	s.want("SACK 2006")
}

// RFC 9260, section 6.2: a packet with duplicates and without new data is acknowledged at once.
// Section 3.3.4: each duplicate since the last SACK is listed.
func TestDuplicatesAreReported(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 0, 0, "BE", "a"), data(2002, 0, 2, "BE", "c"))
	s.want("SACK 2000 2002-2002")
	s.receive(data(2000, 0, 0, "BE", "a"))
	s.want("SACK 2000 2002-2002 dup 2000")
	s.receive(data(2002, 0, 2, "BE", "c"), data(1990, 0, 0, "BE", "old"), data(2002, 0, 2, "BE", "c"))
	s.want("SACK 2000 2002-2002 dup 2002 dup 1990 dup 2002")
	s.receive(data(2001, 0, 1, "BE", "b"))
	s.wait(DefaultSACKDelay)
	s.want("SACK 2002")
	s.wantMessages("0:a", "0:b", "0:c")
	require.EqualValues(t, 4, s.a.Stats().DuplicatesReceived)

	// A flood of duplicates is not listed completely.
	s.hold = true
	for range 1000 {
		s.receive(data(2000, 0, 0, "BE", "a"))
	}
	s.flush()
	lines, _ := s.take()
	require.Len(t, lines, 1)
	require.Equal(t, maxDuplicates, strings.Count(lines[0], "dup 2000"))
}

// RFC 9260, section 3.3.1 (RFC 7053): the I bit requests a SACK without delay.
func TestImmediateBit(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 0, 0, "BEI", "a"))
	s.want("SACK 2000")
}

// RFC 9260, section 3.3.4: if there are more gap ack blocks than fit, each SACK names some; several
// SACKs name them all.
func TestMoreGapsThanFit(t *testing.T) {
	s := established(t, Config{MTU: 500})
	const holes = 400
	named := map[uint32]bool{}
	for i := range uint32(holes) {
		s.receive(data(2001+2*i, 0, 0, "UBE", "x"))
		_, raw := s.take()
		require.Len(t, raw, 1)
		require.LessOrEqual(t, len(raw[0]), 500)
	}
	for range 10 {
		s.receive(data(2001, 0, 0, "UBE", "x")) // requests a SACK
		lines, _ := s.take()
		require.Len(t, lines, 1)
		blocks := strings.Fields(strings.TrimSuffix(lines[0], " dup 2001"))[2:]
		require.Greater(t, len(blocks), 100)
		previous := uint32(0)
		for _, b := range blocks {
			var first, last uint32
			_, err := fmt.Sscanf(b, "%d-%d", &first, &last)
			require.NoError(t, err)
			require.Equal(t, first, last)
			require.Greater(t, first, previous)
			named[first], previous = true, first
		}
	}
	require.Len(t, named, holes)
}

// RFC 9260, section 3.3.4: gap ack blocks count in 16 bits, so that a TSN further ahead cannot be
// acknowledged; it is dropped.
func TestTSNTooFarAhead(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(1999+65535, 0, 0, "UBE", "edge"))
	s.want("SACK 1999 67534-67534")
	s.receive(data(1999+65536, 0, 0, "UBE", "beyond"))
	s.receive(data(1999+1<<31-1, 0, 0, "UBE", "half the space"))
	s.wait(DefaultSACKDelay)
	s.wantMessages("unordered 0:edge")
	require.EqualValues(t, 2, s.a.Stats().ChunksInvalid)
	require.Equal(t, 1, s.a.recv.blocks)
}

// RFC 9260, section 6: DATA is accepted in ESTABLISHED, SHUTDOWN-PENDING and SHUTDOWN-SENT only.
func TestDataInOtherStates(t *testing.T) {
	s := newScript(t, Config{})
	s.receive(data(0, 0, 0, "BE", "x"))
	s.a.Connect(s.now)
	s.drain()
	s.want("[tag 0] INIT")
	s.receive(data(0, 0, 0, "BE", "x"))
	s.receive(initAck(peerTag, peerTSN))
	s.want(`COOKIE ECHO "cookie"`)
	s.receive(data(peerTSN, 0, 0, "BE", "x"))
	s.receive(sack(999))
	s.receive(forwardTSN(2001))
	s.want()
	s.receive(cookieAck(), data(peerTSN, 0, 0, "BEI", "with the COOKIE ACK"))
	s.want("SACK 2000")
	s.wantMessages("0:with the COOKIE ACK")
	s.receive(shutdownChunk(999))
	s.want("SHUTDOWN ACK")
	s.receive(data(peerTSN+1, 0, 1, "BEI", "x"))
	s.want()
	s.wantMessages()
}

// RFC 9260, sections 6.2 and 3.3.10.9: a DATA chunk without user data is answered by an ABORT with
// the cause No User Data and the TSN.
func TestNoUserData(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(0x7d0, 0, 0, "BE", ""))
	s.want("ABORT, No User Data 000007d0")
	s.wantEvents("closed: sctp: aborted: No User Data")
	require.True(t, s.a.Deadline().IsZero())
}

// RFC 9260, section 6.5: a DATA chunk with an invalid stream identifier is acknowledged, reported
// by an ERROR with the cause Invalid Stream Identifier, and discarded.
func TestInvalidStream(t *testing.T) {
	s := newScript(t, Config{MaxStreams: 10})
	s.connect(initAck(peerTag, peerTSN))
	s.receive(data(2000, 9, 0, "BE", "last"), data(2001, 10, 0, "BE", "x"), data(2002, 65535, 0, "UBE", "x"))
	s.want("ERROR, Invalid Stream Identifier 000a0000, Invalid Stream Identifier ffff0000 | SACK 2002")
	s.wantMessages("9:last")
	require.Zero(t, s.a.Stats().Held)
	for i := range uint32(1000) {
		s.hold = true
		s.receive(data(2003+i, 10, 0, "BE", "x"))
	}
	s.flush()
	_, raw := s.take()
	require.Len(t, raw, 1, "a flood is answered with one packet")
	require.Less(t, len(raw[0]), 400)
}

// RFC 8841, section 6: a peer that exceeds a=max-message-size ends the association: its message is
// reliable, and there is no room for it.
func TestMessageTooLarge(t *testing.T) {
	big := strings.Repeat("x", 500)
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {0, 2, 1}} {
		s := established(t, Config{MaxMessageSize: 1400})
		chunks := [][]byte{data(2000, 0, 0, "B", big), data(2001, 0, 0, "", big), data(2002, 0, 0, "", big)}
		for n, i := range order {
			s.wantEvents()
			s.receive(chunks[i])
			if n < 2 {
				s.take()
			}
		}
		s.want(`ABORT, Protocol Violation "message is larger than allowed"`)
		s.wantEvents("closed: sctp: aborted: Protocol Violation: message is larger than allowed")
	}
	s := established(t, Config{MaxMessageSize: 499})
	s.receive(data(2000, 0, 0, "BE", big))
	s.want(`ABORT, Protocol Violation "message is larger than allowed"`)
	s = established(t, Config{MaxMessageSize: 1000})
	s.receive(data(2000, 0, 0, "B", big), data(2001, 0, 0, "E", big))
	s.take()
	s.wantMessages("0:" + big + big)
}

// RFC 9260, section 6.9: fragments of one message have consecutive TSNs and the same stream, SSN
// and U bit. Fragments that disagree are a violation.
func TestFragmentsThatDisagree(t *testing.T) {
	first := data(2000, 1, 0, "B", "a")
	for _, second := range [][]byte{data(2001, 2, 0, "E", "b"), data(2001, 1, 1, "E", "b"), data(2001, 1, 0, "UE", "b"), data(2001, 1, 5, "", "b")} {
		for _, reverse := range []bool{false, true} {
			s := established(t, Config{})
			chunks := [][]byte{first, second}
			if reverse {
				slices.Reverse(chunks)
			}
			s.receive(chunks[0])
			s.take()
			s.receive(chunks[1])
			s.want(`ABORT, Protocol Violation "fragments of one message disagree"`)
			s.wantEvents("closed: sctp: aborted: Protocol Violation: fragments of one message disagree")
		}
	}
}

// An SSN that was delivered, with a new TSN: no implementation sends that. The stream is not
// affected.
func TestOldSSN(t *testing.T) {
	s := established(t, Config{})
	for i := range uint32(5) {
		s.receive(data(2000+i, 1, uint16(i), "BE", fmt.Sprint(i)))
	}
	s.wantMessages("1:0", "1:1", "1:2", "1:3", "1:4")
	s.receive(data(2005, 1, 3, "BE", "again"))
	s.receive(data(2006, 1, 5, "BE", "5"))
	s.receive(data(2007, 1, 6, "BE", "6"))
	var last []string
	for {
		m, ok := s.a.ReadMessage()
		if !ok {
			break
		}
		last = append(last, string(m.Data))
		s.a.Release(s.now, &m)
	}
	require.Subset(t, last, []string{"5", "6"})
}

// TSNs may be 65,535 ahead, and so may SSNs: the last of the messages that wait for a missing one
// must not be taken for old ones, in a window that has room for so many.
func TestManyMessagesWait(t *testing.T) {
	s := established(t, Config{MaxReceiveWindow: 16 << 20, MaxMessageSize: 4 << 20})
	const n = 60_000
	for i := uint32(1); i < n; i += 50 {
		var chunks [][]byte
		for j := i; j < min(i+50, n); j++ {
			chunks = append(chunks, data(peerTSN+j, 1, uint16(j), "BE", string(rune('a'+j%26))))
		}
		s.receive(chunks...)
		s.sent, s.raw = nil, nil
	}
	s.receive(data(peerTSN, 1, 0, "BE", "a"))
	for i := range n {
		m, ok := s.a.ReadMessage()
		require.True(t, ok, i)
		require.Equal(t, string(rune('a'+i%26)), string(m.Data))
		s.a.Release(s.now, &m)
	}
	s.receive(data(peerTSN+n, 1, uint16(n&0xffff), "BE", "next"))
	s.wantMessages("1:next")
}
