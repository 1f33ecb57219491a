package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Parameters of a RE-CONFIG chunk of the peer.
func reconfig(params ...[]byte) []byte {
	var v []byte
	for _, p := range params {
		v = append(v, p...)
	}
	return rawChunk(130, 0, v)
}

func resetParam(seq, response, last uint32, ids ...uint16) []byte {
	v := fields(seq, response, last)
	for _, id := range ids {
		v = fields(v, id)
	}
	return rawParam(13, v)
}

func askParam(seq uint32, ids ...uint16) []byte {
	v := fields(seq)
	for _, id := range ids {
		v = fields(v, id)
	}
	return rawParam(14, v)
}

func resetAllParam(seq uint32) []byte         { return rawParam(15, seq) }
func responseParam(seq, result uint32) []byte { return rawParam(16, seq, result) }
func addOutParam(seq uint32, n uint16) []byte { return rawParam(17, seq, n, uint16(0)) }
func addInParam(seq uint32, n uint16) []byte  { return rawParam(18, seq, n, uint16(0)) }
func (s *script) must(err error)              { s.t.Helper(); require.NoError(s.t, err); s.drain() }
func (s *script) ask(ids ...uint16)           { s.t.Helper(); s.must(s.a.RequestStreamReset(s.now, ids...)) }
func (s *script) resetAll()                   { s.t.Helper(); s.must(s.a.ResetAssociation(s.now)) }
func (s *script) addStreams(out, in uint16)   { s.t.Helper(); s.must(s.a.AddStreams(s.now, out, in)) }
func (s *script) wantStreams(out, in uint16) {
	s.t.Helper()
	o, i := s.a.Streams()
	require.Equal(s.t, [2]uint16{out, in}, [2]uint16{o, i})
}

// tenStreams returns a script in which both sides have ten streams, of at most 20.
func tenStreams(t *testing.T) *script {
	s := newScript(t, Config{MaxStreams: 10, MaxTotalStreams: 20, HeartbeatInterval: -1})
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	return s
}

// RFC 6525, section 5.1.3: an Incoming SSN Reset Request names streams of the peer.
func TestRequestStreamReset(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 3, 0, "BEI", "a"))
	s.wantMessages("3:a")
	s.take()
	s.ask(3)
	s.want("RE-CONFIG ask #1000 s3")
	s.wantEvents()
	// Section 5.2.3, F1: the answer is an Outgoing SSN Reset Request whose Response Sequence Number
	// is that of the request.
	s.receive(reconfig(resetParam(2000, 1000, 2000, 3)))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2000")
	s.wantEvents("asked 3", "reset 3")
	s.receive(data(2001, 3, 0, "BEI", "anew"))
	s.wantMessages("3:anew")
	s.take()

	// A reset that the peer makes by itself is not an answer, and the request is repeated; requests
	// are sent one after the other.
	s.ask(4, 5)
	s.ask(5, 6)
	s.want("RE-CONFIG ask #1001 s4 s5")
	s.receive(reconfig(resetParam(2001, 1000, 2001, 4)))
	s.want("RE-CONFIG response #2001 result 1 | SACK 2001")
	s.wantEvents("reset 4")
	s.wait(s.a.rtt.rto)
	s.want("RE-CONFIG ask #1001 s4 s5")
	// Other peers (usrsctp) answer at once, and then reset.
	s.receive(resetResponse(1001, resetPerformed))
	s.want("RE-CONFIG ask #1002 s5 s6")
	s.wantEvents("asked 4", "asked 5")
	s.receive(resetResponse(1002, resetWrongSSN))
	s.wantEvents("asked 5: sctp: the peer denied the stream reset: wrong stream number",
		"asked 6: sctp: the peer denied the stream reset: wrong stream number")

	// None named: all streams.
	s.ask()
	s.want("RE-CONFIG ask #1003")
	s.receive(resetResponse(1003, resetNothingToDo))
	s.wantEvents("asked 65535")
	s.wantAlive()
	require.ErrorIs(t, s.a.RequestStreamReset(s.now, 1, 1024), ErrInvalidStream)
}

