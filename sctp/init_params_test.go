package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What an INIT or INIT ACK may say: section 3.3.2. The Initiate Tag, "If the value
// of the Initiate Tag in a received INIT chunk is found to be 0, the receiver MUST
// silently discard the packet"; streams, "A receiver receiving the OS value set to
// 0 ... SHOULD abort the association", the same with MIS.
func TestInitOfZeros(t *testing.T) {
	const window = uint32(1 << 20)
	for _, c := range []struct {
		name          string
		init          []byte
		answer, event string
	}{
		{"tag", rawChunk(1, 0, uint32(0), window, uint16(1), uint16(1), uint32(1)), "", ""},
		{"out streams", rawChunk(1, 0, uint32(peerTag), window, uint16(0), uint16(1), uint32(1)), "ABORT, Invalid Mandatory Parameter", ""},
		{"in streams", rawChunk(1, 0, uint32(peerTag), window, uint16(1), uint16(0), uint32(1)), "ABORT, Invalid Mandatory Parameter", ""},
		{"short", rawChunk(1, 0, uint32(peerTag), window, uint16(1), uint16(1), uint16(1)), "", ""},
		{"one stream", rawChunk(1, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1)), "INIT ACK", ""},
	} {
		s := newScript(t, Config{})
		s.receiveTag(0, c.init)
		if c.answer == "" {
			s.want()
		} else {
			s.want("[tag 0xb0b0b0b] " + c.answer)
		}
		s.wantEvents()
		require.Equal(t, StateClosed, s.a.State(), "an INIT leaves no state")
	}

	// In an INIT ACK: "If the value of the Initiate Tag in a received INIT ACK
	// chunk is found to be 0, the receiver MUST destroy the association, discarding
	// its TCB. The receiver MAY send an ABORT chunk".
	for _, c := range []struct {
		name          string
		ack           []byte
		answer, event string
	}{
		{"tag", rawChunk(2, 0, uint32(0), window, uint16(1), uint16(1), uint32(1), rawParam(7, "c")), "", "closed: sctp: aborted: Invalid Mandatory Parameter"},
		{"out streams", rawChunk(2, 0, uint32(peerTag), window, uint16(0), uint16(1), uint32(1), rawParam(7, "c")),
			"ABORT, Invalid Mandatory Parameter", "closed: sctp: aborted: Invalid Mandatory Parameter"},
		{"in streams", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(0), uint32(1), rawParam(7, "c")),
			"ABORT, Invalid Mandatory Parameter", "closed: sctp: aborted: Invalid Mandatory Parameter"},
		// 3.3.10.2: "Number of missing params=1", "State Cookie". 5.1: a mandatory
		// parameter.
		{"no cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1)),
			"ABORT, Missing Mandatory Parameter 000000010007", "closed: sctp: aborted: Missing Mandatory Parameter"},
		{"empty cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1), rawParam(7)),
			"ABORT, Missing Mandatory Parameter 000000010007", "closed: sctp: aborted: Missing Mandatory Parameter"},
		// It has to fit in a packet with the common header and its chunk header.
		{"large cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1), rawParam(7, make([]byte, 1192-16))),
			"COOKIE ECHO (1176)", ""},
		{"too large cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1), rawParam(7, make([]byte, 1192-15))),
			"ABORT, Out of Resource", "closed: sctp: aborted: Out of Resource"},
		{"short", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint16(1)), "", ""},
	} {
		t.Run("INIT ACK "+c.name, func(t *testing.T) {
			s := newScript(t, Config{MTU: 1192})
			s.a.Connect(s.now)
			s.drain()
			s.want("[tag 0] INIT")
			s.receive(c.ack)
			if c.answer == "" {
				s.want()
			} else {
				s.want(c.answer)
			}
			if c.event == "" {
				s.wantEvents()
			} else {
				s.wantEvents(c.event)
			}
		})
	}
}

