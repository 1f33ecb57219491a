package interop_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// What the sessions of these tests reset, and what they send in each direction before.
const (
	resetStream      = 9
	messagesBetween  = 50
	sizeOfEachBefore = 3000
)

// exchange sends on both sides; receive takes it all.
func (s *usrsctpSession) exchange() {
	s.t.Helper()
	s.usrsctpSends(resetStream, sizeOfEachBefore, 0, messagesBetween)
	for i := range messagesBetween {
		s.ours.send(resetStream, usrsctpNoise(uint64(i), sizeOfEachBefore), sctp.SendOptions{})
	}
}

func (s *usrsctpSession) receive() {
	s.t.Helper()
	for i := range messagesBetween {
		message := usrsctpNoise(uint64(i), sizeOfEachBefore)
		require.Equal(s.t, expected(resetStream, false, message), s.peer.next("our messages"))
		require.True(s.t, bytes.Equal(message, s.ours.next("usrsctp's messages").Data))
	}
}

func (s *usrsctpSession) resetOurs() {
	s.t.Helper()
	s.ours.input(func(now time.Time) { require.NoError(s.t, s.ours.a.ResetStream(now, resetStream)) })
}

func (s *usrsctpSession) oursIsReset() {
	s.t.Helper()
	e := s.ours.event("our reset is done", sctp.EventStreamResetComplete)
	require.NoError(s.t, e.Err)
	require.Equal(s.t, uint16(resetStream), e.Stream)
	require.Equal(s.t, fmt.Sprint("reset in ", resetStream), s.peer.hear("reset"))
}

func (s *usrsctpSession) theirsIsReset() {
	s.t.Helper()
	require.Equal(s.t, uint16(resetStream), s.ours.event("usrsctp's reset", sctp.EventStreamReset).Stream)
	require.Equal(s.t, fmt.Sprint("reset out ", resetStream), s.peer.hear("reset"))
}

// A stream that a side resets (RFC 6525) begins anew: its sequence numbers are 0 again. Nothing that was sent before is lost.
func TestUsrsctpStreamReset(t *testing.T) {
	program := buildUsrsctp(t)
	for name, round := range map[string]func(s *usrsctpSession){
		"ours": func(s *usrsctpSession) {
			s.exchange()
			s.resetOurs() // while the messages are under way
			s.receive()
			s.oursIsReset()
		},
		"usrsctp's": func(s *usrsctpSession) {
			s.exchange()
			s.peer.hear("sent")
			s.peer.tell("reset out %d", resetStream)
			s.receive()
			s.theirsIsReset()
		},
		"one after the other": func(s *usrsctpSession) { // as RFC 8831 closes a data channel
			s.exchange()
			s.resetOurs()
			s.oursIsReset()
			s.peer.tell("reset out %d", resetStream)
			s.theirsIsReset()
			s.receive()
		},
		"at the same time": func(s *usrsctpSession) {
			s.exchange()
			s.receive()
			s.resetOurs()
			s.peer.tell("reset out %d", resetStream)
			require.NoError(s.t, s.ours.event("our reset is done", sctp.EventStreamResetComplete).Err)
			s.ours.event("usrsctp's reset", sctp.EventStreamReset)
			require.ElementsMatch(s.t, []string{"reset in 9", "reset out 9"}, []string{s.peer.hear("reset"), s.peer.hear("reset")})
		},
		"usrsctp asks us to reset ours": func(s *usrsctpSession) {
			s.exchange()
			s.receive()
			// Otherwise the answer can be "In progress", which usrsctp reports as a failure, although the reset follows.
			s.ours.until("all is acknowledged", func() bool { return s.ours.a.BufferedAmount() == 0 })
			s.peer.tell("reset in %d", resetStream)
			s.oursIsReset()
		},
		"we ask usrsctp to reset its": func(s *usrsctpSession) {
			s.exchange()
			s.receive()
			s.ours.input(func(now time.Time) { require.NoError(s.t, s.ours.a.RequestStreamReset(now, resetStream)) })
			s.theirsIsReset()
			require.NoError(s.t, s.ours.event("usrsctp's answer", sctp.EventResetRequestComplete).Err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, interleaving bool) {
				s := newUsrsctpSession(t, program, usrsctpOptions{network: mild, interleaving: interleaving})
				for range 3 {
					round(s)
				}
			})
		})
	}
}

