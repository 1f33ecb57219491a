package dtlsconn

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pion/dtls/v3"
)

// Conn is one DTLS 1.2 association over datagrams that its owner carries.
//
// Receive and Newest must not be called concurrently with themselves or each other; all other
// methods may be called from any goroutine. No method but Wait waits for a callback: the owner may
// hold a lock around them that its callbacks take.
type Conn struct {
	cfg   Config
	out   outgoing
	calls atomic.Int32 // calls of Write and Close that are in pion/dtls, which may queue datagrams

	tx atomic.Pointer[sealer] // set before Handshaked(nil), with a fast path
	rx atomic.Pointer[opener] // set, under mu, when all early datagrams are delivered

	// peerAlert is the last fatal alert received in plaintext, with its level in the high byte. It
	// is not authentic, and serves only for the error of a handshake that has failed.
	peerAlert atomic.Uint32

	ended      atomic.Bool // state is stateClosed
	counters   counters
	lastFlight lastFlight // of Receive

	goroutines sync.WaitGroup

	mu            sync.Mutex
	state         connState
	attempt       *attempt   // while pion/dtls does the handshake or protects the records
	standby       *attempt   // the parallel handshake, until the ServerHello shows which one applies
	hello         *helloPair // of both; nil if there is no standby
	cancel        context.CancelFunc
	slow          bool       // established without a fast path
	early         earlyQueue // datagrams that cannot be processed yet
	rxPending     *opener    // rx, until all early datagrams are delivered
	reported      bool       // Handshaked(nil) has returned
	unreportedEnd *ending    // the association has ended before that
	secrets       *secrets   // once established
}

type connState uint8

const (
	stateNew connState = iota
	stateHandshaking
	stateEstablished
	stateClosed
)

// New returns a Conn, or an error if the configuration is not valid. Before Start it has no
// goroutine and sends nothing; it keeps the datagrams of Receive for the handshake, within limits.
func New(config Config) (*Conn, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	c := &Conn{cfg: config}
	options := srtpOptions(config.SRTPProtectionProfiles)
	if config.srtpOptional {
		c.hello = newHelloPair(config.SRTPProtectionProfiles)
		options = c.hello.requiringOptions()
	}
	var err error
	if c.attempt, err = newAttempt(&c.cfg, &handshakeWriter{output: c.handshakeOutput}, options); err != nil {
		return nil, fmt.Errorf("dtls: configure the handshake: %w", err)
	}
	c.attempt.selected = true
	return c, nil
}

// newAttempt prepares a handshake and does not start it.
func newAttempt(cfg *Config, w *handshakeWriter, options []dtls.Option) (*attempt, error) {
	at := &attempt{pipe: newPipe(w), writer: w, keyLog: new(keyLog), randoms: new(serverRandoms)}
	if cfg.Client {
		at.pipe.read = at.randoms.observe
	} else {
		at.pipe.written = at.randoms.observe
	}
	var err error
	at.inner, err = newInner(cfg, at.pipe, append(options, dtls.WithKeyLogWriter(at.keyLog)))
	return at, err
}

// Start starts the handshake. Calls after the first, and after Close, have no effect.
func (c *Conn) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateNew {
		return
	}
	c.state = stateHandshaking
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.HandshakeTimeout)
	c.cancel = cancel
	if c.hello != nil {
		var err error
		if c.standby, err = newAttempt(&c.cfg, &handshakeWriter{output: func([]byte) {}}, c.hello.offeringOptions()); err != nil {
			c.hello.release() // not possible: the configuration was valid for attempt
		}
	}
	for _, a := range []*attempt{c.attempt, c.standby} {
		if a != nil {
			var own context.Context
			own, a.cancel = context.WithCancel(ctx)
			c.goroutines.Go(func() { c.run(own, cancel, a) })
		}
	}
	for _, datagram := range c.early.take() {
		c.receiveHandshake(datagram)
	}
}

// ExportKeyingMaterial derives length bytes, 0 to 1,024, for another protocol from the handshake
// (RFC 5705, section 4, without a context value). DTLS-SRTP uses the label EXTRACTOR-dtls_srtp (RFC
// 5764, section 4.2). The errors are ErrNotEstablished, and others for a length out of range or a
// label of TLS itself.
func (c *Conn) ExportKeyingMaterial(label string, length int) ([]byte, error) {
	s := c.established()
	if s == nil {
		return nil, ErrNotEstablished
	}
	return s.export(label, length)
}

// PeerCertificate returns the peer's leaf certificate in DER, or nil before the association is
// established. The caller must not modify it.
func (c *Conn) PeerCertificate() []byte {
	if s := c.established(); s != nil {
		return s.peer
	}
	return nil
}

// CipherSuite returns the number of the cipher suite, or 0 before the association is established.
func (c *Conn) CipherSuite() uint16 {
	if s := c.established(); s != nil {
		return s.suite
	}
	return 0
}

// CipherSuiteName returns the name, in IANA's registry, of the cipher suite with a number.
func CipherSuiteName(id uint16) string { return dtls.CipherSuiteName(dtls.CipherSuiteID(id)) }

// SRTPProtectionProfile returns the negotiated DTLS-SRTP profile (RFC 5764, section 4.1.2), or 0 if
// there is none.
func (c *Conn) SRTPProtectionProfile() uint16 {
	if s := c.established(); s != nil {
		return s.srtpProfile
	}
	return 0
}

func (c *Conn) established() *secrets {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets
}
