package dtlsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
)

// fragmentOverhead is the difference between the largest datagram and the MTU of pion/dtls, which
// counts neither the record header nor the handshake header of a fragment.
const fragmentOverhead = recordHeaderSize + 12

// newInner returns a pion/dtls connection for the handshake, which it does not start.
func newInner(cfg *Config, p *pipe, more []dtls.Option) (*dtls.Conn, error) {
	certificate := cfg.Certificate
	// pion/dtls chooses among several certificates by the names in Leaf, and would parse the
	// certificate for them.
	certificate.Leaf = new(x509.Certificate)
	options := append(commonOptions(cfg, certificate), more...)
	if cfg.Client {
		clientOptions := make([]dtls.ClientOption, 0, len(options)+1)
		for _, o := range options {
			clientOptions = append(clientOptions, o)
		}
		// Without regard to the certificate types and authorities that the server requests: there is
		// one certificate.
		clientOptions = append(clientOptions, dtls.WithGetClientCertificate(
			func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }))
		return dtls.ClientWithOptions(p, pipeAddr{}, clientOptions...)
	}
	serverOptions := make([]dtls.ServerOption, 0, len(options)+2)
	for _, o := range options {
		serverOptions = append(serverOptions, o)
	}
	serverOptions = append(serverOptions,
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// RFC 6347, section 4.2.1: HelloVerifyRequest verifies the client's address. ICE has done so,
		// and it takes a round trip.
		dtls.WithInsecureSkipVerifyHello(true))
	return dtls.ServerWithOptions(p, pipeAddr{}, serverOptions...)
}

// commonOptions are those of clients and servers.
func commonOptions(cfg *Config, certificate tls.Certificate) []dtls.Option {
	suites := make([]dtls.CipherSuiteID, len(cfg.CipherSuites))
	for i, id := range cfg.CipherSuites {
		suites[i] = dtls.CipherSuiteID(id)
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	verify := cfg.VerifyPeer
	return []dtls.Option{
		dtls.WithCertificates(certificate),
		dtls.WithCipherSuites(suites...),
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256, elliptic.P384),
		// RFC 8827, section 6.5: certificates are self-signed, and verified by their fingerprint.
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(certificates [][]byte, _ [][]*x509.Certificate) error {
			if len(certificates) == 0 {
				return errNoPeerCertificate
			}
			if verify == nil {
				return nil
			}
			return verify(certificates[0])
		}),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithFlightInterval(cfg.RetransmitInterval),
		dtls.WithMTU(cfg.MTU - fragmentOverhead),
		withLogger(dtls.WithLoggerFactory, logger),
	}
}

var errNoPeerCertificate = errors.New("dtls: the peer has no certificate")

// run is the goroutine of an attempt. With a fast path it ends when the handshake is reported,
// without one with the association.
func (c *Conn) run(ctx context.Context, cancel context.CancelFunc, at *attempt) {
	defer at.keyLog.discard()
	inner, p := at.inner, at.pipe
	err := inner.HandshakeContext(ctx)
	if !c.isSelected(at) {
		_ = inner.Close()
		_ = p.Close()
		return
	}
	defer c.out.silence()
	defer cancel()
	if err == nil {
		err = c.establish(at)
	}
	if err != nil {
		_ = inner.Close()
		_ = p.Close()
		c.fail(err)
		return
	}
	if c.tx.Load() != nil {
		c.handOver()
		return
	}
	c.serveSlow(inner, p)
}

