package sctp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// supportsIData are the parameters of a peer that also supports interleaving (RFC 8260).
var supportsIData = append(rawParam(0xc000), rawParam(0x8008, byte(130), byte(192), byte(64), byte(194))...)

// iData builds an I-DATA chunk; last is the PPID of a first fragment, otherwise the FSN.
func iData(tsn uint32, stream uint16, flags string, mid, last uint32, text string) []byte {
	f := data(0, 0, 0, flags, "")[1]
	return rawChunk(64, f, tsn, stream, uint16(0), mid, last, text)
}

// badInputs are valid chunks of every type, and the state in which they have an effect.
var badInputs = []struct {
	name  string
	tag   uint32
	start func(t testing.TB) *script
	chunk []byte
}{
	{"DATA", ownTag, busy, data(2005, 1, 0, "BE", "message")},
	{"DATA fragment", ownTag, busy, data(2001, 1, 0, "E", "message")},
	{"SACK", ownTag, busy, sack(1000, 1002, 1002, 1004, 1004)},
	{"SACK with duplicates", ownTag, busy, sackDups(1001, 1000, 1001, 1001)},
	{"FORWARD-TSN", ownTag, busy, forwardTSN(2002, 1, 0, 2, 5, 3, 0)},
	{"HEARTBEAT", ownTag, busy, rawChunk(4, 0, rawParam(1, "information"))},
	{"HEARTBEAT ACK", ownTag, busy, rawChunk(5, 0, rawParam(1, make([]byte, 16)))},
	{"ERROR", ownTag, busy, rawChunk(9, 0, rawParam(1, uint32(1)), rawParam(3, uint32(1)), rawParam(8, rawParam(0xc123, "x")))},
	{"outgoing reset", ownTag, busy, outgoingReset(2000, 1999, 1, 2, 3)},
	{"reset response", ownTag, busy, rawChunk(130, 0, rawParam(16, uint32(1000), uint32(1), uint32(0), uint32(0)), rawParam(13, uint32(2000), uint32(1000), uint32(1999)))},
	{"incoming reset", ownTag, busy, rawChunk(130, 0, rawParam(14, uint32(2000), uint16(1)), rawParam(15, uint32(2001)))},
	{"PAD", ownTag, busy, rawChunk(132, 0, make([]byte, 10))},
	{"unknown", ownTag, busy, rawChunk(0xff, 0, "unknown")},
	{"ABORT", ownTag, busy, rawChunk(6, 0, rawParam(12, "reason"), rawParam(13, "more"))},
	{"SHUTDOWN", ownTag, busy, shutdownChunk(1004)},
	{"SHUTDOWN ACK", ownTag, shuttingDown, shutdownAck()},
	{"SHUTDOWN COMPLETE", ownTag, shuttingDown, shutdownComplete()},
	{"INIT", 0, idle, initChunk(peerTag, peerTSN, rawParam(9, uint32(1)), rawParam(0xc123, "x"), supportsIData)},
	{"INIT, established", 0, busy, initChunk(peerTag, peerTSN, rawParam(9, uint32(1)), supportsAll)},
	{"INIT ACK", ownTag, connecting, initAck(peerTag, peerTSN, rawParam(0xc123, "x"), supportsIData)},
	{"COOKIE ECHO", ownTag, connecting, cookieEcho(make([]byte, cookieSize))},
	{"COOKIE ACK", ownTag, connecting, cookieAck()},
	{"I-DATA", ownTag, interleaving, iData(2005, 1, "BE", 0, 51, "message")},
	{"I-DATA fragment", ownTag, interleaving, iData(2001, 1, "E", 0, 1, "message")},
	{"I-FORWARD-TSN", ownTag, interleaving, rawChunk(194, 0, uint32(2002), uint16(1), uint16(0), uint32(0), uint16(2), uint16(1), uint32(7))},
}

func idle(t testing.TB) *script { return newScript(t, Config{}) }

func connecting(t testing.TB) *script {
	s := newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	return s
}

