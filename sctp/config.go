package sctp

import (
	"crypto/rand"
	"io"
	"log/slog"
	"time"
)

// Config holds the settings of an [Association]. The zero value works.
type Config struct {
	// SourcePort and DestinationPort are the SCTP port numbers. 0: 5000, as
	// WebRTC uses on both sides.
	SourcePort, DestinationPort uint16

	// MTU is the size in bytes of the largest SCTP packet to send, common
	// header included and everything below SCTP (DTLS, UDP, IP) excluded.
	// 0: DefaultMTU. At least MinMTU.
	MTU int

	// MaxMTU is the size in bytes, counted likewise, of the largest packet that
	// path MTU discovery (RFC 8899) tries: while there is data to fill packets
	// with, MTU is only where it begins. What carries the packets must not
	// fragment them. 0, or not above MTU: no discovery.
	MaxMTU int

	// MaxMessageSize is the size in bytes of the largest message that the peer
	// may send; one that grows beyond it aborts the association. 0:
	// DefaultMaxMessageSize.
	MaxMessageSize int

	// MaxStreams is the number of streams offered in each direction; the
	// association has the smaller of this and the peer's number. 0:
	// DefaultMaxStreams.
	MaxStreams uint16

	// MaxTotalStreams is the number of streams in each direction up to which the
	// peer may have some added later (RFC 6525). Those that are not used cost
	// nothing. 0: DefaultMaxTotalStreams; at least MaxStreams.
	MaxTotalStreams uint16

	// MaxSendBuffer bounds the bytes that Send accepts and the peer has not
	// acknowledged yet. A single larger message is taken when nothing else is
	// buffered. The bound begins at InitialBuffer and grows up to this with
	// what the path can hold. 0: DefaultMaxBuffer.
	MaxSendBuffer int

	// MaxReceiveWindow bounds the bytes received and not yet released, those
	// waiting for missing fragments included. The window that the peer is
	// told begins at InitialBuffer, or four times MaxMessageSize if that is
	// more, and grows up to this with what the reader takes in a round trip,
	// or when all that is held is incomplete. 0: DefaultMaxBuffer, or four
	// times MaxMessageSize if that is more. At least MaxMessageSize.
	MaxReceiveWindow int

	// InitialRTO, MinRTO and MaxRTO are the retransmission timer's limits; 0:
	// the defaults of this package.
	InitialRTO, MinRTO, MaxRTO time.Duration

	// SACKDelay is how long an acknowledgement may wait for a second packet.
	// 0: DefaultSACKDelay; negative: no delay. At most 500 ms.
	SACKDelay time.Duration

	// MaxInitRetransmits is the number of times that INIT or COOKIE ECHO are
	// sent again before the association fails; 0: 8. MaxRetransmits is the
	// same for everything later; 0: 10.
	MaxInitRetransmits, MaxRetransmits int

	// HeartbeatInterval is the time without traffic after which the peer is
	// probed. 0: 30 s; negative: never.
	HeartbeatInterval time.Duration

	// DisableInterleaving turns RFC 8260 off, by which fragments of messages of
	// different streams can alternate. It is used if the peer has it, too.
	DisableInterleaving bool

	// Scheduler says which stream is served when several have something to
	// send.
	Scheduler Scheduler

	// EnableZeroChecksum says that the packets travel inside DTLS, which protects
	// them better than a CRC32c: the checksum is then left out if the peer
	// agrees (RFC 9653). It must not be set over anything else.
	EnableZeroChecksum bool

	// CongestionControl is the algorithm; the default is BBR.
	CongestionControl CongestionControl

	// InitialCongestionWindow is in bytes; 0: ten packets.
	InitialCongestionWindow int

	// Rand is the source of tags, initial TSNs, the cookie's key and jitter.
	// nil: crypto/rand. A simulation gives a seeded source.
	Rand io.Reader

	// Logger gets the association's rare events. nil: none.
	Logger *slog.Logger
}

