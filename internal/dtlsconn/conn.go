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
// Receive must not be called concurrently with itself; everything else may be called from any goroutine. No method
// waits for a callback.
type Conn struct {
	cfg   Config
	out   outgoing
	calls atomic.Int32 // of the owner into pion/dtls, which may queue datagrams

	tx atomic.Pointer[sealer] // set before Handshaked(nil), with a fast suite
	rx atomic.Pointer[opener] // set, under mu, when nothing early is left

	// peerAlert is the last fatal alert seen in plaintext, plus its level in the high byte: not authentic, only good
	// for explaining why a handshake failed.
	peerAlert atomic.Uint32

	ended      atomic.Bool // state is stateClosed
	counters   counters
	lastFlight lastFlight // used within Receive

	goroutines sync.WaitGroup

	mu            sync.Mutex
	state         connState
	attempt       *attempt   // while pion/dtls is in charge
	standby       *attempt   // a second one, while it is open which is needed
	hello         *helloPair // of the two; nil if there is to be one only
	cancel        context.CancelFunc
	slow          bool       // established without a fast path
	early         earlyQueue // see Receive
	rxPending     *opener    // between establishing and rx
	reported      bool       // Handshaked(nil) has returned
	unreportedEnd *ending    // an end before that
	secrets       *secrets   // once established
}

type connState uint8

const (
	stateNew connState = iota
	stateHandshaking
	stateEstablished
	stateClosed
)

