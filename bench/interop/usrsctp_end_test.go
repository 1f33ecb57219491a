package interop_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// Partial reliability (RFC 3758, RFC 7496): what is given up is skipped and nothing else is; the rest arrives whole, and in
// order where the stream has one.
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
	known := make(map[usrsctpMessage]int) // their numbers
	for i := range messages {
		known[expected(stream, options.Unordered, usrsctpNoise(uint64(i), size(i)))] = i
	}
	// The last one is reliable and the only of its size.
	last := usrsctpNoise(messages, lastSize)
	check := func(who string, receive func() usrsctpMessage) {
		latest, arrived := -1, make(map[int]bool)
		for m := receive(); m.size != lastSize; m = receive() {
			n, ok := known[m]
			require.True(s.t, ok, "%s: %+v is none of those sent", who, m)
			require.False(s.t, arrived[n], "%s: message %d came twice", who, n)
			if !options.Unordered {
				require.Greater(s.t, n, latest, who)
			}
			latest, arrived[n] = n, true
		}
		require.NotEmpty(s.t, arrived, "%s: nothing arrived", who)
		s.t.Logf("%s: %d of %d arrived", who, len(arrived), messages)
	}

	for i := range messages {
		s.ours.send(stream, usrsctpNoise(uint64(i), size(i)), options)
		s.peer.tell("send %d %d %d 1 %s %d", stream, size(i), i, mode, value)
		if i%10 == 9 {
			time.Sleep(time.Millisecond)
		}
	}
	s.ours.until("all is acknowledged or given up", func() bool { return s.ours.a.BufferedAmount() == 0 })
	// Where the others are unordered, it is too: usrsctp takes an unordered message that I-FORWARD-TSN names for an ordered
	// one as well, and would wait for an ordered message with a later number.
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
		require.Equal(t, "closed by ABORT 12 enough", s.peer.hear("closed"))
	})
	t.Run("usrsctp's", func(t *testing.T) {
		s := newUsrsctpSession(t, program, usrsctpOptions{})
		s.peer.tell("abort %s", "that will do")
		err := s.ours.event("the end", sctp.EventClosed).Err
		require.Equal(t, &sctp.AbortError{Remote: true, Code: sctp.CauseUserInitiatedAbort, Reason: "that will do"}, err)
	})
}

// A shutdown lets arrive what both sides have sent before.
func TestUsrsctpShutdown(t *testing.T) {
	program := buildUsrsctp(t)
	for _, network := range []lossyNetwork{{}, mild} {
		for _, who := range []string{"we", "usrsctp", "both"} {
			t.Run(fmt.Sprintf("%s, %+v", who, network), func(t *testing.T) {
				s := newUsrsctpSession(t, program, usrsctpOptions{network: network})
				const messages, size = 30, 20_000
				s.usrsctpSends(1, size, 0, messages)
				for i := range messages {
					s.ours.send(1, usrsctpNoise(uint64(i), size), sctp.SendOptions{})
				}
				s.peer.hear("sent")
				if who != "we" {
					s.peer.tell("shutdown")
				}
				if who != "usrsctp" {
					s.ours.input(s.ours.a.Shutdown)
				}
				for i := range messages {
					require.True(t, bytes.Equal(usrsctpNoise(uint64(i), size), s.ours.next("usrsctp's messages").Data))
					require.Equal(t, expected(1, false, usrsctpNoise(uint64(i), size)), s.peer.next("our messages"))
				}
				require.NoError(t, s.ours.event("the end", sctp.EventClosed).Err)
				require.Equal(t, "closed gracefully", s.peer.hear("closed"))
			})
		}
	}
}

// A usrsctp that crashed and is started again on the same ports takes the association over: RFC 9260 section 5.2.4, action A.
func TestUsrsctpRestart(t *testing.T) {
	program := buildUsrsctp(t)
	bothKinds(t, func(t *testing.T, interleaving bool) {
		s := newUsrsctpSession(t, program, usrsctpOptions{role: usrsctpCalls, interleaving: interleaving})
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
			s.peer.hear("connected")
		}
		s.ours.send(1, []byte("after"), sctp.SendOptions{})
		require.Equal(t, expected(1, false, []byte("after")), s.peer.next("our message"))
	})
}
