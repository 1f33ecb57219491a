package rtc

import (
	"errors"

	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sdp"
)

// startDTLS creates the DTLS association and replaces an earlier one. The handshake starts when
// there is a path. Datagrams that the peer sent before are kept: it would repeat its ClientHello
// only a second later.
func (t *transport) startDTLS() error {
	t.association++
	n := t.association
	conn, err := dtlsconn.New(dtlsconn.Config{
		Client:      t.client,
		Certificate: t.identity.certificate,
		VerifyPeer:  t.verifier(),
		// The library does not change it later, when there is a path, or another one.
		MTU:        t.settings.MTU - link.IPUDPHeaders - relayOverhead,
		Ready:      t.sendDTLS,
		Handshaked: func(err error) { t.reportDTLS(n, dtlsEvent{err: err}) },
		Data:       func(plaintext []byte) { t.receiveLate(n, plaintext) },
		Closed:     func(err error) { t.reportDTLS(n, dtlsEvent{closed: true, err: err}) },
		// The client repeats its first flight until the peer has this side's description.
		HandshakeTimeout: t.settings.ConnectTimeout,
		CipherSuites:     t.tuning.cipherSuites,
		Logger:           t.layerLogger(),
	})
	if err != nil {
		return err
	}
	if last := t.dtls; last != nil {
		t.replaced.Go(func() {
			last.Close()
			last.Wait()
		})
	}
	t.dtls, t.started, t.established, t.dtlsEvents = conn, false, false, nil
	for _, datagram := range t.early {
		conn.Receive(datagram, t.deliver)
	}
	t.early = nil
	t.startHandshake()
	return nil
}

// startHandshake starts the handshake once there is a path.
func (t *transport) startHandshake() {
	if !t.started && t.dtls != nil && t.ice.Path() != nil {
		t.started = true
		t.dtls.Start()
	}
}

// verifier returns the function that compares the peer's certificate with the fingerprints of its
// description; nil: it is not verified.
func (t *transport) verifier() func(der []byte) error {
	if t.settings.DisableFingerprintVerification {
		return nil
	}
	fingerprints := t.fingerprints
	return func(der []byte) error { return sdp.VerifyCertificate(der, fingerprints) }
}

// receiveLate handles plaintext from a goroutine of the DTLS association.
func (t *transport) receiveLate(association int, plaintext []byte) {
	t.lock()
	defer t.unlock()
	if !t.ended && association == t.association {
		t.receivePlaintext(plaintext)
	}
}

// reportDTLS is called by the goroutines of the DTLS association.
func (t *transport) reportDTLS(association int, e dtlsEvent) {
	t.lock()
	defer t.unlock()
	if !t.ended && association == t.association {
		t.dtlsEvents = append(t.dtlsEvents, e)
	}
}

// dtlsEvent returns the next event of the DTLS association; ok is false if there is none.
func (t *transport) dtlsEvent() (e dtlsEvent, ok bool) {
	if len(t.dtlsEvents) == 0 {
		return dtlsEvent{}, false
	}
	e = t.dtlsEvents[0]
	if t.dtlsEvents = t.dtlsEvents[1:]; len(t.dtlsEvents) == 0 {
		t.dtlsEvents = nil
	}
	return e, true
}

// connect is called when the DTLS association is established.
func (t *transport) connect() {
	t.established = true
	t.connectSCTP()
}

// sendDTLS is called by the goroutines of the DTLS association when it has something to send;
// unlock sends it.
func (t *transport) sendDTLS() {
	t.lock()
	t.unlock()
}

// transmitDTLS adds the queued datagrams of the DTLS association to the batch: handshake messages,
// alerts, and the records that its library writes.
func (t *transport) transmitDTLS(path *link.Path) {
	for t.dtls.HasOutput() {
		datagram, ok := t.dtls.Transmit(t.batch.Reserve(path, t.settings.MTU))
		if !ok {
			return
		}
		t.count(len(datagram))
		t.batch.Commit(path, datagram)
	}
}

// transmitSCTP adds the packets of the association to the batch, each in a DTLS record. It sends
// the batch when that is full.
func (t *transport) transmitSCTP(path *link.Path) {
	if !t.dtls.Fast() {
		t.transmitSlowly(path)
		return
	}
	// The packet is written into the batch itself, after the record's header, and encrypted in
	// place.
	headroom := t.dtls.Headroom()
	size := t.maxSCTPMTU(link.IPUDPHeaders) + t.dtls.Overhead() // for chunks of the path before, too
	for !t.congested(path) {
		record := t.batch.Reserve(path, size)
		packet, ok := t.sctp.Transmit(t.now, record[:headroom])
		if !ok {
			return
		}
		record, err := t.dtls.Seal(record[:0], packet[headroom:])
		if err != nil {
			if errors.Is(err, dtlsconn.ErrSequenceExhausted) {
				t.dtlsEvents = append(t.dtlsEvents, dtlsEvent{closed: true, err: err})
			}
			return
		}
		t.count(len(record))
		t.counters.records++
		if t.batch.Commit(path, record) {
			t.send()
		}
	}
}

// transmitSlowly sends through the DTLS library, for cipher suites that dtlsconn does not implement
// itself.
func (t *transport) transmitSlowly(path *link.Path) {
	var buf [2048]byte
	for {
		packet, ok := t.sctp.Transmit(t.now, buf[:0])
		if !ok || t.dtls.Write(packet) != nil {
			break
		}
	}
	t.transmitDTLS(path)
}

// sctpMTU returns the size of SCTP packets in bytes at first, on a path with the given overhead.
func (t *transport) sctpMTU(overhead int) int {
	return max(t.settings.MTU-overhead-dtlsOverhead, sctp.MinMTU)
}

// maxSCTPMTU returns the largest size that path MTU discovery tries. It is sctpMTU if the program
// has set the MTU. A size that is too large does no harm: the probe is lost, and a smaller one
// follows.
func (t *transport) maxSCTPMTU(overhead int) int {
	if t.settings.maxMTU == t.settings.MTU {
		return t.sctpMTU(overhead)
	}
	return t.settings.maxMTU - overhead - gcmOverhead
}
