package rtc

import "github.com/rtcstack/rtcstack/sctp"

// acknowledgement counts the bytes of a channel that the peer has acknowledged. While the channel has its stream, the
// association counts them. The count is taken over before the association forgets it, because the stream is reset or the
// association ends.
type acknowledgement struct {
	base    uint64 // what the stream had when the channel began: a reset that was denied leaves the count
	control uint64 // bytes of the establishment protocol that the channel has sent
	final   uint64
	settled bool // final is valid, and does not change any more
}

// BytesAcknowledged returns how many bytes of the messages sent on the channel the peer has acknowledged: what a progress
// bar shows, while Stats().BytesSent counts what Send has taken. It only grows. When a reliable channel has closed and
// nothing was lost, it is Stats().BytesSent. Bytes of an unreliable channel that were given up are never acknowledged.
// A message without bytes counts as one byte until all messages before and after it are acknowledged, because SCTP sends
// it as one.
//
// Acknowledged means that the peer's SCTP association has the bytes, not that its program has read them.
func (dc *DataChannel) BytesAcknowledged() uint64 {
	if dc.isZero() {
		return 0
	}
	dc.table.mu.Lock()
	defer dc.table.mu.Unlock()
	return dc.acknowledged()
}

func (dc *DataChannel) acknowledged() uint64 {
	a := &dc.acks
	if a.settled {
		return a.final
	}
	n := dc.streamStats().Acknowledged
	// The establishment protocol's message is the first on the stream.
	return min(n-min(n, a.base+a.control), dc.counters.BytesSent)
}

// streamStats returns the counters of the channel's stream, which are zero as long as it is not the channel's.
func (dc *DataChannel) streamStats() sctp.StreamStats {
	association := dc.table.transport.sctp
	if association == nil || dc.stream < 0 || dc.suspended {
		return sctp.StreamStats{}
	}
	return association.StreamStats(uint16(dc.stream))
}

// beginCount begins to count when the stream is the channel's.
func (dc *DataChannel) beginCount() { dc.acks.base = dc.streamStats().Acknowledged }

// settleCount takes the count over.
func (dc *DataChannel) settleCount() {
	if a := &dc.acks; !a.settled {
		a.final, a.settled = dc.acknowledged(), true
		dc.table.counters.acknowledged += a.final
	}
}

// settleWhenSent takes the count over when all that is on the stream is acknowledged, or given up. The stream is reset
// then.
func (dc *DataChannel) settleWhenSent() {
	if dc.streamStats().Buffered == 0 {
		dc.settleCount()
		return
	}
	// The error is that of a stream which does not exist.
	_ = dc.table.transport.sctp.SetBufferedAmountLowThreshold(uint16(dc.stream), 0)
}

// onAllAcknowledged handles the event that settleWhenSent has asked for.
func (t *channelTable) onAllAcknowledged(stream uint16) {
	if dc := t.byStream[stream]; dc != nil && dc.resetting {
		dc.settleCount()
		_ = t.transport.sctp.SetBufferedAmountLowThreshold(stream, -1)
	}
}

// acknowledged returns the bytes that the peer has acknowledged, of all channels.
func (t *channelTable) acknowledged() uint64 {
	n := t.counters.acknowledged
	for _, dc := range t.byStream {
		if !dc.acks.settled {
			n += dc.acknowledged()
		}
	}
	return n
}
