package sctp

import (
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// bulk sends 16 KiB messages whenever there is room.
func (p *pair) bulk() {
	msg := make([]byte, 16<<10)
	p.a.pending = func(now time.Time) {
		for p.a.Send(now, 1, 53, msg, SendOptions{}) == nil {
		}
	}
	p.Poke(p.a)
}

// RFC 5682, section 1: a spurious timeout causes unnecessary retransmissions of the last window.
func TestDelaySpikeIsNotLoss(t *testing.T) {
	for _, cc := range []CongestionControl{CongestionNewReno, CongestionCUBIC, CongestionBBR} {
		t.Run(cc.String(), func(t *testing.T) {
			link := netsim.LinkConfig{Rate: 20_000_000, Delay: 20 * time.Millisecond, Queue: 200_000}
			cfg := Config{CongestionControl: cc}
			p := newPair(t, 7, cfg, cfg, link, link)
			p.connect()
			p.bulk()
			require.NoError(t, p.RunFor(2*time.Second))
			before := p.a.Stats()
			require.Zero(t, before.Timeouts)
			// Nothing is lost; everything arrives 700 ms later.
			slow := link
			slow.Delay = 720 * time.Millisecond
			p.path.AB.SetConfig(slow)
			require.NoError(t, p.RunFor(2*time.Second))
			after := p.a.Stats()
			require.NotZero(t, after.Timeouts)
			require.NotZero(t, after.SpuriousRecoveries)
			require.GreaterOrEqual(t, after.CongestionWindow, before.CongestionWindow/4)
			// Less than the window was sent twice, in all the timeouts of a round trip that has
			// become eighteen times as long.
			require.Less(t, after.Retransmissions-before.Retransmissions, uint64(before.CongestionWindow/p.a.cfg.MTU))
		})
	}
}

// RFC 8985, section 3.3: reordering beyond the window causes spurious retransmissions; the
// duplicates that the peer reports undo them, and widen the window.
func TestReorderingIsUndone(t *testing.T) {
	link := netsim.LinkConfig{Rate: 20_000_000, Delay: 20 * time.Millisecond, Queue: 200_000}
	bad := link
	bad.Reorder, bad.ReorderDelay = 0.02, 8*time.Millisecond
	p := newPair(t, 7, Config{CongestionControl: CongestionNewReno}, Config{}, bad, link)
	p.connect()
	p.bulk()
	require.NoError(t, p.RunFor(2*time.Second)) // slow start, which overflows the queue
	learned := p.a.Stats()
	require.NotZero(t, learned.SpuriousRecoveries)
	before := p.path.AB.Stats()
	require.NoError(t, p.RunFor(8*time.Second))
	// The window has adapted: none of the hundreds of packets reordered since caused a
	// retransmission.
	s, now := p.a.Stats(), p.path.AB.Stats()
	require.Greater(t, now.Reordered-before.Reordered, int64(200))
	require.Zero(t, now.Dropped-before.Dropped)
	require.Equal(t, learned.Retransmissions, s.Retransmissions)
	// NewReno would have a small fraction of the rate if each had counted as a loss.
	require.Greater(t, float64(s.BytesSent)*8/10, 0.8*float64(link.Rate))
}