// New checks the configuration. Nothing runs, and nothing is sent, before Start; Receive already keeps what arrives.
func New(config Config) (*Conn, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	c := &Conn{cfg: config}
	options := srtpOptions(config.SRTPProtectionProfiles)
	if config.mayLackSRTP {
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

// newAttempt prepares a handshake. It starts nothing.
func newAttempt(cfg *Config, w *handshakeWriter, options []dtls.Option) (*attempt, error) {
	at := &attempt{pipe: newPipe(w), wire: w, keyLog: new(keyLog), randoms: new(serverRandoms)}
	if cfg.Client {
		at.pipe.read = at.randoms.observe
	} else {
		at.pipe.written = at.randoms.observe
	}
	var err error
	at.inner, err = newInner(cfg, at.pipe, append(options, dtls.WithKeyLogWriter(at.keyLog)))
	return at, err
}

// Start begins the handshake. Calls after the first, and after Close, do nothing.
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
			c.hello.release() // cannot be: the same configured the first one
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

// Receive takes a datagram from the network. The bytes are borrowed for the call and may be overwritten: records
// are decrypted in place. Application data that can be opened here is given to data before Receive returns, record by
// record, borrowed as well; with data nil to Config.Data. What cannot, because the handshake is not over or the cipher
// suite has no fast path, reaches Config.Data later. Records that are malformed, replayed, of another epoch or
// not authentic are counted and dropped; none ends the association.
// https://www.rfc-editor.org/rfc/rfc6347.html#section-4.1.2.7
func (c *Conn) Receive(datagram []byte, data func(plaintext []byte)) {
	if rx := c.rx.Load(); rx != nil {
		c.receiveFast(rx, datagram, data)
		return
	}
	c.mu.Lock()
	if rx := c.rx.Load(); rx != nil {
		c.mu.Unlock()
		c.receiveFast(rx, datagram, data)
		return
	}
	defer c.mu.Unlock()
	switch {
	case c.state == stateClosed:
		c.counters.discarded.Add(1)
	case c.slow:
		c.push(datagram)
	case c.state == stateHandshaking:
		c.receiveHandshake(datagram)
	default:
		// Not started, or between the end of the handshake and the end of Handshaked.
		c.keepEarly(datagram)
	}
}

func (c *Conn) receiveFast(rx *opener, datagram []byte, data func([]byte)) {
	if data == nil {
		data = c.cfg.Data
	}
	c.receiveRecords(rx, datagram, data)
}

// receiveHandshake gives pion/dtls the datagram, except for protected application data and alerts: it has room
// for one record only until somebody reads, and would see others than our replay filter. They are held until
// the handshake is over. Called with mu held.
func (c *Conn) receiveHandshake(datagram []byte) {
	handshake := make([]byte, 0, len(datagram))
	rest := datagram
	for {
		r, tail, ok := nextRecord(rest)
		if !ok {
			break
		}
		rest = tail
		if r.epoch != epochHandshake && (r.contentType == contentApplicationData || r.contentType == contentAlert) {
			c.keepEarly(r.raw)
			continue
		}
		if r.epoch == epochHandshake && !c.plausible(r) {
			c.counters.discarded.Add(1)
			continue
		}
		handshake = append(handshake, r.raw...)
	}
	if len(rest) > 0 {
		c.counters.discarded.Add(1)
	}
	if len(handshake) == 0 {
		return
	}
	if c.standby != nil {
		c.chooseAttempt(handshake)
	}
	if !c.attempt.pipe.push(handshake) {
		c.counters.earlyDropped.Add(1)
	}
}

// plausible reports whether a plaintext record can be part of a handshake. pion/dtls takes others for fatal errors, which
// would let one forged datagram end a handshake. It also notes fatal alerts.
func (c *Conn) plausible(r record) bool {
	f := r.fragment()
	switch r.contentType {
	case contentHandshake:
		return len(f) > 0
	case contentChangeCipherSpec:
		return len(f) == 1 && f[0] == 1
	case contentAlert:
		if len(f) != 2 {
			return false
		}
		if f[0] == alertFatal {
			c.peerAlert.Store(uint32(f[0])<<8 | uint32(f[1]))
		}
		return true
	}
	return false
}

// hold keeps a datagram for later. Called with mu held.
func (c *Conn) keepEarly(datagram []byte) {
	if !c.early.add(datagram) {
		c.counters.earlyDropped.Add(1)
	}
}

// push gives pion/dtls a datagram. Called with mu held.
func (c *Conn) push(datagram []byte) {
	if !c.attempt.pipe.push(append([]byte(nil), datagram...)) {
		c.counters.discarded.Add(1)
	}
}

// receiveRecords opens the records of a datagram of an established association.
func (c *Conn) receiveRecords(rx *opener, datagram []byte, data func([]byte)) {
	for len(datagram) > 0 {
		r, rest, ok := nextRecord(datagram)
		if !ok || r.epoch != epochApplication || c.isClosed() {
			// Plaintext after the handshake is either a retransmission, which its Finished stands for, or
			// forged; there is no later epoch.
			c.counters.discarded.Add(1)
			if !ok {
				return
			}
			datagram = rest
			continue
		}
		datagram = rest
		plaintext, verdict := rx.open(r)
		switch verdict {
		case opened:
		case replayed:
			c.counters.replayed.Add(1)
			continue
		case badMAC:
			c.counters.badMAC.Add(1)
			continue
		default:
			c.counters.discarded.Add(1)
			continue
		}
		switch r.contentType {
		case contentApplicationData:
			c.counters.recordsReceived.Add(1)
			c.counters.bytesReceived.Add(uint64(len(plaintext)))
			if data != nil {
				data(plaintext)
			}
		case contentAlert:
			c.receiveAlert(plaintext)
		case contentHandshake:
			c.repeatLastFlight(plaintext)
		default:
			c.counters.discarded.Add(1)
		}
	}
}

// receiveAlert handles an authentic alert. Warnings but close_notify mean nothing here.
// https://www.rfc-editor.org/rfc/rfc5246.html#section-7.2
func (c *Conn) receiveAlert(plaintext []byte) {
	switch {
	case len(plaintext) != 2:
		c.counters.discarded.Add(1)
	case plaintext[1] == alertCloseNotify:
		// "The other party MUST respond with a close_notify alert of its own and close down the
		// connection immediately, discarding any pending writes."
		c.end(nil)
	case plaintext[0] == alertFatal:
		c.end(&AlertError{Description: plaintext[1]})
	}
}

// repeatLastFlight answers a handshake message. Any but a Finished would start a renegotiation, which WebRTC does not
// have: ignoring it is a refusal (RFC 5246, section 7.4.1.1).
func (c *Conn) repeatLastFlight(message []byte) {
	tx := c.tx.Load()
	if !isFinished(message) || tx == nil {
		c.counters.discarded.Add(1)
		return
	}
	if flight, ok := c.lastFlight.append(nil, tx); ok {
		c.counters.flightsRepeated.Add(1)
		c.out.add(flight)
	}
}

// Seal appends to dst one record that protects plaintext, and returns the extended slice. Several records may share a
// datagram. A plaintext that already lies at dst[len(dst)+Headroom():], in the spare capacity of dst, is
// encrypted there without a copy; else it must not overlap that spare capacity. With Overhead()+len(plaintext) bytes to
// spare nothing is allocated. Errors: ErrNotEstablished, ErrNotFast, ErrClosed, ErrRecordTooLong, and
// ErrSequenceExhausted, which ends the association; dst is returned unchanged with each.
func (c *Conn) Seal(dst, plaintext []byte) ([]byte, error) {
	tx := c.tx.Load()
	if tx == nil {
		return dst, c.sealError()
	}
	sealed, err := tx.seal(dst, contentApplicationData, plaintext)
	if err == ErrSequenceExhausted {
		c.end(err)
	}
	return sealed, err
}

// sealError tells why there is no sealer.
func (c *Conn) sealError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == stateClosed:
		return ErrClosed
	case c.state == stateEstablished:
		return ErrNotFast
	default:
		return ErrNotEstablished
	}
}

