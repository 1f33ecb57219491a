package sctp

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Sizes of the fixed parts, in bytes.
const (
	// commonHeaderSize: RFC 9260, section 3.1.
	commonHeaderSize = 12
	// chunkHeaderSize: RFC 9260, section 3.2.
	chunkHeaderSize = 4
	// dataHeaderSize is that of a DATA chunk, with the chunk header: RFC 9260, section 3.3.1.
	dataHeaderSize = 16
	// iDataHeaderSize is that of an I-DATA chunk: RFC 8260, section 2.1.
	iDataHeaderSize = 20
	// sackHeaderSize is that of a SACK chunk, without blocks and duplicates: RFC 9260, section
	// 3.3.4.
	sackHeaderSize = 16
	// initHeaderSize is that of INIT and INIT ACK, without parameters: RFC 9260, section 3.3.2.
	initHeaderSize = 20
)

// chunkType is the first byte of a chunk. Its two highest bits determine how a receiver treats an
// unknown type: RFC 9260, section 3.2.
type chunkType uint8

const (
	chunkData             chunkType = 0
	chunkInit             chunkType = 1
	chunkInitAck          chunkType = 2
	chunkSack             chunkType = 3
	chunkHeartbeat        chunkType = 4
	chunkHeartbeatAck     chunkType = 5
	chunkAbort            chunkType = 6
	chunkShutdown         chunkType = 7
	chunkShutdownAck      chunkType = 8
	chunkError            chunkType = 9
	chunkCookieEcho       chunkType = 10
	chunkCookieAck        chunkType = 11
	chunkECNE             chunkType = 12
	chunkCWR              chunkType = 13
	chunkShutdownComplete chunkType = 14
	chunkIData            chunkType = 64   // RFC 8260
	chunkReConfig         chunkType = 130  // RFC 6525
	chunkPad              chunkType = 132  // RFC 4820
	chunkForwardTSN       chunkType = 192  // RFC 3758
	chunkIForwardTSN      chunkType = 0xc2 // RFC 8260
)

var chunkNames = map[chunkType]string{
	chunkData: "DATA", chunkInit: "INIT", chunkInitAck: "INIT ACK", chunkSack: "SACK",
	chunkHeartbeat: "HEARTBEAT", chunkHeartbeatAck: "HEARTBEAT ACK", chunkAbort: "ABORT",
	chunkShutdown: "SHUTDOWN", chunkShutdownAck: "SHUTDOWN ACK", chunkError: "ERROR",
	chunkCookieEcho: "COOKIE ECHO", chunkCookieAck: "COOKIE ACK", chunkECNE: "ECNE", chunkCWR: "CWR",
	chunkShutdownComplete: "SHUTDOWN COMPLETE", chunkIData: "I-DATA", chunkReConfig: "RE-CONFIG",
	chunkPad: "PAD", chunkForwardTSN: "FORWARD-TSN", chunkIForwardTSN: "I-FORWARD-TSN",
}

func (t chunkType) String() string {
	if s, ok := chunkNames[t]; ok {
		return s
	}
	return fmt.Sprintf("chunk type %d", uint8(t))
}

// DATA chunk flags: RFC 9260, section 3.3.1.
const (
	flagEnd       = 1 << 0
	flagBeginning = 1 << 1
	flagUnordered = 1 << 2
	flagImmediate = 1 << 3
)

// flagT of ABORT and SHUTDOWN COMPLETE: the verification tag is reflected, that is, the one that
// its receiver sends (RFC 9260, section 8.5.1).
const flagT = 1 << 0

// chunk is a view of one chunk in a received packet.
type chunk struct {
	typ   chunkType
	flags uint8
	value []byte // without header and padding
	raw   []byte // with header, without padding
}

// nextChunk splits the first chunk off b, a view into it. ok is false if its length is impossible:
// nothing after it can be processed then. RFC 9260, section 3.2: the length does not include the
// padding; that of the last chunk may be missing.
func nextChunk(b []byte) (c chunk, rest []byte, ok bool) {
	if len(b) < chunkHeaderSize {
		return chunk{}, nil, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < chunkHeaderSize || length > len(b) {
		return chunk{}, nil, false
	}
	c = chunk{typ: chunkType(b[0]), flags: b[1], value: b[chunkHeaderSize:length], raw: b[:length]}
	return c, b[min(pad4(length), len(b)):], true
}

// pad4 rounds n up to a multiple of four.
func pad4(n int) int { return (n + 3) &^ 3 }

// appendChunkHeader begins a chunk at the end of dst; endChunk completes it.
func appendChunkHeader(dst []byte, t chunkType, flags uint8) []byte {
	return append(dst, byte(t), flags, 0, 0)
}

// endChunk writes the length of the chunk (or parameter, or cause) that begins at start and pads it.
func endChunk(dst []byte, start int) []byte {
	length := len(dst) - start
	binary.BigEndian.PutUint16(dst[start+2:], uint16(length))
	return appendPadding(dst, length)
}

// appendPadding appends the padding of a chunk, parameter or cause of that length.
func appendPadding(dst []byte, length int) []byte {
	for ; length&3 != 0; length++ {
		dst = append(dst, 0)
	}
	return dst
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendCommonHeader begins a packet at the end of dst.
func appendCommonHeader(dst []byte, source, destination uint16, tag uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, source)
	dst = binary.BigEndian.AppendUint16(dst, destination)
	dst = binary.BigEndian.AppendUint32(dst, tag)
	return append(dst, 0, 0, 0, 0)
}

// setChecksum completes a packet whose checksum field is zero. The CRC32c is transmitted in
// little-endian order: RFC 9260, appendix A.
func setChecksum(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, castagnoli))
}

// checksumOK verifies the checksum, whose field counts as zero. scratch is overwritten; a local
// array would be allocated for each packet, because the compiler does not see that crc32 does not
// retain it.
func checksumOK(packet []byte, scratch *[commonHeaderSize]byte) bool {
	*scratch = [commonHeaderSize]byte{}
	copy(scratch[:8], packet)
	sum := crc32.Update(0, castagnoli, scratch[:])
	sum = crc32.Update(sum, castagnoli, packet[commonHeaderSize:])
	return sum == binary.LittleEndian.Uint32(packet[8:])
}
