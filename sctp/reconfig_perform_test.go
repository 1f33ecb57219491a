package sctp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A reset clears the stream: messages that wait for an abandoned one are delivered, and incomplete
// ones dropped.
func TestResetLeavesNothing(t *testing.T) {
	s := established(t, Config{})
	// The FORWARD-TSN does not name the stream, as it should.
	s.receive(data(2001, 1, 1, "BE", "waits"), data(2002, 1, 2, "B", "half"), data(2003, 2, 0, "B", "goes on"), forwardTSN(2001))
	s.wantMessages()
	s.receive(outgoingReset(2000, 2002, 1))
	s.wantRead("1:waits", "reset 1")
	require.Equal(t, len("goes on")+fragmentOverhead, s.a.reasm.charged)
	s.receive(data(2004, 2, 0, "E", "!"), data(2005, 1, 0, "BE", "anew"))
	s.wantMessages("2:goes on!", "1:anew")
	require.Zero(t, s.a.reasm.charged)
}

// A reset of a single stream that never had data joins a deferred reset of all streams.
func TestDeferredResetsJoined(t *testing.T) {
	s := established(t, Config{})
	s.receive(data(2001, 1, 1, "BE", "b"))
	s.receive(outgoingReset(2000, 2001))
	s.receive(outgoingReset(2001, 2001, 5))
	s.receive(data(2000, 1, 0, "BE", "a"))
	s.wantRead("1:a", "1:b", "reset 1", "reset 5")
	s.receive(outgoingReset(2002, 2001)) // nothing was used since
	s.wantEvents()
}

// The peer resets a stream while a request of this side to reset all SSNs and TSNs is in flight:
// before it performs that, or after.
func TestResetDuringAssociationReset(t *testing.T) {
	begin := func() *script {
		s := established(t, Config{})
		s.receive(data(2000, 1, 0, "BEI", "a"))
		s.resetAll()
		s.take()
		return s
	}
	performed := func(senderNext uint32) []byte {
		return reconfig(rawParam(16, uint32(1000), uint32(1), senderNext, uint32(7000)))
	}

	s := begin()
	s.receive(data(2001, 1, 1, "BEI", "b"))
	s.receive(outgoingReset(2000, 2001, 1))
	s.want("SACK 2001", "RE-CONFIG response #2000 result 6 | SACK 2001")
	s.wantEvents()
	s.receive(data(2002, 1, 0, "BEI", "c"), performed(2002))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2002")
	s.wantRead("1:a", "1:b", "all reset", "reset 1", "1:c")

	s = begin()
	s.receive(data(2001, 1, 0, "BE", "b"), data(2003, 1, 0, "BE", "c"))
	s.receive(outgoingReset(2000, 2002, 1))
	s.take()
	s.receive(performed(2001))
	s.want("SACK 2001 2003-2003")
	s.wantMessages("1:a", "1:b")
	s.wantEvents("all reset")
	s.receive(data(2002, 1, 1, "BEI", "d"))
	s.want("RE-CONFIG response #2000 result 1 | SACK 2003")
	s.wantRead("1:d", "reset 1", "1:c")
	s.receive(outgoingReset(2001, 2003)) // the stream has data since
	s.wantEvents("reset 1")
}

// A shutdown waits for the messages that a reset of the association delays.
func TestShutdownDuringAssociationReset(t *testing.T) {
	s := established(t, Config{})
	s.resetAll()
	s.send(1, "a")
	s.a.Shutdown(s.now)
	s.drain()
	s.want("RE-CONFIG reset all #1000")
	require.Equal(t, StateShutdownPending, s.a.State())
	s.receive(reconfig(rawParam(16, uint32(1000), uint32(1), uint32(2000), uint32(7000))))
	s.want(`SACK 1999 | DATA 7000 s1 ssn0 IBE "a"`)
	s.receive(sack(7000))
	s.want("SHUTDOWN 1999")
}
