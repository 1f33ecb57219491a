// The tests that are written as scripts cite the section of the RFC that they verify. A section
// without the number of an RFC is of the one cited before.

package sctp

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A script is a conversation with one association: the test plays the peer, the network and the
// clock. Its packets are built by the functions at the end of this file, from numbers, not by the
// code under test; the packets of the association are compared as text, one line for each.
type script struct {
	t      testing.TB
	a      *Association
	now    time.Time
	sent   []string // packets that came out and were not wanted yet
	raw    [][]byte // the same, as bytes
	window uint32   // a_rwnd of the last SACK that came out
	cookie []byte   // of the last INIT ACK that came out
	hold   bool     // packets stay inside until flush
	alive  uint16   // SSN of the last stream, which wantAlive uses
}

// The default numbers of a script.
const (
	ownTag  = 0x0a0a0a0a
	ownTSN  = 1000
	peerTag = 0x0b0b0b0b
	peerTSN = 2000
	rtt     = 100 * time.Millisecond // of the scripted handshake
)

// scriptRand is the association's randomness: the given tag and TSN, then bytes of a fixed seed.
type scriptRand struct {
	head []byte
	*rand.ChaCha8
}

func (r *scriptRand) Read(b []byte) (int, error) {
	n := copy(b, r.head)
	r.head = r.head[n:]
	_, err := r.ChaCha8.Read(b[n:])
	return len(b), err
}

func fixedRand(tag, tsn uint32) *scriptRand {
	return &scriptRand{binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, tag), tsn), rand.NewChaCha8([32]byte{})}
}

// mustNew returns an association with a configuration that is valid.
func mustNew(cfg Config) *Association {
	a, err := New(cfg)
	if err != nil {
		panic(err)
	}
	return a
}

// newScript returns a script with an association that has had no input.
func newScript(t testing.TB, cfg Config) *script {
	if cfg.Rand == nil {
		cfg.Rand = fixedRand(ownTag, ownTSN)
	}
	if cfg.CongestionControl == CongestionDefault {
		cfg.CongestionControl = CongestionNewReno // its numbers are the RFC's
	}
	if cfg.Scheduler == SchedulerDefault {
		cfg.Scheduler = SchedulerFirstCome // messages are sent in the order of Send
	}
	return &script{t: t, a: mustNew(cfg), now: time.Unix(1_700_000_000, 0)}
}

// established returns a script after the handshake, with a round trip of rtt.
func established(t testing.TB, cfg Config) *script {
	t.Helper()
	s := newScript(t, cfg)
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	return s
}

// connect performs the handshake, which the association begins.
func (s *script) connect(answer []byte) {
	s.t.Helper()
	s.a.Connect(s.now)
	s.drain()
	s.want("[tag 0] INIT")
	s.wait(rtt)
	s.receive(answer)
	s.want(`COOKIE ECHO "cookie"`)
	s.wait(rtt)
	s.receive(cookieAck())
	s.want()
	s.wantEvents("connected")
}

// receive delivers one packet of these chunks to the association.
func (s *script) receive(chunks ...[]byte) { s.t.Helper(); s.receiveTag(ownTag, chunks...) }

func (s *script) receiveTag(tag uint32, chunks ...[]byte) {
	s.t.Helper()
	s.a.Receive(s.now, packet(tag, chunks...))
	s.drain()
}

// send sends a message to the peer.
func (s *script) send(stream uint16, text string, opt ...SendOptions) {
	s.t.Helper()
	opt = append(opt, SendOptions{})
	require.NoError(s.t, s.a.Send(s.now, stream, 51, []byte(text), opt[0]))
	s.drain()
}

// wait lets time pass, from deadline to deadline as an owner would.
func (s *script) wait(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for i := 0; ; i++ {
		require.Less(s.t, i, 100_000, "the association wants to be woken again and again")
		at := s.a.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(s.now) {
			s.now = at
		}
		s.a.Advance(s.now)
		s.drain()
	}
	s.now = end
}

// waitDeadline lets time pass until the next deadline, and returns how long that was.
func (s *script) waitDeadline() time.Duration {
	s.t.Helper()
	at := s.a.Deadline()
	require.False(s.t, at.IsZero(), "no timer is running")
	d := at.Sub(s.now)
	s.wait(d)
	return d
}