// establish completes the handshake. Afterwards either the sealer or, without a fast path,
// pion/dtls assigns the sequence numbers of epochApplication, never both.
func (c *Conn) establish(at *attempt) error {
	s, err := newSecrets(at, c.cfg.Client)
	if err != nil {
		return err
	}
	suite, fast := fastSuite(s.suite)
	var tx *sealer
	var rx *opener
	if fast {
		local, remote, err := s.keys(suite)
		if err != nil {
			return err
		}
		c.mu.Lock()
		closed := c.state == stateClosed
		c.mu.Unlock()
		if closed {
			// The Conn was closed during the last flight. The peer may be established, so run has
			// pion/dtls send close_notify.
			return ErrClosed
		}
		next, finished := at.writer.detach()
		tx, rx = newSealer(suite, local, next[epochApplication]), newOpener(suite, remote)
		if !s.client {
			c.lastFlight.init(newOpener(suite, local), finished, next[epochHandshake])
		}
		_ = at.inner.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateClosed {
		if tx != nil {
			c.out.add(tx.close(nil))
		}
		return ErrClosed
	}
	c.state = stateEstablished
	c.secrets = s
	c.rxPending = rx
	if fast {
		c.attempt, c.hello, c.cancel = nil, nil, nil // and the timer of the handshake with it
		c.out.shrink()
		c.tx.Store(tx)
	}
	return nil
}

// handOver delivers the early datagrams, calls Handshaked, and then has Receive open records
// itself.
func (c *Conn) handOver() {
	// The first ones before Handshaked, when the owner begins to send: after an INIT of the peer it
	// need not send its own.
	if rx, held := c.takeEarly(); rx != nil {
		c.deliverEarly(rx, held)
	}
	c.reportHandshaked()
	for {
		rx, held := c.takeEarly()
		if rx == nil {
			return
		}
		c.deliverEarly(rx, held)
	}
}

// takeEarly returns the early datagrams so far, and the opener for them. If there are none after
// Handshaked has returned, it sets rx and returns no opener.
func (c *Conn) takeEarly() (*opener, [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.early.take()
	switch {
	case c.state == stateClosed:
		return nil, nil
	case len(held) == 0 && c.reported:
		c.rx.Store(c.rxPending)
		c.rxPending = nil
		return nil, nil
	}
	return c.rxPending, held
}

func (c *Conn) deliverEarly(rx *opener, held [][]byte) {
	for _, datagram := range held {
		c.receiveRecords(rx, datagram, c.cfg.Data)
	}
	c.notify()
}

// reportHandshaked calls Handshaked(nil), and then Closed if the association has ended in the
// meantime.
func (c *Conn) reportHandshaked() {
	c.notify() // the last flight may still be queued
	c.cfg.handshaked(nil)
	c.mu.Lock()
	c.reported = true
	ended := c.unreportedEnd
	c.unreportedEnd = nil
	c.mu.Unlock()
	if ended != nil {
		c.cfg.closed(ended.err)
	}
}

// maxSlowPlaintext is the largest plaintext, in bytes, that pion/dtls returns: it reads datagrams
// of up to 8 KiB.
const maxSlowPlaintext = 8 << 10

// readsAfterEnd is the number of further calls of Read after pion/dtls has reported the end. The
// last record before close_notify may still be waiting in it, and each Read chooses between the two
// at random.
const readsAfterEnd = 64

// serveSlow calls Data with the application data that pion/dtls reads, until the association ends.
func (c *Conn) serveSlow(inner *dtls.Conn, p *pipe) {
	c.reportHandshaked()
	c.mu.Lock()
	for _, datagram := range c.early.take() {
		p.push(datagram)
	}
	c.slow = true
	c.mu.Unlock()

	buf := make([]byte, maxSlowPlaintext)
	for ends := 0; ; {
		n, err := inner.Read(buf)
		if errors.Is(err, io.EOF) && ends < readsAfterEnd && !c.isClosed() {
			ends++
			continue
		}
		if err != nil {
			break
		}
		c.counters.recordsReceived.Add(1)
		c.counters.bytesReceived.Add(uint64(n))
		if c.cfg.Data != nil {
			c.cfg.Data(buf[:n])
		}
	}
	// pion/dtls reports both close_notify and a fatal alert as io.EOF.
	_ = inner.Close()
	_ = p.Close()
	c.notify() // close_notify may be queued
	if c.setClosed() {
		c.cfg.closed(nil)
	}
}

// fail ends a handshake that did not succeed.
func (c *Conn) fail(err error) {
	switch {
	case !c.setClosed(), errors.Is(err, ErrClosed):
		err = ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%w: %w", ErrHandshakeTimeout, err)
	default:
		if alert := c.peerAlert.Load(); alert != 0 {
			err = fmt.Errorf("%w: handshake: %w", &AlertError{Description: uint8(alert)}, err)
		} else {
			err = fmt.Errorf("dtls: handshake: %w", err)
		}
	}
	c.notify() // an alert may be queued
	c.cfg.handshaked(err)
}
