package dtlsconn

import (
	"cmp"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

const (
	// DefaultMTU is the size, in bytes, of the largest handshake datagram. WebRTC implementations
	// send 1,200 bytes over IPv4 and IPv6 without path MTU discovery.
	DefaultMTU = 1200

	// minMTU leaves room for a useful fragment behind the headers of record (13 bytes) and
	// handshake (12).
	minMTU = 256

	// DefaultRetransmitInterval is the first retransmission timeout of a flight; it doubles after
	// every retransmission. RFC 6347, section 4.2.4.1, recommends 1 s, for unknown paths. ICE has
	// measured this path, a flight has a few kilobytes, and users wait for the handshake, so a lost
	// flight should delay it by a fifth of a second. An owner with a round-trip time from ICE
	// passes twice that, but not less than 50 ms, with which browsers start.
	DefaultRetransmitInterval = 200 * time.Millisecond

	// DefaultHandshakeTimeout limits the whole handshake: to seven doublings of the retransmission
	// timeout, and to the time after which consent of an unresponsive peer expires (RFC 7675,
	// section 5.1).
	DefaultHandshakeTimeout = 30 * time.Second
)

// Config describes one side of a DTLS association. Ready and Certificate are required.
type Config struct {
	// Client is true for the client, which SDP calls active, and false for the server, which it
	// calls passive (RFC 5763, section 5).
	Client bool

	// Certificate is presented to the peer.
	Certificate tls.Certificate

	// VerifyPeer is called once, during the handshake, from a goroutine of the Conn, with the
	// peer's leaf certificate in DER, which is valid during the call. It must not call methods of
	// the Conn. An error fails the handshake, on both sides, with the alert bad_certificate. It
	// replaces the verification of a certificate chain: the fingerprint in the signalling
	// authenticates the certificate (RFC 8122; RFC 8827, section 6.5). Nil accepts every
	// certificate.
	VerifyPeer func(der []byte) error

	// MTU is the largest handshake datagram in bytes; zero: DefaultMTU. At least 256.
	MTU int

	// Ready is called when there are datagrams to send, which Transmit returns. It is called from
	// goroutines of the Conn, possibly from several at a time, that hold no lock: it may take the
	// owner's lock and call Transmit. It is not called from within a method, nor for what Receive,
	// Seal, Write and Close queue, as their caller calls Transmit after them. It is called until
	// Wait returns.
	Ready func()

	// Handshaked is called once, from a goroutine of the Conn that holds no lock: with nil when the
	// association is established, otherwise with the cause: ErrClosed, ErrHandshakeTimeout, an
	// *AlertError, the error of VerifyPeer, or another error of the handshake.
	Handshaked func(error)

	// Data is called, in order and from a goroutine of the Conn that holds no lock, with
	// application data that the callback of Receive does not get: all of it while Fast is false,
	// and that which overtook the end of the handshake. Some of the latter precedes
	// Handshaked(nil), so that the owner has the peer's first messages before it sends its own. The
	// bytes are borrowed for the call.
	Data func(plaintext []byte)

	// Closed is called at most once, after Handshaked(nil), from a goroutine of the Conn that holds
	// no lock: with nil for the peer's close_notify, otherwise with the cause: an *AlertError or
	// ErrSequenceExhausted. Without a fast path every end by the peer counts as close_notify. It is
	// not called for Close.
	Closed func(error)

	// HandshakeTimeout limits the whole handshake; zero: DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// RetransmitInterval is the first retransmission timeout of a flight; zero:
	// DefaultRetransmitInterval.
	RetransmitInterval time.Duration

	// CipherSuites lists the TLS cipher suite numbers to allow, most preferred first; nil: all of
	// DefaultCipherSuites. A server chooses the first suite of the client's list that it allows.
	CipherSuites []uint16

	// SRTPProtectionProfiles lists the DTLS-SRTP profiles (RFC 5764, RFC 7714) in order of
	// preference. A client that lists some requires the server to choose one. Without a list the
	// usual four apply: a server accepts them, as pion/dtls would refuse a client that offers
	// use_srtp in a session without media, and a client offers them, as some servers refuse a
	// client that does not, without requiring a choice.
	SRTPProtectionProfiles []uint16

	// Logger receives the progress of the handshake at debug level; nil: nothing is logged.
	Logger *slog.Logger

	// srtpOptional is true for a client that offers SRTPProtectionProfiles without requiring the
	// server to choose one.
	srtpOptional bool
}

var (
	errNoReady       = errors.New("dtls: Config.Ready is nil")
	errNoCertificate = errors.New("dtls: Config.Certificate is empty")
	errMTU           = errors.New("dtls: Config.MTU is below 256")
)

// check returns an error if c, with the defaults set, is not valid.
func (c *Config) check() error {
	switch {
	case c.Ready == nil:
		return errNoReady
	case len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil:
		return errNoCertificate
	case c.MTU < minMTU:
		return errMTU
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.MTU = cmp.Or(c.MTU, DefaultMTU)
	c.HandshakeTimeout = cmp.Or(max(c.HandshakeTimeout, 0), DefaultHandshakeTimeout)
	c.RetransmitInterval = cmp.Or(max(c.RetransmitInterval, 0), DefaultRetransmitInterval)
	if c.CipherSuites == nil {
		c.CipherSuites = DefaultCipherSuites()
	}
	if c.SRTPProtectionProfiles == nil {
		c.SRTPProtectionProfiles = defaultSRTPProfiles
		c.srtpOptional = c.Client
	}
	return c
}

// defaultSRTPProfiles are AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714, section 14.2), and
// SRTP_AES128_CM_HMAC_SHA1_80 and SRTP_AES128_CM_HMAC_SHA1_32 (RFC 5764, section 4.1.2).
var defaultSRTPProfiles = []uint16{0x0007, 0x0008, 0x0001, 0x0002}
