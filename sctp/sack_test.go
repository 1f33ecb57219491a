package sctp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sendMessages sends n small messages, a packet each, on stream 0.
func (s *script) sendMessages(n int) {
	s.t.Helper()
	for range n {
		s.send(0, "x")
	}
	lines, _ := s.take()
	require.Len(s.t, lines, n)
}

// RFC 9260, section 6.2.1: Cumulative TSN Ack and Gap Ack Blocks. Section 6.3.2, R1: a transmission
// starts T3-rtx if it is not running; R2: it stops when everything is acknowledged; R3: it restarts
// when the earliest outstanding TSN is.
func TestAcknowledgement(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	require.True(t, s.a.Deadline().IsZero())
	s.sendMessages(5)
	require.Equal(t, 5, s.a.BufferedAmount())
	require.Equal(t, s.now.Sub(s.a.epoch)+s.a.rtt.rto, s.a.timers[timerT3])
	s.wait(rtt)
	s.receive(sack(1001))
	require.Equal(t, 3, s.a.BufferedAmount())
	require.Equal(t, s.now.Sub(s.a.epoch)+s.a.rtt.rto, s.a.timers[timerT3])
	// A gap ack block does not free the data (the peer may discard it) ...
	s.receive(sack(1001, 1003, 1003))
	require.Equal(t, 3, s.a.BufferedAmount())
	require.Equal(t, 2*(16+1), s.a.Stats().InFlight) // ... but that has left the path.
	s.receive(sack(1003))
	require.Equal(t, 1, s.a.BufferedAmount())
	s.receive(sack(1004))
	require.Zero(t, s.a.BufferedAmount())
	require.Zero(t, s.a.Stats().InFlight)
	require.True(t, s.a.Deadline().IsZero())
	s.want()
}

// RFC 9260, section 6.2.1, D, i: a SACK whose Cumulative TSN Ack is below the last one is out of
// order, and dropped.
func TestStaleSACK(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(5)
	s.receive(sackWindow(1002, 5000))
	s.receive(sackWindow(1001, 77, 1004, 1004))
	s.receive(sackWindow(0, 77))
	require.EqualValues(t, 2, s.a.Stats().SACKsStale)
	require.Equal(t, 5000, s.a.Stats().PeerWindow)
	require.Equal(t, 2*17, s.a.Stats().InFlight)
	// The same cumulative ack again is not stale: it may have new gaps and a window.
	s.receive(sackWindow(1002, 4000, 1004, 1004))
	require.Equal(t, 4000, s.a.Stats().PeerWindow)
	require.Equal(t, 17, s.a.Stats().InFlight)
	s.want()
}

// SACKs for TSNs that were never sent, or with impossible blocks, are ignored as a whole, and do
// not end the association.
func TestImpossibleSACKs(t *testing.T) {
	header := func(cum uint32, gaps, dups uint16, rest ...any) []byte {
		return rawChunk(3, 0, cum, uint32(77), gaps, dups, fields(rest...))
	}
	for name, c := range map[string][]byte{
		"beyond the last":       sackWindow(1005, 77),
		"far beyond":            sackWindow(1004+1<<30, 77),
		"gap beyond the last":   sackWindow(1000, 77, 1003, 1005),
		"gap far beyond":        header(1000, 1, 0, uint16(3), uint16(65535)),
		"gap of length 0":       sackWindow(1000, 77, 1003, 1002),
		"gap that begins at 0":  header(1000, 1, 0, uint16(0), uint16(1)),
		"gap all zero":          header(1000, 1, 0, uint16(0), uint16(0)),
		"gaps that overlap":     sackWindow(999, 77, 1001, 1003, 1003, 1004),
		"gaps in reverse":       sackWindow(999, 77, 1003, 1004, 1001, 1001),
		"fewer blocks":          header(1000, 2, 0, uint16(2), uint16(2)),
		"fewer duplicates":      header(1000, 0, 1),
		"65535 of each":         header(1000, 65535, 65535, uint32(1)),
		"too short":             rawChunk(3, 0, uint32(1000), uint32(77), uint16(0)),
		"empty":                 rawChunk(3, 0),
		"adjacent to the gap":   header(1000, 2, 0, uint16(2), uint16(1), uint16(3), uint16(3)),
		"blocks before the cum": header(1000, 1, 0, uint16(65535), uint16(2)),
	} {
		t.Run(name, func(t *testing.T) {
			s := established(t, Config{})
			s.sendMessages(5) // 1000 to 1004
			before := s.a.Stats()
			s.receive(c)
			after := s.a.Stats()
			require.EqualValues(t, 1, after.ChunksInvalid)
			require.Equal(t, before.PeerWindow, after.PeerWindow)
			require.Equal(t, before.InFlight, after.InFlight)
			require.Equal(t, 5, s.a.BufferedAmount())
			s.want()
			s.wait(rtt)
			s.receive(sack(1004))
			require.Zero(t, s.a.BufferedAmount())
			s.wantAlive()
		})
	}

	// Adjacent blocks are unusual and valid.
	s := established(t, Config{})
	s.sendMessages(5)
	s.receive(sack(999, 1001, 1002, 1003, 1004))
	require.Equal(t, 17, s.a.Stats().InFlight)
}

