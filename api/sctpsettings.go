package rtc

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// SCTPSettings are settings of the SCTP associations of connections. In every field 0 is the
// default, and so is a negative value unless the field says otherwise. Few programs need others
// than the defaults.
type SCTPSettings struct {
	// ReceiveBufferSize is the limit in bytes of received and unread data, SendBufferSize that of
	// data that is sent and not acknowledged. In a round trip an association cannot carry more.
	ReceiveBufferSize, SendBufferSize int
	// InitialCongestionWindow is in packets. The default is 10 (RFC 6928).
	InitialCongestionWindow int
	// CongestionControl is the algorithm of the congestion control.
	CongestionControl sctp.CongestionControl
	// DelayedSACKTime is how long an acknowledgement may wait for a second packet; negative: it
	// does not wait.
	DelayedSACKTime time.Duration
	// InitialRetransmitTimeout, MinRetransmitTimeout and MaxRetransmitTimeout are RTO.Initial,
	// RTO.Min and RTO.Max (RFC 9260, section 16).
	InitialRetransmitTimeout, MinRetransmitTimeout, MaxRetransmitTimeout time.Duration
	// MaxRetransmitAttempts is Association.Max.Retrans (RFC 9260, section 8.1).
	MaxRetransmitAttempts int
	// HeartbeatInterval is the time without traffic after which a HEARTBEAT is sent to the peer.
	HeartbeatInterval time.Duration
}

const (
	// minReceiveBufferSize is the smallest receive window. RFC 9260, section 3.3.2: an a_rwnd is
	// 1500 bytes or more.
	minReceiveBufferSize = 1500
	// maxSettingTime and maxRetransmitAttempts bound settings that RFC 9260 does not bound.
	maxSettingTime        = 365 * 24 * time.Hour
	maxRetransmitAttempts = 1 << 20
)

var sctpSettings atomic.Pointer[SCTPSettings]

// SetSCTPSettings sets the settings of the associations that connections without Configuration.SCTP
// begin from now on, in the whole process.
func SetSCTPSettings(s SCTPSettings) { sctpSettings.Store(&s) }

// apply writes the settings to a configuration. Settings that are out of range, or contradict each
// other, are replaced by the nearest valid ones.
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
