package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 3.3.2: an INIT with the Initiate Tag 0 is discarded; one with an OS or MIS of 0
// is answered by ABORT.
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

	// RFC 9260, section 3.3.3: an INIT ACK with the Initiate Tag 0 destroys the association.
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
		// RFC 9260, section 3.3.10.2: one missing parameter, the State Cookie, which section 5.1
		// requires.
		{"no cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1)),
			"ABORT, Missing Mandatory Parameter 000000010007", "closed: sctp: aborted: Missing Mandatory Parameter"},
		{"empty cookie", rawChunk(2, 0, uint32(peerTag), window, uint16(1), uint16(1), uint32(1), rawParam(7)),
			"ABORT, Missing Mandatory Parameter 000000010007", "closed: sctp: aborted: Missing Mandatory Parameter"},
		// The cookie has to fit in a packet with the common header and the chunk header.
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

// RFC 9260, section 3.2.1: the two highest bits of the type of an unknown parameter:
//
//	00 the parameters after it are ignored
//	01 the same, and it is reported as section 3.2.2 describes
//	10 it is skipped
//	11 it is skipped and reported
//
// Section 3.2.2: reported in the INIT ACK in answer to an INIT, and in an ERROR bundled with COOKIE
// ECHO in answer to an INIT ACK.
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

// Known parameters without a meaning below DTLS are ignored: addresses (RFC 8261, section 6.1:
// there is one path), ECN, supported address types. A Host Name Address is answered by an ABORT
// with the cause Unresolvable Address (RFC 9260, section 3.3.2.1.4).
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

// RFC 9260, section 3.2: the two highest bits of the type of an unknown chunk:
//
//	00 the packet is discarded from it on
//	01 the same, and it is reported in an ERROR chunk
//	10 it is skipped
//	11 it is skipped and reported
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

// Known chunks that need no answer.
func TestIgnoredChunks(t *testing.T) {
	s := established(t, Config{SACKDelay: -1})
	s.receive(rawChunk(132, 0, make([]byte, 100)), rawChunk(12, 0, uint32(1)), rawChunk(13, 0, uint32(1)), data(peerTSN, 0, 0, "BE", "after"))
	s.want("SACK 2000")
	s.wantMessages("0:after")
	require.Zero(t, s.a.Stats().ChunksUnknown)
}

// RFC 9260, section 8.5: a packet whose verification tag is not that of the receiver is discarded.
// Section 8.5.1 has the exceptions.
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
	// A: a packet with the tag 0 must contain only an INIT.
	t.Run("INIT", func(t *testing.T) {
		s := newScript(t, Config{})
		s.receiveTag(ownTag, initChunk(peerTag, peerTSN))
		s.receiveTag(0, initChunk(peerTag, peerTSN), cookieAck())
		s.receiveTag(0, cookieAck())
		s.want()
		s.receiveTag(0, initChunk(peerTag, peerTSN))
		s.want("[tag 0xb0b0b0b] INIT ACK")
	})
	// B: ABORT is accepted with the tag of the receiver and the T bit clear, or with that of the
	// peer and the T bit set. C: SHUTDOWN COMPLETE likewise.
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
	// Chunks bundled behind a reflected tag are not processed, and in other states SHUTDOWN
	// COMPLETE has no effect.
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
	// E: SHUTDOWN ACK in COOKIE-WAIT or COOKIE-ECHOED is treated as out of the blue (section 8.4).
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

// RFC 9260, section 8.4, 5: SHUTDOWN ACK out of the blue is answered by SHUTDOWN COMPLETE with the
// reflected tag and the T bit. Other chunks are not answered here: see outOfTheBlue.
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

// Wrong ports, packets too short for a chunk, and wrong checksums.
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
