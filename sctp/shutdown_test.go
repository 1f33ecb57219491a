package sctp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

func (s *script) shutdown() {
	s.t.Helper()
	s.a.Shutdown(s.now)
	s.drain()
}

// wantOver checks that the association has ended and holds no memory.
func (s *script) wantOver() {
	s.t.Helper()
	require.Equal(s.t, StateClosed, s.a.State())
	require.True(s.t, s.a.Deadline().IsZero())
	require.Zero(s.t, s.a.BufferedAmount())
	require.Zero(s.t, s.a.Stats().InFlight)
	require.ErrorIs(s.t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrClosed)
	s.want()
	// No packet revives it.
	s.a.Connect(s.now)
	s.shutdown()
	s.a.Abort(s.now, "again")
	s.receive(data(2000, 0, 0, "BE", "x"))
	s.receiveTag(0, initChunk(peerTag, peerTSN))
	s.wait(time.Hour)
	s.want()
	s.wantEvents()
}

// wantLinger checks that the association, which has ended, has a deadline, and answers until then.
func (s *script) wantLinger() {
	s.t.Helper()
	require.Equal(s.t, StateClosed, s.a.State())
	s.wait(time.Second)
	s.receive(shutdownAck())
	s.want("[tag 0xa0a0a0a] SHUTDOWN COMPLETE T")
	require.Equal(s.t, 3*time.Second, s.waitDeadline())
	s.want()
	s.wantEvents()
}

// RFC 9260, section 9.2: SHUTDOWN-PENDING lasts until all data is acknowledged; then SHUTDOWN with
// the cumulative TSN is sent, T2-shutdown started, and SHUTDOWN-SENT entered. SHUTDOWN ACK is
// answered by SHUTDOWN COMPLETE, and ends the association.
func TestShutdown(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2000, 0, 0, "BEI", "unread"))
	s.want("SACK 2000")
	s.shutdown()
	s.want("SHUTDOWN 2000")
	require.Equal(t, StateShutdownSent, s.a.State())
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrClosed)
	s.shutdown() // once
	s.want()
	s.wantEvents()
	s.receive(shutdownAck())
	s.want("SHUTDOWN COMPLETE")
	s.wantEvents("closed")
	s.wantMessages("0:unread") // what had arrived can be read
	s.wantLinger()
	s.wantOver()
}

// RFC 9260, section 9.2: SHUTDOWN leads to SHUTDOWN-RECEIVED, in which no new data is accepted.
// When all data is acknowledged, SHUTDOWN ACK is sent, T2-shutdown started, and SHUTDOWN-ACK-SENT
// entered. SHUTDOWN COMPLETE ends the association.
func TestPeerShutsDown(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(1)
	s.receive(shutdownChunk(1000)) // which acknowledges it
	s.want("SHUTDOWN ACK")
	require.Equal(t, StateShutdownAckSent, s.a.State())
	require.ErrorIs(t, s.a.Send(s.now, 0, 51, []byte("x"), SendOptions{}), ErrClosed)
	s.receive(shutdownChunk(1000)) // our answer was lost
	s.want("SHUTDOWN ACK")
	s.wantEvents()
	s.receive(shutdownComplete())
	s.wantEvents("closed")
	s.wantOver()
}

// RFC 9260, section 9.2: queued data is sent first, on either side, with an immediate SACK
// requested (RFC 7053).
func TestShutdownAfterData(t *testing.T) {
	s := established(t, Config{MTU: 1192, InitialCongestionWindow: 1200})
	s.send(1, strings.Repeat("x", 3000))
	s.want("DATA 1000 s1 ssn0 B (1164)", "DATA 1001 s1 ssn0  (1164)")
	s.shutdown()
	require.Equal(t, StateShutdownPending, s.a.State())
	s.receive(data(2000, 0, 0, "BEI", "still"))
	s.want("SACK 2000")
	s.wantMessages("0:still")
	s.wait(rtt)
	s.receive(sack(1001))
	s.want("DATA 1002 s1 ssn0 IE (672)")
	s.receive(sack(1002))
	s.want("SHUTDOWN 2000")

	s = established(t, Config{MTU: 1192, InitialCongestionWindow: 1200, HeartbeatInterval: -1})
	s.send(1, strings.Repeat("x", 3000))
	s.take()
	s.wait(rtt)
	s.receive(shutdownChunk(1000))
	require.Equal(t, StateShutdownReceived, s.a.State())
	s.want("DATA 1002 s1 ssn0 IE (672)")
	s.receive(sack(1001)) // 1002 is lost
	s.untilSent()
	s.want("DATA 1002 s1 ssn0 IE (672)")
	s.receive(shutdownChunk(1002))
	s.want("SHUTDOWN ACK")
}