// Streams can be added, by either side and for either direction.
func TestUsrsctpAddStreams(t *testing.T) {
	program := buildUsrsctp(t)
	const before, more = 1024, 100
	add := func(s *usrsctpSession, out, in uint16) {
		s.ours.input(func(now time.Time) { require.NoError(s.t, s.ours.a.AddStreams(now, out, in)) })
	}
	for _, row := range []struct {
		name    string
		do      func(s *usrsctpSession)
		out, in uint16 // ours, after it
	}{
		{"we add ours", func(s *usrsctpSession) { add(s, more, 0) }, before + more, before},
		{"we ask for usrsctp's", func(s *usrsctpSession) { add(s, 0, more) }, before, before + more},
		{"usrsctp adds its own", func(s *usrsctpSession) { s.peer.tell("add %d 0", more) }, before, before + more},
		{"usrsctp asks for ours", func(s *usrsctpSession) { s.peer.tell("add 0 %d", more) }, before + more, before},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newUsrsctpSession(t, program, usrsctpOptions{network: mild})
			row.do(s)
			require.NoError(t, s.ours.event("more streams", sctp.EventStreamsAdded).Err)
			require.Equal(t, [2]uint16{row.out, row.in}, s.ours.streams())
			require.Equal(t, fmt.Sprintf("streams %d %d", row.in, row.out), s.peer.hear("streams"))
			s.ours.send(row.out-1, []byte("on our last stream"), sctp.SendOptions{})
			require.Equal(t, expected(row.out-1, false, []byte("on our last stream")), s.peer.next("our message"))
			s.usrsctpSends(row.in-1, 100, 1, 1)
			m := s.ours.next("usrsctp's message")
			require.Equal(t, row.in-1, m.Stream)
			require.Equal(t, usrsctpNoise(1, 100), m.Data)
		})
	}
}

// All numbers, those of the TSNs included, can begin anew (RFC 6525 section 5.1.4).
func TestUsrsctpAssociationReset(t *testing.T) {
	program := buildUsrsctp(t)
	t.Run("ours", func(t *testing.T) {
		bothKinds(t, func(t *testing.T, interleaving bool) {
			s := newUsrsctpSession(t, program, usrsctpOptions{network: mild, interleaving: interleaving})
			for range 3 {
				s.exchange()
				s.receive()
				// usrsctp also begins anew while it has something outstanding (section 5.2.4 lets it choose), and then aborts
				// because of an acknowledgement that it does not expect.
				s.peer.tell("flush")
				s.peer.hear("flushed")
				s.ours.input(func(now time.Time) { require.NoError(t, s.ours.a.ResetAssociation(now)) })
				require.NoError(t, s.ours.event("the new numbers", sctp.EventAssociationReset).Err)
				require.Equal(t, "renumbered", s.peer.hear("renumber"))
			}
			s.exchange()
			s.receive()
		})
	})
	// After a reset that usrsctp itself has asked for, it goes on with a FORWARD-TSN for a TSN of before, and now and then sends
	// nothing more, depending on where the numbers of the two sides are; and it aborts if the answer is overtaken by a SACK with
	// new numbers. So only our messages are tried, over a good network.
	t.Run("usrsctp's", func(t *testing.T) {
		bothKinds(t, func(t *testing.T, interleaving bool) {
			s := newUsrsctpSession(t, program, usrsctpOptions{interleaving: interleaving})
			s.exchange()
			s.receive()
			s.peer.tell("renumber")
			require.NoError(t, s.ours.event("the new numbers", sctp.EventAssociationReset).Err)
			require.Equal(t, "renumbered", s.peer.hear("renumber"))
			for i := range messagesBetween {
				s.ours.send(resetStream, usrsctpNoise(uint64(i), sizeOfEachBefore), sctp.SendOptions{})
			}
			for i := range messagesBetween {
				require.Equal(t, expected(resetStream, false, usrsctpNoise(uint64(i), sizeOfEachBefore)), s.peer.next("our messages"))
			}
		})
	})
}