// RFC 6525, section 5.2.3, as the receiver.
func TestPeerRequestsStreamReset(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.send(2, "b")
	s.receive(sack(1001))
	s.take()
	// F1 and F2: an Outgoing SSN Reset Request is the answer.
	s.receive(reconfig(askParam(2000, 1)))
	s.want("RE-CONFIG reset #1000 last 1001 s1 | SACK 1999")
	require.ErrorIs(t, s.a.Send(s.now, 1, 51, []byte("x"), SendOptions{}), ErrStreamClosing)
	s.receive(reconfig(askParam(2000, 1))) // it was lost
	s.want("RE-CONFIG reset #1000 last 1001 s1 | SACK 1999")
	s.receive(resetResponse(1000, resetPerformed))
	s.wantEvents("reset complete 1")
	s.send(1, "anew")
	s.want(`DATA 1002 s1 ssn0 BE "anew"`)
	s.receive(reconfig(askParam(2000, 1))) // late
	s.want("RE-CONFIG response #2000 result 1 | SACK 1999")

	// Unacknowledged data delays the reset.
	s.receive(reconfig(askParam(2001, 1)))
	s.want("RE-CONFIG response #2001 result 6 | SACK 1999")
	s.receive(reconfig(askParam(2001, 1)))
	s.want("RE-CONFIG response #2001 result 6 | SACK 1999")
	s.receive(sack(1002))
	s.want("RE-CONFIG reset #1001 last 1002 s1")
	// A request of this side that waits for the peer is answered by Request already in progress:
	// the two would wait for each other.
	s.receive(resetResponse(1001, resetPerformed))
	s.ask(7)
	s.take()
	s.receive(reconfig(askParam(2002, 2)))
	s.want("RE-CONFIG response #2002 result 4 | SACK 1999")
	s.receive(resetResponse(1002, resetDenied))
	// All streams: those that were used. For the others there is nothing to do.
	s.receive(reconfig(askParam(2003)))
	s.want("RE-CONFIG reset #1003 last 1002 s2 | SACK 1999")
	s.receive(resetResponse(1003, resetPerformed), reconfig(askParam(2004, 2, 9)))
	s.want("RE-CONFIG response #2004 result 0 | SACK 1999")
	s.receive(reconfig(askParam(2005, 1024)))
	s.want("RE-CONFIG response #2005 result 3 | SACK 1999")
	s.wantEvents("reset complete 1", "asked 7: "+ErrResetDenied.Error(), "reset complete 2")
	s.wantAlive()
}

// RFC 6525, sections 5.1.5 and 5.1.6: more streams of this side, and of the peer.
func TestAddStreams(t *testing.T) {
	s := tenStreams(t)
	require.ErrorIs(t, s.a.AddStreams(s.now, 0, 11), ErrInvalidStream)
	require.ErrorIs(t, s.a.AddStreams(s.now, 65526, 0), ErrInvalidStream)
	s.addStreams(5, 3)
	s.want("RE-CONFIG add out #1000 5")
	s.addStreams(1, 0)
	require.ErrorIs(t, s.a.AddStreams(s.now, 65520, 0), ErrInvalidStream)
	require.ErrorIs(t, s.a.Send(s.now, 10, 51, []byte("x"), SendOptions{}), ErrInvalidStream)
	s.receive(resetResponse(1000, resetPerformed))
	s.wantEvents("streams added")
	s.wantStreams(15, 10)
	s.send(14, "x")
	s.want("RE-CONFIG add out #1001 1", `DATA 1000 s14 ssn0 BE "x"`)
	s.receive(sack(1000), resetResponse(1001, resetDenied))
	s.want("RE-CONFIG add in #1002 3")
	require.ErrorIs(t, s.a.AddStreams(s.now, 0, 8), ErrInvalidStream) // three are under way
	s.wantEvents("streams added: " + ErrStreamsDenied.Error())
	// The peer agrees, and adds them by a request of its own.
	s.receive(resetResponse(1002, resetPerformed))
	s.wantEvents()
	s.receive(reconfig(addOutParam(2000, 3)))
	s.want("RE-CONFIG response #2000 result 1 | SACK 1999")
	s.wantEvents("streams added")
	s.wantStreams(15, 13)
	s.receive(data(2000, 12, 0, "BEI", "y"))
	s.wantMessages("12:y")
	s.take()

	// Other peers (Linux) answer by that request alone.
	s.addStreams(0, 2)
	s.want("RE-CONFIG add in #1003 2")
	s.receive(reconfig(addOutParam(2001, 2)))
	s.wantEvents("streams added")
	s.wait(20 * time.Minute)
	s.wantEvents()
	s.take()
	s.addStreams(0, 2)
	s.want("RE-CONFIG add in #1004 2")
	// Others do not answer: that does not end the association.
	s.wait(20 * time.Minute)
	s.wantEvents("streams added: " + ErrReconfigTimeout.Error())
	s.take()
	s.addStreams(1, 0)
	s.want("RE-CONFIG add out #1004 1")
	s.receive(resetResponse(1004, resetNothingToDo))
	s.wantEvents("streams added: " + ErrStreamsDenied.Error() + ": nothing to do")
	s.wantStreams(15, 15)
	s.wantAlive()
}