// An expired message does not delay the shutdown.
func TestShutdownAfterExpiry(t *testing.T) {
	s := established(t, Config{})
	s.hold = true // as the pacer does
	s.send(2, "stale", SendOptions{Lifetime: time.Millisecond})
	s.shutdown()
	require.Equal(t, StateShutdownPending, s.a.State())
	s.wait(time.Millisecond)
	s.flush()
	s.want("SHUTDOWN 1999")
}

// RFC 9260, section 9.2: in SHUTDOWN-SENT, each packet with DATA is answered by SHUTDOWN, with a
// SACK if there are gaps or duplicates, and T2-shutdown is restarted.
func TestDataInShutdownSent(t *testing.T) {
	s := established(t, Config{})
	s.shutdown()
	s.want("SHUTDOWN 1999")
	s.wait(s.a.rtt.rto / 2)
	s.receive(data(2000, 0, 0, "BE", "a"))
	lines, _ := s.take()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "SHUTDOWN 2000")
	require.Equal(t, s.a.last+s.a.rtt.rto, s.a.timers[timerT2])
	s.receive(data(2002, 0, 2, "BE", "c"))
	s.want("SHUTDOWN 2000 | SACK 2000 2002-2002")
	s.receive(data(2001, 0, 1, "BE", "b"))
	s.wantMessages("0:a", "0:b", "0:c")
	s.take()
	s.receive(shutdownAck())
	s.want("SHUTDOWN COMPLETE")
	s.wantEvents("closed")
}

// RFC 9260, section 9.2: SHUTDOWN in SHUTDOWN-SENT is answered by SHUTDOWN ACK, and leads to
// SHUTDOWN-ACK-SENT.
func TestBothShutDownAtOnce(t *testing.T) {
	for _, first := range []string{"SHUTDOWN ACK", "SHUTDOWN COMPLETE"} {
		s := established(t, Config{})
		s.shutdown()
		s.want("SHUTDOWN 1999")
		s.receive(shutdownChunk(999))
		s.want("SHUTDOWN ACK")
		require.Equal(t, StateShutdownAckSent, s.a.State())
		if first == "SHUTDOWN ACK" {
			// SHUTDOWN ACK in SHUTDOWN-ACK-SENT is answered by SHUTDOWN COMPLETE.
			s.receive(shutdownAck())
			s.want("SHUTDOWN COMPLETE")
			s.wantEvents("closed")
			s.wantLinger()
		} else {
			s.receive(shutdownComplete())
			s.want()
			s.wantEvents("closed")
		}
		s.wantOver()
	}

	// In SHUTDOWN-PENDING the peer's SHUTDOWN comes first.
	s := established(t, Config{})
	s.sendMessages(1)
	s.shutdown()
	s.receive(shutdownChunk(999))
	s.want()
	require.Equal(t, StateShutdownReceived, s.a.State())
	s.receive(shutdownChunk(1000))
	s.want("SHUTDOWN ACK")
}