func (s *script) drain() {
	s.t.Helper()
	for !s.hold {
		p, ok := s.a.Transmit(s.now, nil)
		if !ok {
			return
		}
		require.LessOrEqual(s.t, len(p), max(s.a.cfg.MTU, s.a.cfg.MaxMTU), "a packet is larger than the MTU")
		s.raw = append(s.raw, p)
		s.sent = append(s.sent, s.describe(p))
	}
}

// flush ends hold.
func (s *script) flush() { s.t.Helper(); s.hold = false; s.drain() }

// want checks that exactly these packets were sent since the last want.
func (s *script) want(packets ...string) {
	s.t.Helper()
	sent := s.sent
	s.sent, s.raw = nil, nil
	require.Equal(s.t, strings.Join(packets, "\n"), strings.Join(sent, "\n"))
}

// take returns the packets sent since the last want.
func (s *script) take() (lines []string, packets [][]byte) {
	lines, packets = s.sent, s.raw
	s.sent, s.raw = nil, nil
	return lines, packets
}

var scriptEvents = map[EventKind]string{EventConnected: "connected", EventClosed: "closed", EventStreamReset: "reset",
	EventStreamResetComplete: "reset complete", EventWritable: "writable", EventRestarted: "restarted",
	EventStreamsAdded: "streams added", EventAssociationReset: "all reset", EventResetRequestComplete: "asked",
	EventSenderDry: "sender dry", EventBufferedAmountLow: "buffered amount low"}

// wantEvents checks that exactly these events came since the last time.
func (s *script) wantEvents(events ...string) {
	s.t.Helper()
	var got []string
	for {
		e, ok := s.a.Event()
		if !ok {
			break
		}
		got = append(got, describeEvent(e))
	}
	require.Equal(s.t, strings.Join(events, "\n"), strings.Join(got, "\n"))
}

func describeEvent(e Event) string {
	text := scriptEvents[e.Kind]
	if e.Kind == EventStreamReset || e.Kind == EventStreamResetComplete || e.Kind == EventResetRequestComplete || e.Kind == EventBufferedAmountLow {
		text += fmt.Sprintf(" %d", e.Stream)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// wantMessages reads all messages and checks them, each written as stream:text, with the word
// unordered before it if that applies.
func (s *script) wantMessages(messages ...string) {
	s.t.Helper()
	var got []string
	for {
		m, ok := s.a.ReadMessage()
		if !ok {
			break
		}
		got = append(got, describeMessage(m))
		s.a.Release(s.now, &m)
	}
	s.drain()
	require.Equal(s.t, messages, got)
}

func describeMessage(m Message) string {
	text := fmt.Sprintf("%d:%s", m.Stream, m.Data)
	if m.Unordered {
		text = "unordered " + text
	}
	return text
}

// wantRead reads all messages and events in the order of the association, and checks them, written
// as wantMessages and wantEvents do.
func (s *script) wantRead(lines ...string) {
	s.t.Helper()
	var got []string
	for {
		if m, ok := s.a.ReadMessage(); ok {
			got = append(got, describeMessage(m))
			s.a.Release(s.now, &m)
		} else if e, ok := s.a.Event(); ok {
			got = append(got, describeEvent(e))
		} else {
			break
		}
	}
	s.drain()
	require.Equal(s.t, strings.Join(lines, "\n"), strings.Join(got, "\n"))
}

// wantAlive checks that the association still carries data both ways, on the last stream of the
// peer, which the test does not use otherwise.
func (s *script) wantAlive() {
	s.t.Helper()
	require.Equal(s.t, StateEstablished, s.a.State())
	s.wantEvents()
	s.wait(time.Second)
	s.take()
	first := s.a.out.next
	s.send(7, "out")
	lines, _ := s.take()
	require.Len(s.t, lines, 1)
	require.Contains(s.t, lines[0], fmt.Sprintf("DATA %d s7", first))
	s.wait(rtt)
	s.receive(sack(first))
	require.Zero(s.t, s.a.BufferedAmount())
	tsn := s.a.recv.cum + 1
	_, in := s.a.Streams()
	s.receive(data(tsn, in-1, s.alive, "BEI", "in"))
	s.alive++
	s.wantMessages(fmt.Sprintf("%d:in", in-1))
	s.want(fmt.Sprintf("SACK %d", tsn))
}

// Builders of the packets of the peer.

// fields encodes numbers big-endian, and text as it is.
func fields(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case byte:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("sctp: no field: %T", v))
		}
	}
	return b
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// rawChunk builds a chunk of any type, padded.
func rawChunk(typ, flags byte, values ...any) []byte {
	v := fields(values...)
	return padded(fields(typ, flags, uint16(4+len(v)), v))
}

