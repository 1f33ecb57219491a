package sctp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// found is a script whose association has found the largest size.
func found(t *testing.T, cfg Config) *mtuScript {
	s := newMTUScript(t, cfg)
	for range 2 {
		require.Len(t, s.bulk(), 1)
		s.answer()
	}
	s.wantMTU(mostMTU, mtuSearchComplete)
	return s
}

// https://www.rfc-editor.org/rfc/rfc8899.html#section-4.3: "A PL can utilize an event
// that indicates the network path no longer sustains the sender's PLPMTU size."
// Nothing arrives any more, so the retransmission timer expires, and packets have the
// base size at once.
func TestPathMTUBlackHole(t *testing.T) {
	s := found(t, Config{})
	first := s.a.out.next
	s.send(0, strings.Repeat("x", 6000))
	_, packets := s.take()
	require.Len(t, packets[0], mostMTU)
	for s.a.Stats().Timeouts == 0 {
		s.waitDeadline()
	}
	// "DPLPMTUD sets a lower PLPMTU ... The PL then confirms that the new PLPMTU can
	// be successfully used across the path."
	s.wantMTU(baseMTU, mtuBase)
	require.EqualValues(t, 1, s.a.Stats().MTUBlackHoles)
	require.Equal(t, []int{baseMTU}, s.probes()) // and the data
	s.answer()

	// What was sent before arrives in smaller packets, byte for byte.
	for range 10 {
		s.wait(rtt)
		s.receive(sack(s.a.out.next - 1))
	}
	require.Zero(t, s.a.BufferedAmount())
	require.Greater(t, s.a.out.next, first+5)

	// The size that had been found is tried first; the path still does not take it.
	// Then the search goes on below.
	sizes := s.probes()
	for len(sizes) < 4 {
		sizes = append(sizes, s.bulk()...)
	}
	require.Equal(t, []int{mostMTU, mostMTU, mostMTU, 1296}, sizes)
	s.answer()
	s.wantMTU(1296, mtuSearching)
	require.EqualValues(t, 1, s.a.Stats().MTUBlackHoles)
}

