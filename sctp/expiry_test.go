package sctp

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RFC 3758, section 4.1: the lifetime is that of the user message, which may have waited before
// Send.
func TestLifetimeBeganBeforeSend(t *testing.T) {
	const lifetime = 50 * time.Millisecond
	for _, c := range []struct {
		name   string
		since  func(now time.Time) time.Time
		expect time.Duration // after Send; 0: at once
	}{
		{"with Send, as nothing else is said", func(time.Time) time.Time { return time.Time{} }, lifetime},
		{"with Send, as is said", func(now time.Time) time.Time { return now }, lifetime},
		{"later than Send, which cannot be", func(now time.Time) time.Time { return now.Add(time.Hour) }, lifetime},
		{"30 ms before", func(now time.Time) time.Time { return now.Add(-30 * time.Millisecond) }, 20 * time.Millisecond},
		{"1 ns less than a lifetime before", func(now time.Time) time.Time { return now.Add(1 - lifetime) }, 1},
		{"a lifetime before", func(now time.Time) time.Time { return now.Add(-lifetime) }, 0},
		{"before there was an association", func(now time.Time) time.Time { return now.Add(-time.Hour) }, 0},
		{"in another age", func(time.Time) time.Time { return time.Unix(0, 0) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := established(t, Config{MTU: 1192, InitialCongestionWindow: 100})
			s.send(1, strings.Repeat("x", 500))
			s.want("DATA 1000 s1 ssn0 BE (500)") // the window is full
			s.send(1, "old", SendOptions{Lifetime: lifetime, Since: c.since(s.now)})
			require.EqualValues(t, 2, s.a.Stats().MessagesSent)
			if c.expect != 0 {
				require.Equal(t, 503, s.a.BufferedAmount())
				require.Equal(t, c.expect, s.waitDeadline())
			}
			require.Equal(t, 500, s.a.BufferedAmount())
			require.EqualValues(t, 1, s.a.Stats().MessagesAbandoned)
			s.wait(rtt)
			s.receive(sack(1000))
			s.want() // it has no TSN, so that the peer does not wait for it
			s.wantAlive()
		})
	}
	t.Run("without a lifetime", func(t *testing.T) {
		s := established(t, Config{})
		s.send(1, "reliable", SendOptions{Since: s.now.Add(-time.Hour)})
		s.want(`DATA 1000 s1 ssn0 BE "reliable"`)
	})
	t.Run("of a message that would not be taken", func(t *testing.T) {
		s := established(t, Config{MTU: 1192, MaxSendBuffer: 3000, InitialCongestionWindow: 100})
		s.send(1, strings.Repeat("x", 3000))
		s.take()
		old := SendOptions{Lifetime: lifetime, Since: s.now.Add(-lifetime)}
		require.ErrorIs(t, s.a.Send(s.now, 1, 51, nil, old), ErrMessageEmpty)
		require.ErrorIs(t, s.a.Send(s.now, 60_000, 51, []byte("x"), old), ErrInvalidStream)
		require.ErrorIs(t, s.a.Send(s.now, 1, 51, []byte("x"), SendOptions{Lifetime: lifetime}), ErrSendBufferFull)
		require.NoError(t, s.a.Send(s.now, 1, 51, []byte("x"), old)) // it needs no room
		require.Equal(t, 3000, s.a.BufferedAmount())
	})
	t.Run("to a peer without RFC 3758", func(t *testing.T) {
		s := newScript(t, noProbes)
		s.connect(initAck(peerTag, peerTSN))
		s.send(2, "b", SendOptions{Lifetime: time.Millisecond, Since: s.now.Add(-time.Hour)})
		s.want(`DATA 1000 s2 ssn0 BE "b"`)
	})
}

// RFC 3758, section 3.5, A3: a lost message that waits for retransmission is abandoned when its
// lifetime ends, not when there is room for it. Data in flight stays: it is on the path, and counts
// in the congestion window.
func TestLifetimeEndsWhileLost(t *testing.T) {
	s := established(t, noProbes)
	for i := range 6 {
		s.send(uint16(i), strings.Repeat("x", 1150), SendOptions{Lifetime: time.Duration(400+i) * time.Millisecond})
	}
	s.wait(rtt)
	s.take()
	s.untilSent() // the retransmission timer: two packets go again, the others wait
	s.want("DATA 1000 s0 ssn0 BE (1150)", "DATA 1001 s1 ssn0 BE (1150)")
	s.untilSent()
	s.want("DATA 1002 s2 ssn0 BE (1150)", "DATA 1003 s3 ssn0 BE (1150)")
	require.Equal(t, 6*1150, s.a.BufferedAmount())
	for range 6 {
		s.waitDeadline() // the ends of the lifetimes come before the timer
	}
	require.EqualValues(t, 4, s.a.Stats().MessagesAbandoned)
	s.want() // their loss is detected by the timer
	require.Equal(t, 2, s.a.out.flight.n)
	s.untilSent()
	s.want("FORWARD-TSN 1005 s0:0 s1:0 s2:0 s3:0 s4:0 s5:0")
	require.EqualValues(t, 6, s.a.Stats().MessagesAbandoned)
	s.receive(sack(1005))
	require.Zero(t, s.a.BufferedAmount())
	s.wantAlive()
}

