package interop_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/stretchr/testify/require"
)

// closeTime is how long the other side may take to notice, on a machine that is busy: messages of a few round trips do it,
// and not ICE, which gives up after 25 s at the earliest.
const closeTime = 10 * time.Second

// "Closing of a data channel MUST be signaled by resetting the corresponding outgoing streams", and the other side then
// "MUST reset the corresponding outgoing stream, too" (RFC 8831 section 6.7). All that was sent before arrives.
func TestPionChannelClose(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		first := s.connect(oursOffers)
		for _, fromOurs := range []bool{true, false} { // who opens
			for _, byOurs := range []bool{true, false} { // who closes
				p := s.open(fromOurs, fmt.Sprintf("from ours %v, by ours %v", fromOurs, byOurs), rtc.Reliability{}, "")
				const messages = 200
				for i := range messages {
					m := message{data: noise(uint64(i), 5000)}
					if byOurs {
						require.NoError(t, p.ours.say(m))
					} else {
						require.NoError(t, p.pion.say(m))
					}
				}
				arriving := p.pion.messages
				if byOurs {
					require.NoError(t, p.ours.Close())
				} else {
					arriving = p.ours.messages
					closePionWhenSent(t, p.pion)
				}
				for i := range messages {
					requireMessage(t, message{data: noise(uint64(i), 5000)}, next(t, arriving, "message %d, sent before Close", i))
				}
				p.ours.closed.within(t, closeTime)
				p.pion.closed.within(t, closeTime)
				require.True(t, p.ours.IsClosed())
				require.Error(t, p.ours.Send([]byte("late")))
			}
		}
		first.exchange(t, message{text: true, data: []byte("the others stay")})
	})
}

// closePionWhenSent closes pion's end once everything is acknowledged: its Close drops what is not.
func closePionWhenSent(t *testing.T, c *pionChannel) {
	require.Eventually(t, func() bool { return c.BufferedAmount() == 0 }, pionPatience, time.Millisecond)
	require.NoError(t, c.Close())
}

// "Streams … are available for reuse after they have been reset" (RFC 8831 section 6.7): channels come and go for longer
// than there are streams, and messages never end up in a channel of the past.
func TestPionStreamReuse(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		s.connect(oursOffers)
		streams := make(map[uint16]int)
		const rounds = 30
		for i := range rounds {
			p := s.open(true, fmt.Sprint("our ", i), rtc.Reliability{}, "")
			stream, err := p.ours.Stream()
			require.NoError(t, err)
			streams[stream]++
			p.exchange(t, message{text: true, data: []byte(p.ours.Label())})
			if i%2 == 0 {
				require.NoError(t, p.ours.Close())
			} else {
				require.NoError(t, p.pion.Close())
			}
			p.ours.closed.within(t, closeTime)
			p.pion.closed.within(t, closeTime)
		}
		require.Less(t, len(streams), rounds, "no stream was used again")
	})
}

func TestPionConnectionClose(t *testing.T) {
	for _, row := range []struct {
		name  string
		close func(*pionSession) error
	}{
		{"we close", func(s *pionSession) error { return s.ours.Close() }},
		{"we close and wait", func(s *pionSession) error { return s.ours.CloseAndWait() }},
		{"pion closes", func(s *pionSession) error { return s.pion.Close() }},
		{"pion closes gracefully", func(s *pionSession) error { return s.pion.GracefulClose() }},
		{"both close", func(s *pionSession) error {
			closed := make(chan error, 1)
			go func() { closed <- s.pion.Close() }()
			err := s.ours.Close()
			return errors.Join(err, <-closed)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, oursOffers bool) {
				s := newPionSession(t, pionOptions{})
				p := s.connect(oursOffers)
				more := s.open(!oursOffers, "second", rtc.Reliability{Unordered: true}, "")
				p.exchange(t, message{text: true, data: []byte("before the end")})
				require.NoError(t, row.close(s))
				for _, end := range []channelPair{p, more} {
					if row.name != "we close and wait" { // which ends the callbacks
						end.ours.closed.within(t, closeTime)
					}
					end.pion.closed.within(t, closeTime)
				}
				if row.name != "we close and wait" {
					s.oursClosed.within(t, closeTime)
				}
				s.pionClosed.within(t, closeTime)
				require.Equal(t, rtc.StateClosed, s.ours.State())
			})
		})
	}
}

// Close sends what is buffered first.
func TestPionConnectionCloseSendsTheRest(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		p := s.connect(oursOffers)
		const messages, size = 64, 64 << 10 // 4 MiB, more than the association takes at once
		for i := range messages {
			require.NoError(t, p.ours.say(message{data: noise(uint64(i), size)}))
		}
		require.NoError(t, s.ours.Close())
		for i := range messages {
			requireMessage(t, message{data: noise(uint64(i), size)}, next(t, p.pion.messages, "message %d, sent before Close", i))
		}
		s.oursClosed.wait(t)
		s.pionClosed.wait(t)
	})
}
