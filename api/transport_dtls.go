package rtc

import (
	"errors"

	"github.com/rtcstack/rtcstack/internal/dtlsconn"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/rtcstack/rtcstack/sdp"
)

// startDTLS makes the DTLS association, in the place of an earlier one. The handshake begins when there is a path, but what the peer
// has sent before that is not lost: its ClientHello would come again only a second later.
func (t *transport) startDTLS() error {
	t.association++
	n := t.association
	conn, err := dtlsconn.New(dtlsconn.Config{
		Client:      t.client,
		Certificate: t.identity.certificate,
		VerifyPeer:  t.verifier(),
		MTU:         t.settings.MTU - t.overhead,
		Ready:       t.sendDTLS,
		Handshaked:  func(err error) { t.reportDTLS(n, dtlsEvent{err: err}) },
		Data:        func(plaintext []byte) { t.receiveLate(n, plaintext) },
		Closed:      func(err error) { t.reportDTLS(n, dtlsEvent{closed: true, err: err}) },
		// The client repeats its first flight until the peer has our description, too.
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

// startHandshake begins the handshake as soon as there is a path.
func (t *transport) startHandshake() {
	if !t.started && t.dtls != nil && t.ice.Path() != nil {
		t.started = true
		t.dtls.Start()
	}
}

// verifier returns what compares the peer's certificate with the fingerprints of its description.
func (t *transport) verifier() func(der []byte) error {
	if t.settings.DisableFingerprintVerification {
		return nil
	}
	fingerprints := t.fingerprints
	return func(der []byte) error { return sdp.VerifyCertificate(der, fingerprints) }
}

// receiveLate takes plaintext from a goroutine of the DTLS association.
func (t *transport) receiveLate(association int, plaintext []byte) {
	t.lock()
	defer t.unlock()
	if !t.ended && association == t.association {
		t.receivePlaintext(plaintext)
	}
}

// reportDTLS is called by a goroutine of the DTLS association.
func (t *transport) reportDTLS(association int, e dtlsEvent) {
	t.lock()
	defer t.unlock()
	if !t.ended && association == t.association {
		t.dtlsEvents = append(t.dtlsEvents, e)
	}
}

// dtlsEvent returns what has happened to the DTLS association.
func (t *transport) dtlsEvent() (dtlsEvent, bool) {
	if len(t.dtlsEvents) == 0 {
		return dtlsEvent{}, false
	}
	e := t.dtlsEvents[0]
	if t.dtlsEvents = t.dtlsEvents[1:]; len(t.dtlsEvents) == 0 {
		t.dtlsEvents = nil
	}
	return e, true
}

// connect begins the SCTP association, when the DTLS association is established.
func (t *transport) connect() {
	t.established = true
	t.sctp.Connect(t.now)
}

// sendDTLS is called by goroutines of the DTLS association, when it has something to send.
func (t *transport) sendDTLS() {
	t.lock()
	t.unlock()
}

// transmitDTLS adds what the DTLS association has queued to the batch: handshakes, alerts, and the records of its library.
func (t *transport) transmitDTLS(path *link.Path) {
	for {
		datagram, ok := t.dtls.Transmit(t.batch.Reserve(path, t.settings.MTU))
		if !ok {
			return
		}
		t.count(len(datagram))
		t.batch.Commit(path, datagram)
	}
}

// transmitSCTP adds the packets of the association to the batch, each in a DTLS record, or sends them when it is full.
func (t *transport) transmitSCTP(path *link.Path) {
	if !t.dtls.Fast() {
		t.transmitSlowly(path)
		return
	}
	// A packet is written behind the room for the record's header, in the batch itself, and sealed in place.
	headroom := t.dtls.Headroom()
	size := t.maxSCTPMTU() + t.dtls.Overhead()
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

// transmitSlowly sends through the DTLS library, for cipher suites whose records we do not make ourselves.
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

// sctpMTU is the size in bytes of the largest SCTP packet to begin with. It fits every path: those that need a few bytes of headroom find
// them in what dtlsOverhead has in reserve.
func (t *transport) sctpMTU() int {
	return max(t.settings.MTU-link.IPUDPHeaders-dtlsOverhead, sctp.MinMTU)
}

// maxSCTPMTU is the size of the largest one that path MTU discovery tries, or the same where the program has set the
// MTU. There is no need for caution: a probe that is too large is lost, and a smaller one follows.
func (t *transport) maxSCTPMTU() int {
	if t.settings.maxMTU == t.settings.MTU {
		return t.sctpMTU()
	}
	return t.settings.maxMTU - t.overhead - gcmOverhead
}