// busy returns an association with something of every kind in progress.
func busy(t testing.TB) *script {
	s := established(t, Config{})
	s.sendMessages(5)
	s.receive(data(2000, 1, 0, "B", "half a"), data(2003, 2, 1, "BE", "waits"))
	s.reset(9)
	s.take()
	return s
}

func interleaving(t testing.TB) *script {
	s := newScript(t, Config{})
	s.connect(initAck(peerTag, peerTSN, supportsIData))
	s.sendMessages(5)
	s.receive(iData(2000, 1, "B", 0, 51, "half a"), iData(2003, 2, "BE", 1, 51, "waits"))
	s.take()
	return s
}

func shuttingDown(t testing.TB) *script {
	s := established(t, Config{})
	s.receive(shutdownChunk(999))
	s.take()
	return s
}

// mutations calls f with the chunk cut to every length, with and without the length field adapted;
// with every wrong length field; and the same for its contents, wherever two bytes could be a
// length.
func mutations(chunk []byte, f func(what string, bad []byte)) {
	for n := range chunk {
		f(fmt.Sprintf("cut to %d", n), chunk[:n])
		if n >= 4 {
			bad := append([]byte(nil), chunk[:n]...)
			binary.BigEndian.PutUint16(bad[2:], uint16(n))
			f(fmt.Sprintf("of length %d", n), padded(bad))
		}
	}
	for at := 2; at+2 <= len(chunk); at += 2 {
		lengths := []uint16{0xff, 0x100, 0x7fff, 0x8000, 0xfffc, 0xfffd, 0xffff}
		for n := range len(chunk) + 8 {
			// All lengths of the chunk, and for its contents those near the edges.
			if rest := len(chunk) - at + 2; at == 2 || n < 10 || n > rest-6 && n < rest+6 {
				lengths = append(lengths, uint16(n))
			}
		}
		for _, n := range lengths {
			bad := append([]byte(nil), chunk...)
			binary.BigEndian.PutUint16(bad[at:], n)
			f(fmt.Sprintf("with %d at %d", n, at), bad)
		}
	}
}

// survives checks that the association carries data, or has ended for a reason of the RFC.
func (s *script) survives() {
	s.t.Helper()
	for {
		e, ok := s.a.Event()
		if !ok {
			break
		}
		if e.Kind == EventClosed && e.Err != nil {
			var abort *AbortError
			require.True(s.t, errors.As(e.Err, &abort), "%v", e.Err)
			return
		}
	}
	if s.a.State() != StateEstablished {
		return
	}
	tsn := s.a.recv.cum + 1
	for s.a.recv.seen(tsn) {
		tsn++
	}
	if s.a.hand.interleaving {
		s.receive(iData(tsn, 999, "UBEI", 77, 51, "alive"))
	} else {
		s.receive(data(tsn, 999, 0, "UBEI", "alive"))
	}
	found := false
	for {
		if m, ok := s.a.ReadMessage(); ok {
			found = found || m.Stream == 999
			s.a.Release(s.now, &m)
		} else if _, ok := s.a.Event(); !ok {
			break
		}
	}
	require.True(s.t, found)
	last := s.a.out.next
	require.NoError(s.t, s.a.Send(s.now, 999, 51, []byte("alive"), SendOptions{}))
	s.drain()
	require.Equal(s.t, last+1, s.a.out.next)
	s.wait(rtt)
	s.receive(sack(last))
	require.Zero(s.t, s.a.BufferedAmount())
	require.Zero(s.t, s.a.Stats().InFlight)
}

// Chunks with any lengths cause no panic, and an association ends only by an ABORT or a violation
// that requires one.
func TestMalformedChunks(t *testing.T) {
	t.Parallel()
	for _, c := range badInputs {
		t.Run(c.name, func(t *testing.T) {
			step := 1
			if race.Enabled {
				step = 7 // one goroutine: there is nothing to find but time
			}
			n := 0
			mutations(c.chunk, func(what string, bad []byte) {
				if n++; n%step != 0 {
					return
				}
				s := c.start(t)
				defer func() {
					if t.Failed() {
						t.Logf("chunk %s: %x", what, bad)
					}
				}()
				s.receiveTag(c.tag, bad)
				s.receiveTag(c.tag, c.chunk) // and the good one after it
				s.survives()
			})
			require.Greater(t, n, 20)
		})
	}
}

