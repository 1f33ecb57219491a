package sctp

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Config holds the settings of an [Association]. The zero value works: 0 means the default in every
// field. A negative value is an error, unless the comment of the field defines it.
//
// Sizes are in bytes. "Initial…" is the first value, "Min…" and "Max…" bound it, "Enable…" enables
// a feature that is disabled by default, and "Disable…" disables one that is enabled.
type Config struct {
	// SourcePort and DestinationPort are the SCTP port numbers. Default: DefaultPort.
	SourcePort, DestinationPort uint16

	// MTU is the size of the largest SCTP packet to send, common header included and everything
	// below SCTP (DTLS, UDP, IP) excluded, rounded down to a multiple of 4. From MinMTU to the
	// constant MaxMTU. Default: DefaultMTU.
	MTU int

	// MaxMTU enables path MTU discovery (RFC 8899): it is the size, counted as for MTU, of the
	// largest packet that is tried, and MTU is then only the size that discovery begins with. The
	// layers below must not fragment packets. At most the constant MaxMTU. Default, and if it is
	// not above MTU: no discovery.
	MaxMTU int

	// MaxMessageSize is the size of the largest message that the peer may send; a larger one aborts
	// the association. Default: DefaultMaxMessageSize.
	MaxMessageSize int

	// MaxStreams is the number of streams offered in each direction; the association has the
	// smaller of this number and the peer's. Default: DefaultMaxStreams.
	MaxStreams uint16

	// MaxTotalStreams is the number of streams in each direction up to which streams can be added
	// later at the peer's request (RFC 6525, section 5.2.5). A stream that is not used costs
	// nothing. At least MaxStreams. Default: DefaultMaxTotalStreams, or MaxStreams if that is more.
	MaxTotalStreams uint16

	// DisableRequests is the set of the peer's re-configuration requests (RFC 6525) that are
	// answered with "Denied". Default: none is.
	DisableRequests ReconfigRequests

	// MaxSendBuffer bounds the bytes that Send has taken and the peer has not acknowledged. A
	// single larger message is taken when nothing else is buffered. The bound begins at
	// InitialBuffer and grows up to this with the congestion window. Default: DefaultMaxBuffer.
	MaxSendBuffer int

	// MaxReceiveWindow bounds the bytes received and not yet released, incomplete messages
	// included. The advertised window begins at InitialBuffer, or four times MaxMessageSize if that
	// is more. It grows up to this with the bytes that the reader releases in a round trip, or when
	// all messages received are incomplete. At least MaxMessageSize and 1500 (RFC 9260, section
	// 3.3.2). Default: DefaultMaxBuffer, or four times MaxMessageSize if that is more.
	MaxReceiveWindow int

	// InitialRTO, MinRTO and MaxRTO are RTO.Initial, RTO.Min and RTO.Max of RFC 9260, section 16.
	// Neither InitialRTO nor MinRTO may exceed MaxRTO. Defaults: DefaultInitialRTO, DefaultMinRTO
	// and DefaultMaxRTO, adapted to the fields that are set.
	InitialRTO, MinRTO, MaxRTO time.Duration

	// SACKDelay is how long an acknowledgement may wait for a second packet. At most MaxSACKDelay.
	// Negative: no delay. Default: DefaultSACKDelay.
	SACKDelay time.Duration

	// MaxInitRetransmits and MaxRetransmits are Max.Init.Retransmits and Association.Max.Retrans of
	// RFC 9260, section 16: how often INIT or COOKIE ECHO, and everything later, is retransmitted
	// without an answer before the association fails. Defaults: DefaultMaxInitRetransmits and
	// DefaultMaxRetransmits.
	MaxInitRetransmits, MaxRetransmits int

	// HeartbeatInterval is HB.interval of RFC 9260, section 16: an idle peer is probed when nothing
	// has been received from it for this long. Negative: never. Default: DefaultHeartbeatInterval.
	HeartbeatInterval time.Duration

	// DisableInterleaving does not offer RFC 8260 to the peer, which lets fragments of messages of
	// different streams alternate.
	DisableInterleaving bool

	// Scheduler selects the stream to send from when several have something to send.
	Scheduler Scheduler

	// EnableZeroChecksum omits the CRC32c if the peer agrees (RFC 9653). It must be set only if the
	// packets are inside DTLS, which protects them better.
	EnableZeroChecksum bool

	// CongestionControl is the algorithm. Default: CongestionBBR.
	CongestionControl CongestionControl

	// InitialCongestionWindow is in bytes. Default: ten packets of MTU bytes (RFC 6928).
	InitialCongestionWindow int

	// Rand is the source of tags, initial TSNs, the cookie's key and jitter. A read error of it
	// panics. Default: crypto/rand; a simulation uses a seeded source.
	Rand io.Reader

	// Logger receives the association's rare events at debug level. Default: none.
	Logger *slog.Logger
}