// RFC 6525, sections 5.2.5 and 5.2.6, as the receiver, up to Config.MaxTotalStreams.
func TestPeerAddsStreams(t *testing.T) {
	s := tenStreams(t)
	s.receive(reconfig(addOutParam(2000, 11)))
	s.want("RE-CONFIG response #2000 result 2 | SACK 1999")
	s.receive(reconfig(addOutParam(2001, 0)))
	s.want("RE-CONFIG response #2001 result 2 | SACK 1999")
	s.receive(reconfig(addOutParam(2002, 10)))
	s.want("RE-CONFIG response #2002 result 1 | SACK 1999")
	s.receive(reconfig(addOutParam(2002, 10))) // again
	s.want("RE-CONFIG response #2002 result 1 | SACK 1999")
	s.receive(reconfig(addOutParam(2003, 1)))
	s.want("RE-CONFIG response #2003 result 2 | SACK 1999")
	s.wantEvents("streams added")
	s.wantStreams(10, 20)

	s.receive(reconfig(addInParam(2004, 11)))
	s.want("RE-CONFIG response #2004 result 2 | SACK 1999")
	s.receive(reconfig(addInParam(2005, 4)))
	s.want("RE-CONFIG response #2005 result 1 | RE-CONFIG add out #1000 4 | SACK 1999")
	s.receive(reconfig(addInParam(2006, 7))) // four are under way
	s.want("RE-CONFIG response #2006 result 2 | SACK 1999")
	s.wantStreams(10, 20)
	s.receive(resetResponse(1000, resetPerformed))
	s.wantStreams(14, 20)
	s.wantEvents("streams added")
	s.wantAlive()
}

