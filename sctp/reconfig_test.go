package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (s *script) reset(id uint16) {
	s.t.Helper()
	require.NoError(s.t, s.a.ResetStream(s.now, id))
	s.drain()
}

// RFC 6525, sections 4.1 and 5.1.2: an Outgoing SSN Reset Request names the streams and the last
// assigned TSN; its Request Sequence Number begins at the initial TSN. Section 5.2.7: after the
// answer Success - Performed the SSNs of the streams are 0.
func TestResetStream(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.want(`DATA 1000 s1 ssn0 BE "a"`)
	s.wait(rtt)
	s.receive(sack(1000))
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 1000 s1")
	require.ErrorIs(t, s.a.Send(s.now, 1, 51, []byte("x"), SendOptions{}), ErrStreamClosing)
	s.reset(1) // once
	s.want()
	s.wantEvents()
	s.wait(rtt)
	s.receive(resetResponse(1000, resetPerformed))
	s.wantEvents("reset complete 1")
	s.send(1, "b")
	s.want(`DATA 1001 s1 ssn0 BE "b"`)
	s.receive(sack(1001))
	// The next request has the next number. A stream may be reset that was never used.
	s.reset(2)
	s.want("RE-CONFIG reset #1001 last 1001 s2")
	s.receive(resetResponse(1000, resetPerformed)) // of the last one, again
	s.wantEvents()
	s.receive(resetResponse(1001, resetNothingToDo))
	s.wantEvents("reset complete 2")
	s.wantAlive()

	require.ErrorIs(t, s.a.ResetStream(s.now, 1024), ErrInvalidStream)
	require.ErrorIs(t, newScript(t, Config{}).a.ResetStream(s.now, 1), ErrNotConnected)
	s.a.Abort(s.now, "")
	require.ErrorIs(t, s.a.ResetStream(s.now, 1), ErrClosed)
}

// RFC 6525, section 5.1.2, A2: the request waits for outstanding data, so that all messages are
// delivered or abandoned before the reset (RFC 8831, section 6.7).
func TestResetWaitsForData(t *testing.T) {
	s := established(t, Config{MTU: 1192, InitialCongestionWindow: 1200})
	s.send(1, strings.Repeat("x", 3000))
	s.want("DATA 1000 s1 ssn0 B (1164)", "DATA 1001 s1 ssn0  (1164)")
	s.reset(1)
	s.want()
	s.wait(rtt)
	s.receive(sack(1001))
	s.want("DATA 1002 s1 ssn0 E (672)")
	s.wait(rtt)
	s.receive(sack(1002))
	s.want("RE-CONFIG reset #1000 last 1002 s1")

	// Data of other streams does not delay it.
	s = established(t, Config{})
	s.send(2, "unacknowledged")
	s.take()
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 1000 s1")

	// Abandoned data does not count any more when the peer has confirmed it.
	s = established(t, noProbes)
	s.send(1, "x", SendOptions{LimitRetransmits: true})
	s.take()
	s.reset(1)
	s.untilSent()
	s.want("FORWARD-TSN 1000 s1:0")
	s.receive(sack(1000))
	s.want("RE-CONFIG reset #1000 last 1000 s1")
}

// RFC 6525, section 5.1.1: there is one request in flight.
func TestOneRequestAtATime(t *testing.T) {
	s := established(t, Config{})
	s.hold = true
	for _, id := range []uint16{5, 6, 7} {
		s.reset(id)
	}
	s.flush()
	s.want("RE-CONFIG reset #1000 last 999 s5 s6 s7")
	s.reset(8)
	s.reset(9)
	s.want()
	s.receive(resetResponse(1000, resetPerformed))
	s.want("RE-CONFIG reset #1001 last 999 s8 s9")
	s.wantEvents("reset complete 5", "reset complete 6", "reset complete 7")

	// More than fit into one request.
	s = established(t, Config{MTU: MinMTU})
	s.hold = true
	for id := range uint16(maxResetStreams + 10) {
		s.reset(id)
	}
	s.flush()
	lines, _ := s.take()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], " s0 ")
	s.receive(resetResponse(1000, resetPerformed))
	lines, _ = s.take()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], fmt.Sprintf("s%d", maxResetStreams+9))
}

