package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// https://www.rfc-editor.org/rfc/rfc9260.html#section-7.2.4: "When the third
// consecutive miss indication is received for a TSN(s), the data sender ... Mark the
// DATA chunk(s) ... for retransmission ... retransmit". RFC 8985, section 6.2 counts
// what was acknowledged above the hole, DupThresh = 3.
func TestFastRetransmit(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(6)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1001))
	s.receive(sack(999, 1001, 1002))
	s.want()
	s.receive(sack(999, 1001, 1003))
	s.want(`DATA 1000 s0 ssn0 BE "x"`)
	require.EqualValues(t, 1, s.a.Stats().LossEpisodes)
	// It is not sent again for SACKs that it cannot have changed yet.
	s.receive(sack(999, 1001, 1004))
	s.want()
	s.wait(rtt)
	s.receive(sack(1005))
	require.Zero(t, s.a.BufferedAmount())
	require.EqualValues(t, 1, s.a.Stats().Retransmissions)
	require.Zero(t, s.a.Stats().Timeouts)

	// One SACK may tell all at once.
	s = established(t, Config{})
	s.sendMessages(6)
	s.wait(rtt)
	s.receive(sack(1001, 1003, 1005))
	s.want(`DATA 1002 s0 ssn2 BE "x"`)

	// A chunk that was sent again and lost again is sent a third time: RACK works by
	// the time of sending, not by TSN.
	s.wait(10 * time.Millisecond)
	s.sendMessages(1) // 1006, after the retransmission
	s.wait(rtt)
	s.receive(sack(1001, 1003, 1006))
	s.want(`DATA 1002 s0 ssn2 BE "x"`)
}

// RFC 8985, section 6.2 step 4, fewer than three above the hole: it is lost when a
// reordering window of a quarter of the least round-trip time has passed since it
// should have been acknowledged.
func TestReorderingWindow(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(3)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1001))
	require.Equal(t, s.a.rtt.min/4, s.waitDeadline())
	s.want(`DATA 1000 s0 ssn0 BE "x"`)
}

// RFC 8985, section 6.2: reordering that was seen makes RACK patient, duplicates that
// the peer reports more so ("RACK.reo_wnd_mult"), up to one round trip; without more
// of them it forgets after 16 recoveries.
func TestReorderingAdapts(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	s.sendMessages(3)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1002))
	s.receive(sack(1002)) // it was late, not lost
	s.want()
	minRTT := s.a.rtt.min

	// hole makes a hole below three chunks and returns how long it was waited for.
	hole := func() time.Duration {
		t.Helper()
		s.wait(time.Second)
		s.want()
		first := s.a.out.next
		s.sendMessages(4)
		s.wait(rtt)
		s.receive(sack(first-1, first+1, first+3))
		var d time.Duration
		for len(s.sent) == 0 {
			d += s.waitDeadline()
		}
		s.want(fmt.Sprintf("DATA %d s0 ssn%d BE \"x\"", first, first-ownTSN))
		s.wait(rtt)
		s.receive(sack(first + 3))
		return d
	}
	require.Equal(t, minRTT/4, hole(), "three above do not count once reordering was seen")
	for _, quarters := range []time.Duration{2, 3, 4, 4} {
		last := s.a.out.next - 1
		s.receive(sackDups(last, last)) // the retransmission was not needed
		require.Equal(t, quarters*minRTT/4, hole())
	}
	for range reorderPersistEpisodes - 1 {
		require.Equal(t, minRTT, hole())
	}
	require.Equal(t, minRTT/4, hole())
}

