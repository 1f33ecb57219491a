package sctp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// found returns a script whose association has found the largest size.
func found(t *testing.T, cfg Config) *mtuScript {
	s := newMTUScript(t, cfg)
	for range 2 {
		require.Len(t, s.bulk(), 1)
		s.answer()
	}
	s.wantMTU(mostMTU, mtuSearchComplete)
	return s
}

// RFC 8899, section 4.3: the path does not sustain the PLPMTU any more. Nothing arrives, so that
// the retransmission timer expires, and packets have the base size at once.
func TestPathMTUBlackHole(t *testing.T) {
	s := found(t, Config{})
	first := s.a.out.next
	s.send(0, strings.Repeat("x", 6000))
	_, packets := s.take()
	require.Len(t, packets[0], mostMTU)
	for s.a.Stats().Timeouts == 0 {
		s.waitDeadline()
	}
	// The PLPMTU is lowered, and then confirmed.
	s.wantMTU(baseMTU, mtuBase)
	require.EqualValues(t, 1, s.a.Stats().MTUBlackHoles)
	require.Equal(t, []int{baseMTU}, s.probes()) // and the data
	s.answer()

	// Data sent before arrives in smaller packets, byte for byte.
	for range 10 {
		s.wait(rtt)
		s.receive(sack(s.a.out.next - 1))
	}
	require.Zero(t, s.a.BufferedAmount())
	require.Greater(t, s.a.out.next, first+5)

	// The size found before is tried first and fails; then the search continues below.
	sizes := s.probes()
	for len(sizes) < 4 {
		sizes = append(sizes, s.bulk()...)
	}
	require.Equal(t, []int{mostMTU, mostMTU, mostMTU, 1296}, sizes)
	s.answer()
	s.wantMTU(1296, mtuSearching)
	require.EqualValues(t, 1, s.a.Stats().MTUBlackHoles)
}

// RFC 8899, section 4.3: a black hole may show by excessive loss of packets of one size. Small
// packets arrive, so that the timer never expires.
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

	// It had another cause: the path has the same MTU as before, and the search ends at the same
	// size.
	require.Equal(t, []int{mostMTU}, s.bulk())
	s.answer()
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// Losses among large packets of which others arrive are not a black hole.
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

// After a fall back the previous size is tried first: the search may end after one probe, and the
// next one is due at the same time as before.
func TestPathMTUAfterATemporaryBlackHole(t *testing.T) {
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

// A tail loss probe must arrive: it has at most the base size.
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

// A SACK with many gaps would be lost on a path that has shrunk, and nothing would show it: SACKs
// are not acknowledged.
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

// RFC 8899, section 3: a change of the path is handled.
func TestPathChanged(t *testing.T) {
	s := found(t, Config{})
	s.a.PathChanged(s.now, 0, 0)
	s.wantMTU(baseMTU, mtuBase)
	require.Equal(t, []int{baseMTU}, s.bulk())
	require.NotZero(t, s.a.timers[timerMTU])
	s.a.PathChanged(s.now, 0, 0)
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
	s.a.PathChanged(s.now, 0, 0)
	require.True(t, s.a.Deadline().IsZero())
}

// The next path has room for fewer bytes than the first one. Packets become smaller at once, and
// discovery stays below the new maximum. A chunk that is larger is sent again, alone in its packet.
// Back on a path like the first one, the sizes are those of Config.
func TestPathChangedToSmallerMTU(t *testing.T) {
	const smallest, largest = baseMTU - 100, baseMTU + 100
	s := found(t, Config{})
	s.send(0, strings.Repeat("x", 3000))
	s.take()
	s.a.PathChanged(s.now, smallest+3, largest+3) // rounded down
	s.wantMTU(smallest, mtuBase)
	for s.a.Stats().Timeouts == 0 {
		s.waitDeadline()
	}
	largestSent := 0
	_, packets := s.take()
	for _, p := range packets {
		largestSent = max(largestSent, len(p))
	}
	require.Equal(t, baseMTU, largestSent)
	s.receive(sack(s.a.out.next - 1))
	require.Zero(t, s.a.BufferedAmount())

	s.take()
	s.send(0, strings.Repeat("x", 6000))
	_, packets = s.take()
	for _, p := range packets {
		require.LessOrEqual(t, len(p), smallest)
	}
	s.receive(sack(s.a.out.next - 1))
	for range 3 {
		s.bulk()
		s.answer()
	}
	s.wantMTU(largest, mtuSearchComplete)

	s.a.PathChanged(s.now, 0, 0)
	s.wantMTU(smallest, mtuBase)
	s.a.PathChanged(s.now, MaxMTU, MaxMTU)
	s.wantMTU(baseMTU, mtuBase)
	for range 3 {
		s.bulk()
		s.answer()
	}
	s.wantMTU(mostMTU, mtuSearchComplete)
}

// The path of an association without discovery, or before it is established, may also have room for
// fewer bytes than Config.MTU.
func TestPathChangedWithoutDiscovery(t *testing.T) {
	s := &mtuScript{script: established(t, Config{MTU: baseMTU, HeartbeatInterval: -1})}
	s.a.PathChanged(s.now, baseMTU-100, mostMTU)
	s.wantMTU(baseMTU-100, mtuDisabled)
	require.Empty(t, s.bulk())
	s.a.PathChanged(s.now, 1, 0)
	s.wantMTU(MinMTU, mtuDisabled)

	a, err := New(Config{MTU: baseMTU, MaxMTU: mostMTU})
	require.NoError(t, err)
	a.PathChanged(s.now, baseMTU-100, mostMTU-100)
	a.resetTransmission() // as a restart of the association does
	require.Equal(t, baseMTU-100, a.mtu.current)
	require.Equal(t, mostMTU-100, a.mtu.max)
}