// RFC 6525, section 3.1: the parameters that may be in one chunk. Others are answered by an ERROR
// with the cause Protocol Violation.
func TestReconfigCombinations(t *testing.T) {
	param := func(typ uint16, seq uint32) []byte {
		switch typ {
		case 13:
			return resetParam(seq, 999, 1999, 1)
		case 16:
			return responseParam(seq, 1)
		case 17, 18:
			return rawParam(typ, seq, uint16(1), uint16(0))
		}
		return rawParam(typ, seq)
	}
	allowed := map[[2]uint16]bool{{13, 14}: true, {17, 18}: true, {13, 16}: true, {16, 16}: true}
	for p := uint16(13); p <= 18; p++ {
		for q := uint16(13); q <= 18; q++ {
			s := tenStreams(t)
			s.receive(reconfig(param(p, 2000), param(q, 2001)))
			lines, _ := s.take()
			if allowed[[2]uint16{min(p, q), max(p, q)}] {
				require.NotContains(t, fmt.Sprint(lines), "Violation", "%d with %d", p, q)
			} else {
				require.Len(t, lines, 1)
				require.Contains(t, lines[0], "ERROR, Protocol Violation", "%d with %d", p, q)
				require.Equal(t, uint32(2000), s.a.reset.nextPeerRequest)
			}
		}
	}
	// Two requests have two answers, in one chunk.
	s := tenStreams(t)
	s.receive(reconfig(resetParam(2000, 999, 1999, 1), askParam(2001, 1)))
	s.want("RE-CONFIG response #2000 result 1 response #2001 result 0 | SACK 1999")
	s.receive(reconfig(resetParam(2000, 999, 1999, 1), askParam(2001, 1))) // again
	s.want("RE-CONFIG response #2000 result 1 response #2001 result 0 | SACK 1999")
	s.wantEvents("reset 1")
	s.send(1, "a")
	s.receive(sack(1000))
	s.take()
	s.receive(reconfig(resetParam(2002, 999, 1999, 1), askParam(2003, 1)))
	s.want("RE-CONFIG response #2002 result 1 reset #1000 last 1000 s1 | SACK 1999")
	// Three parameters, or an unknown one.
	s.receive(reconfig(responseParam(1, 1), responseParam(2, 1), responseParam(3, 1)))
	lines, _ := s.take()
	require.Contains(t, fmt.Sprint(lines), "ERROR, Protocol Violation")
	s.receive(reconfig(rawParam(99, uint32(1)), addOutParam(2004, 1)))
	s.want()
	s.receive(reconfig(addOutParam(2004, 1), rawParam(99, uint32(1)), addInParam(2005, 1)))
	s.want("RE-CONFIG response #2004 result 1 | SACK 1999")
}

// RFC 6525, section 5.2.2, E2: data with a TSN above the last one of the deferred reset is queued
// until all data before has arrived.
func TestDataAfterDeferredReset(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := established(t, Config{})
		s.receive(data(2001, 1, 1, "BE", "b"))
		if all {
			s.receive(outgoingReset(2000, 2001))
		} else {
			s.receive(outgoingReset(2000, 2001, 1))
		}
		s.receive(data(2002, 1, 0, "B", "ane"), data(2003, 1, 0, "E", "w"), data(2004, 2, 0, "BE", "other"))
		if all {
			s.wantMessages() // streams without data before the request are reset as well
		} else {
			s.wantMessages("2:other")
		}
		s.wantEvents()
		s.take()
		s.receive(data(2000, 1, 0, "BE", "a"))
		s.want("RE-CONFIG response #2000 result 1 | SACK 2004")
		if all {
			s.wantRead("1:a", "1:b", "reset 1", "reset 2", "1:anew", "2:other")
		} else {
			s.wantRead("1:a", "1:b", "reset 1", "1:anew")
		}
		s.receive(data(2005, 1, 1, "BEI", "c"))
		s.wantMessages("1:c")
		require.Zero(t, s.a.reset.queuedBytes)
	}
}

// The receive window bounds the queued data.
func TestQueuedDataIsBounded(t *testing.T) {
	s := newScript(t, Config{MaxReceiveWindow: 20_000, MaxMessageSize: 5000})
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	s.resetAll()
	text := string(make([]byte, 1000))
	for tsn := uint32(2000); tsn < 2100; tsn++ {
		s.receive(data(tsn, 1, uint16(tsn-2000), "BE", text), forwardTSN(tsn-1, 1, uint16(tsn)))
	}
	require.Less(t, s.a.reset.queuedBytes, 20_000)
	require.Less(t, len(s.a.reset.queued), 30)
	taken := 0
	for _, h := range s.a.reset.queued {
		if h.typ == chunkData {
			taken++
		}
	}
	require.NotZero(t, s.a.Stats().ChunksNoRoom)
	s.receive(resetResponse(1000, resetDenied))
	s.wantEvents("all reset: " + ErrResetDenied.Error())
	require.Zero(t, s.a.reset.queuedBytes)
	require.Equal(t, taken, s.a.reasm.ready.Len())
}