// Write queues a datagram with one record that protects plaintext, with any cipher suite; the caller calls Transmit
// afterwards. It is for cipher suites without a fast path: it allocates, and takes microseconds.
func (c *Conn) Write(plaintext []byte) error {
	if tx := c.tx.Load(); tx != nil {
		datagram, err := c.Seal(make([]byte, 0, MaxOverhead+len(plaintext)), plaintext)
		if err == nil {
			c.out.add(datagram)
		}
		return err
	}
	if err := c.sealError(); err != ErrNotFast {
		return err
	}
	if len(plaintext) > maxPlaintext {
		return ErrRecordTooLong
	}
	c.mu.Lock()
	current := c.attempt
	c.mu.Unlock()
	if current == nil {
		return ErrClosed
	}
	c.calls.Add(1)
	_, err := current.inner.Write(plaintext)
	c.calls.Add(-1)
	if err != nil {
		return fmt.Errorf("dtls: write a record: %w", err)
	}
	c.counters.recordsSent.Add(1)
	c.counters.bytesSent.Add(uint64(len(plaintext)))
	return nil
}

// Fast reports whether the association is established with a cipher suite that Seal can use. It does not change after
// Handshaked(nil).
func (c *Conn) Fast() bool { return c.tx.Load() != nil }

// MaxOverhead is the most that Overhead can return, for any cipher suite that is offered: in bytes a record header, an
// explicit nonce or initialization vector of 16, a MAC of 20, and padding up to 16.
const MaxOverhead = recordHeaderSize + 16 + 20 + 16

// MaxHeadroom is the most that Headroom can return.
const MaxHeadroom = recordHeaderSize + 8

// Headroom returns how many bytes of a record precede the plaintext: 13 or 21, and MaxHeadroom while the suite is not
// known or has no fast path.
func (c *Conn) Headroom() int {
	if tx := c.tx.Load(); tx != nil {
		return tx.headroom()
	}
	return MaxHeadroom
}

// Overhead returns how many bytes longer a record is than its plaintext, Headroom included; MaxOverhead while the
// suite is not known or has no fast path.
func (c *Conn) Overhead() int {
	if tx := c.tx.Load(); tx != nil {
		return tx.headroom() + tagSize
	}
	return MaxOverhead
}

// ExportKeyingMaterial derives length bytes, at most 1,024, for another protocol from the handshake (RFC 5705, without
// context); "EXTRACTOR-dtls_srtp" gives the keys of DTLS-SRTP (RFC 5764, section 4.2).
func (c *Conn) ExportKeyingMaterial(label string, length int) ([]byte, error) {
	s := c.established()
	if s == nil {
		return nil, ErrNotEstablished
	}
	return s.export(label, length)
}

// PeerCertificate returns the peer's leaf certificate in DER, or nil before the association is established. It must not
// be modified.
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

// CipherSuiteName returns the name of the cipher suite with the given number, as IANA writes it.
func CipherSuiteName(id uint16) string { return dtls.CipherSuiteName(dtls.CipherSuiteID(id)) }

// SRTPProtectionProfile returns the DTLS-SRTP profile that was negotiated, or 0 for none.
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