// The same in a bundle: the chunks before the malformed one count, those after it do not.
func TestMalformedChunkInABundle(t *testing.T) {
	for _, length := range []uint16{0, 1, 2, 3, 200, 65535} {
		s := established(t, Config{SACKDelay: -1})
		bad := rawChunk(132, 0, "padding")
		binary.BigEndian.PutUint16(bad[2:], length)
		s.receive(data(2000, 0, 0, "BE", "before"), bad, data(2001, 0, 1, "BE", "after"))
		s.want("SACK 2000")
		s.wantMessages("0:before")
		require.EqualValues(t, 1, s.a.Stats().ChunksInvalid)
		s.receive(data(2001, 0, 1, "BE", "next"))
		s.want("SACK 2001")
		s.wantMessages("0:next")
	}
	// A last chunk whose padding is missing is valid.
	s := established(t, Config{SACKDelay: -1})
	c := data(2000, 0, 0, "BE", "x")
	s.receive(c[:len(c)-3])
	s.want("SACK 2000")
	s.wantMessages("0:x")
}

// Random bytes behind a valid header, each with a correct checksum, one after the other on
// associations that go on until one of them ends it.
func TestRandomChunks(t *testing.T) {
	r := fixedRand(1, 2)
	types := []byte{0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 64, 130, 192, 194}
	for _, start := range []func(testing.TB) *script{busy, interleaving} {
		s := start(t)
		for range 10_000 {
			if !s.a.open {
				s = start(t)
			}
			buf := make([]byte, 4+int(r.Uint64()%100))
			r.Read(buf)
			buf[0] = types[int(buf[0])%len(types)]
			binary.BigEndian.PutUint16(buf[2:], uint16(len(buf)))
			if len(buf) >= 12 {
				binary.BigEndian.PutUint32(buf[4:], 900+binary.BigEndian.Uint32(buf[4:])%1300) // a TSN that may be near
			}
			s.receive(padded(buf))
			s.take()
			for _, ok := s.a.Event(); ok; _, ok = s.a.Event() {
			}
		}
	}
}

// Floods of chunks that require an answer: the answers that wait for the next Transmit are bounded.
func TestFloods(t *testing.T) {
	for name, c := range map[string][]byte{
		"HEARTBEAT":       rawChunk(4, 0, rawParam(1, make([]byte, 300))),
		"RE-CONFIG":       rawChunk(130, 0, rawParam(15, uint32(1))),
		"unknown":         rawChunk(0xff, 0, "x"),
		"invalid stream":  data(2000, 2000, 0, "BE", "x"),
		"SHUTDOWN ACK":    shutdownAck(),
		"FORWARD-TSN":     forwardTSN(1000),
		"COOKIE ECHO":     cookieEcho(make([]byte, cookieSize)),
		"duplicate":       data(1000, 0, 0, "BE", "x"),
		"stale SACK":      sack(10),
		"empty RE-CONFIG": rawChunk(130, 0),
	} {
		t.Run(name, func(t *testing.T) {
			s := established(t, Config{})
			s.hold = true
			for range 5000 {
				s.receive(c, c, c)
			}
			s.flush()
			_, raw := s.take()
			sum := 0
			for _, p := range raw {
				sum += len(p)
			}
			require.LessOrEqual(t, sum, maxControlBytes+2*DefaultMTU)
			s.wantAlive()
		})
	}
	// Each INIT requires an INIT ACK; those beyond the limit are dropped.
	s := established(t, Config{})
	s.hold = true
	for range 5000 {
		s.receiveTag(0, initChunk(peerTag, peerTSN))
		s.receiveTag(1, shutdownAck())
	}
	s.flush()
	lines, _ := s.take()
	require.LessOrEqual(t, len(lines), maxControlPackets)
	s.wantAlive()
}
