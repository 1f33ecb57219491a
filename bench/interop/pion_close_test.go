package interop_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/stretchr/testify/require"
)

// closeTime is the time in which the other side must detect the end, also on a busy machine. The end is signalled in a
// few round trips; ICE alone would detect it after 25 s at the earliest.
const closeTime = 10 * time.Second

// RFC 8831, section 6.7: a side closes a data channel by resetting its outgoing stream, and the other side then resets
// its own. All messages sent before that arrive.
func TestPionChannelClose(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		first := s.connect(oursOffers)
		for _, fromOurs := range []bool{true, false} { // our side opens
			for _, byOurs := range []bool{true, false} { // our side closes
				p := s.open(fromOurs, fmt.Sprintf("from ours %v, by ours %v", fromOurs, byOurs), rtc.Reliability{}, "")
				const messages = 200
				for i := range messages {
					m := message{data: noise(uint64(i), 5000)}
					if byOurs {
						require.NoError(t, p.ours.sendMessage(m))
					} else {
						require.NoError(t, p.pion.sendMessage(m))
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
					got := next(t, arriving, "message %d, sent before Close", i)
					requireMessage(t, message{data: noise(uint64(i), 5000)}, got)
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

// closePionWhenSent closes pion's end when all its messages are acknowledged, because its Close drops the others.
func closePionWhenSent(t *testing.T, c *pionChannel) {
	require.Eventually(t, func() bool { return c.BufferedAmount() == 0 }, pionPatience, time.Millisecond)
	require.NoError(t, c.Close())
}

// RFC 8831, section 6.7: streams can be reused after a reset. More channels are opened and closed than streams are used,
// and no message is delivered to an earlier channel.
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
					if row.name != "we close and wait" { // CloseAndWait ends the callbacks
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

// Close sends the buffered messages first.
func TestPionConnectionCloseSendsBufferedMessages(t *testing.T) {
	bothWays(t, func(t *testing.T, oursOffers bool) {
		s := newPionSession(t, pionOptions{})
		p := s.connect(oursOffers)
		const messages, size = 64, 64 << 10 // 4 MiB, more than the association's send buffer
		for i := range messages {
			require.NoError(t, p.ours.sendMessage(message{data: noise(uint64(i), size)}))
		}
		require.NoError(t, s.ours.Close())
		for i := range messages {
			got := next(t, p.pion.messages, "message %d, sent before Close", i)
			requireMessage(t, message{data: noise(uint64(i), size)}, got)
		}
		s.oursClosed.wait(t)
		s.pionClosed.wait(t)
	})
}
