package rtc

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// seenPacket contains the properties of an SCTP packet that the test checks.
type seenPacket struct {
	first    byte // the type of the first chunk
	checksum uint32
}

// spy records the SCTP packets that a connection receives from now on.
func spy(pc *PeerConnection) (seen func() []seenPacket) {
	var mu sync.Mutex
	var packets []seenPacket
	pc.mu.Lock()
	defer pc.mu.Unlock()
	deliver := pc.transport.deliver
	pc.transport.deliver = func(plaintext []byte) {
		if len(plaintext) > 12 {
			mu.Lock()
			packets = append(packets, seenPacket{plaintext[12], binary.BigEndian.Uint32(plaintext[8:])})
			mu.Unlock()
		}
		deliver(plaintext)
	}
	return func() []seenPacket {
		mu.Lock()
		defer mu.Unlock()
		return append([]seenPacket(nil), packets...)
	}
}

// RFC 9653, section 5.2: after the peer has declared that it accepts it, a sender may set the
// checksum to zero, except in packets with an INIT or COOKIE ECHO chunk. Both sides do so, since
// AES-GCM already authenticates the packets.
func TestChecksumsAreZeroOverDTLS(t *testing.T) {
	inSimulation(t, 1, place{a: withCUBIC(), b: withCUBIC()}, func(t *testing.T, p *simulation) {
		const initChunk, cookieEcho = 1, 10
		seen := []func() []seenPacket{spy(p.a), spy(p.b)}
		a, b := p.connect("x", nil)
		p.quiet()
		var handshake [2]int
		for side := range seen {
			packets := seen[side]()
			for _, s := range packets {
				if s.first == initChunk || s.first == cookieEcho {
					require.NotZero(t, s.checksum, "side %d", side)
				}
			}
			handshake[side] = len(packets)
		}
		for range 20 {
			require.Len(t, exchange(t, a, b, Message{Data: make([]byte, 1000)}).Data, 1000)
			require.Len(t, exchange(t, b, a, Message{Data: make([]byte, 1000)}).Data, 1000)
		}
		p.quiet()
		for side := range seen {
			packets := seen[side]()[handshake[side]:]
			require.GreaterOrEqual(t, len(packets), 20, "side %d", side)
			for _, s := range packets {
				require.Zero(t, s.checksum, "side %d, chunk type %d", side, s.first)
			}
		}
		for _, pc := range []*PeerConnection{p.a, p.b} {
			s := pc.Stats()
			require.Zero(t, s.SCTP.ChecksumErrors)
			require.NotEmpty(t, s.CipherSuite)
		}
	})
}
