package rtc

import (
	"cmp"
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

const (
	// minReceiveBufferSize: RFC 9260, section 3.3.2, wants an a_rwnd of 1500 bytes at least.
	minReceiveBufferSize = 1500
	// maxSettingTime and maxRetransmitAttempts bound the settings that RFC 9260 does not.
	maxSettingTime        = 365 * 24 * time.Hour
	maxRetransmitAttempts = 1 << 20
)

var sctpSettings atomic.Pointer[SCTPSettings]

// SetSCTPSettings sets the settings of the associations that are made from now on, by all connections of the process.
func SetSCTPSettings(s SCTPSettings) { sctpSettings.Store(&s) }

// apply puts the settings into a configuration. Settings that are out of range, or contradict each other, become the nearest
// that are valid.
func (s *SCTPSettings) apply(c *sctp.Config) {
	if s == nil {
		return
	}
	if s.ReceiveBufferSize > 0 {
		c.MaxReceiveWindow = min(max(s.ReceiveBufferSize, c.MaxMessageSize, minReceiveBufferSize), sctp.MaxBuffer)
	}
	c.MaxSendBuffer = min(max(s.SendBufferSize, 0), sctp.MaxBuffer)
	c.InitialCongestionWindow = min(max(s.InitialCongestionWindow, 0), sctp.MaxBuffer/sctp.MaxMTU) * c.MTU
	if s.CongestionControl <= sctp.CongestionBBR {
		c.CongestionControl = s.CongestionControl
	}
	c.SACKDelay = min(max(s.DelayedSACKTime, -1), sctp.MaxSACKDelay)
	c.MaxRTO = min(max(s.MaxRetransmitTimeout, 0), maxSettingTime)
	c.InitialRTO = min(max(s.InitialRetransmitTimeout, 0), cmp.Or(c.MaxRTO, maxSettingTime))
	c.MinRTO = min(max(s.MinRetransmitTimeout, 0), cmp.Or(c.MaxRTO, maxSettingTime))
	c.MaxRetransmits = min(max(s.MaxRetransmitAttempts, 0), maxRetransmitAttempts)
	c.HeartbeatInterval = min(max(s.HeartbeatInterval, 0), maxSettingTime)
}