// Section 3.2.1: what the two highest bits of an unknown parameter's type say.
//
//	00 "Stop processing this parameter; do not process any further parameters within this chunk."
//	01 the same, "and report the unrecognized parameter, as described in Section 3.2.2."
//	10 "Skip this parameter and continue processing."
//	11 the same, and report.
//
// Section 3.2.2: in answer to an INIT "in the INIT ACK chunk"; to an INIT ACK "by
// bundling an ERROR chunk ... with the COOKIE ECHO chunk".
func TestUnknownParameters(t *testing.T) {
	for bits, c := range []struct{ stop, report bool }{{true, false}, {true, true}, {false, false}, {false, true}} {
		t.Run(fmt.Sprintf("%02b", bits), func(t *testing.T) {
			typ := uint16(bits<<14 | 0x123)
			unknown := rawParam(typ, "abc") // 7 bytes and one of padding
			forward := rawParam(0xc000)
			hex := fmt.Sprintf("%04x0007616263", typ)

			s := newScript(t, Config{})
			s.receiveTag(0, initChunk(peerTag, peerTSN, unknown, forward))
			if c.report {
				s.want("[tag 0xb0b0b0b] INIT ACK unrecognized " + hex)
			} else {
				s.want("[tag 0xb0b0b0b] INIT ACK")
			}
			s.receive(cookieEcho(s.cookie))
			require.Equal(t, !c.stop, s.a.hand.peerForwardTSN)

			s = newScript(t, Config{})
			s.a.Connect(s.now)
			s.drain()
			s.take()
			s.receive(initAck(peerTag, peerTSN, unknown, forward))
			if c.report {
				s.want(`COOKIE ECHO "cookie" | ERROR, Unrecognized Parameters ` + hex + "00")
			} else {
				s.want(`COOKIE ECHO "cookie"`)
			}
			require.Equal(t, !c.stop, s.a.hand.peerForwardTSN)
			// The report is repeated with the COOKIE ECHO.
			s.wait(2 * time.Second)
			lines, _ := s.take()
			require.NotEmpty(t, lines)
			for _, l := range lines {
				require.Equal(t, c.report, strings.Contains(l, "ERROR"))
			}
		})
	}

	// The report is bounded, whatever the peer sends.
	s := newScript(t, Config{})
	var many []byte
	for range 250 {
		many = append(many, rawParam(0xc123)...)
	}
	s.receiveTag(0, initChunk(peerTag, peerTSN, many))
	lines, raw := s.take()
	require.Len(t, lines, 1)
	require.Less(t, len(raw[0]), 1000)
}

// Parameters that mean nothing below DTLS are known, and ignored: addresses (RFC
// 8261 section 6.1 has one path), ECN, supported address types. A Host Name
// Address is not: "MUST send an ABORT chunk and MAY include an 'Unresolvable
// Address' error cause" (section 3.3.2.1.4).
func TestKnownParameters(t *testing.T) {
	s := newScript(t, Config{})
	s.receiveTag(0, initChunk(peerTag, peerTSN, rawParam(5, uint32(0x7f000001)), rawParam(6, make([]byte, 16)), rawParam(12, uint16(5)),
		rawParam(0x8000), rawParam(0x8008, byte(130)), rawParam(0xc000)))
	s.want("[tag 0xb0b0b0b] INIT ACK")
	s.receive(cookieEcho(s.cookie))
	require.True(t, s.a.hand.peerForwardTSN)
	require.True(t, s.a.hand.peerReconfig)

	s = newScript(t, Config{})
	s.receiveTag(0, initChunk(peerTag, peerTSN, rawParam(11, "host.example\x00")))
	s.want("[tag 0xb0b0b0b] ABORT, Unresolvable Address")
	require.Equal(t, StateClosed, s.a.State())

	s.a.Connect(s.now)
	s.drain()
	s.take()
	s.receive(initAck(peerTag, peerTSN, rawParam(11, "host.example\x00")))
	s.want("ABORT, Unresolvable Address")
	s.wantEvents("closed: sctp: aborted: Unresolvable Address")
}

