package dtlsconn

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

const (
	// DefaultMTU is the size, in bytes, of the largest handshake datagram: what WebRTC stacks agree to
	// be safe without path MTU discovery on IPv4 and IPv6.
	DefaultMTU = 1200

	// minMTU keeps a fragment's headers (record 13, handshake 12) from eating a tiny MTU.
	minMTU = 256

	// DefaultRetransmitInterval is the first retransmission timeout of a flight; it doubles after every
	// retransmission. RFC 6347 recommends 1 s, for peers about whose path nothing is known. Here ICE
	// has just exchanged round trips on the path, the whole flight is a few kilobytes, and setup time
	// is what users see, so a lost flight should cost a fifth of a second. A caller that knows the
	// round-trip time from ICE passes twice that, but not less than 50 ms, which is where browsers start.
	// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.2.4.1
	DefaultRetransmitInterval = 200 * time.Millisecond

	// DefaultHandshakeTimeout bounds the handshake as a whole: seven doublings of the retransmission
	// timeout, and as long as ICE keeps an unresponsive pair (RFC 7675, section 5.1).
	DefaultHandshakeTimeout = 30 * time.Second
)

// Config describes one side of a DTLS association. Ready and Certificate are required.
type Config struct {
	// Client tells which role to take: in SDP's words "active" (true) or "passive" (false).
	Client bool

	// Certificate is presented to the peer; see [GenerateCertificate] and [LoadCertificate].
	Certificate tls.Certificate

	// VerifyPeer is called once, during the handshake, from a goroutine of the Conn, with the peer's leaf
	// certificate in DER. An error fails the handshake with bad_certificate on both sides. It replaces
	// the verification of a certificate chain: in WebRTC the fingerprint in the signalling
	// authenticates the certificate (RFC 8122, RFC 8827 section 6.5). Nil accepts every certificate.
	VerifyPeer func(der []byte) error

	// MTU is the largest handshake datagram in bytes; zero: DefaultMTU. At least 256.
	MTU int

	// Ready is called when there are datagrams to send, which Transmit returns. It is called from goroutines of the Conn,
	// possibly from several at a time, that hold no lock: it may take the owner's lock and call Transmit. It is not called
	// from within a method, nor for what Receive, Seal, Write and Close queue, as their caller calls Transmit after them.
	// It is called until Wait returns.
	Ready func()

	// Handshaked is called once, from a goroutine of the Conn: with nil when the association is established,
	// or with what prevented it.
	Handshaked func(error)

	// Data is called, in order, with application data that did not go to the callback given to Receive:
	// everything while Fast is false, and what overtook the end of the handshake; some of that before Handshaked(nil), so
	// that the owner knows what the peer has said when it begins to speak. Borrowed.
	Data func(plaintext []byte)

	// Closed is called at most once, from a goroutine of the Conn, after Handshaked(nil): with nil for the
	// peer's close_notify, else with the reason (an *AlertError, ErrSequenceExhausted). Without a fast path
	// every end by the peer counts as close_notify. A local Close does not call it.
	Closed func(error)

	// HandshakeTimeout bounds the whole handshake; zero: DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// RetransmitInterval is the first retransmission timeout of a flight; zero: DefaultRetransmitInterval.
	RetransmitInterval time.Duration

	// CipherSuites lists the TLS cipher suite numbers to allow, most preferred first; nil: all of
	// DefaultCipherSuites. When both sides leave a choice, the client's preference decides.
	CipherSuites []uint16

	// SRTPProtectionProfiles lists the DTLS-SRTP profiles (RFC 5764, RFC 7714) in order of preference. A
	// client that lists some requires the server to choose one. Without a list a server accepts the usual
	// four, so that a client which offers use_srtp on a data-only session is not refused; a client offers
	// them, so that a server which wants the offer does not refuse it, and does not mind if none is chosen.
	SRTPProtectionProfiles []uint16

	// Logger receives the handshake's progress at debug level; nil: silence.
	Logger *slog.Logger

	// mayLackSRTP tells that a client offers SRTPProtectionProfiles without requiring the server to choose one.
	mayLackSRTP bool
}

var (
	errNoReady       = errors.New("dtls: Config.Ready is nil")
	errNoCertificate = errors.New("dtls: Config.Certificate is empty")
	errMTU           = errors.New("dtls: Config.MTU is below 256")
)

// complete checks c and puts the defaults in.
func (c *Config) complete() error {
	if c.Ready == nil {
		return errNoReady
	}
	if len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil {
		return errNoCertificate
	}
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	if c.MTU < minMTU {
		return errMTU
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.RetransmitInterval <= 0 {
		c.RetransmitInterval = DefaultRetransmitInterval
	}
	if c.CipherSuites == nil {
		c.CipherSuites = DefaultCipherSuites()
	}
	if c.SRTPProtectionProfiles == nil {
		c.SRTPProtectionProfiles = defaultSRTPProfiles
		c.mayLackSRTP = c.Client
	}
	return nil
}

// defaultSRTPProfiles is what a server accepts, and a client offers, without being told: AEAD_AES_128_GCM, AEAD_AES_256_GCM (RFC 7714,
// section 14.2), AES128_CM_HMAC_SHA1_80 and _32 (RFC 5764, section 4.1.2).
var defaultSRTPProfiles = []uint16{0x0007, 0x0008, 0x0001, 0x0002}
