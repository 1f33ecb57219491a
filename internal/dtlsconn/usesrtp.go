package dtlsconn

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
)

// A client without media offers use_srtp as well: pion and others refuse a client that does not,
// because browsers always do (RFC 8827, section 6.5). It must not require the server to answer the
// offer: servers without media do not, as RFC 5764, section 4.1.1 permits. A client of pion/dtls
// either offers use_srtp and requires the answer, or does not offer it. So two of them run in
// parallel, with identical ClientHellos: the requiring one, whose datagrams are sent, and the
// standby, which does not require an answer, and whose datagrams are dropped. The ServerHello
// decides which of them continues.

// attempt is a handshake by one pion/dtls connection.
type attempt struct {
	inner    *dtls.Conn
	pipe     *pipe
	writer   *handshakeWriter
	keyLog   *keyLog
	randoms  *serverRandoms
	cancel   context.CancelFunc // once started
	selected bool               // its outcome is the Conn's; guarded by the Conn's mu
}

// isSelected reports whether the outcome of an attempt that has ended is the Conn's. It discards a
// standby that is not needed.
func (c *Conn) isSelected(at *attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.selected && c.hello != nil {
		c.hello.release() // if it has ended before its ClientHello
		if c.standby == at {
			c.standby = nil
		}
	}
	return at.selected
}

// srtpOptions returns the options with which pion/dtls negotiates one of the profiles, and a client
// requires that.
func srtpOptions(profiles []uint16) []dtls.Option {
	if len(profiles) == 0 {
		return nil
	}
	return []dtls.Option{dtls.WithSRTPProtectionProfiles(srtpProfiles(profiles)...)}
}

func srtpProfiles(numbers []uint16) []dtls.SRTPProtectionProfile {
	profiles := make([]dtls.SRTPProtectionProfile, len(numbers))
	for i, n := range numbers {
		profiles[i] = dtls.SRTPProtectionProfile(n)
	}
	return profiles
}

// helloPair makes the ClientHellos of the two attempts identical. pion/dtls generates a random for
// each.
type helloPair struct {
	random [handshake.RandomBytesLength]byte

	written  chan struct{} // closed when the standby's ClientHello exists, or will not
	once     sync.Once     // closes it
	profiles []uint16

	mu    sync.Mutex
	times [2]int64 // the time in the random, in seconds, of the requiring attempt and of the standby
}

func newHelloPair(profiles []uint16) *helloPair {
	h := &helloPair{written: make(chan struct{}), profiles: profiles}
	_, _ = rand.Read(h.random[:]) // never fails
	return h
}

func (h *helloPair) randomBytes() [handshake.RandomBytesLength]byte { return h.random }

// requiringOptions are those of the attempt that requires an answer to use_srtp.
func (h *helloPair) requiringOptions() []dtls.Option {
	return append(srtpOptions(h.profiles),
		dtls.WithHelloRandomBytesGenerator(h.randomBytes), dtls.WithClientHelloMessageHook(h.requiringHook))
}

// offeringOptions are those of the standby.
func (h *helloPair) offeringOptions() []dtls.Option {
	return []dtls.Option{
		dtls.WithHelloRandomBytesGenerator(h.randomBytes), dtls.WithClientHelloMessageHook(h.offeringHook)}
}

// requiringHook is called with the ClientHello of the requiring attempt. It waits for that of the
// standby, so that the times in both are the same.
func (h *helloPair) requiringHook(m handshake.MessageClientHello) handshake.Message {
	<-h.written
	h.mu.Lock()
	h.times[0] = m.Random.GMTUnixTime.Unix()
	h.mu.Unlock()
	return &m
}

// offeringHook adds use_srtp to the ClientHello of the standby, at the position where pion/dtls has
// it.
func (h *helloPair) offeringHook(m handshake.MessageClientHello) handshake.Message {
	offer := &extension.UseSRTP{ProtectionProfiles: srtpProfiles(h.profiles)}
	at := slices.IndexFunc(m.Extensions, func(e extension.Extension) bool {
		_, ok := e.(*extension.UseExtendedMasterSecret)
		return ok
	})
	if at < 0 {
		at = len(m.Extensions)
	}
	m.Extensions = slices.Insert(slices.Clone(m.Extensions), at, extension.Extension(offer))
	h.mu.Lock()
	h.times[1] = m.Random.GMTUnixTime.Unix()
	h.mu.Unlock()
	h.release()
	return &m
}

// release ends the wait of requiringHook.
func (h *helloPair) release() { h.once.Do(func() { close(h.written) }) }

// identical reports whether the two ClientHellos are. They are not if a second of the clock has
// begun between them, which happens about once in 100,000 handshakes.
func (h *helloPair) identical() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[0] == h.times[1]
}

// chooseAttempt looks for the ServerHello in a datagram of the server, and selects the attempt that
// can process it. Until there is one, both attempts get all datagrams. It is called with mu held.
func (c *Conn) chooseAttempt(datagram []byte) {
	for rest := datagram; ; {
		r, tail, ok := nextRecord(rest)
		if !ok {
			break
		}
		rest = tail
		if r.contentType != contentHandshake || r.epoch != epochHandshake {
			continue
		}
		if f := r.fragment(); len(f) > 0 && f[0] == handshakeServerHello {
			c.selectAttempt(answersSRTP(f) || !c.hello.identical())
			return
		}
	}
	// It may be a HelloVerifyRequest, which both answer.
	c.standby.pipe.push(slices.Clone(datagram))
}

// selectAttempt ends one of the two attempts: the standby, or else the requiring one. It is called
// with mu held.
func (c *Conn) selectAttempt(requiring bool) {
	selected, other := c.attempt, c.standby
	if !requiring {
		selected, other = other, selected
	}
	c.standby = nil
	other.writer.detach() // before it is canceled, so that it sends no alert
	selected.writer.setOutput(c.handshakeOutput)
	selected.selected, other.selected = true, false
	c.attempt = selected
	other.cancel()
}