// Some peers repeat a request with a new number after In progress.
func TestDeferredResetRequestedAgain(t *testing.T) {
	anew := func(seq, last uint32, ids ...uint16) []byte { return reconfig(resetParam(seq, seq, last, ids...)) }
	s := established(t, Config{})
	s.receive(anew(2000, 2000, 1))
	s.want("RE-CONFIG response #2000 result 6 | SACK 1999")
	s.receive(anew(2001, 2000, 1))
	s.want("RE-CONFIG response #2001 result 6 | SACK 1999")
	s.receive(data(2000, 1, 0, "BEI", "a"))
	s.want("RE-CONFIG response #2001 result 1 response #2000 result 1 | SACK 2000")
	s.wantRead("1:a", "reset 1")
	// The answers were lost, or ignored because of the old number. The reset is performed.
	s.receive(anew(2002, 2000, 1))
	s.want("RE-CONFIG response #2002 result 1 | SACK 2000")
	s.wantRead()
	// A later request is another one, which may name more streams.
	s.receive(anew(2003, 2001, 1))
	s.receive(anew(2004, 2002, 2))
	s.receive(data(2001, 1, 0, "BEI", "b"))
	s.wantEvents()
	s.receive(data(2002, 2, 0, "BEI", "c"))
	s.wantRead("1:b", "2:c", "reset 1", "reset 2")
}

// Some peers repeat In progress for a number, although the data has arrived.
func TestStaleInProgress(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1, MaxRetransmits: 3})
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 999 s1")
	for range maxStaleAnswers - 1 {
		s.receive(resetResponse(1000, resetInProgressNow), resetResponse(1000, resetInProgressNow))
		s.want()
		s.waitDeadline()
		s.want("RE-CONFIG reset #1000 last 999 s1")
	}
	s.receive(resetResponse(1000, resetInProgressNow))
	s.waitDeadline()
	s.want("RE-CONFIG reset #1001 last 999 s1")
	s.receive(resetResponse(1001, resetPerformed))
	s.wantEvents("reset complete 1")
	require.True(t, s.a.Deadline().IsZero())

	// It ends.
	s.reset(2)
	s.take()
	for seq := uint32(1002); s.a.reset.kind != requestNone; s.waitDeadline() {
		require.Less(t, seq, uint32(1020))
		s.receive(resetResponse(s.a.reset.request, resetInProgressNow))
		if s.a.reset.kind == requestNone {
			break
		}
		seq++
	}
	s.wantEvents("reset complete 2: " + ErrResetDenied.Error() + ": another request is in progress")
	s.take()
	s.send(2, "as before")
	s.want(`DATA 1000 s2 ssn0 BE "as before"`)
}

// Request already in progress as the answer to a reset: both sides close a channel at the same
// time, and the peer allows one request at a time. It is temporary.
func TestResetWhilePeerIsBusy(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 999 s1")
	s.receive(outgoingReset(2000, 1999, 1), resetResponse(1000, resetInProgress))
	s.want("RE-CONFIG response #2000 result 1 | SACK 1999")
	s.wantEvents("reset 1")
	s.waitDeadline()
	s.want("RE-CONFIG reset #1001 last 999 s1")
	s.receive(resetResponse(1001, resetPerformed))
	s.wantEvents("reset complete 1")
}

// A shutdown does not wait for a reset of the association, nor lose the messages that it delays.
func TestShutdownWithAssociationReset(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.resetAll()
	s.send(1, "b")
	s.want(`DATA 1000 s1 ssn0 BE "a"`)
	s.a.Shutdown(s.now)
	s.drain()
	s.want(`DATA 1001 s1 ssn1 IBE "b"`)
	s.wantEvents("all reset: " + ErrClosed.Error())
	s.receive(sack(1001))
	s.want("SHUTDOWN 1999")

	s = established(t, Config{})
	s.send(1, "a")
	s.take()
	s.receive(reconfig(resetAllParam(2000)))
	s.send(1, "b")
	s.a.Shutdown(s.now)
	s.take()
	s.receive(reconfig(resetAllParam(2001))) // no more of them
	s.receive(sack(1000))
	lines, _ := s.take()
	require.Contains(t, fmt.Sprint(lines), `DATA 1001 s1 ssn0 IBE "b"`)
	require.Contains(t, fmt.Sprint(lines), "response #2001 result 2")
}

