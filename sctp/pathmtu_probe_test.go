package sctp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// A probe of any size has exactly that size, and the answer to each of its chunks fits in any
// packet, beside a SACK.
func TestPathMTUProbeOfAnySize(t *testing.T) {
	s := newMTUScript(t, Config{})
	peer := established(t, Config{})
	var probe []byte
	for size := MinMTU; size <= MaxMTU; size += 4 {
		if size > 4000 {
			size += 1000
		}
		s.a.mtu.probe(size)
		probe = s.a.appendMTUProbe(0, probe[:0])
		require.Len(t, probe, size)
		chunks, rest := 0, probe[commonHeaderSize:]
		for ; len(rest) > 0; chunks++ {
			var c chunk
			var ok bool
			c, rest, ok = nextChunk(rest)
			require.True(t, ok)
			require.Equal(t, chunkHeartbeat, c.typ)
			p, left, ok := nextParam(c.value)
			require.True(t, ok)
			require.Empty(t, left, "one parameter")
			require.Equal(t, paramHeartbeatInfo, p.typ)
			require.Greater(t, len(p.value), heartbeatInfoSize)
			require.LessOrEqual(t, commonHeaderSize+sackHeaderSize+len(c.raw), MinMTU)
			if size > 2000 {
				continue
			}
			peer.receive(c.raw)
			peer.want("HEARTBEAT ACK " + quote(c.value))
		}
		require.LessOrEqual(t, chunks, size/300+1)
	}
}

// chunksOf lists the types of the chunks in a packet.
func chunksOf(packet []byte) (types []chunkType) {
	for rest := packet[commonHeaderSize:]; len(rest) > 0; {
		c, next, ok := nextChunk(rest)
		if !ok {
			break
		}
		types = append(types, c.typ)
		rest = next
	}
	return types
}

// RFC 9260, section 3.2: the highest bits of a chunk's type determine how a receiver treats an
// unknown chunk. Some peers ignore these bits: one ends its process at the first chunk that it does
// not know. So an association always sends only the chunks of RFC 9260 and those of the peer's
// Supported Extensions. The path MTU is found nevertheless.
func TestOnlyChunksThatThePeerKnows(t *testing.T) {
	forwardTSN := rawParam(0xc000)
	for name, peer := range map[string]struct {
		params []byte
		used   []chunkType // of the types that it supports
	}{
		"nothing":           {nil, nil},
		"partial":           {forwardTSN, []chunkType{chunkForwardTSN}},
		"as werift, aiortc": {append(forwardTSN, rawParam(0x8008, byte(192), byte(130))...), []chunkType{chunkForwardTSN, chunkReConfig}},
		"as dcsctp": {append(forwardTSN, rawParam(0x8008, byte(130), byte(192), byte(64), byte(194))...),
			[]chunkType{chunkReConfig, chunkIData, chunkIForwardTSN}},
		"PAD": {append(forwardTSN, rawParam(0x8008, byte(130), byte(192), byte(132))...), []chunkType{chunkForwardTSN, chunkReConfig}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Config{MTU: baseMTU, MaxMTU: mostMTU})
			s.connect(initAck(peerTag, peerTSN, peer.params))
			known := map[chunkType]bool{}
			for typ := chunkData; typ <= chunkShutdownComplete; typ++ {
				known[typ] = true
			}
			for _, typ := range peer.used {
				known[typ] = true
			}
			seen := map[chunkType]bool{}
			take := func() {
				t.Helper()
				lines, packets := s.take()
				for i, p := range packets {
					for _, typ := range chunksOf(p) {
						require.True(t, known[typ], lines[i])
						seen[typ] = true
					}
					for rest := p[commonHeaderSize:]; len(rest) > 0; {
						var c chunk
						c, rest, _ = nextChunk(rest)
						if c.typ == chunkHeartbeat {
							s.receive(rawChunk(5, 0, c.value))
						}
					}
				}
			}
			for i := range 100 {
				s.send(uint16(i%3), string(make([]byte, 3000)), SendOptions{LimitRetransmits: true, Unordered: i%2 == 0})
				take()
				if i%10 == 9 { // all of it is lost, and given up
					s.wait(10 * time.Second)
					take()
				}
				if i == 90 { // what the peer does not support is refused; nothing is answered
					_ = s.a.ResetStream(s.now, 9)
					_ = s.a.RequestStreamReset(s.now, 1)
					_ = s.a.AddStreams(s.now, 1, 1)
					take()
				}
				s.wait(rtt)
				s.receive(sack(s.a.out.next - 1))
				// Chunks that are not in the Supported Extensions of this side, but that a peer may
				// send.
				s.receive(rawChunk(132, 0, make([]byte, 100)), rawChunk(200, 0, "?"), rawChunk(63, 0, "?"))
				take()
			}
			require.Equal(t, mostMTU, s.a.Stats().MTU)
			for _, typ := range peer.used {
				require.True(t, seen[typ], typ.String())
			}
			s.a.Shutdown(s.now)
			s.drain()
			s.wait(time.Minute)
			take()
		})
	}
}

// An answer as large as the probe would find the smaller MTU of the two directions.
func TestPathMTUOfOneDirection(t *testing.T) {
	netsim.Seeds(t, 50, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		delay := time.Duration(1+r.IntN(80)) * time.Millisecond
		back := MinMTU + r.IntN(300)
		p := newPair(t, seed, Config{MTU: baseMTU, MaxMTU: mostMTU}, Config{MTU: back &^ 3},
			netsim.LinkConfig{Delay: delay, MTU: mostMTU}, netsim.LinkConfig{Delay: delay, MTU: back})
		p.connect()
		for range 10 {
			require.NoError(t, p.a.Send(p.Now(), 1, 53, make([]byte, 5000), SendOptions{}))
			p.Poke(p.a)
			end := p.Now().Add(4 * delay)
			_ = p.Run(func() bool { return p.Now().After(end) }, time.Second)
		}
		stats := p.a.Stats()
		require.Equal(t, mostMTU, stats.MTU)
		require.Zero(t, stats.MTUProbesLost)
		require.Zero(t, p.path.BA.Stats().TooLarge)
		require.Zero(t, p.b.ctl.dropped)
	})
}

// One answer to a probe is enough, and the others have no effect, now and later.
func TestOneAnswerToAProbeIsEnough(t *testing.T) {
	for answered := range 4 {
		t.Run(fmt.Sprint(answered), func(t *testing.T) {
			s := newMTUScript(t, Config{})
			s.send(0, string(make([]byte, 6000)))
			var infos [][]byte
			_, packets := s.take()
			for _, p := range packets {
				for rest := p[commonHeaderSize:]; len(rest) > 0; {
					var c chunk
					if c, rest, _ = nextChunk(rest); c.typ == chunkHeartbeat {
						infos = append(infos, c.value)
					}
				}
			}
			require.Len(t, infos, 4)
			s.receive(rawChunk(5, 0, infos[answered]))
			s.wantMTU(baseMTU, mtuSearching)
			for _, info := range infos {
				require.EqualValues(t, baseMTU, binary.BigEndian.Uint32(info[12:]))
				s.receive(rawChunk(5, 0, info))
			}
			s.wantMTU(baseMTU, mtuSearching)
			stats := s.a.Stats()
			require.EqualValues(t, 1, stats.MTUProbesAcked)
			require.Zero(t, stats.ChunksInvalid)
		})
	}
}