// rawParam builds a parameter or error cause of any type, padded.
func rawParam(typ uint16, values ...any) []byte {
	v := fields(values...)
	return padded(fields(typ, uint16(4+len(v)), v))
}

// packet builds a packet of chunks, with its checksum.
func packet(tag uint32, chunks ...[]byte) []byte {
	p := fields(uint16(5000), uint16(5000), tag, uint32(0))
	for _, c := range chunks {
		p = append(p, c...)
	}
	return withChecksum(p)
}

// withChecksum updates the checksum of a packet that was changed.
func withChecksum(p []byte) []byte {
	if len(p) >= 12 {
		binary.LittleEndian.PutUint32(p[8:], 0)
		binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	}
	return p
}

// supportsAll are the parameters of a peer that supports partial reliability (RFC 3758) and stream
// resets (RFC 6525).
var supportsAll = append(rawParam(0xc000), rawParam(0x8008, byte(130), byte(192))...)

// initChunk builds an INIT of the peer with a window of 1 MiB and 1,024 streams.
func initChunk(tag, tsn uint32, params ...any) []byte {
	return rawChunk(1, 0, tag, uint32(1<<20), uint16(1024), uint16(1024), tsn, fields(params...))
}

// initAck builds an INIT ACK likewise, with a cookie of one word.
func initAck(tag, tsn uint32, params ...any) []byte {
	return rawChunk(2, 0, tag, uint32(1<<20), uint16(1024), uint16(1024), tsn, rawParam(7, "cookie"), fields(params...))
}

func cookieEcho(cookie []byte) []byte { return rawChunk(10, 0, cookie) }
func cookieAck() []byte               { return rawChunk(11, 0) }
func shutdownChunk(cum uint32) []byte { return rawChunk(7, 0, cum) }
func shutdownAck() []byte             { return rawChunk(8, 0) }
func shutdownComplete() []byte        { return rawChunk(14, 0) }

// data builds a DATA chunk; flags consists of the letters B, E, U and I.
func data(tsn uint32, stream, ssn uint16, flags, text string) []byte {
	var f byte
	for i, c := range "EBUI" {
		if strings.ContainsRune(flags, c) {
			f |= 1 << i
		}
	}
	return rawChunk(0, f, tsn, stream, ssn, uint32(51), text)
}

// sack builds a SACK with a window of 1 MiB; gaps are the first and last TSN of each block.
func sack(cum uint32, gaps ...uint32) []byte { return sackWindow(cum, 1<<20, gaps...) }

func sackWindow(cum, window uint32, gaps ...uint32) []byte {
	var blocks []byte
	for _, tsn := range gaps {
		blocks = fields(blocks, uint16(tsn-cum))
	}
	return rawChunk(3, 0, cum, window, uint16(len(gaps)/2), uint16(0), blocks)
}

// sackDups builds a SACK with duplicates, too.
func sackDups(cum uint32, dups ...uint32) []byte {
	var list []byte
	for _, tsn := range dups {
		list = fields(list, tsn)
	}
	return rawChunk(3, 0, cum, uint32(1<<20), uint16(0), uint16(len(dups)), list)
}

// forwardTSN builds a FORWARD-TSN with pairs of stream and SSN.
func forwardTSN(tsn uint32, streams ...uint16) []byte {
	var list []byte
	for _, v := range streams {
		list = fields(list, v)
	}
	return rawChunk(192, 0, tsn, list)
}

// outgoingReset builds a RE-CONFIG chunk that resets streams of the peer.
func outgoingReset(seq, last uint32, streams ...uint16) []byte {
	v := fields(seq, uint32(ownTSN-1), last)
	for _, id := range streams {
		v = fields(v, id)
	}
	return rawChunk(130, 0, rawParam(13, v))
}

// resetResponse builds a RE-CONFIG chunk that answers a request of the association.
func resetResponse(seq, result uint32) []byte { return rawChunk(130, 0, rawParam(16, seq, result)) }