// RFC 9260, section 9.2: SHUTDOWN and SHUTDOWN ACK are repeated at the expiry of T2-shutdown,
// Association.Max.Retrans times; then the peer is unreachable.
func TestLostShutdownChunks(t *testing.T) {
	s := established(t, Config{MaxRetransmits: 4})
	s.shutdown()
	s.want("SHUTDOWN 1999")
	rto := s.a.rtt.rto
	for range 4 {
		require.Equal(t, rto, s.waitDeadline())
		s.want("SHUTDOWN 1999")
		rto *= 2
	}
	s.wantEvents()
	s.waitDeadline()
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())
	s.wantOver()

	// The SHUTDOWN COMPLETE was lost, and the association has ended: the repeated SHUTDOWN ACK is
	// out of the blue (RFC 9260, section 8.4).
	s = established(t, Config{})
	s.shutdown()
	s.receive(shutdownAck())
	s.take()
	s.wantEvents("closed")
	for range 3 {
		s.receive(shutdownAck())
		s.want("[tag 0xa0a0a0a] SHUTDOWN COMPLETE T")
	}
	s.wantEvents()

	// The whole shutdown of two associations, with each of its packets lost in turn.
	for n := range 4 {
		p := newPair(t, uint64(n), Config{}, Config{}, netsim.LinkConfig{Delay: time.Millisecond}, netsim.LinkConfig{Delay: time.Millisecond})
		p.connect()
		at := p.Now()
		lost := netsim.LinkConfig{Delay: time.Millisecond, Loss: 1}
		if n%2 == 0 {
			p.path.AB.SetConfig(lost)
		} else {
			p.path.BA.SetConfig(lost)
		}
		p.After(time.Duration(n/2*2)*time.Millisecond+500*time.Microsecond, func() {
			p.path.AB.SetConfig(netsim.LinkConfig{Delay: time.Millisecond})
			p.path.BA.SetConfig(netsim.LinkConfig{Delay: time.Millisecond})
		})
		p.a.Shutdown(p.Now())
		p.Poke(p.a)
		p.run(func() bool { return p.a.closed && p.b.closed }, time.Minute)
		require.NoError(t, p.a.closeErr)
		require.NoError(t, p.b.closeErr)
		require.Less(t, p.Now().Sub(at), 2*time.Second)
	}
}

// In SHUTDOWN-ACK-SENT silence is not an error: the peer had acknowledged everything before its
// SHUTDOWN, and had received everything when this state began. A silent peer has probably gone.
func TestSilenceAfterShutdownAck(t *testing.T) {
	for name, enter := range map[string]func(s *script){
		"asked": func(s *script) {
			s.receive(shutdownChunk(999))
			s.want("SHUTDOWN ACK")
		},
		"both ask": func(s *script) {
			s.shutdown()
			s.want("SHUTDOWN 1999")
			s.wait(50 * time.Millisecond)
			s.receive(shutdownChunk(999))
			s.want("SHUTDOWN ACK")
		},
		"asked again": func(s *script) {
			s.receive(shutdownChunk(999))
			for range 5 { // our answers are lost, its chunks are not: it is there
				s.wait(3 * time.Second)
				s.take()
				s.receive(shutdownChunk(999))
				s.wantEvents()
				s.want("SHUTDOWN ACK")
			}
		},
		"after a reset that was not answered": func(s *script) {
			s.send(1, "x")
			s.receive(sack(1000))
			require.NoError(s.t, s.a.ResetStream(s.now, 1))
			s.drain()
			s.receive(shutdownChunk(1000))
			s.take()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := established(t, Config{})
			enter(s)
			require.Equal(t, StateShutdownAckSent, s.a.State())
			began, acks := s.now, 0
			for s.a.State() == StateShutdownAckSent {
				s.waitDeadline()
				lines, _ := s.take()
				for _, line := range lines {
					acks += strings.Count(line, "SHUTDOWN ACK")
				}
			}
			require.Equal(t, 4*time.Second, s.now.Sub(began))
			if name != "asked again" {
				require.GreaterOrEqual(t, acks, 3)
			}
			s.wantEvents("closed")
			s.wantOver()
		})
	}

	// The wait follows the round-trip time, and has an end.
	s := established(t, Config{MaxRTO: 30 * time.Second})
	s.a.rtt.rto = 30 * time.Second
	s.receive(shutdownChunk(999))
	require.Equal(t, maxShutdownWait, s.waitDeadline())
	s.wantEvents("closed")
}