// "This could use a mechanism implemented within the PL to detect excessive loss of
// data sent with a specific packet size": what is small arrives, so that the timer never
// expires.
func TestPathMTUBlackHoleForLargePacketsOnly(t *testing.T) {
	s := found(t, Config{})
	timeouts := s.a.Stats().Timeouts
	large := SendOptions{Unordered: true}
	var received []uint32 // gaps
	for i := 0; s.a.Stats().MTUBlackHoles == 0; i++ {
		require.Less(t, i, blackHolePackets, "packets were lost")
		cum := s.a.out.base - 1
		s.send(1, strings.Repeat("L", mostMTU-12-2*16), large)
		lines, packets := s.take()
		lost := 0
		for j := range packets {
			if len(packets[j]) > baseMTU && !strings.HasPrefix(lines[j], "HEARTBEAT") {
				lost++
			}
		}
		require.NotZero(t, lost)
		s.send(2, "small")
		s.take()
		tsn := s.a.out.next - 1
		s.wait(rtt)
		received = append(received, tsn, tsn)
		s.receive(sack(cum, received...))
		s.wait(rtt / 3) // the reordering window
	}
	s.wantMTU(baseMTU, mtuBase)
	require.Equal(t, timeouts, s.a.Stats().Timeouts)
	s.probes()
	s.receive(sack(s.a.out.next - 1))
	s.wait(time.Second)
	s.receive(sack(s.a.out.next - 1))
	require.Zero(t, s.a.BufferedAmount())
	s.probes()
	s.answer()

	// It was another fault: the path takes what it took before, and the search is over
	// where it was.
	require.Equal(t, []int{mostMTU}, s.bulk())
	s.answer()
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// Losses among large packets that arrive are just losses.
func TestPathMTULossIsNoBlackHole(t *testing.T) {
	s := found(t, Config{})
	for range 3 {
		s.a.cc.(*newReno).cwnd = 400_000
		cum := s.a.out.base - 1
		s.send(1, strings.Repeat("x", 20_000))
		s.wait(rtt)
		lines, _ := s.take()
		require.Greater(t, len(lines), 2*blackHolePackets)
		last := s.a.out.next - 1
		s.receive(sack(cum, last-3, last)) // the last packets of them all
		s.take()
		for range 3 {
			s.wait(rtt)
			s.receive(sack(s.a.out.next - 1))
		}
		s.take()
	}
	require.NotZero(t, s.a.Stats().LossEpisodes)
	require.Zero(t, s.a.Stats().MTUBlackHoles)
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// What the path took before is tried first after a fall back: with some luck the
// search is over after one probe, and the next one is due when it was.
func TestPathMTUAfterABadMoment(t *testing.T) {
	s := newMTUScript(t, Config{})
	for s.a.mtu.state != mtuSearchComplete {
		if sizes := s.bulk(); len(sizes) == 1 && sizes[0] <= 1340 {
			s.answer()
		}
	}
	s.wantMTU(1336, mtuSearchComplete)
	raise := s.a.mtu.raiseAt
	s.send(0, strings.Repeat("x", 6000))
	s.take()
	for s.a.Stats().Timeouts == 0 {
		s.waitDeadline()
	}
	require.Equal(t, []int{baseMTU}, s.probes())
	s.wantMTU(baseMTU, mtuBase)
	s.answer()
	for range 10 {
		s.wait(rtt)
		s.receive(sack(s.a.out.next - 1))
	}
	require.Equal(t, []int{1336}, s.probes())
	s.answer()
	s.wantMTU(1336, mtuSearchComplete)
	require.Equal(t, raise, s.a.mtu.raiseAt)
	require.Empty(t, s.bulk())
}

// A tail loss probe is to arrive: it keeps to the base size.
func TestTailLossProbeIsSmall(t *testing.T) {
	s := found(t, Config{})
	s.hold = true
	s.send(0, strings.Repeat("x", 60_000))
	s.flush()
	_, packets := s.take()
	require.Len(t, packets[0], mostMTU)
	for s.a.Stats().Probes == 0 {
		s.waitDeadline()
	}
	lines, packets := s.take()
	require.Len(t, packets, 1)
	require.Contains(t, lines[0], "DATA")
	require.LessOrEqual(t, len(packets[0]), baseMTU)
}

// A SACK with all the gaps that there are would be lost on a path that has shrunk, and
// nothing would show it: there is no acknowledgement of SACKs.
func TestSACKsKeepToTheBaseSize(t *testing.T) {
	s := found(t, Config{})
	s.take()
	for i := range uint32(500) {
		s.hold = true
		s.receive(data(peerTSN+1+2*i, 0, 0, "UBE", "x"))
	}
	s.flush()
	_, packets := s.take()
	require.Len(t, packets, 1)
	require.Len(t, packets[0], baseMTU)
}

// "It is RECOMMENDED that methods are robust to path changes that could have occurred
// since the path characteristics were last confirmed" (section 3).
func TestPathChanged(t *testing.T) {
	s := found(t, Config{})
	s.a.PathChanged(s.now)
	s.wantMTU(baseMTU, mtuBase)
	require.Equal(t, []int{baseMTU}, s.bulk())
	require.NotZero(t, s.a.timers[timerMTU])
	s.a.PathChanged(s.now)
	require.Zero(t, s.a.timers[timerMTU])
	// The answer to that probe may have been the other path's.
	s.answer()
	s.wantMTU(baseMTU, mtuBase)
	for range 2 {
		require.Len(t, s.bulk(), 1)
		s.answer()
	}
	s.wantMTU(mostMTU, mtuSearchComplete)
	require.Zero(t, s.a.Stats().MTUBlackHoles)

	s.a.Abort(s.now, "")
	s.a.PathChanged(s.now)
	require.True(t, s.a.Deadline().IsZero())
}
