package sctp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 9260, section 7.2.
func TestNewReno(t *testing.T) {
	const mtu = 1000
	acked := func(c *newReno, bytes int) { c.acked(&ackSample{newlyAcked: bytes, windowLimited: true}) }

	// Section 7.2.1: the initial window and an arbitrarily high ssthresh. In slow start the window
	// grows by the bytes acknowledged,
	c := newNewReno(mtu, 4*mtu)
	require.Equal(t, 4*mtu, c.window())
	acked(c, 1000)
	acked(c, 3000)
	require.Equal(t, 8*mtu, c.window())

	// only if it is fully used and not in Fast Recovery.
	c.acked(&ackSample{newlyAcked: 5000})
	c.acked(&ackSample{newlyAcked: 5000, windowLimited: true, inRecovery: true})
	require.Equal(t, 8*mtu, c.window())

	// Section 7.2.3: a loss halves ssthresh, down to four packets, and cwnd becomes ssthresh.
	acked(c, 12_000)
	require.Equal(t, 20*mtu, c.window())
	c.congested(0, 0)
	require.Equal(t, 10*mtu, c.window())
	require.Equal(t, 10*mtu, c.ssthresh)

	// Section 7.2.2: in congestion avoidance cwnd grows by a packet when partial_bytes_acked
	// reaches it.
	acked(c, 9_999)
	require.Equal(t, 10*mtu, c.window())
	acked(c, 501)
	require.Equal(t, 11*mtu, c.window())
	require.Equal(t, 500, c.partialAcked)
	acked(c, 10_500)
	require.Equal(t, 12*mtu, c.window())
	require.Zero(t, c.partialAcked)

	// Losses lower it to four packets at least,
	for range 5 {
		c.congested(0, 0)
	}
	require.Equal(t, 4*mtu, c.window())
	// and a timeout to one.
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

	// Section 7.2.1: an idle window is halved once per RTO, down to four packets.
	c.restart(0, 0)
	require.Equal(t, 40*mtu, c.window())
	c.restart(0, 1)
	require.Equal(t, 20*mtu, c.window())
	c.restart(0, 2)
	require.Equal(t, 5*mtu, c.window())
	c.restart(0, 100)
	require.Equal(t, 4*mtu, c.window())
}

// The same in an association: a full window determines the next.
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
