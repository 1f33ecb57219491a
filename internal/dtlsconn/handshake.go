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

// fragmentOverhead is what pion/dtls adds to a fragment of the size it calls MTU: record and handshake header.
const fragmentOverhead = recordHeaderSize + 12

// newInner prepares the pion/dtls connection that does the handshake. It starts nothing.
func newInner(cfg *Config, p *pipe, more []dtls.Option) (*dtls.Conn, error) {
	suites := make([]dtls.CipherSuiteID, len(cfg.CipherSuites))
	for i, id := range cfg.CipherSuites {
		suites[i] = dtls.CipherSuiteID(id)
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	verify := cfg.VerifyPeer
	certificate := cfg.Certificate
	// pion/dtls looks in it for the names by which to choose among several certificates, and would parse it for that.
	certificate.Leaf = new(x509.Certificate)
	options := []dtls.Option{
		dtls.WithCertificates(certificate),
		dtls.WithCipherSuites(suites...),
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256, elliptic.P384),
		// Certificates are self-signed; the fingerprint is checked instead of a chain.
		// https://www.rfc-editor.org/rfc/rfc8827.html#section-6.5
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
	options = append(options, more...)
	if cfg.Client {
		clientOptions := make([]dtls.ClientOption, 0, len(options)+1)
		for _, o := range options {
			clientOptions = append(clientOptions, o)
		}
		// Whatever certificate types and authorities the server names: there is only this one.
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
		// HelloVerifyRequest proves the client's address, which ICE has done, and costs a round trip.
		// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.2.1
		dtls.WithInsecureSkipVerifyHello(true))
	return dtls.ServerWithOptions(p, pipeAddr{}, serverOptions...)
}

var errNoPeerCertificate = errors.New("dtls: the peer has no certificate")

// run is the goroutine of an attempt of a started Conn. With a fast cipher suite it ends with the handshake.
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

// establish takes the association over from pion/dtls. From here on either the sealer or, without a fast path,
// pion/dtls owns the sequence numbers of epochApplication, never both.
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
			// Closed while the last flight was under way: the peer may think it is connected, so let
			// pion/dtls say goodbye.
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
		c.attempt = nil
		c.out.shrink()
		c.tx.Store(tx)
	}
	return nil
}

// handOver delivers what came too early, tells the owner that the association stands, and lets Receive go the fast way.
func (c *Conn) handOver() {
	// Before it speaks itself, the owner should know what the peer has said: an INIT that waits makes its own superfluous.
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

// takeEarly takes what has come so far, and the opener for it. When that is nothing it has opened the fast way, and gives no opener.
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

// reportHandshaked calls Handshaked(nil), and Closed after it if the association has ended in the meantime.
func (c *Conn) reportHandshaked() {
	c.notify() // of the last flight, if it is still queued
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

// maxSlowPlaintext is the longest plaintext of the slow path: pion/dtls reads datagrams of up to 8 KiB.
const maxSlowPlaintext = 8 << 10

// readsAfterEnd is how often pion/dtls is asked for more after it has reported the end. The last record before close_notify
// may be waiting in it then, and each Read chooses between the two by tossing a coin.
const readsAfterEnd = 64

// serveSlow carries application data from pion/dtls to the owner until the association ends.
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
	// pion/dtls reports every end, be it close_notify or a fatal alert, as the end of the file.
	_ = inner.Close()
	_ = p.Close()
	c.notify() // of close_notify
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
	c.notify() // of an alert that says why
	c.cfg.handshaked(err)
}