// No request is sent to a peer without RFC 6525.
func TestReconfigWithoutPeer(t *testing.T) {
	s := newScript(t, Config{})
	require.ErrorIs(t, s.a.RequestStreamReset(s.now), ErrNotConnected)
	require.ErrorIs(t, s.a.ResetAssociation(s.now), ErrNotConnected)
	require.ErrorIs(t, s.a.AddStreams(s.now, 1, 1), ErrNotConnected)
	s.connect(initAck(peerTag, peerTSN))
	s.ask(1, 2)
	s.ask()
	s.resetAll()
	s.addStreams(1, 0)
	s.addStreams(0, 1)
	s.want()
	s.wantEvents("asked 1: "+ErrResetDenied.Error(), "asked 2: "+ErrResetDenied.Error(), "asked 65535: "+ErrResetDenied.Error(),
		"all reset: "+ErrResetDenied.Error(), "streams added: "+ErrStreamsDenied.Error(), "streams added: "+ErrStreamsDenied.Error())
	s.wantAlive()
	s.a.Abort(s.now, "")
	require.ErrorIs(t, s.a.RequestStreamReset(s.now), ErrClosed)
	require.ErrorIs(t, s.a.ResetAssociation(s.now), ErrClosed)
	require.ErrorIs(t, s.a.AddStreams(s.now, 1, 1), ErrClosed)
}

// TSNs wrap around: a stream that was used 2^31 TSNs ago has no outstanding data.
func TestResetOfStreamUnusedForLong(t *testing.T) {
	s := newScript(t, Config{Rand: fixedRand(ownTag, 10)})
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	s.send(1, "a")
	s.receive(sack(10))
	s.a.send.stream(1).lastTSN -= 1<<31 + 5
	s.take()
	s.reset(1)
	s.want("RE-CONFIG reset #10 last 10 s1")
}

// RFC 6525, section 4.4, result 2: requests that the configuration does not allow are denied, also
// when repeated, and change nothing. The others are performed.
func TestDisabledRequests(t *testing.T) {
	requests := map[ReconfigRequests][]byte{
		RequestOutgoingReset:    resetParam(peerTSN, ownTSN-1, peerTSN, 1),
		RequestIncomingReset:    askParam(peerTSN, 1),
		RequestAssociationReset: resetAllParam(peerTSN),
		RequestAddOutgoing:      addOutParam(peerTSN, 3),
		RequestAddIncoming:      addInParam(peerTSN, 3),
	}
	for request, param := range requests {
		t.Run(request.String(), func(t *testing.T) {
			for _, disabled := range []ReconfigRequests{request, allRequests, allRequests &^ request} {
				s := newScript(t, Config{MaxStreams: 10, MaxTotalStreams: 20, DisableRequests: disabled, HeartbeatInterval: -1})
				s.connect(initAck(peerTag, peerTSN, supportsAll))
				s.receive(data(peerTSN, 1, 0, "BEI", "a"))
				s.wantMessages("1:a")
				s.send(1, "b")
				s.receive(sack(ownTSN))
				s.take()
				s.receive(rawChunk(130, 0, param))
				if disabled&request == 0 {
					lines, _ := s.take()
					require.NotContains(t, lines[0], "result 2")
					continue
				}
				s.want("RE-CONFIG response #2000 result 2 | SACK 2000")
				s.receive(rawChunk(130, 0, param)) // the answer was lost
				s.want("RE-CONFIG response #2000 result 2 | SACK 2000")
				s.wantEvents()
				s.wantStreams(10, 10)
				s.receive(data(peerTSN+1, 1, 1, "BEI", "c"))
				s.wantMessages("1:c")
				s.send(1, "d")
				s.want("SACK 2001", `DATA 1001 s1 ssn1 BE "d"`)
			}
		})
	}
	// Requests that the configuration denies to the peer remain possible for this side.
	s := newScript(t, Config{MaxStreams: 10, DisableRequests: allRequests})
	s.connect(initAck(peerTag, peerTSN, supportsAll))
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 999 s1")
	s.receive(rawChunk(130, 0, responseParam(1000, 1)))
	s.wantEvents("reset complete 1")
}
