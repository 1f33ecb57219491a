package sctp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The arithmetic of https://www.rfc-editor.org/rfc/rfc9260.html#section-7.2
func TestNewReno(t *testing.T) {
	const mtu = 1000
	acked := func(c *newReno, bytes int) { c.acked(&ackSample{newlyAcked: bytes, windowLimited: true}) }

	// 7.2.1: "The initial cwnd before data transmission MUST be set to ..."; "The
	// initial value of ssthresh MAY be arbitrarily high". In slow start the window
	// grows by what is acknowledged.
	c := newNewReno(mtu, 4*mtu)
	require.Equal(t, 4*mtu, c.window())
	acked(c, 1000)
	acked(c, 3000)
	require.Equal(t, 8*mtu, c.window())

	// "... only if the current congestion window is being fully utilized and the
	// data sender is not in Fast Recovery."
	c.acked(&ackSample{newlyAcked: 5000})
	c.acked(&ackSample{newlyAcked: 5000, windowLimited: true, inRecovery: true})
	require.Equal(t, 8*mtu, c.window())

	// 7.2.3: "ssthresh = max(cwnd / 2, 4 * PMDCS), cwnd = ssthresh, partial_bytes_acked = 0".
	acked(c, 12_000)
	require.Equal(t, 20*mtu, c.window())
	c.congested(0, 0)
	require.Equal(t, 10*mtu, c.window())
	require.Equal(t, 10*mtu, c.ssthresh)

	// 7.2.2: "When partial_bytes_acked is equal to or greater than cwnd ... reset to
	// (partial_bytes_acked - cwnd). Next, cwnd is increased by 1 * PMDCS."
	acked(c, 9_999)
	require.Equal(t, 10*mtu, c.window())
	acked(c, 501)
	require.Equal(t, 11*mtu, c.window())
	require.Equal(t, 500, c.partialAcked)
	acked(c, 10_500)
	require.Equal(t, 12*mtu, c.window())
	require.Zero(t, c.partialAcked)

	// Never below four packets by losses ...
	for range 5 {
		c.congested(0, 0)
	}
	require.Equal(t, 4*mtu, c.window())
	// ... and to one by a timeout: "ssthresh = max(cwnd / 2, 4 * PMDCS), cwnd = 1 * PMDCS".
	c.timedOut(0, 0)
	require.Equal(t, mtu, c.window())
	require.Equal(t, 4*mtu, c.ssthresh)
	// Slow start up to ssthresh, then congestion avoidance.
	for range 3 {
		acked(c, mtu)
	}
	require.Equal(t, 4*mtu, c.window())
	acked(c, mtu)
	require.Equal(t, 4*mtu, c.window())

	// A timeout that was spurious is undone.
	c = newNewReno(mtu, 40*mtu)
	c.timedOut(0, 0)
	c.undo(0)
	require.Equal(t, 40*mtu, c.window())

	// 7.2.1: "While the endpoint does not transmit data ... the cwnd SHOULD be adjusted
	// to max(cwnd / 2, 4 * PMDCS) once per RTO."
	c.restart(0, 0)
	require.Equal(t, 40*mtu, c.window())
	c.restart(0, 1)
	require.Equal(t, 20*mtu, c.window())
	c.restart(0, 2)
	require.Equal(t, 5*mtu, c.window())
	c.restart(0, 100)
	require.Equal(t, 4*mtu, c.window())
}

// The same through an association: what a whole window does to the next.
func TestWindowOfAnAssociation(t *testing.T) {
	s := established(t, Config{MTU: 1012, InitialCongestionWindow: 4000, MaxSendBuffer: 1 << 20})
	for range 100 {
		s.send(0, string(make([]byte, 984))) // chunks of 1,000 bytes
	}
	cum := uint32(ownTSN - 1)
	for _, inFlight := range []int{4, 8, 16, 32} {
		s.wait(rtt - 20*time.Millisecond) // paced within the round trip
		require.Equal(t, inFlight*1000, s.a.Stats().InFlight)
		require.Equal(t, inFlight*1000, s.a.Stats().CongestionWindow)
		s.wait(20 * time.Millisecond)
		s.take()
		cum += uint32(inFlight)
		s.receive(sack(cum))
	}
	// Idle, the window shrinks: 64, 32, 16.
	require.Equal(t, 64_000, s.a.Stats().CongestionWindow)
	s.wait(rtt)
	s.receive(sack(s.a.out.next - 1))
	require.Zero(t, s.a.BufferedAmount())
	s.wait(5 * s.a.rtt.rto / 2)
	s.send(0, "x")
	require.Equal(t, 16_000, s.a.Stats().CongestionWindow)
}
