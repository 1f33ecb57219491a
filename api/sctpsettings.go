package rtc

import (
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// SCTPSettings tunes the SCTP associations of connections. In every field 0, and a negative value unless its comment says
// otherwise, means the default, which is right for nearly everybody.
type SCTPSettings struct {
	// ReceiveBufferSize and SendBufferSize bound, in bytes, what is received and not yet read, and what is sent and not
	// yet acknowledged. They limit the throughput to that much in a round trip.
	ReceiveBufferSize, SendBufferSize int
	// InitialCongestionWindow is in packets. Default: 10 (RFC 6928).
	InitialCongestionWindow int
	// CongestionControl chooses the algorithm.
	CongestionControl sctp.CongestionControl
	// DelayedSACKTime is how long an acknowledgement may wait for a second packet; negative: not at all.
	DelayedSACKTime time.Duration
	// InitialRetransmitTimeout, MinRetransmitTimeout and MaxRetransmitTimeout are RTO.Initial, RTO.Min and RTO.Max
	// (RFC 9260 section 16).
	InitialRetransmitTimeout, MinRetransmitTimeout, MaxRetransmitTimeout time.Duration
	// MaxRetransmitAttempts is Association.Max.Retrans (RFC 9260 section 8.1).
	MaxRetransmitAttempts int
	// HeartbeatInterval is the time without traffic after which the peer is probed.
	HeartbeatInterval time.Duration
}

var sctpSettings atomic.Pointer[SCTPSettings]

// SetSCTPSettings sets the settings of the associations that are made from now on, by all connections of the process.
func SetSCTPSettings(s SCTPSettings) { sctpSettings.Store(&s) }

// apply puts the settings into a configuration.
func (s *SCTPSettings) apply(c *sctp.Config) {
	if s == nil {
		return
	}
	c.MaxReceiveWindow = max(s.ReceiveBufferSize, 0)
	c.MaxSendBuffer = max(s.SendBufferSize, 0)
	c.InitialCongestionWindow = max(s.InitialCongestionWindow, 0) * c.MTU
	c.CongestionControl = s.CongestionControl
	c.SACKDelay = s.DelayedSACKTime
	c.InitialRTO = max(s.InitialRetransmitTimeout, 0)
	c.MinRTO = max(s.MinRetransmitTimeout, 0)
	c.MaxRTO = max(s.MaxRetransmitTimeout, 0)
	c.MaxRetransmits = max(s.MaxRetransmitAttempts, 0)
	c.HeartbeatInterval = max(s.HeartbeatInterval, 0)
}