// RFC 3758, section 3.5, F2: while the peer does not answer, FORWARD-TSNs are sent at the expiry of
// the retransmission timer, not for each message that expires.
func TestExpiredMessagesShareForwardTSN(t *testing.T) {
	cfg := noProbes
	cfg.MaxRetransmits = 100
	s := established(t, cfg)
	const messages = 50
	for i := range messages {
		s.send(0, strings.Repeat("x", 150), SendOptions{Lifetime: 400*time.Millisecond + time.Duration(i)*7*time.Millisecond})
	}
	for s.a.Stats().MessagesAbandoned < messages {
		s.waitDeadline()
	}
	s.untilSent()
	lines, _ := s.take()
	require.Equal(t, "FORWARD-TSN 1049 s0:49", lines[len(lines)-1])
	forward := strings.Count(strings.Join(lines, "\n"), "FORWARD-TSN")
	require.LessOrEqual(t, forward, int(s.a.Stats().Timeouts))
	s.receive(sack(1049))
	require.Zero(t, s.a.BufferedAmount())
	s.wantAlive()
}

// lifetimes are orders of the ends of the messages.
var lifetimes = map[string]func(i int) time.Duration{
	"equal":       func(int) time.Duration { return time.Second },
	"descending":  func(i int) time.Duration { return time.Second - time.Duration(i%8000)*100*time.Microsecond },
	"alternating": func(i int) time.Duration { return []time.Duration{time.Second, time.Millisecond}[i&1] },
	"random": func(i int) time.Duration {
		return time.Duration(1 + rand.New(rand.NewPCG(1, uint64(i))).Int64N(int64(time.Second)))
	},
}

// The work of expiry is bounded by the number of messages times the logarithm of the number with a
// lifetime at the same time; the owner is not woken for each; and their memory is freed.
func TestExpiryWork(t *testing.T) {
	t.Parallel()
	const second, seconds = 10_000, 5
	for name, lifetime := range lifetimes {
		for _, streams := range []int{1, 1000} {
			t.Run(fmt.Sprintf("%s on %d streams", name, streams), func(t *testing.T) {
				s := established(t, Config{MaxRetransmits: 100}) // and from here on the peer is silent
				limit := 2 * bits.Len(second)
				message := []byte("a small message")
				buf := make([]byte, 0, 2000)
				wakes, lost, most := 0, 0, 0
				for i := range seconds * second {
					s.now = s.now.Add(time.Second / second)
					err := s.a.Send(s.now, uint16(i%streams), 51, message, SendOptions{Lifetime: lifetime(i)})
					if err != nil { // require is slow
						t.Fatal(err)
					}
					if at := s.a.Deadline(); !at.After(s.now) {
						wakes++
						timeouts := s.a.Stats().Timeouts
						s.a.Advance(s.now)
						if s.a.Stats().Timeouts != timeouts {
							lost += s.a.out.count()
						}
					}
					for p, ok := s.a.Transmit(s.now, buf); ok; p, ok = s.a.Transmit(s.now, buf) {
						if len(p) == 0 {
							t.Fatal("an empty packet")
						}
					}
					most = max(most, len(s.a.send.expiry.heap))
					// A message is inserted when it is sent, and again when it is lost.
					if steps := s.a.send.expiry.steps; steps > limit*(i+1+lost) {
						t.Fatalf("%d steps for %d messages, of which %d were lost", steps, i+1, lost)
					}
				}
				require.LessOrEqual(t, lost, 2000)
				require.Equal(t, StateEstablished, s.a.State())
				require.LessOrEqual(t, wakes, seconds*1200) // one a millisecond, and other timers
				// Data in flight stays, and the messages of one lifetime.
				require.LessOrEqual(t, s.a.BufferedAmount(), second*len(message)+s.a.cfg.InitialCongestionWindow)
				require.LessOrEqual(t, most, second+second/500) // those of a wake-up or two more
				require.Greater(t, s.a.Stats().MessagesAbandoned, uint64((seconds-2)*second))
			})
		}
	}
}

// The queue agrees with a list that is searched linearly.
func TestExpiryQueueModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		var q expiryQueue
		var all []*outMessage
		now := instant(1)
		for range 2000 {
			switch r.IntN(4) {
			case 0, 1:
				m := &outMessage{expires: now + 1 + instant(r.IntN(50))}
				q.add(m)
				q.add(m) // no effect
				all = append(all, m)
			case 2:
				if len(all) > 0 {
					i := r.IntN(len(all))
					q.remove(all[i])
					q.remove(all[i]) // no effect
					all[i] = all[len(all)-1]
					all = all[:len(all)-1]
				}
			case 3:
				now += instant(r.IntN(20))
				for m := q.expired(now); m != nil; m = q.expired(now) {
					at := -1
					for i := range all {
						if all[i] == m {
							at = i
						}
						require.GreaterOrEqual(t, all[i].expires, m.expires, "seed %d", seed)
					}
					require.GreaterOrEqual(t, at, 0)
					all[at] = all[len(all)-1]
					all = all[:len(all)-1]
				}
				for _, m := range all {
					require.Greater(t, m.expires, now, "seed %d", seed)
				}
			}
			require.Len(t, q.heap, len(all))
			for i, e := range q.heap {
				require.Equal(t, i+1, e.m.expiry)
			}
		}
	}
}
