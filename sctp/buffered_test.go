package sctp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// The statistics of a stream follow its messages from Send to the acknowledgement.
func TestStreamStats(t *testing.T) {
	s := established(t, Config{MTU: 1192, InitialCongestionWindow: 600})
	require.Equal(t, StreamStats{}, s.a.StreamStats(1))
	s.hold = true
	require.NoError(t, s.a.Send(s.now, 1, 51, make([]byte, 2000), SendOptions{}))
	require.NoError(t, s.a.Send(s.now, 2, 51, make([]byte, 10), SendOptions{}))
	require.Equal(t, StreamStats{Buffered: 2000, Unsent: 2000}, s.a.StreamStats(1))
	require.Equal(t, StreamStats{Buffered: 10, Unsent: 10}, s.a.StreamStats(2))
	s.flush() // the congestion window has room for one packet, which may cross its edge
	first := 2000 - s.a.StreamStats(1).Unsent
	require.Positive(t, first)
	require.Equal(t, 2000, s.a.StreamStats(1).Buffered)
	s.receive(sack(1000))
	require.EqualValues(t, first, s.a.StreamStats(1).Acknowledged)
	require.Equal(t, 2000-first, s.a.StreamStats(1).Buffered)
	s.receive(sack(1001))
	s.receive(sack(1002))
	require.Equal(t, StreamStats{Acknowledged: 2000}, s.a.StreamStats(1))
	require.Equal(t, StreamStats{Acknowledged: 10}, s.a.StreamStats(2))
	require.EqualValues(t, 2010, s.a.Stats().UserBytesAcknowledged)
	require.Zero(t, s.a.StreamStats(65535))

	// A gap ack block does not count: the peer may discard the data.
	s = established(t, Config{})
	s.send(1, "a")
	s.send(1, "b")
	s.receive(sack(999, 1001, 1001))
	require.Equal(t, StreamStats{Buffered: 2}, s.a.StreamStats(1))
	s.receive(sack(1001))
	require.Equal(t, StreamStats{Acknowledged: 2}, s.a.StreamStats(1))
	require.EqualValues(t, 2, s.a.Stats().UserBytesAcknowledged)

	// A reset resets the statistics.
	s.take()
	s.reset(1)
	s.want("RE-CONFIG reset #1000 last 1001 s1")
	s.receive(rawChunk(130, 0, rawParam(16, uint32(1000), uint32(1))))
	s.wantEvents("reset complete 1")
	require.Equal(t, StreamStats{}, s.a.StreamStats(1))
	require.EqualValues(t, 2, s.a.Stats().UserBytesAcknowledged)

	// After the end of the association the bytes that were acknowledged stay.
	s.send(2, "c")
	s.receive(sack(1002))
	s.send(2, "de")
	s.a.Abort(s.now, "")
	require.Equal(t, StreamStats{Acknowledged: 1}, s.a.StreamStats(2))
	require.Equal(t, 2, s.a.Undelivered())
}

// An abandoned message does not count in the buffered amount, and is not acknowledged.
func TestAbandonedIsNotAcknowledged(t *testing.T) {
	s := established(t, Config{HeartbeatInterval: -1})
	require.NoError(t, s.a.SetBufferedAmountLowThreshold(1, 0))
	s.a.NotifySenderDry()
	s.wantEvents("sender dry") // there is nothing
	s.send(1, "abcd", SendOptions{LimitRetransmits: true})
	s.take()
	s.a.NotifySenderDry()
	s.wantEvents()
	s.wait(10 * time.Second)
	s.wantEvents()
	s.receive(sack(1000)) // the peer has gone on, by a FORWARD-TSN
	s.wantEvents("buffered amount low 1", "sender dry")
	require.Equal(t, StreamStats{}, s.a.StreamStats(1))
	require.Zero(t, s.a.Stats().UserBytesAcknowledged)
	require.EqualValues(t, 1, s.a.Stats().MessagesAbandoned)
}

func TestBufferedAmountLow(t *testing.T) {
	s := established(t, Config{})
	require.ErrorIs(t, s.a.SetBufferedAmountLowThreshold(65535, 0), ErrInvalidStream)
	require.NoError(t, s.a.SetBufferedAmountLowThreshold(1, 4))
	for range 3 {
		s.send(1, "abc")
	}
	s.send(2, "abc")
	s.receive(sack(1000))
	s.wantEvents() // 6 bytes
	s.receive(sack(1001))
	s.wantEvents("buffered amount low 1")
	s.receive(sack(1003))
	s.wantEvents() // it was low already; and stream 2 has no threshold
	s.send(1, "abcde")
	s.receive(sack(1004))
	s.wantEvents("buffered amount low 1")
	require.NoError(t, s.a.SetBufferedAmountLowThreshold(1, -1))
	s.send(1, "abcde")
	s.receive(sack(1005))
	s.wantEvents()
}

// RFC 6458, section 6.1.9: there is one notification for each time that it was requested.
func TestSenderDry(t *testing.T) {
	s := established(t, Config{})
	s.send(1, "a")
	s.send(2, "b")
	s.a.NotifySenderDry()
	s.receive(sack(1000))
	s.wantEvents()
	s.receive(sack(1001))
	s.wantEvents("sender dry")
	s.send(1, "c")
	s.receive(sack(1002))
	s.wantEvents() // not requested
	s.send(1, "d")
	s.a.NotifySenderDry()
	s.a.Abort(s.now, "")
	s.wantEvents("closed: sctp: aborted: User-Initiated Abort")
	require.Equal(t, 1, s.a.Undelivered())
}

// The sums of the streams are those of the association, whatever is sent, lost and abandoned, and
// the bytes acknowledged are exactly those that were sent and not abandoned.
func TestStreamSums(t *testing.T) {
	netsim.Seeds(t, 100, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := newPair(t, seed, Config{MaxRetransmits: 100, MaxInitRetransmits: 100}, Config{MaxRetransmits: 100, MaxInitRetransmits: 100},
			adversary(r), adversary(r))
		p.connect()
		reliable := map[uint16]uint64{}
		for range 60 {
			stream, size := uint16(r.IntN(4)), 10+r.IntN(3000)
			opt := SendOptions{Unordered: r.IntN(2) == 0}
			if stream == 3 { // its messages may be abandoned
				opt.Lifetime = time.Duration(1+r.IntN(300)) * time.Millisecond
			}
			require.NoError(t, p.a.Send(p.Now(), stream, 51, payload(nil, stream, 0, size), opt))
			reliable[stream] += uint64(size)
			p.Poke(p.a)
			p.run(func() bool { return r.IntN(20) == 0 }, time.Hour)
			var sum StreamStats
			for id := range uint16(4) {
				one := p.a.StreamStats(id)
				require.GreaterOrEqual(t, one.Buffered, one.Unsent)
				require.GreaterOrEqual(t, one.Unsent, 0)
				sum = StreamStats{sum.Buffered + one.Buffered, sum.Unsent + one.Unsent, sum.Acknowledged + one.Acknowledged}
			}
			_, unsent := p.a.Outstanding()
			require.Equal(t, StreamStats{p.a.BufferedAmount(), unsent, p.a.Stats().UserBytesAcknowledged}, sum)
		}
		p.run(func() bool { return p.a.BufferedAmount() == 0 }, time.Hour)
		for id := range uint16(3) {
			require.Equal(t, reliable[id], p.a.StreamStats(id).Acknowledged)
		}
		require.LessOrEqual(t, p.a.StreamStats(3).Acknowledged, reliable[3])
	})
}