// With any packets of the shutdown lost, both sides soon end without an error, as long as their
// owners keep the associations until the deadline; if one does not, the other still does.
func TestShutdownUnderLoss(t *testing.T) {
	const packets = 4 // of each side, that may be lost
	for _, c := range []struct {
		name  string
		both  bool // shut down at once
		hasty bool // the owners let go of the associations at EventClosed
	}{{"one side", false, false}, {"both sides", true, false}, {"one side, hasty", false, true}, {"both sides, hasty", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			for lost := range uint(1) << (2 * packets) {
				link := netsim.LinkConfig{Delay: 20 * time.Millisecond}
				p := newPair(t, 1, Config{}, Config{}, link, link)
				p.connect()
				for _, e := range []*endpoint{p.a, p.b} {
					require.NoError(t, e.Send(p.Now(), 0, 51, []byte("x"), SendOptions{}))
					p.Poke(e)
				}
				p.run(func() bool { return p.a.Stats().MessagesReceived == 1 && p.b.Stats().MessagesReceived == 1 }, time.Second)
				_ = p.Run(func() bool { return false }, time.Second)
				needed := func(e *endpoint) bool { return !e.closed || !c.hasty && !e.Deadline().IsZero() }
				lose := func(l *netsim.Link, to *endpoint, set uint) {
					l.SetFilter(func(time.Time, []byte) bool {
						keep := set&1 == 0
						set >>= 1
						return keep && needed(to)
					})
				}
				lose(p.path.AB, p.b, lost&(1<<packets-1))
				lose(p.path.BA, p.a, lost>>packets)
				at := p.Now()
				p.a.Shutdown(at)
				p.Poke(p.a)
				if c.both {
					p.b.Shutdown(at)
					p.Poke(p.b)
				}
				p.run(func() bool { return p.a.closed && p.b.closed }, time.Minute)
				require.NoError(t, p.a.closeErr, "lost %b", lost)
				require.NoError(t, p.b.closeErr, "lost %b", lost)
				require.Less(t, p.Now().Sub(at), 8*time.Second, "lost %b", lost)
				p.run(func() bool { return p.a.Deadline().IsZero() && p.b.Deadline().IsZero() }, maxShutdownWait)
			}
		})
	}
}

// RFC 9260, section 9.2: T5-shutdown-guard aborts the association, here with a peer that
// acknowledges just enough to delay the shutdown.
func TestShutdownGuard(t *testing.T) {
	s := established(t, Config{MTU: 1192, MaxSendBuffer: 1 << 20, HeartbeatInterval: -1})
	s.send(1, strings.Repeat("x", 200*1164))
	s.shutdown()
	for cum := uint32(1000); s.a.State() == StateShutdownPending; cum++ {
		require.Less(t, cum, uint32(1100))
		s.wait(time.Second)
		s.receive(sack(cum))
	}
	lines, _ := s.take()
	require.Equal(t, `ABORT, User-Initiated Abort "shutdown took too long"`, lines[len(lines)-1])
	s.wantEvents("closed: sctp: aborted: User-Initiated Abort: shutdown took too long")
	s.wantOver()
}

// RFC 9260, section 9.1: ABORT has the verification tag of the peer, and ends the association at
// its receiver, which reports that.
func TestAbort(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(3)
	s.a.Abort(s.now, "enough")
	s.drain()
	s.want(`ABORT, User-Initiated Abort "enough"`)
	s.wantEvents("closed: sctp: aborted: User-Initiated Abort: enough")
	s.wantOver()
	require.Equal(t, 3, s.a.Undelivered())

	s = established(t, Config{})
	s.a.Abort(s.now, strings.Repeat("x", 5000))
	s.drain()
	s.want("ABORT, User-Initiated Abort (256)")
	e, ok := s.a.Event()
	require.True(t, ok)
	var abort *AbortError
	require.True(t, errors.As(e.Err, &abort))
	require.Equal(t, AbortError{Code: CauseUserInitiatedAbort, Reason: strings.Repeat("x", 256)}, *abort)

	// Without a peer nothing is sent.
	for _, end := range []func(a *Association, now time.Time){
		func(a *Association, now time.Time) { a.Abort(now, "") },
		func(a *Association, now time.Time) { a.Shutdown(now) },
	} {
		for _, connect := range []bool{false, true} {
			s = newScript(t, Config{})
			if connect {
				s.a.Connect(s.now)
				s.drain()
				s.want("[tag 0] INIT")
			}
			end(s.a, s.now)
			s.drain()
			s.want()
			s.wantEvents("closed: sctp: aborted: User-Initiated Abort")
			s.wantOver()
		}
	}
	// In COOKIE-ECHOED there is a peer.
	s = newScript(t, Config{})
	s.a.Connect(s.now)
	s.receive(initAck(peerTag, peerTSN))
	s.take()
	s.a.Abort(s.now, "")
	s.drain()
	s.want("ABORT, User-Initiated Abort")
	s.wantEvents("closed: sctp: aborted: User-Initiated Abort")
	s.wantOver()
}

