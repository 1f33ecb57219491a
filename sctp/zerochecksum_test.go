package sctp

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// handshakePackets connects two associations, and returns the packets of both sides.
func handshakePackets(t *testing.T, ca, cb Config) (p *memoryPipe, packets [][]byte) {
	p = &memoryPipe{a: mustNew(ca), b: mustNew(cb), now: pipeStart, buf: make([]byte, 0, 2000)}
	p.a.Connect(p.now)
	for range 10 {
		p.now = p.now.Add(1000)
		for _, dir := range [][2]*Association{{p.a, p.b}, {p.b, p.a}} {
			for {
				packet, ok := dir[0].Transmit(p.now, nil)
				if !ok {
					break
				}
				packets = append(packets, packet)
				dir[1].Receive(p.now, packet)
			}
		}
	}
	require.Equal(t, StateEstablished, p.a.State())
	require.Equal(t, StateEstablished, p.b.State())
	return p, packets
}

func checksumOf(packet []byte) uint32 { return binary.LittleEndian.Uint32(packet[8:]) }

// RFC 9653, section 5.2: a packet with INIT or COOKIE ECHO has the correct CRC32c; other packets
// may have zero if the peer accepts it.
func TestZeroChecksumIsUsedWhereBothAgree(t *testing.T) {
	p, packets := handshakePackets(t, Config{EnableZeroChecksum: true}, Config{EnableZeroChecksum: true})
	for _, packet := range packets {
		switch typ := chunkType(packet[commonHeaderSize]); typ {
		case chunkInit, chunkInitAck, chunkCookieEcho:
			require.True(t, checksumOK(packet, new([commonHeaderSize]byte)), "%v", typ)
		case chunkCookieAck:
			require.Zero(t, checksumOf(packet))
		}
	}
	require.NoError(t, p.a.Send(p.now, 0, 53, []byte("x"), SendOptions{}))
	packet, ok := p.a.Transmit(p.now, nil)
	require.True(t, ok)
	require.Zero(t, checksumOf(packet))
	p.b.Receive(p.now, packet)
	m, ok := p.b.ReadMessage()
	require.True(t, ok)
	require.Equal(t, "x", string(m.Data))
}

// RFC 9653, section 5.1: an endpoint that has not announced it gets correct checksums, and accepts
// no other.
func TestZeroChecksumNeedsBoth(t *testing.T) {
	for _, c := range [][2]bool{{true, false}, {false, true}, {false, false}} {
		p, packets := handshakePackets(t, Config{EnableZeroChecksum: c[0]}, Config{EnableZeroChecksum: c[1]})
		require.NoError(t, p.a.Send(p.now, 0, 53, []byte("x"), SendOptions{}))
		require.NoError(t, p.b.Send(p.now, 0, 53, []byte("y"), SendOptions{}))
		for _, x := range []*Association{p.a, p.b} {
			packet, ok := x.Transmit(p.now, nil)
			require.True(t, ok)
			packets = append(packets, packet)
		}
		for _, packet := range packets {
			require.True(t, checksumOK(packet, new([commonHeaderSize]byte)), "%v", c)
		}
		if !c[1] {
			packet := packets[len(packets)-2] // of a
			binary.LittleEndian.PutUint32(packet[8:], 0)
			errors := p.b.Stats().ChecksumErrors
			p.b.Receive(p.now, packet)
			require.Equal(t, errors+1, p.b.Stats().ChecksumErrors)
			_, ok := p.b.ReadMessage()
			require.False(t, ok)
		}
	}
}

// RFC 9653, section 5.3: a zero checksum is not accepted with INIT and COOKIE ECHO, and a wrong one
// in no packet.
func TestZeroChecksumIsRefused(t *testing.T) {
	_, packets := handshakePackets(t, Config{EnableZeroChecksum: true}, Config{EnableZeroChecksum: true})
	b := mustNew(Config{EnableZeroChecksum: true})
	for _, packet := range packets {
		if typ := chunkType(packet[commonHeaderSize]); typ != chunkInit && typ != chunkCookieEcho {
			continue
		}
		binary.LittleEndian.PutUint32(packet[8:], 0)
		before := b.Stats().ChecksumErrors
		b.Receive(pipeStart, packet)
		require.Equal(t, before+1, b.Stats().ChecksumErrors)
		_, ok := b.Transmit(pipeStart, nil)
		require.False(t, ok)
	}
	p, _ := handshakePackets(t, Config{EnableZeroChecksum: true}, Config{EnableZeroChecksum: true})
	require.NoError(t, p.a.Send(p.now, 0, 53, []byte("x"), SendOptions{}))
	packet, _ := p.a.Transmit(p.now, nil)
	packet[8] = 1
	p.b.Receive(p.now, packet)
	require.EqualValues(t, 1, p.b.Stats().ChecksumErrors)
}