// SACK is ignored before ESTABLISHED.
func TestSACKBeforeEstablished(t *testing.T) {
	s := newScript(t, Config{})
	s.a.Connect(s.now)
	s.receive(sack(999))
	s.receive(initAck(peerTag, peerTSN))
	s.receive(sack(1<<31), sack(999, 1001, 1001))
	s.receive(cookieAck())
	s.take()
	s.wantEvents("connected")
	s.wantAlive()
}

// RFC 9260, section 6.2.1: a later SACK may lack a TSN that a gap ack block has acknowledged,
// because the receiver has discarded the data. It is a gap again only when the retransmission timer
// has expired: an older SACK that was overtaken looks the same.
func TestReneging(t *testing.T) {
	s := established(t, Config{})
	s.sendMessages(4)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1003))
	require.Equal(t, 17, s.a.Stats().InFlight)
	s.receive(sack(1000, 1003, 1003)) // 1002 is taken back, or this SACK is older
	s.wait(s.a.rtt.min / 4)
	s.want(`DATA 1001 s0 ssn1 BE "x"`) // found lost by RACK
	require.Equal(t, 17, s.a.Stats().InFlight)
	s.wait(s.a.rtt.rto)
	s.want(`DATA 1002 s0 ssn2 BE "x" | DATA 1001 s0 ssn1 BE "x"`)
	s.wait(rtt)
	s.receive(sack(1003))
	require.Zero(t, s.a.BufferedAmount())

	// A SACK that names it again shows that there was no reneging.
	s = established(t, Config{})
	s.sendMessages(4)
	s.wait(rtt)
	s.receive(sack(1000, 1002, 1003))
	s.receive(sack(1000, 1003, 1003))
	s.receive(sack(1000, 1002, 1003))
	s.wait(s.a.rtt.min / 4)
	s.want(`DATA 1001 s0 ssn1 BE "x"`)
	s.wait(s.a.rtt.rto)
	s.want(`DATA 1001 s0 ssn1 BE "x"`)
}

// TSNs of acknowledgements across the wrap.
func TestSACKAcrossTheWrap(t *testing.T) {
	s := newScript(t, Config{Rand: fixedRand(ownTag, 0xfffffffe)})
	s.connect(initAck(peerTag, peerTSN))
	s.sendMessages(5) // fffffffe, ffffffff, 0, 1, 2
	s.wait(rtt)
	s.receive(sack(0xfffffffd, 0xffffffff, 1))
	s.want("DATA 4294967294 s0 ssn0 BE \"x\"") // three chunks above it
	require.Equal(t, 2*17, s.a.Stats().InFlight)
	s.receive(sack(0))
	require.Equal(t, 2, s.a.BufferedAmount())
	s.receive(sack(0xffffffff))
	require.EqualValues(t, 1, s.a.Stats().SACKsStale)
	s.receive(sack(2))
	require.Zero(t, s.a.BufferedAmount())
	s.wait(time.Second)
	s.wantAlive()
}