func TestAbortReceived(t *testing.T) {
	for _, c := range []struct {
		causes []byte
		want   AbortError
		text   string
	}{
		{nil, AbortError{Remote: true}, "sctp: aborted by the peer"},
		{rawParam(12, "bye"), AbortError{Remote: true, Code: 12, Reason: "bye"}, "sctp: aborted by the peer: User-Initiated Abort: bye"},
		{rawParam(13, "why"), AbortError{Remote: true, Code: 13, Reason: "why"}, "sctp: aborted by the peer: Protocol Violation: why"},
		{rawParam(9, uint32(2000)), AbortError{Remote: true, Code: 9}, "sctp: aborted by the peer: No User Data"},
		{rawParam(12, strings.Repeat("x", 1000)), AbortError{Remote: true, Code: 12, Reason: strings.Repeat("x", 256)}, ""},
		{rawParam(4711), AbortError{Remote: true, Code: 4711}, "sctp: aborted by the peer: cause 4711"},
		{fields(uint16(12), uint16(99), "cut"), AbortError{Remote: true}, ""},
		{fields(uint16(12), uint16(3)), AbortError{Remote: true}, ""},
		{fields(byte(1)), AbortError{Remote: true}, ""},
	} {
		s := established(t, Config{})
		s.sendMessages(2)
		s.receive(data(2000, 0, 0, "BE", "before"), rawChunk(6, 0, c.causes), data(2001, 0, 1, "BE", "after"))
		s.want()
		e, ok := s.a.Event()
		require.True(t, ok)
		require.Equal(t, Event{Kind: EventClosed, Err: &c.want}, e)
		if c.text != "" {
			require.EqualError(t, e.Err, c.text)
		}
		s.wantMessages("0:before")
		s.wantOver()
		require.Equal(t, 2, s.a.Undelivered())
	}
}

// An endpoint sends SHUTDOWN when everything that it sent is acknowledged, so that an ABORT behind
// it has cut nothing off.
func TestAbortAfterShutdown(t *testing.T) {
	for _, unsent := range []bool{false, true} { // SHUTDOWN-RECEIVED, or SHUTDOWN-ACK-SENT
		s := established(t, Config{})
		if unsent {
			s.sendMessages(2)
		}
		s.receive(rawChunk(7, 0, uint32(999)))
		s.take()
		s.receive(rawChunk(6, 0))
		e, ok := s.a.Event()
		require.True(t, ok)
		require.Equal(t, Event{Kind: EventClosed, Err: &AbortError{Remote: true, AfterShutdown: true}}, e)
	}
}

// A SHUTDOWN that acknowledges a TSN that was never sent, or is cut short, is ignored; one that is
// older than the last SACK acknowledges nothing.
func TestOddShutdowns(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(3)
	s.receive(shutdownChunk(1003))
	s.receive(shutdownChunk(999 + 1<<31 - 1))
	s.receive(rawChunk(7, 0, uint16(1)))
	require.EqualValues(t, 3, s.a.Stats().ChunksInvalid)
	require.Equal(t, StateEstablished, s.a.State())
	s.receive(sack(1001))
	s.receive(shutdownChunk(1000))
	require.Equal(t, StateShutdownReceived, s.a.State())
	require.Equal(t, 1, s.a.BufferedAmount())
	s.want()
	s.receive(sack(1002))
	s.want("SHUTDOWN ACK")

	// RFC 9260, section 9.2: SHUTDOWN in COOKIE-WAIT and COOKIE-ECHOED is discarded.
	s = newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	s.want("[tag 0] INIT")
	s.receive(shutdownChunk(999))
	s.receive(initAck(peerTag, peerTSN))
	s.want(`COOKIE ECHO "cookie"`)
	s.receive(shutdownChunk(999))
	s.want()
	s.receive(cookieAck())
	s.wantEvents("connected")
	s.wantAlive()
}

// Messages and resets that had arrived are read in order after the end, too.
func TestResetsAfterTheEnd(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(peerTSN, 1, 0, "BE", "old"))
	s.receive(outgoingReset(peerTSN, peerTSN, 1))
	s.receive(data(peerTSN+1, 1, 0, "BE", "new"))
	s.receive(rawChunk(6, 0)) // ABORT
	e, ok := s.a.Event()
	require.True(t, ok)
	require.Equal(t, EventClosed, e.Kind)
	var order []string
	for {
		if m, ok := s.a.ReadMessage(); ok {
			order = append(order, string(m.Data))
		} else if e, ok := s.a.Event(); ok {
			require.Equal(t, Event{Kind: EventStreamReset, Stream: 1}, e)
			order = append(order, "reset")
		} else {
			break
		}
	}
	require.Equal(t, []string{"old", "reset", "new"}, order)
}