// RFC 8985, section 7.2: "PTO = 2 * SRTT", plus the peer's delay of acknowledgements
// if only one packet is in flight. 7.3: new data if there is some, else the last
// again. "the sender SHOULD re-arm the RTO timer".
func TestTailLossProbe(t *testing.T) {
	pto := func(s *script) time.Duration { return 2*s.a.rtt.srtt + clockGranularity }
	t.Run("the last chunk again", func(t *testing.T) {
		s := established(t, Config{MinRTO: time.Second})
		s.sendMessages(2)
		require.Equal(t, pto(s), s.waitDeadline())
		s.want(`DATA 1001 s0 ssn1 IBE "x"`)
		// Its acknowledgement shows the hole below.
		s.wait(rtt)
		s.receive(sack(999, 1001, 1001))
		s.wait(s.a.rtt.min / 4)
		s.want(`DATA 1000 s0 ssn0 BE "x"`)
		require.Zero(t, s.a.Stats().Timeouts)

		// Unanswered, the next is the retransmission timer's turn, counted from the
		// probe: it needs the time of a round trip to be answered.
		s = established(t, Config{})
		s.sendMessages(2)
		rto := s.a.rtt.rto
		require.Equal(t, pto(s), s.waitDeadline())
		s.want(`DATA 1001 s0 ssn1 IBE "x"`)
		sent := s.now
		for len(s.sent) == 0 {
			s.waitDeadline()
		}
		require.Equal(t, rto, s.now.Sub(sent))
		require.EqualValues(t, 1, s.a.Stats().Timeouts)
		require.EqualValues(t, 1, s.a.Stats().Probes)
	})
	t.Run("one in flight", func(t *testing.T) {
		s := established(t, Config{MinRTO: time.Second})
		s.sendMessages(1)
		require.Equal(t, pto(s)+200*time.Millisecond, s.waitDeadline())
		s.want(`DATA 1000 s0 ssn0 IBE "x"`)
	})
	t.Run("new data", func(t *testing.T) {
		s := established(t, Config{MinRTO: time.Second, InitialCongestionWindow: 34, MTU: 1192})
		s.sendMessages(2)
		s.send(0, "held back by the congestion window")
		s.want()
		require.Equal(t, pto(s), s.waitDeadline())
		s.want(`DATA 1002 s0 ssn2 IBE "held back by the congestion window"`)
	})
	t.Run("not before the retransmission timer", func(t *testing.T) {
		s := established(t, Config{MinRTO: 50 * time.Millisecond, MaxRTO: 200 * time.Millisecond})
		s.sendMessages(2)
		require.Equal(t, s.a.rtt.rto, s.waitDeadline())
		require.EqualValues(t, 1, s.a.Stats().Timeouts)
	})
	// Section 7.4: a probe that repaired a loss by itself hides it from RACK; the
	// congestion control hears of it. If the peer reports a duplicate, nothing was
	// lost.
	t.Run("a loss that the probe repaired", func(t *testing.T) {
		for _, duplicate := range []bool{false, true} {
			s := established(t, Config{MinRTO: time.Second})
			s.sendMessages(1)
			s.waitDeadline()
			s.want(`DATA 1000 s0 ssn0 IBE "x"`)
			cwnd := s.a.cc.window()
			s.wait(rtt)
			if duplicate {
				s.receive(sackDups(1000, 1000))
				require.Equal(t, cwnd, s.a.cc.window())
				require.Zero(t, s.a.Stats().LossEpisodes)
			} else {
				s.receive(sack(1000))
				require.Equal(t, cwnd/2, s.a.cc.window())
				require.EqualValues(t, 1, s.a.Stats().LossEpisodes)
			}
		}
	})
}

// Section 6.3.3: "E2) For the destination address for which the timer expires, set
// RTO <- RTO * 2 ('back off the timer')"; "E3) Determine how many of the earliest
// outstanding DATA chunks ... will fit into a single SCTP packet ... Bundle and
// retransmit"; 8.1: "The counter SHOULD be incremented each time ... When the value of
// this counter exceeds the limit indicated in the protocol parameter
// 'Association.Max.Retrans', the endpoint SHOULD consider the peer endpoint
// unreachable".
func TestRetransmissionTimeout(t *testing.T) {
	s := established(t, Config{MinRTO: 200 * time.Millisecond, MaxRTO: 10 * time.Second, HeartbeatInterval: -1})
	s.send(0, "lost")
	s.want(`DATA 1000 s0 ssn0 BE "lost"`)
	rto := s.a.rtt.rto
	for range 10 {
		var d time.Duration
		for len(s.sent) == 0 {
			d += s.waitDeadline()
		}
		require.Equal(t, rto, d)
		s.want(`DATA 1000 s0 ssn0 BE "lost"`)
		rto = min(2*rto, 10*time.Second)
		require.Equal(t, rto, s.a.Stats().RTO)
		require.Equal(t, DefaultMTU, s.a.cc.window())
	}
	s.wantEvents()
	s.wait(rto)
	s.want()
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())
	require.EqualValues(t, 11, s.a.Stats().Timeouts)

	// 8.1: "The counter SHOULD be reset each time a DATA chunk sent to that peer
	// endpoint is acknowledged".
	s = established(t, Config{MaxRetransmits: 2, HeartbeatInterval: -1})
	for i := range 10 {
		s.sendMessages(1)
		for range 2 {
			for len(s.sent) == 0 {
				s.waitDeadline()
			}
			s.take()
		}
		s.wantEvents()
		s.receive(sack(uint32(ownTSN + i)))
	}
	require.EqualValues(t, 20, s.a.Stats().Timeouts)
	s.wantAlive()
}

