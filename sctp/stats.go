package sctp

import "time"

// Stats is a snapshot of an association's counters and measurements.
type Stats struct {
	PacketsSent, PacketsReceived   uint64
	BytesSent, BytesReceived       uint64 // of SCTP packets, common header included
	MessagesSent, MessagesReceived uint64 // taken by Send, returned by ReadMessage
	ChunksSent, ChunksReceived     uint64 // DATA only, repeated ones included
	Retransmissions                uint64 // of DATA chunks
	Timeouts                       uint64 // of the retransmission timer
	Probes                         uint64 // tail loss probes
	LossEpisodes                   uint64 // losses reported to the congestion control, one a round trip
	SpuriousRecoveries             uint64 // loss episodes undone: nothing was lost
	MessagesAbandoned              uint64 // by their reliability limits
	ForwardTSNsSent                uint64
	SACKsSent                      uint64
	DuplicatesReceived             uint64 // DATA chunks that had arrived before
	DuplicatesReported             uint64 // by the peer
	SACKsStale                     uint64 // overtaken by newer ones

	// Invalid and unusable input.
	PacketsInvalid uint64 // too short, wrong ports or verification tag
	ChecksumErrors uint64
	ChunksInvalid  uint64 // malformed, out of place or impossible
	ChunksUnknown  uint64
	ChunksNoRoom   uint64 // DATA dropped because the receive window was full
	CookiesInvalid uint64
	ErrorsReceived uint64 // error causes in ERROR chunks
	ErrorsSent     uint64
	AnswersDropped uint64 // answers dropped because their queue was full

	// UserBytesAcknowledged counts the bytes of user data that the peer has acknowledged for good
	// (Cumulative TSN Ack), exactly: no header, no retransmission, nothing that was abandoned.
	UserBytesAcknowledged uint64

	SRTT, MinRTT, RTO time.Duration // 0 before the first measurement, but RTO
	CongestionControl CongestionControl
	CongestionWindow  int // bytes
	InFlight          int // bytes
	PeerWindow        int // bytes, the peer's last a_rwnd
	Buffered          int // bytes that Send took and are not acknowledged
	Held              int // bytes charged to the receive window
	MTU               int // bytes, the size of the largest packet sent

	// Path MTU discovery. A probe that is lost is usually just too large.
	MTUProbesSent, MTUProbesAcked, MTUProbesLost uint64
	MTUBlackHoles                                uint64 // falls back to Config.MTU
}

// Stats returns a snapshot.
func (a *Association) Stats() Stats {
	s := a.stats
	s.AnswersDropped = a.ctl.dropped
	s.UserBytesAcknowledged = a.send.acknowledged
	s.ChunksInvalid += a.reasm.stale
	s.CongestionControl = a.cfg.CongestionControl
	s.SRTT, s.MinRTT, s.RTO = a.rtt.srtt, a.rtt.min, a.rtt.rto
	s.InFlight, s.PeerWindow = a.out.inFlight, a.out.peerWindow
	if a.cc != nil {
		s.CongestionWindow = a.cc.window()
	}
	s.Buffered, s.Held, s.MTU = a.send.buffered, a.reasm.charged, a.mtu.current
	return s
}

// StreamStats is a snapshot of the sending side of one stream. All are bytes of user data.
type StreamStats struct {
	// Buffered counts the bytes that Send took and the peer has not acknowledged yet, Unsent those
	// of them that wait for their first transmission.
	Buffered, Unsent int
	// Acknowledged counts the bytes that the peer has acknowledged for good since the stream began
	// or was reset, exactly: no header, no retransmission, nothing that was abandoned. It keeps its
	// last value after the end of the association.
	Acknowledged uint64
}

// StreamStats returns a snapshot of the outgoing stream id; zero for a stream that was not used
// since it began or was reset.
func (a *Association) StreamStats(id uint16) StreamStats {
	if s := a.send.streams[id]; s != nil {
		return s.stats
	}
	return StreamStats{}
}

// SetBufferedAmountLowThreshold requests an EventBufferedAmountLow whenever [StreamStats].Buffered
// of the outgoing stream id falls from above this many bytes to this many or fewer; negative: no
// more events. A reset of the stream ends the request. ErrInvalidStream beyond the number of
// streams.
func (a *Association) SetBufferedAmountLowThreshold(id uint16, bytes int) error {
	if id >= a.hand.outStreams {
		return ErrInvalidStream
	}
	s := a.send.stream(id)
	s.low, s.notifyLow = bytes, bytes >= 0
	return nil
}