// Defaults and limits.
const (
	// DefaultPort is the SCTP port that WebRTC endpoints give in their session
	// descriptions. RFC 8841, section 5, has no default for it.
	DefaultPort = 5000

	// DefaultMTU leaves room for IPv6, UDP and a DTLS record in a path MTU of
	// 1280, the least that IPv6 allows: 1280-40-8-37 = 1195, rounded down to
	// four bytes. https://www.rfc-editor.org/rfc/rfc8831.html#section-5-6
	DefaultMTU = 1192
	// MinMTU keeps room for an INIT ACK with its cookie.
	MinMTU = 400
	// MaxMTU is what the 16-bit lengths below SCTP allow.
	MaxMTU = 65535

	// DefaultMaxMessageSize, in bytes, is what the browsers accept.
	DefaultMaxMessageSize  = 262144
	DefaultMaxStreams      = 1024
	DefaultMaxTotalStreams = 4096

	// InitialBuffer is where the send buffer and the receive window begin.
	InitialBuffer = 1 << 20
	// DefaultMaxBuffer is how far they grow: twice what 1 Gbit/s over 60 ms
	// holds. It bounds memory only where so much has really been sent.
	DefaultMaxBuffer = 16 << 20

	// RTO.Initial and RTO.Max are those of
	// https://www.rfc-editor.org/rfc/rfc9260.html#section-16. RTO.Min is 1 s
	// there, because of acknowledgements delayed by up to 500 ms; ours and
	// those of every WebRTC peer are delayed by at most 200 ms.
	DefaultInitialRTO = time.Second
	DefaultMinRTO     = 220 * time.Millisecond
	DefaultMaxRTO     = 60 * time.Second

	// DefaultSACKDelay is well below the 200 ms of RFC 9260: a bulk sender's
	// second packet follows within microseconds, and a lone packet's sender
	// should not mistake the delay for a loss.
	DefaultSACKDelay = 20 * time.Millisecond
	maxSACKDelay     = 500 * time.Millisecond

	DefaultMaxInitRetransmits = 8
	DefaultMaxRetransmits     = 10
	DefaultHeartbeatInterval  = 30 * time.Second
	// validCookieLife: https://www.rfc-editor.org/rfc/rfc9260.html#section-16
	validCookieLife  = 60 * time.Second
	minReceiveWindow = 1500
	// initialWindowPackets: https://www.rfc-editor.org/rfc/rfc6928.html
	initialWindowPackets = 10
)

func (c *Config) setDefaults() {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if c.SourcePort == 0 {
		c.SourcePort = DefaultPort
	}
	if c.DestinationPort == 0 {
		c.DestinationPort = DefaultPort
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = DefaultMaxStreams
	}
	if c.MaxTotalStreams == 0 {
		c.MaxTotalStreams = DefaultMaxTotalStreams
	}
	c.MaxTotalStreams = max(c.MaxTotalStreams, c.MaxStreams)
	def(&c.MTU, DefaultMTU)
	// Whole words: padding would otherwise push a full chunk over the edge.
	c.MTU = min(max(c.MTU, MinMTU), MaxMTU) &^ 3
	if c.MaxMTU = min(c.MaxMTU, MaxMTU) &^ 3; c.MaxMTU <= c.MTU {
		c.MaxMTU = 0
	}
	def(&c.MaxMessageSize, DefaultMaxMessageSize)
	def(&c.MaxSendBuffer, DefaultMaxBuffer)
	def(&c.MaxReceiveWindow, max(DefaultMaxBuffer, 4*c.MaxMessageSize))
	// Less could not hold what MaxMessageSize allows; and section 3.3.2: "the
	// a_rwnd ... SHOULD NOT be lower than 1500".
	c.MaxReceiveWindow = max(c.MaxReceiveWindow, c.MaxMessageSize, minReceiveWindow)
	def(&c.MaxInitRetransmits, DefaultMaxInitRetransmits)
	def(&c.MaxRetransmits, DefaultMaxRetransmits)
	def(&c.InitialCongestionWindow, initialWindowPackets*c.MTU)
	defTime(&c.InitialRTO, DefaultInitialRTO)
	defTime(&c.MinRTO, DefaultMinRTO)
	defTime(&c.MaxRTO, DefaultMaxRTO)
	defTime(&c.SACKDelay, DefaultSACKDelay)
	c.SACKDelay = min(max(c.SACKDelay, 0), maxSACKDelay)
	defTime(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	if c.CongestionControl == CongestionDefault {
		c.CongestionControl = CongestionBBR
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
}