// RFC 6525, section 4.4: the results. After In progress the request is repeated with the same
// number.
func TestResetResults(t *testing.T) {
	for result, why := range map[uint32]string{resetDenied: "", resetWrongSSN: ": wrong stream number",
		resetBadSequence: ": bad sequence number", 7: ": result 7", 1 << 31: ": result 2147483648"} {
		s := established(t, Config{})
		s.send(1, "a")
		s.receive(sack(1000))
		s.reset(1)
		s.take()
		s.receive(resetResponse(1000, result))
		s.wantEvents("reset complete 1: " + ErrResetDenied.Error() + why)
		// The peer has not reset it: its SSNs go on.
		s.send(1, "b")
		s.want(`DATA 1001 s1 ssn1 BE "b"`)
		s.receive(sack(1001))
		s.reset(1)
		s.want("RE-CONFIG reset #1001 last 1001 s1")
	}

	cfg := noProbes
	cfg.MaxRetransmits = 3
	s := established(t, cfg)
	s.send(2, "unacknowledged")
	s.reset(1)
	s.take()
	for range 20 { // however long the peer takes
		s.receive(resetResponse(1000, resetInProgressNow), sack(999))
		s.want()
		s.wait(cfg.MaxRTO)
		s.want(`RE-CONFIG reset #1000 last 1000 s1 | DATA 1000 s2 ssn0 BE "unacknowledged"`)
		s.wantEvents()
	}
	s.receive(resetResponse(1000, resetPerformed), sack(1000))
	s.wantEvents("reset complete 1")
	require.True(t, s.a.Deadline().IsZero())
}

// RFC 6525, section 5.1.1: the request is repeated at the expiry of T-reconfig, with the back-off
// of the RTO; after too many timeouts the peer is unreachable.
func TestLostResetRequest(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1, MaxRetransmits: 4})
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 999 s1")
	rto := s.a.rtt.rto
	for range 4 {
		require.Equal(t, rto, s.waitDeadline())
		s.want("RE-CONFIG reset #1000 last 999 s1")
		rto *= 2
	}
	s.wantEvents()
	s.waitDeadline()
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())
}

// RFC 6525, section 5.2.2, as the receiver: the expected SSN is 0, the owner is notified, and the
// answer is Success - Performed.
func TestPeerResetsStream(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 1, 0, "BE", "a"), data(2001, 1, 1, "BE", "b"), data(2002, 2, 0, "BEI", "c"))
	s.want("SACK 2002")
	s.receive(outgoingReset(2000, 2002, 1))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2002") // RFC 6525, section 5.2.1: with a SACK
	s.wantRead("1:a", "1:b", "2:c", "reset 1")
	s.receive(data(2003, 1, 0, "BE", "anew"), data(2004, 2, 1, "BEI", "d"))
	s.wantMessages("1:anew", "2:d")
	s.take()

	// The response was lost: the request is repeated, and not performed again.
	s.receive(outgoingReset(2000, 2002, 1))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2004")
	s.wantEvents()
	s.receive(data(2005, 1, 1, "BEI", "e"))
	s.wantMessages("1:e")
	s.take()

	// An empty list: all streams.
	s.receive(outgoingReset(2001, 2005))
	s.wantEvents("reset 1", "reset 2")
	s.take()
	s.receive(data(2006, 1, 0, "BE", "f"), data(2007, 2, 0, "BE", "g"))
	s.wantMessages("1:f", "2:g")
}

// RFC 6525, section 5.2.2, E4: a reset whose last TSN is above the cumulative ack is deferred, and
// answered by In progress until the data has arrived.
func TestDeferredReset(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2001, 1, 1, "BE", "b"))
	s.take()
	s.receive(outgoingReset(2000, 2001, 1))
	s.want("RE-CONFIG response #2000 result 6 | SACK 1999 2001-2001")
	s.wantEvents()
	s.receive(outgoingReset(2000, 2001, 1)) // asked again
	s.want("RE-CONFIG response #2000 result 6 | SACK 1999 2001-2001")
	// E5: then it is answered by Success - Performed, without another request.
	s.receive(data(2000, 1, 0, "BE", "a"))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2001")
	s.wantRead("1:a", "1:b", "reset 1")
	s.receive(data(2002, 1, 0, "BEI", "anew"))
	s.wantMessages("1:anew")
	s.take()

	// A FORWARD-TSN has the same effect.
	s = established(t, Config{})
	s.receive(outgoingReset(2000, 2003, 1))
	s.want("RE-CONFIG response #2000 result 6 | SACK 1999")
	s.receive(forwardTSN(2003, 1, 3))
	s.wantEvents("reset 1")
	s.want("RE-CONFIG response #2000 result 1 | SACK 2003")
	s.receive(outgoingReset(2000, 2003, 1))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2003")
	s.wantEvents()
}

