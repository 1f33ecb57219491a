package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 6525, sections 5.1.4 (D1 to D4) and 5.2.7: the SSN/TSN reset that this side requests.
func TestResetAssociation(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.want(`DATA 1000 s1 ssn0 BE "a"`)
	s.receive(data(2000, 1, 0, "BEI", "x"))
	s.want("SACK 2000")
	// Outstanding TSNs delay it,
	s.resetAll()
	s.want()
	// and new data is queued until the reset.
	s.send(1, "b")
	s.send(2, "c", SendOptions{Unordered: true})
	s.want()
	s.wait(rtt)
	s.receive(sack(1000))
	s.want("RE-CONFIG reset all #1000")
	s.resetAll() // under way already
	s.want()
	// Data that the peer sends now may be of before or after the reset. Its answer determines
	// which.
	s.receive(data(2001, 1, 1, "BE", "y"), data(2003, 1, 0, "BE", "anew"))
	s.wantMessages("1:x")
	s.want("SACK 2001 2003-2003")
	response := reconfig(rawParam(16, uint32(1000), uint32(1), uint32(2003), uint32(500_000)))
	s.receive(response) // 2002 was given up by the peer
	s.wantMessages("1:y", "1:anew")
	s.wantEvents("all reset")
	s.want(`SACK 2003 | DATA 500000 s1 ssn0 BE "b" | DATA 500001 s2 UBE "c"`)
	s.receive(response)
	s.receive(sack(1000)) // of before
	s.want()
	s.wantEvents()
	s.receive(sack(500_001), data(2004, 1, 1, "BEI", "z"))
	s.want("SACK 2004")
	s.wantMessages("1:z")
	require.Zero(t, s.a.BufferedAmount())
	s.reset(1)
	s.want("RE-CONFIG reset #1001 last 500001 s1")
	s.receive(resetResponse(1001, 1))
	s.wantEvents("reset complete 1")
	s.wantAlive()
}

// An impossible answer is ignored, and a refusal changes nothing.
func TestAssociationResetRefused(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	s.receive(data(2000, 1, 0, "BE", "a"), data(2001, 1, 1, "BEI", "b"))
	s.wantMessages("1:a", "1:b")
	s.resetAll()
	s.take()
	s.send(1, "c")
	for _, response := range [][]byte{resetResponse(1000, resetPerformed), // no TSNs
		reconfig(rawParam(16, uint32(1000), uint32(1), uint32(2001), uint32(1))),
		reconfig(rawParam(16, uint32(1000), uint32(1), uint32(2003+70_000), uint32(1)))} {
		s.receive(response)
		s.want()
		s.wantEvents()
	}
	s.receive(data(2002, 1, 2, "BEI", "d"), forwardTSN(2004, 1, 4), data(2005, 1, 5, "BEI", "e"))
	s.wantMessages()
	s.want("SACK 2005")
	s.receive(resetResponse(1000, resetDenied))
	s.wantMessages("1:d", "1:e")
	s.wantEvents("all reset: " + ErrResetDenied.Error())
	s.want(`DATA 1000 s1 ssn0 BE "c"`)
	s.receive(sack(1000))

	// Both sides at the same time: each answers that a request is already in progress.
	s.resetAll()
	s.want("RE-CONFIG reset all #1001")
	s.receive(reconfig(resetAllParam(2000)))
	s.want("RE-CONFIG response #2000 result 4 | SACK 2005")
	s.receive(resetResponse(1001, resetInProgress))
	s.wantEvents("all reset: " + ErrResetDenied.Error() + ": another request is in progress")

	// After In progress the request is repeated, but not for ever; without an answer, too.
	s.resetAll()
	s.take()
	start := s.now
	for s.now.Sub(start) <= maxInProgress+time.Second {
		s.receive(resetResponse(1002, resetInProgressNow))
		s.wait(time.Second)
	}
	s.take()
	s.wantEvents("all reset: " + ErrResetDenied.Error() + ": still in progress")
	s.resetAll()
	s.wait(20 * time.Minute)
	s.wantEvents("all reset: " + ErrReconfigTimeout.Error())
	s.take()
	// The peer never received that number.
	s.reset(1)
	s.want("RE-CONFIG reset #1003 last 1000 s1")
	s.receive(resetResponse(1003, resetPerformed))
	s.wantEvents("reset complete 1")
	s.wantAlive()
}