// All that was outstanding goes again after a timeout, a window at a time, and the
// window grows by slow start (section 7.2.3: "cwnd = 1 * PMDCS").
func TestSlowStartAfterTimeout(t *testing.T) {
	s := established(t, Config{MTU: 1192, HeartbeatInterval: -1})
	s.send(0, strings.Repeat("x", 1164*10))
	s.wait(50 * time.Millisecond) // paced
	lines, _ := s.take()
	require.Len(t, lines, 10)
	s.wait(s.a.rtt.rto + rtt*3)
	lines, _ = s.take()
	lines = lines[len(lines)-2:]
	// The window may be exceeded by less than a packet (section 6.1 B).
	require.Contains(t, lines[0], "DATA 1000 s0 ssn0 B")
	require.Equal(t, 1192, s.a.cc.window())
	cum := uint32(ownTSN - 1)
	previous := 0
	for round := 0; s.a.BufferedAmount() > 0; round++ {
		require.Less(t, round, 6)
		s.wait(rtt)
		more, _ := s.take()
		inFlight := s.a.out.flight.n
		cum += uint32(inFlight)
		s.receive(sack(cum))
		if round > 0 {
			require.GreaterOrEqual(t, len(more), previous)
		}
		previous = len(more)
	}
	require.Greater(t, s.a.cc.window(), 3*1192)
}

// Section 6.3.1, C5) Karn's algorithm: "RTT measurements MUST NOT be made using
// packets that were retransmitted".
func TestKarn(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	before := s.a.Stats()
	s.sendMessages(1)
	s.wait(s.a.rtt.rto)
	s.want(`DATA 1000 s0 ssn0 BE "x"`)
	s.wait(10 * time.Millisecond)
	s.receive(sack(1000))
	after := s.a.Stats()
	require.Equal(t, before.SRTT, after.SRTT)
	require.Equal(t, 2*before.RTO, after.RTO, "backed off until the next measurement")
	s.sendMessages(1)
	s.wait(rtt)
	s.receive(sack(1001))
	require.Less(t, s.a.Stats().RTO, before.RTO)

	// The same in the handshake: an INIT that was sent twice measures nothing.
	s = newScript(t, Config{})
	s.a.Connect(s.now)
	s.drain()
	s.wait(time.Second)
	s.want("[tag 0] INIT", "[tag 0] INIT")
	s.receive(initAck(peerTag, peerTSN))
	require.Zero(t, s.a.Stats().SRTT)
	s.wait(rtt)
	s.receive(cookieAck())
	require.Equal(t, rtt, s.a.Stats().SRTT)
}

