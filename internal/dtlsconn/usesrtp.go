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

// A client has to offer use_srtp although it has no media: pion and others refuse one that does not, as browsers always
// do (RFC 8827, section 6.5). It must not insist either: servers for data alone do not answer the offer, which is
// their right (RFC 5764, section 4.1.1). pion/dtls knows only clients that insist and clients that do not offer, so there are
// two of them, who send the same ClientHello, until the ServerHello decides which of them it suits: the first, which
// insists and which alone is heard, or the second, which stands by in silence.

// attempt is one pion/dtls connection at work on the handshake.
type attempt struct {
	inner    *dtls.Conn
	pipe     *pipe
	wire     *handshakeWriter
	keyLog   *keyLog
	randoms  *serverRandoms
	cancel   context.CancelFunc // once started
	selected bool               // its end is the Conn's; guarded by the Conn's mu
}

// leads reports whether the end of an attempt is to be reported: not that of a second one that was not needed.
func (c *Conn) isSelected(at *attempt) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.selected && c.hello != nil {
		c.hello.release() // it may have ended before it began
		if c.standby == at {
			c.standby = nil
		}
	}
	return at.selected
}

// srtpOptions makes pion/dtls negotiate one of the profiles.
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

// hello is what the two ClientHellos have in common that pion/dtls would make up anew for each.
type helloPair struct {
	random [handshake.RandomBytesLength]byte

	written  chan struct{} // closed when the second one is, or will not be
	once     sync.Once
	profiles []uint16

	mu    sync.Mutex
	times [2]int64 // the seconds in the randoms of the first and the second
}

func newHelloPair(profiles []uint16) *helloPair {
	h := &helloPair{written: make(chan struct{}), profiles: profiles}
	_, _ = rand.Read(h.random[:]) // never fails
	return h
}

func (h *helloPair) randomBytes() [handshake.RandomBytesLength]byte { return h.random }

func (h *helloPair) requiringOptions() []dtls.Option {
	return append(srtpOptions(h.profiles),
		dtls.WithHelloRandomBytesGenerator(h.randomBytes), dtls.WithClientHelloMessageHook(h.requiringHook))
}

func (h *helloPair) offeringOptions() []dtls.Option {
	return []dtls.Option{
		dtls.WithHelloRandomBytesGenerator(h.randomBytes), dtls.WithClientHelloMessageHook(h.offeringHook)}
}

// first is the hook of the first client. It waits for the second one, so that the times in both are the same.
func (h *helloPair) requiringHook(m handshake.MessageClientHello) handshake.Message {
	<-h.written
	h.mu.Lock()
	h.times[0] = m.Random.GMTUnixTime.Unix()
	h.mu.Unlock()
	return &m
}

// second is the hook of the second client: it adds the offer in the place where pion/dtls has it.
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

// release lets the first client go on.
func (h *helloPair) release() { h.once.Do(func() { close(h.written) }) }

// same tells whether the two ClientHellos are one: between their making the second may have changed, about once in 100,000 times.
func (h *helloPair) identical() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[0] == h.times[1]
}

// decide looks for the ServerHello in a datagram of the server, and leaves the attempt that it suits. Called with mu held.
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
	// Not yet: what the server says before, a HelloVerifyRequest, is for both.
	c.standby.pipe.push(slices.Clone(datagram))
}

// choose ends one of the two attempts. Called with mu held.
func (c *Conn) selectAttempt(first bool) {
	winner, loser := c.attempt, c.standby
	if !first {
		winner, loser = loser, winner
	}
	c.standby = nil
	loser.wire.detach() // first, so that it leaves in silence
	winner.wire.setOutput(c.handshakeOutput)
	winner.selected, loser.selected = true, false
	c.attempt = winner
	loser.cancel()
}
