package interop_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// Partial reliability (RFC 3758, RFC 7496): the receiver skips abandoned messages only. All others arrive complete, and
// in order if they are ordered.
func TestUsrsctpPartialReliability(t *testing.T) {
	program := buildUsrsctp(t)
	for _, row := range []struct {
		name  string
		ours  sctp.SendOptions
		mode  string
		value int
	}{
		{"ordered, no retransmission", sctp.SendOptions{LimitRetransmits: true}, "r", 0},
		{"unordered, no retransmission", sctp.SendOptions{LimitRetransmits: true, Unordered: true}, "ru", 0},
		{"ordered, one retransmission", sctp.SendOptions{LimitRetransmits: true, MaxRetransmits: 1}, "r", 1},
		{"ordered, 5 ms", sctp.SendOptions{Lifetime: 5 * time.Millisecond}, "t", 5},
		{"unordered, 5 ms", sctp.SendOptions{Lifetime: 5 * time.Millisecond, Unordered: true}, "tu", 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, interleaving bool) {
				network := lossyNetwork{loss: 0.05, reorder: 0.02}
				s := newUsrsctpSession(t, program, usrsctpOptions{network: network, interleaving: interleaving})
				testUsrsctpPartialReliability(s, row.ours, row.mode, row.value)
			})
		})
	}
}

func testUsrsctpPartialReliability(s *usrsctpSession, options sctp.SendOptions, mode string, value int) {
	const messages, stream, lastSize = 120, 3, 77
	size := func(i int) int { return []int{100, 3000, 10, 10_000}[i%4] }
	numbers := make(map[usrsctpMessage]int)
	for i := range messages {
		numbers[expected(stream, options.Unordered, usrsctpNoise(uint64(i), size(i)))] = i
	}
	// The last message is reliable, and the only one of its size.
	last := usrsctpNoise(messages, lastSize)
	check := func(receiver string, receive func() usrsctpMessage) {
		latest, arrived := -1, make(map[int]bool)
		for m := receive(); m.size != lastSize; m = receive() {
			n, ok := numbers[m]
			require.True(s.t, ok, "%s: %+v was not sent", receiver, m)
			require.False(s.t, arrived[n], "%s: message %d arrived twice", receiver, n)
			if !options.Unordered {
				require.Greater(s.t, n, latest, receiver)
			}
			latest, arrived[n] = n, true
		}
		require.NotEmpty(s.t, arrived, "%s: no message arrived", receiver)
		s.t.Logf("%s: %d of %d messages arrived", receiver, len(arrived), messages)
	}

	for i := range messages {
		s.ours.send(stream, usrsctpNoise(uint64(i), size(i)), options)
		s.peer.sendCommand("send %d %d %d 1 %s %d", stream, size(i), i, mode, value)
		if i%10 == 9 {
			time.Sleep(time.Millisecond)
		}
	}
	s.ours.until("all messages are acknowledged or abandoned", func() bool { return s.ours.a.BufferedAmount() == 0 })
	// The last message is unordered if the others are: usrsctp applies the message identifier of an unordered message in
	// an I-FORWARD-TSN chunk to the ordered ones as well, and would then wait for an ordered message with a later one.
	s.ours.send(stream, last, sctp.SendOptions{Unordered: options.Unordered})
	check("at usrsctp", func() usrsctpMessage { return s.peer.next("our messages, up to the reliable one") })

	s.usrsctpSends(stream, lastSize, messages, 1)
	var end []byte
	check("at our side", func() usrsctpMessage {
		m := s.ours.next("usrsctp's messages, up to the reliable one")
		end = m.Data
		return expected(m.Stream, m.Unordered, m.Data)
	})
	require.Equal(s.t, last, end)
}

func TestUsrsctpAbort(t *testing.T) {
	program := buildUsrsctp(t)
	t.Run("ours", func(t *testing.T) {
		s := newUsrsctpSession(t, program, usrsctpOptions{})
		s.ours.input(func(now time.Time) { s.ours.a.Abort(now, "enough") })
		require.Equal(t, "closed by ABORT 12 enough", s.peer.awaitLine("closed"))
	})
	t.Run("usrsctp's", func(t *testing.T) {
		s := newUsrsctpSession(t, program, usrsctpOptions{})
		s.peer.sendCommand("abort %s", "that will do")
		err := s.ours.event("the end", sctp.EventClosed).Err
		require.Equal(t, &sctp.AbortError{Remote: true, Code: sctp.CauseUserInitiatedAbort, Reason: "that will do"}, err)
	})
}

// A shutdown delivers the messages that both sides sent before it.
func TestUsrsctpShutdown(t *testing.T) {
	program := buildUsrsctp(t)
	for _, network := range []lossyNetwork{{}, mild} {
		for _, initiator := range []string{"we", "usrsctp", "both"} {
			t.Run(fmt.Sprintf("%s, %+v", initiator, network), func(t *testing.T) {
				s := newUsrsctpSession(t, program, usrsctpOptions{network: network})
				const messages, size = 30, 20_000
				s.usrsctpSends(1, size, 0, messages)
				for i := range messages {
					s.ours.send(1, usrsctpNoise(uint64(i), size), sctp.SendOptions{})
				}
				s.peer.awaitLine("sent")
				if initiator != "we" {
					s.peer.sendCommand("shutdown")
				}
				if initiator != "usrsctp" {
					s.ours.input(s.ours.a.Shutdown)
				}
				for i := range messages {
					require.True(t, bytes.Equal(usrsctpNoise(uint64(i), size), s.ours.next("usrsctp's messages").Data))
					require.Equal(t, expected(1, false, usrsctpNoise(uint64(i), size)), s.peer.next("our messages"))
				}
				require.NoError(t, s.ours.event("the end", sctp.EventClosed).Err)
				require.Equal(t, "closed gracefully", s.peer.awaitLine("closed"))
			})
		}
	}
}

// usrsctp crashes, is started again on the same ports, and restarts the association: RFC 9260, section 5.2.4, action A.
func TestUsrsctpRestart(t *testing.T) {
	program := buildUsrsctp(t)
	bothKinds(t, func(t *testing.T, interleaving bool) {
		s := newUsrsctpSession(t, program, usrsctpOptions{role: usrsctpConnects, interleaving: interleaving})
		for range 3 {
			s.usrsctpSends(1, 5000, 1, 3)
			for range 3 {
				s.ours.next("usrsctp's messages")
			}
			s.ours.send(1, []byte("before"), sctp.SendOptions{})
			s.peer.next("our message")
			s.peer.kill()
			s.startPeer()
			s.ours.event("usrsctp's restart", sctp.EventRestarted)
			s.ours.event("the new association", sctp.EventConnected)
			s.peer.awaitLine("connected")
		}
		s.ours.send(1, []byte("after"), sctp.SendOptions{})
		require.Equal(t, expected(1, false, []byte("after")), s.peer.next("our message"))
	})
}
