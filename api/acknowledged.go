package rtc

import "github.com/rtcstack/rtcstack/sctp"

// acknowledgement is the count of the bytes of a channel that the peer has acknowledged. While the
// channel has its stream, it is derived from the count of the association. It is copied before that
// is lost by the reset of the stream or with the association.
type acknowledgement struct {
	base    uint64 // the count of the stream before the channel: a denied reset does not clear it
	control uint64 // bytes of the establishment protocol that the channel has sent
	final   uint64
	settled bool // final is valid, and does not change any more
}

// BytesAcknowledged returns the number of bytes sent on the channel that the peer has acknowledged,
// for example for a progress bar. It only grows, up to Stats().BytesSent, and keeps its last value
// after the channel has closed. Messages that an unreliable channel has given up are never
// acknowledged. A message without bytes may count as one byte while others are not acknowledged,
// because SCTP sends it as one byte.
//
// Acknowledged bytes have arrived at the peer's SCTP association; its program may not have read
// them.
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

// streamStats returns the statistics of the channel's stream. They are zero while the channel
// cannot send on it.
func (dc *DataChannel) streamStats() sctp.StreamStats {
	association := dc.table.transport.sctp
	if association == nil || dc.stream < 0 || dc.suspended {
		return sctp.StreamStats{}
	}
	return association.StreamStats(uint16(dc.stream))
}

// beginCount is called when the channel can send on its stream.
func (dc *DataChannel) beginCount() { dc.acks.base = dc.streamStats().Acknowledged }

// settleCount copies the count from the association. It does not change any more.
func (dc *DataChannel) settleCount() {
	if a := &dc.acks; !a.settled {
		a.final, a.settled = dc.acknowledged(), true
		dc.table.counters.acknowledged += a.final
	}
}

// settleWhenSent calls settleCount when all data on the stream is acknowledged or given up, which
// is before the stream is reset.
func (dc *DataChannel) settleWhenSent() {
	if dc.streamStats().Buffered == 0 {
		dc.settleCount()
		return
	}
	// The only error is that of a stream which does not exist.
	_ = dc.table.transport.sctp.SetBufferedAmountLowThreshold(uint16(dc.stream), 0)
}

// onAllAcknowledged handles the event that settleWhenSent has requested.
func (t *channelTable) onAllAcknowledged(stream uint16) {
	if dc := t.byStream[stream]; dc != nil && dc.resetting {
		dc.settleCount()
		_ = t.transport.sctp.SetBufferedAmountLowThreshold(stream, -1)
	}
}

// acknowledged returns the number of bytes that the peer has acknowledged on all channels.
func (t *channelTable) acknowledged() uint64 {
	n := t.counters.acknowledged
	for _, dc := range t.byStream {
		if !dc.acks.settled {
			n += dc.acknowledged()
		}
	}
	return n
}