// Section 3.2, the same four cases for chunks:
//
//	00 "Stop processing this SCTP packet and discard the unrecognized chunk and all further chunks."
//	01 the same, "and report the unrecognized chunk in an ERROR chunk".
//	10 "Skip this chunk and continue processing."
//	11 the same, and report.
func TestUnknownChunks(t *testing.T) {
	for bits, c := range []struct{ stop, report bool }{{true, false}, {true, true}, {false, false}, {false, true}} {
		t.Run(fmt.Sprintf("%02b", bits), func(t *testing.T) {
			s := established(t, Config{SACKDelay: -1})
			typ := byte(bits<<6 | 0x3e)
			s.receive(data(peerTSN, 0, 0, "BE", "before"), rawChunk(typ, 0x55, "xyz"), data(peerTSN+1, 0, 1, "BE", "after"))
			answer := "SACK 2001"
			if c.stop {
				answer = "SACK 2000"
			}
			if c.report {
				answer = fmt.Sprintf("ERROR, Unrecognized Chunk Type %02x55000778797a | ", typ) + answer
			}
			s.want(answer)
			if c.stop {
				s.wantMessages("0:before")
			} else {
				s.wantMessages("0:before", "0:after")
			}
			require.EqualValues(t, 1, s.a.Stats().ChunksUnknown)
		})
	}

	// Many are not all reported.
	s := established(t, Config{})
	var many [][]byte
	for range 250 {
		many = append(many, rawChunk(0xfe, 0))
	}
	s.receive(many...)
	_, raw := s.take()
	require.Len(t, raw, 1)
	require.Less(t, len(raw[0]), 400)
	// A large one is not reported whole.
	s.receive(rawChunk(0xfe, 0, make([]byte, 1000)))
	_, raw = s.take()
	require.Len(t, raw, 1)
	require.Less(t, len(raw[0]), 400)
	s.wantAlive()
}

// Chunks that are known and need no answer.
func TestIgnoredChunks(t *testing.T) {
	s := established(t, Config{SACKDelay: -1})
	s.receive(rawChunk(132, 0, make([]byte, 100)), rawChunk(12, 0, uint32(1)), rawChunk(13, 0, uint32(1)), data(peerTSN, 0, 0, "BE", "after"))
	s.want("SACK 2000")
	s.wantMessages("0:after")
	require.Zero(t, s.a.Stats().ChunksUnknown)
}

// Section 8.5: "When receiving an SCTP packet, the endpoint MUST ensure that the
// value in the Verification Tag field of the received SCTP packet matches its own
// tag. If the received Verification Tag value does not match the receiver's own
// tag value, the receiver MUST silently discard the packet". 8.5.1 has exceptions.
func TestVerificationTags(t *testing.T) {
	t.Run("any chunk", func(t *testing.T) {
		s := established(t, Config{SACKDelay: -1})
		for _, tag := range []uint32{0, peerTag, ownTag + 1} {
			s.receiveTag(tag, data(peerTSN, 0, 0, "BE", "x"))
			s.receiveTag(tag, shutdownChunk(ownTSN-1))
			s.receiveTag(tag, rawChunk(4, 0, rawParam(1, "beat")))
		}
		s.want()
		require.EqualValues(t, 9, s.a.Stats().PacketsInvalid)
		s.wantAlive()
	})
	// A) "If the receiver ... Verification Tag set to 0 ... verify that the packet
	// contains only an INIT chunk. Otherwise, the endpoint MUST silently discard".
	t.Run("INIT", func(t *testing.T) {
		s := newScript(t, Config{})
		s.receiveTag(ownTag, initChunk(peerTag, peerTSN))
		s.receiveTag(0, initChunk(peerTag, peerTSN), cookieAck())
		s.receiveTag(0, cookieAck())
		s.want()
		s.receiveTag(0, initChunk(peerTag, peerTSN))
		s.want("[tag 0xb0b0b0b] INIT ACK")
	})
	// B) ABORT: "The receiver of an ABORT chunk MUST accept the packet if the
	// Verification Tag field of the packet matches its own tag and the T bit is not
	// set OR if it is set to its Peer's Tag and the T bit is set in the Chunk Flags.
	// Otherwise, the receiver MUST silently discard the packet".
	// C) SHUTDOWN COMPLETE: the same.
	for _, c := range []struct {
		tag uint32
		t   byte
		ok  bool
	}{{ownTag, 0, true}, {peerTag, 1, true}, {peerTag, 0, false}, {ownTag, 1, false}, {0, 0, false}, {0, 1, false}} {
		t.Run(fmt.Sprintf("ABORT %x %d", c.tag, c.t), func(t *testing.T) {
			s := established(t, Config{})
			s.receiveTag(c.tag, rawChunk(6, c.t, rawParam(12, "bye")))
			s.want()
			if c.ok {
				s.wantEvents("closed: sctp: aborted by the peer: User-Initiated Abort: bye")
			} else {
				s.wantAlive()
			}
		})
		t.Run(fmt.Sprintf("SHUTDOWN COMPLETE %x %d", c.tag, c.t), func(t *testing.T) {
			s := established(t, Config{})
			s.receive(shutdownChunk(ownTSN - 1))
			s.want("SHUTDOWN ACK")
			s.receiveTag(c.tag, rawChunk(14, c.t))
			s.want()
			if c.ok {
				s.wantEvents("closed")
			} else {
				s.wantEvents()
				require.Equal(t, StateShutdownAckSent, s.a.State())
			}
		})
	}
	// A reflected tag opens no door for what is bundled behind, and in other states
	// a SHUTDOWN COMPLETE does nothing.
	t.Run("bundled behind", func(t *testing.T) {
		s := established(t, Config{SACKDelay: -1})
		s.receiveTag(peerTag, rawChunk(14, 1), data(peerTSN, 0, 0, "BE", "forged"))
		s.want()
		s.wantMessages()
		s.wantAlive()
	})
	// With no peer known there is no tag to reflect.
	t.Run("before the peer is known", func(t *testing.T) {
		s := newScript(t, Config{})
		s.a.Connect(s.now)
		s.drain()
		s.want("[tag 0] INIT")
		s.receiveTag(0, rawChunk(6, 1))
		s.wantEvents()
		s.receive(rawChunk(6, 0))
		s.wantEvents("closed: sctp: aborted by the peer")
	})
	// E) SHUTDOWN ACK in COOKIE-WAIT or COOKIE-ECHOED: "the procedures in Section 8.4
	// SHOULD be followed; in other words, it is treated as an OOTB packet."
	t.Run("SHUTDOWN ACK", func(t *testing.T) {
		s := newScript(t, Config{})
		s.a.Connect(s.now)
		s.drain()
		s.want("[tag 0] INIT")
		s.receive(shutdownAck())
		s.want("[tag 0xa0a0a0a] SHUTDOWN COMPLETE T")
		s.receive(initAck(peerTag, peerTSN))
		s.want(`COOKIE ECHO "cookie"`)
		s.receive(shutdownAck())
		s.want("[tag 0xa0a0a0a] SHUTDOWN COMPLETE T")
		s.receive(cookieAck())
		s.wantEvents("connected")
		s.receive(shutdownAck()) // of an association that is not shutting down
		s.want()
		s.wantAlive()
	})
}