// Section 6.3.1:
//
//	C2) "When the first RTT measurement R is made, set SRTT <- R, RTTVAR <- R/2, and RTO <- SRTT + 4 * RTTVAR."
//	C3) "When a new RTT measurement R' is made, set RTTVAR <- (1 - RTO.Beta) * RTTVAR + RTO.Beta * |SRTT - R'|
//	    and SRTT <- (1 - RTO.Alpha) * SRTT + RTO.Alpha * R'"
//	C6) "Whenever RTO is computed, if it is less than RTO.Min seconds, then it is rounded up to RTO.Min seconds."
//	C7) "A maximum value MAY be placed on RTO"
func TestRTOComputation(t *testing.T) {
	var r rttState
	r.init(&Config{InitialRTO: time.Second, MinRTO: 150 * time.Millisecond, MaxRTO: 2 * time.Second})
	require.Equal(t, time.Second, r.rto)
	ms := time.Millisecond
	for _, c := range []struct{ sample, srtt, rttvar, rto time.Duration }{
		{80 * ms, 80 * ms, 40 * ms, 240 * ms},
		{80 * ms, 80 * ms, 30 * ms, 200 * ms},
		{160 * ms, 90 * ms, 42500 * time.Microsecond, 260 * ms},
		{90 * ms, 90 * ms, 31875 * time.Microsecond, 217500 * time.Microsecond},
		{10 * ms, 80 * ms, 43906250, 255625 * time.Microsecond},
		{4080 * ms, 580 * ms, 1032929687, 2 * time.Second},
	} {
		r.sample(c.sample)
		require.Equal(t, c.srtt, r.srtt)
		require.InDelta(t, c.rttvar, r.rttvar, 2)
		require.InDelta(t, c.rto, r.rto, 8)
	}
	for range 200 {
		r.sample(50 * ms)
	}
	require.Equal(t, 150*ms, r.rto)
	r.backOff()
	r.backOff()
	require.Equal(t, 600*ms, r.rto)
	for range 5 {
		r.backOff()
	}
	require.Equal(t, 2*time.Second, r.rto)
	r.sample(50 * ms)
	require.Equal(t, 150*ms, r.rto)

	// The least round trip is of the last minutes.
	r.sampleMin(1*time.Second, 50*ms)
	r.sampleMin(2*time.Second, 70*ms)
	require.Equal(t, 50*ms, r.min)
	r.sampleMin(3*time.Second, 40*ms)
	r.sampleMin(3*time.Second+minRTTWindow+1, 70*ms)
	require.Equal(t, 70*ms, r.min)
}

// Section 8.3: heartbeats find out that an idle peer is gone, or that it is there.
func TestHeartbeat(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: 5 * time.Second, MaxRetransmits: 2})
	// "SHOULD be ... HB.interval plus RTO with jitter of +/- 50% of the RTO".
	d := s.waitDeadline()
	for len(s.sent) == 0 {
		d += s.waitDeadline()
	}
	require.InDelta(t, 5*time.Second+s.a.rtt.rto, d, float64(s.a.rtt.rto))
	lines, raw := s.take()
	require.Equal(t, []string{"HEARTBEAT"}, lines)

	// "The receiver of a HEARTBEAT ... HEARTBEAT ACK chunk that contains the Heartbeat
	// Information field copied from the received HEARTBEAT chunk." A wrong one does not
	// count: 8.3 wants a nonce for this.
	info := raw[0][16:]
	for i := range info {
		forged := append([]byte(nil), info...)
		forged[i] ^= 1
		s.receive(rawChunk(5, 0, forged))
	}
	require.True(t, s.a.heartbeat.unanswered)
	s.wait(rtt)
	s.receive(rawChunk(5, 0, info))
	require.False(t, s.a.heartbeat.unanswered)
	s.receive(rawChunk(5, 0, info)) // once
	s.want()

	for range 3 {
		s.wantEvents()
		for len(s.sent) == 0 {
			s.waitDeadline()
		}
		s.want("HEARTBEAT")
	}
	s.wait(time.Minute)
	s.wantEvents("closed: " + ErrPeerUnreachable.Error())

	// Traffic makes them unnecessary.
	s = established(t, Config{HeartbeatInterval: time.Second, SACKDelay: -1})
	for i := range uint32(20) {
		s.receive(data(peerTSN+i, 0, 0, "UBE", "x"))
		s.wait(900 * time.Millisecond)
		s.want(fmt.Sprintf("SACK %d", peerTSN+i))
	}
}

// A peer's HEARTBEAT is answered with its own information.
func TestPeersHeartbeat(t *testing.T) {
	s := established(t, Config{})
	s.receive(rawChunk(4, 0, rawParam(1, "who are you?")))
	s.want("HEARTBEAT ACK " + quote(rawParam(1, "who are you?")))
	s.receive(rawChunk(4, 0, rawParam(1, make([]byte, 300))), rawChunk(4, 0, rawParam(1, make([]byte, 301))))
	s.want("HEARTBEAT ACK (304) | HEARTBEAT ACK (308)")
	// Not before there is an association.
	s = newScript(t, Config{})
	s.receive(rawChunk(4, 0, rawParam(1, "x")))
	s.a.Connect(s.now)
	s.drain()
	s.want("[tag 0] INIT")
	s.receive(rawChunk(4, 0, rawParam(1, "x")))
	s.want()
}