// Defaults and limits.
const (
	// DefaultPort is the SCTP port that WebRTC endpoints use in their session descriptions; RFC
	// 8841, section 5, defines no default.
	DefaultPort = 5000

	// DefaultMTU leaves room for IPv6, UDP and a DTLS record in a path MTU of 1280, the minimum of
	// IPv6: 1280-40-8-37 = 1195, rounded down to a multiple of 4 (RFC 8831, section 5).
	DefaultMTU = 1192
	// MinMTU leaves room for an INIT ACK with its cookie.
	MinMTU = 400
	// MaxMTU is the limit of the 16-bit lengths below SCTP.
	MaxMTU = 65535

	// DefaultMaxMessageSize is the limit of the browsers, in bytes.
	DefaultMaxMessageSize = 262144
	// DefaultMaxStreams is the default of [Config.MaxStreams].
	DefaultMaxStreams = 1024
	// DefaultMaxTotalStreams is the default of [Config.MaxTotalStreams].
	DefaultMaxTotalStreams = 4096

	// InitialBuffer is the size in bytes at which the send buffer and the receive window begin.
	InitialBuffer = 1 << 20
	// DefaultMaxBuffer is the size in bytes up to which they grow: twice the bandwidth-delay
	// product of 1 Gbit/s and 60 ms. Memory is used only for data that is really there.
	DefaultMaxBuffer = 16 << 20
	// MaxBuffer is the limit in bytes of MaxMessageSize, MaxSendBuffer, MaxReceiveWindow and
	// InitialCongestionWindow. It keeps sums within an int on any CPU.
	MaxBuffer = 1 << 29

	// DefaultInitialRTO and DefaultMaxRTO are those of RFC 9260, section 16. RTO.Min is 1 s there,
	// because acknowledgements may be delayed by up to 500 ms; this package and the WebRTC peers
	// delay them by at most 200 ms.
	DefaultInitialRTO = time.Second
	DefaultMinRTO     = 220 * time.Millisecond
	DefaultMaxRTO     = 60 * time.Second

	// DefaultSACKDelay is well below the 200 ms of RFC 9260, section 6.2: the second packet of a
	// bulk sender follows within microseconds, and the sender of a lone packet should not mistake
	// the delay for a loss.
	DefaultSACKDelay = 20 * time.Millisecond
	// MaxSACKDelay is the limit of RFC 9260, section 6.2.
	MaxSACKDelay = 500 * time.Millisecond

	// DefaultMaxInitRetransmits and DefaultMaxRetransmits are those of RFC 9260, section 16.
	DefaultMaxInitRetransmits = 8
	DefaultMaxRetransmits     = 10
	// DefaultHeartbeatInterval is that of RFC 9260, section 16.
	DefaultHeartbeatInterval = 30 * time.Second

	// validCookieLife is Valid.Cookie.Life of RFC 9260, section 16.
	validCookieLife  = 60 * time.Second
	minReceiveWindow = 1500
	// initialWindowPackets: RFC 6928.
	initialWindowPackets = 10
)

// ConfigError is the error of [New] and [Config.Validate].
type ConfigError struct {
	Field  string // of Config
	Reason string
}

func (e *ConfigError) Error() string { return "sctp: Config." + e.Field + " " + e.Reason }