// RFC 6525, section 5.2.4, as the receiver.
func TestPeerResetsAssociation(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.send(2, "b", SendOptions{Unordered: true})
	s.receive(data(2000, 1, 0, "BE", "x"), data(2001, 1, 2, "BE", "waits"), data(2002, 2, 0, "BI", "half"))
	s.take()
	// Outstanding data of this side delays the reset, so that none of it is lost; no new message is
	// begun meanwhile.
	s.receive(reconfig(resetAllParam(2000)))
	s.want("RE-CONFIG response #2000 result 6 | SACK 2002")
	s.send(1, "c")
	s.want()
	s.wantEvents()
	s.receive(sack(1001))
	// G1: the TSNs of the peer continue 2^31 above the lowest one not acknowledged; G2: those of
	// this side after the highest one sent; G5: SSNs are 0.
	const leapt = 2003 + 1<<31
	answer := fmt.Sprintf("RE-CONFIG response #2000 result 1 sender 1002 receiver %d", uint32(leapt))
	s.want(answer + ` | DATA 1002 s1 ssn0 BE "c"`)
	s.wantEvents("all reset")
	// G4: as with a FORWARD-TSN, messages that wait are delivered, and incomplete ones dropped.
	s.wantMessages("1:x", "1:waits")
	require.Zero(t, s.a.reasm.charged)
	s.receive(sack(1002))
	s.receive(data(leapt, 1, 0, "BEI", "anew"))
	s.wantMessages("1:anew")
	s.want(fmt.Sprintf("SACK %d", uint32(leapt)))
	// A repeated request is answered as before, and not performed again.
	s.receive(reconfig(resetAllParam(2000)))
	s.want(answer + fmt.Sprintf(" | SACK %d", uint32(leapt)))
	s.wantEvents()
	// Data of before the reset is a duplicate, or impossible.
	s.receive(data(2002, 1, 0, "BE", "old"), data(2003, 1, 1, "BE", "old"), forwardTSN(2002, 1, 9))
	s.wantMessages()
	s.wantAlive()

	// A peer that does not acknowledge is refused in the end.
	s.send(1, "d")
	s.take()
	s.receive(reconfig(resetAllParam(2001)))
	s.send(1, "e")
	for range 9 {
		s.receive(reconfig(resetAllParam(2001)))
		s.wait(maxPeerResetWait / 9)
	}
	s.wait(time.Second)
	s.take()
	s.receive(reconfig(resetAllParam(2001)))
	lines, _ := s.take()
	require.Contains(t, fmt.Sprint(lines), "response #2001 result 2")
	require.False(t, s.a.send.suspended)
}

// A message is not interrupted: its fragments keep their number.
func TestAssociationResetWaitsForMessage(t *testing.T) {
	for _, interleaving := range []bool{false, true} {
		params, kind := supportsAll, "DATA"
		if interleaving {
			params, kind = supportsIData, "I-DATA"
		}
		s := newScript(t, Config{InitialCongestionWindow: 1200, MTU: 1192})
		s.connect(initAck(peerTag, peerTSN, params))
		s.send(1, string(make([]byte, 2200)))
		s.resetAll()
		s.send(2, "next")
		require.Len(t, s.sent, 2)
		s.take()
		s.receive(sack(1001))
		s.want("RE-CONFIG reset all #1000")
		s.receive(reconfig(rawParam(16, uint32(1000), uint32(1), uint32(2000), uint32(7))))
		lines, _ := s.take()
		require.Contains(t, fmt.Sprint(lines), kind+" 7 s2")
		s.wantEvents("all reset")
	}
}

// With interleaving (RFC 8260, section 2.1) both message identifiers begin at 0.
func TestResetsRestartMIDs(t *testing.T) {
	s := newScript(t, Config{})
	s.connect(initAck(peerTag, peerTSN, supportsIData))
	unordered := SendOptions{Unordered: true}
	both := func(tsn, mid uint32) {
		t.Helper()
		s.send(1, "o")
		s.send(1, "u", unordered)
		s.want(fmt.Sprintf(`I-DATA %d s1 mid%d BE "o"`, tsn, mid), fmt.Sprintf(`I-DATA %d s1 mid%d UBE "u"`, tsn+1, mid))
		s.receive(sack(tsn + 1))
	}
	both(1000, 0)
	both(1002, 1)
	s.reset(1)
	s.receive(resetResponse(1000, resetPerformed))
	s.wantEvents("reset complete 1")
	s.take()
	both(1004, 0)
	both(1006, 1)
	s.resetAll()
	s.receive(reconfig(rawParam(16, uint32(1001), uint32(1), uint32(2000), uint32(9))))
	s.wantEvents("all reset")
	s.take()
	both(9, 0)
	// The same for the peer, of which an incomplete and an abandoned message leave nothing behind.
	s.receive(iData(2000, 1, "BE", 0, 51, "a"), iData(2001, 1, "UB", 0, 51, "half"), rawChunk(194, 0, uint32(2002), uint16(1), uint16(1), uint32(0)))
	s.receive(iData(2003, 1, "UB", 1, 51, "half"))
	s.receive(outgoingReset(2000, 2003, 1))
	require.Equal(t, 1+fragmentOverhead, s.a.reasm.charged)
	s.receive(iData(2004, 1, "BE", 0, 51, "b"), iData(2005, 1, "UB", 0, 51, "c"), iData(2006, 1, "UE", 0, 1, "d"))
	s.wantRead("1:a", "reset 1", "1:b", "unordered 1:cd")
	require.Zero(t, s.a.reasm.charged)
}
