package interop_test

import (
	"context"
	"crypto/sha256"
	"hash"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

const (
	bulkMessage = 64 << 10
	// The sender waits while more than pionHighWater bytes are buffered in pion, until pionLowWater are left.
	pionHighWater = 4 << 20
	pionLowWater  = 1 << 20
)

// bulkSize returns the number of bytes sent in each direction. Under the race detector pion is ten times slower.
func bulkSize() int {
	if race.Enabled {
		return 8 << 20
	}
	return 64 << 20
}

// bulk hashes received data, and reaches done after bulkSize bytes.
type bulk struct {
	hash hash.Hash
	left int
	done *milestone
}

func newBulk(what string) *bulk {
	return &bulk{sha256.New(), bulkSize(), newMilestone("%s", what)}
}

func (b *bulk) add(data []byte) {
	b.hash.Write(data)
	if b.left -= len(data); b.left <= 0 {
		b.done.reach()
	}
}

// pionBulkTime is the limit of one direction of a transfer.
const pionBulkTime = 2 * time.Minute

// A large amount of data in one direction, in the other, and in both at once.
func TestPionBulk(t *testing.T) {
	s := newPionSession(t, pionOptions{})
	p := s.connect(true)
	for _, row := range []struct {
		name           string
		toPion, toOurs bool
	}{
		{"to pion", true, false}, {"from pion", false, true}, {"both ways", true, true},
	} {
		atPion, atOurs := newBulk("all bytes at pion"), newBulk("all bytes at our side")
		p.ours.OnMessage(func(m rtc.Message) { atOurs.add(m.Data) })
		p.pion.OnMessage(func(m webrtc.DataChannelMessage) { atPion.add(m.Data) })
		var ours, theirs []byte
		start := time.Now()
		sent := make(chan []byte, 2)
		if row.toPion {
			go func() { sent <- sendBulk(t, p.ours) }()
		}
		if row.toOurs {
			go func() { sent <- sendBulkFromPion(t, p.pion) }()
		}
		if row.toPion {
			atPion.done.within(t, pionBulkTime)
			ours = next(t, sent, "the sender's hash")
			require.Equal(t, ours, atPion.hash.Sum(nil))
		}
		if row.toOurs {
			atOurs.done.within(t, pionBulkTime)
			theirs = next(t, sent, "the sender's hash")
			require.Equal(t, theirs, atOurs.hash.Sum(nil))
		}
		elapsed := time.Since(start)
		t.Logf("%s: %d MiB in %v, %.0f MB/s", row.name, bulkSize()>>20, elapsed.Round(time.Millisecond),
			float64(bulkSize())/1e6/elapsed.Seconds())
	}
	stats := s.ours.Stats()
	t.Logf("retransmissions %d, timeouts %d, SRTT %v, cwnd %d", stats.SCTP.Retransmissions, stats.SCTP.Timeouts,
		stats.SCTP.SRTT, stats.SCTP.CongestionWindow)
}

// bulkData calls send with all messages, and returns their hash. Both directions send the same messages.
func bulkData(send func([]byte) error) ([]byte, error) {
	h := sha256.New()
	block := noise(1, bulkMessage)
	for left := bulkSize(); left > 0; left -= bulkMessage {
		block[left/bulkMessage%bulkMessage]++ // no two messages are equal
		h.Write(block)
		if err := send(block); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

func sendBulk(t *testing.T, c *ourChannel) []byte {
	ctx, cancel := context.WithTimeout(t.Context(), pionBulkTime)
	defer cancel()
	sum, err := bulkData(func(b []byte) error { return c.WriteMessage(ctx, rtc.Message{Data: b}) })
	if err != nil {
		t.Errorf("send to pion: %v", err)
	}
	return sum
}

func sendBulkFromPion(t *testing.T, c *pionChannel) []byte {
	low := make(chan struct{}, 1)
	c.SetBufferedAmountLowThreshold(pionLowWater)
	c.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	sum, err := bulkData(func(b []byte) error {
		if c.BufferedAmount() > pionHighWater {
			select {
			case <-low:
			case <-time.After(pionBulkTime):
				return context.DeadlineExceeded
			}
		}
		return c.Send(b)
	})
	if err != nil {
		t.Errorf("send from pion: %v", err)
	}
	return sum
}