// Validate returns a *[ConfigError] for the first setting that is out of range or contradicts
// another one, nil if there is none.
func (c Config) Validate() error {
	set := c
	c = c.withDefaults()
	for _, r := range []struct {
		field           string
		value, min, max int
	}{
		{"MTU", cmp.Or(set.MTU, DefaultMTU), MinMTU, MaxMTU},
		{"MaxMTU", set.MaxMTU, 0, MaxMTU},
		{"MaxMessageSize", c.MaxMessageSize, 1, MaxBuffer},
		{"MaxTotalStreams", int(c.MaxTotalStreams), int(c.MaxStreams), maxStreams},
		{"DisableRequests", int(c.DisableRequests), 0, int(allRequests)},
		{"MaxSendBuffer", c.MaxSendBuffer, 1, MaxBuffer},
		{"MaxReceiveWindow", c.MaxReceiveWindow, max(c.MaxMessageSize, minReceiveWindow), MaxBuffer},
		{"MaxInitRetransmits", c.MaxInitRetransmits, 1, maxRetransmitLimit},
		{"MaxRetransmits", c.MaxRetransmits, 1, maxRetransmitLimit},
		{"InitialCongestionWindow", c.InitialCongestionWindow, 1, MaxBuffer},
		{"Scheduler", int(c.Scheduler), 0, len(schedulerNames) - 1},
		{"CongestionControl", int(c.CongestionControl), 0, len(congestionControlNames) - 1},
	} {
		if r.value < r.min || r.value > r.max {
			return &ConfigError{r.field, fmt.Sprintf("is %d, not from %d to %d", r.value, r.min, r.max)}
		}
	}
	for _, r := range []struct {
		field           string
		value, min, max time.Duration
	}{
		{"MaxRTO", c.MaxRTO, 1, maxDuration},
		{"MinRTO", c.MinRTO, 1, c.MaxRTO},
		{"InitialRTO", c.InitialRTO, 1, c.MaxRTO},
		{"SACKDelay", set.SACKDelay, -maxDuration, MaxSACKDelay},
		{"HeartbeatInterval", set.HeartbeatInterval, -maxDuration, maxDuration},
	} {
		if r.value < r.min || r.value > r.max {
			return &ConfigError{r.field, fmt.Sprintf("is %v, not from %v to %v", r.value, r.min, r.max)}
		}
	}
	return nil
}

const (
	// maxRetransmitLimit keeps the counters within an int on any CPU.
	maxRetransmitLimit = 1 << 30
	// maxDuration keeps sums of times within an int64.
	maxDuration = 100 * 365 * 24 * time.Hour
)

// withDefaults replaces the zero values. Other values are left to Validate.
func (c Config) withDefaults() Config {
	c.SourcePort = cmp.Or(c.SourcePort, DefaultPort)
	c.DestinationPort = cmp.Or(c.DestinationPort, DefaultPort)
	// A multiple of 4: the padding of a full chunk would otherwise exceed the size.
	c.MTU = cmp.Or(c.MTU, DefaultMTU) &^ 3
	if c.MaxMTU &^= 3; c.MaxMTU <= c.MTU {
		c.MaxMTU = 0
	}
	c.MaxMessageSize = cmp.Or(c.MaxMessageSize, DefaultMaxMessageSize)
	c.MaxStreams = cmp.Or(c.MaxStreams, DefaultMaxStreams)
	c.MaxTotalStreams = cmp.Or(c.MaxTotalStreams, max(DefaultMaxTotalStreams, c.MaxStreams))
	c.MaxSendBuffer = cmp.Or(c.MaxSendBuffer, DefaultMaxBuffer)
	c.MaxReceiveWindow = cmp.Or(c.MaxReceiveWindow, max(DefaultMaxBuffer, 4*min(c.MaxMessageSize, MaxBuffer/4)))
	c.MaxRTO = cmp.Or(c.MaxRTO, max(DefaultMaxRTO, c.MinRTO, c.InitialRTO))
	c.MinRTO = cmp.Or(c.MinRTO, min(DefaultMinRTO, c.MaxRTO))
	c.InitialRTO = cmp.Or(c.InitialRTO, min(DefaultInitialRTO, c.MaxRTO))
	c.SACKDelay = max(cmp.Or(c.SACKDelay, DefaultSACKDelay), 0)
	c.MaxInitRetransmits = cmp.Or(c.MaxInitRetransmits, DefaultMaxInitRetransmits)
	c.MaxRetransmits = cmp.Or(c.MaxRetransmits, DefaultMaxRetransmits)
	c.HeartbeatInterval = cmp.Or(c.HeartbeatInterval, DefaultHeartbeatInterval)
	c.InitialCongestionWindow = cmp.Or(c.InitialCongestionWindow, initialWindowPackets*c.MTU)
	c.CongestionControl = cmp.Or(c.CongestionControl, CongestionBBR)
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}