// Section 8.4, packets out of the blue. 5) "If the packet contains a SHUTDOWN ACK
// chunk, the receiver SHOULD respond to the sender of the OOTB packet with a
// SHUTDOWN COMPLETE chunk. When sending the SHUTDOWN COMPLETE chunk, the receiver
// of the OOTB packet MUST fill in the Verification Tag field of the outbound
// packet with the Verification Tag received in the SHUTDOWN ACK chunk and set the
// T bit". Nothing else is answered here: see outOfTheBlue.
func TestOutOfTheBlue(t *testing.T) {
	for _, s := range []*script{newScript(t, Config{}), established(t, Config{})} {
		s.receiveTag(0x12345678, shutdownAck())
		s.want("[tag 0x12345678] SHUTDOWN COMPLETE T")
		for _, c := range [][]byte{rawChunk(6, 0), rawChunk(6, 1), rawChunk(14, 0), cookieAck(), rawChunk(9, 0, rawParam(3, uint32(0))),
			data(1, 0, 0, "BE", "x"), sack(1), shutdownChunk(1), initAck(1, 1), cookieEcho([]byte("x"))} {
			s.receiveTag(0x12345678, c)
			s.want()
		}
		s.wantEvents()
	}
}

// Ports that are not ours, packets too short for a chunk, and wrong checksums.
func TestPacketsNotForUs(t *testing.T) {
	s := established(t, Config{SACKDelay: -1})
	good := packet(ownTag, data(peerTSN, 0, 0, "BE", "x"))
	for n := range 16 {
		s.a.Receive(s.now, withChecksum(append([]byte(nil), good[:n]...)))
	}
	for i := range 4 {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		s.a.Receive(s.now, withChecksum(bad))
	}
	require.EqualValues(t, 20, s.a.Stats().PacketsInvalid)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		s.a.Receive(s.now, bad)
	}
	require.EqualValues(t, len(good)-4, s.a.Stats().ChecksumErrors)
	s.drain()
	s.want()
	s.a.Receive(s.now, good)
	s.drain()
	s.want("SACK 2000")
}