// RFC 6525, sections 5.2.1 and 4.4: refused requests and their results.
func TestRefusedRequests(t *testing.T) {
	s := newScript(t, Config{MaxStreams: 10})
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	for _, c := range []struct {
		chunk  []byte
		answer string
	}{
		{outgoingReset(1999, 1999, 1), "result 5"}, // the one before the first
		{outgoingReset(2001, 1999, 1), "result 5"}, // Error - Bad Sequence Number
		{outgoingReset(0, 1999, 1), "result 5"},
		{outgoingReset(2000, 1999, 1, 10), "result 3"}, // Error - Wrong SSN: no such stream
		{outgoingReset(2000, 1999, 1, 10), "result 3"}, // again
		{outgoingReset(2001, 1999, 9), "result 1"},
	} {
		s.receive(c.chunk)
		lines, _ := s.take()
		require.Len(t, lines, 1)
		require.True(t, strings.HasSuffix(lines[0], c.answer+" | SACK 1999"), "%s, not %s", lines[0], c.answer)
	}
	s.wantEvents("reset 9")
	s.wantAlive()

	// Malformed requests are not answered.
	for _, c := range [][]byte{rawChunk(130, 0), rawChunk(130, 0, uint16(13)), rawChunk(130, 0, rawParam(13, uint32(2006))),
		rawChunk(130, 0, rawParam(13, uint32(2006), uint32(1), uint16(1))), rawChunk(130, 0, rawParam(16, uint32(1000))),
		rawChunk(130, 0, rawParam(15, uint16(1))), rawChunk(130, 0, rawParam(99, uint32(2006)))} {
		s.receive(c)
		s.want()
	}
	s.wantAlive()
}

// RFC 6525, section 3.1: one or two parameters in a chunk: both sides close a data channel at the
// same time, and the answer comes with the request.
func TestBothResetAtOnce(t *testing.T) {
	s := established(t, Config{})
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 999 s1")
	s.receive(rawChunk(130, 0, rawParam(16, uint32(1000), uint32(1)), rawParam(13, uint32(2000), uint32(1000), uint32(1999), uint16(1))))
	s.want("RE-CONFIG response #2000 result 1 | SACK 1999")
	s.wantEvents("reset complete 1", "reset 1")
	s.send(1, "anew")
	s.want(`DATA 1000 s1 ssn0 BE "anew"`)
	s.receive(sack(1000), data(2000, 1, 0, "BEI", "anew"))
	s.wantMessages("1:anew")
}

// For a peer without RFC 6525 the request is denied at once.
func TestPeerWithoutReconfig(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(initAck(peerTag, peerTSN))
	s.send(1, "a")
	s.take()
	s.reset(1)
	s.want()
	s.wantEvents("reset complete 1: " + ErrResetDenied.Error())
	s.send(1, "b")
	s.want(`DATA 1001 s1 ssn1 BE "b"`)
}

// The answers to floods are bounded.
func TestReconfigFlood(t *testing.T) {
	s := established(t, Config{})
	s.hold = true
	for i := range uint32(10_000) {
		s.receive(outgoingReset(2000+i, 1999, 1))
		for _, ok := s.a.Event(); ok; _, ok = s.a.Event() {
		}
	}
	s.flush()
	_, raw := s.take()
	require.Less(t, len(raw), 6)
	require.NotZero(t, s.a.Stats().AnswersDropped)
	s.wantAlive()
	s.receive(outgoingReset(1, 1999, 1))
	s.wait(time.Second)
	s.take()
}
