package sctp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 7.2.4: the third miss indication causes a fast retransmission. RFC 8985,
// section 6.2, counts the chunks acknowledged above the gap, DupThresh = 3.
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
	// It is not retransmitted again for SACKs that were sent before its retransmission arrived.
	s.receive(sack(999, 1001, 1004))
	s.want()
	s.wait(rtt)
	s.receive(sack(1005))
	require.Zero(t, s.a.BufferedAmount())
	require.EqualValues(t, 1, s.a.Stats().Retransmissions)
	require.Zero(t, s.a.Stats().Timeouts)

	// One SACK may report all three.
	s = established(t, Config{})
	s.sendMessages(6)
	s.wait(rtt)
	s.receive(sack(1001, 1003, 1005))
	s.want(`DATA 1002 s0 ssn2 BE "x"`)

	// A chunk whose retransmission is lost is retransmitted again: RACK uses the time of sending,
	// not the TSN.
	s.wait(10 * time.Millisecond)
	s.sendMessages(1) // 1006, after the retransmission
	s.wait(rtt)
	s.receive(sack(1001, 1003, 1006))
	s.want(`DATA 1002 s0 ssn2 BE "x"`)
}

// RFC 8985, section 6.2, step 4: with fewer than three chunks above the gap, a chunk is lost when a
// reordering window of a quarter of the minimum round-trip time has passed since it should have
// been acknowledged.
func TestReorderingWindow(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(3)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1001))
	require.Equal(t, s.a.rtt.min/4, s.waitDeadline())
	s.want(`DATA 1000 s0 ssn0 BE "x"`)
}

// RFC 8985, section 6.2: observed reordering widens the reordering window, and reported duplicates
// do so further (RACK.reo_wnd_mult), up to one round trip; without more of them it is narrowed
// after 16 recoveries.
func TestReorderingAdapts(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	s.sendMessages(3)
	s.wait(rtt)
	s.receive(sack(999, 1001, 1002))
	s.receive(sack(1002)) // it was late, not lost
	s.want()
	minRTT := s.a.rtt.min

	// hole causes a gap below three chunks and returns how long its repair took.
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

// RFC 8985, section 7.2: the PTO is twice the SRTT, plus the delay of acknowledgements if only one
// packet is in flight. Section 7.3: the probe is new data if there is some, otherwise the last
// chunk again, and the retransmission timer is restarted.
func TestTailLossProbe(t *testing.T) {
	pto := func(s *script) time.Duration { return 2*s.a.rtt.srtt + clockGranularity }
	t.Run("the last chunk again", func(t *testing.T) {
		s := established(t, Config{MinRTO: time.Second})
		s.sendMessages(2)
		require.Equal(t, pto(s), s.waitDeadline())
		s.want(`DATA 1001 s0 ssn1 IBE "x"`)
		// Its acknowledgement shows the gap below.
		s.wait(rtt)
		s.receive(sack(999, 1001, 1001))
		s.wait(s.a.rtt.min / 4)
		s.want(`DATA 1000 s0 ssn0 BE "x"`)
		require.Zero(t, s.a.Stats().Timeouts)

		// If it is not answered, the retransmission timer expires, counted from the probe: it needs
		// a round trip to be answered.
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
	// RFC 8985, section 7.4: a probe that has repaired a loss hides it from RACK; the congestion
	// control is informed. If the peer reports a duplicate, nothing was lost.
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

// RFC 9260, section 6.3.3, E2 and E3: the RTO is doubled, and the earliest outstanding chunks that
// fit in a packet are retransmitted. Section 8.1: after Association.Max.Retrans timeouts in a row
// the peer is unreachable.
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

	// RFC 9260, section 8.1: an acknowledgement resets the counter.
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

// RFC 9260, section 7.2.3: after a timeout everything outstanding is retransmitted, a window at a
// time; the window is one packet and grows by slow start.
func TestSlowStartAfterTimeout(t *testing.T) {
	s := established(t, Config{MTU: 1192, HeartbeatInterval: -1})
	s.send(0, strings.Repeat("x", 1164*10))
	s.wait(50 * time.Millisecond) // paced
	lines, _ := s.take()
	require.Len(t, lines, 10)
	s.wait(s.a.rtt.rto + rtt*3)
	lines, _ = s.take()
	lines = lines[len(lines)-2:]
	// RFC 9260, section 6.1, B: the window may be exceeded by less than a packet.
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

// RFC 9260, section 6.3.1, C5 (Karn's algorithm): a retransmitted packet is not a measurement.
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

	// The same in the handshake: an INIT that was retransmitted is not a measurement.
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

// RFC 9260, section 6.3.1:
//
//	C2 the first measurement R: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR
//	C3 the next R: RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R|, SRTT = 7/8 SRTT + 1/8 R
//	C6 the RTO is at least RTO.Min
//	C7 and at most RTO.Max
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

	// The minimum is that of the last minutes.
	r.sampleMin(1*time.Second, 50*ms)
	r.sampleMin(2*time.Second, 70*ms)
	require.Equal(t, 50*ms, r.min)
	r.sampleMin(3*time.Second, 40*ms)
	r.sampleMin(3*time.Second+minRTTWindow+1, 70*ms)
	require.Equal(t, 70*ms, r.min)
}

// RFC 9260, section 8.3: heartbeats show whether an idle peer is reachable.
func TestHeartbeat(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: 5 * time.Second, MaxRetransmits: 2})
	// The interval is HB.interval plus RTO, with a jitter of half the RTO.
	d := s.waitDeadline()
	for len(s.sent) == 0 {
		d += s.waitDeadline()
	}
	require.InDelta(t, 5*time.Second+s.a.rtt.rto, d, float64(s.a.rtt.rto))
	lines, raw := s.take()
	require.Equal(t, []string{"HEARTBEAT"}, lines)

	// The peer returns the Heartbeat Information. A wrong one does not count: it contains a nonce.
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

// A HEARTBEAT of the peer is answered with its own information.
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
