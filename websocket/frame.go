package websocket

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// Opcode is the type of a frame.
//
// RFC 6455, section 11.8.
type Opcode uint8

// The defined opcodes. 3 to 7 and 11 to 15 are reserved.
const (
	OpcodeContinuation Opcode = 0
	OpcodeText         Opcode = 1
	OpcodeBinary       Opcode = 2
	OpcodeClose        Opcode = 8
	OpcodePing         Opcode = 9
	OpcodePong         Opcode = 10
)

// String returns the name of a defined opcode, such as "continuation" or "ping".
func (o Opcode) String() string {
	switch o {
	case OpcodeContinuation:
		return "continuation"
	case OpcodeText:
		return "text"
	case OpcodeBinary:
		return "binary"
	case OpcodeClose:
		return "close"
	case OpcodePing:
		return "ping"
	case OpcodePong:
		return "pong"
	}
	return "Opcode(" + strconv.Itoa(int(o)) + ")"
}

// IsControl reports whether o is the opcode of a control frame: close, ping, pong, or one reserved
// for further control frames.
func (o Opcode) IsControl() bool { return o&8 != 0 }

func (o Opcode) isReserved() bool { return o&7 > 2 }

const (
	// MaxControlPayload is the size of the largest payload of a control frame, in bytes.
	//
	// RFC 6455, section 5.5.
	MaxControlPayload = 125

	// MaxFrameHeader is the size of the longest frame header, in bytes: that of a masked frame of
	// 64 KiB or more.
	MaxFrameHeader = 14
)

const (
	bitFin  = 0x80
	bitRsv1 = 0x40
	bitRsv2 = 0x20
	bitRsv3 = 0x10
	bitMask = 0x80

	length16 = 126 // the length is in the following 2 bytes
	length64 = 127 // … 8 bytes
)

// FrameHeader is the header of a frame.
//
// RFC 6455, section 5.2.
type FrameHeader struct {
	Fin              bool // the last, or only, frame of a message
	Rsv1, Rsv2, Rsv3 bool // Rsv1 on the first frame of a message: it is compressed by permessage-deflate
	Opcode           Opcode
	Masked           bool
	MaskingKey       [4]byte // if Masked
	PayloadLength    int64   // in bytes; at most 125 if Opcode.IsControl
}

// ParseFrameHeader parses the header at the front of b, and returns its size n. If b is too short,
// n is 0, and err is nil unless the bytes that are there are already invalid.
//
// The error is a *[ProtocolError] for a header that is invalid for any endpoint: a reserved opcode,
// a control frame that is fragmented or too long, a length that is not encoded in the fewest bytes.
// It does not check masking and reserved bits, which depend on the role of the receiver and on
// extensions; a [Receiver] does.
func ParseFrameHeader(b []byte) (h FrameHeader, n int, err error) {
	if len(b) == 0 {
		return h, 0, nil
	}
	b0 := b[0]
	h.Fin, h.Rsv1, h.Rsv2, h.Rsv3 = b0&bitFin != 0, b0&bitRsv1 != 0, b0&bitRsv2 != 0, b0&bitRsv3 != 0
	h.Opcode = Opcode(b0 & 15)
	if h.Opcode.isReserved() {
		return h, 0, errReservedOpcode
	}
	if h.Opcode.IsControl() && !h.Fin {
		return h, 0, errControlFragmented
	}
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Masked = b[1]&bitMask != 0
	length := uint64(b[1] &^ bitMask)
	n = 2
	if length >= length16 {
		if h.Opcode.IsControl() {
			return h, 0, errControlTooLong
		}
		// RFC 6455, section 5.2: "in all cases, the minimal number of bytes MUST be used to encode
		// the length".
		if length == length16 {
			if n = 4; len(b) < n {
				return h, 0, nil
			}
			if length = uint64(binary.BigEndian.Uint16(b[2:])); length < length16 {
				return h, 0, errLengthEncoding
			}
		} else {
			if n = 10; len(b) < n {
				return h, 0, nil
			}
			if length = binary.BigEndian.Uint64(b[2:]); length < 1<<16 || length >= 1<<63 {
				return h, 0, errLengthEncoding
			}
		}
	}
	h.PayloadLength = int64(length)
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		h.MaskingKey = [4]byte(b[n : n+4])
		n += 4
	}
	return h, n, nil
}

// AppendFrameHeader appends the header to dst, with its length encoded in the fewest bytes. It does
// not check the header. If h.Masked is set, the caller must mask the payload, see [Mask].
func AppendFrameHeader(dst []byte, h FrameHeader) []byte {
	b0, b1 := byte(h.Opcode)&15, byte(0)
	if h.Fin {
		b0 |= bitFin
	}
	if h.Rsv1 {
		b0 |= bitRsv1
	}
	if h.Rsv2 {
		b0 |= bitRsv2
	}
	if h.Rsv3 {
		b0 |= bitRsv3
	}
	if h.Masked {
		b1 = bitMask
	}
	dst = appendStart(dst, b0, b1, h.PayloadLength)
	if h.Masked {
		dst = append(dst, h.MaskingKey[:]...)
	}
	return dst
}

// appendStart appends a header without the masking key: the first byte, and the length, whose first
// byte is combined with b1.
func appendStart(dst []byte, b0, b1 byte, n int64) []byte {
	switch {
	case n < length16:
		return append(dst, b0, b1|byte(n))
	case n < 1<<16:
		return append(dst, b0, b1|length16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, b0, b1|length64), uint64(n))
}

// Mask masks or unmasks b in place. b is the part of a frame's payload that begins offset bytes
// behind the header.
//
// RFC 6455, section 5.3.
func Mask(key [4]byte, offset int, b []byte) {
	mask(bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(offset&3)), b)
}

// mask masks b in place with a key whose low byte is for b[0], and returns the key for the byte
// after b.
//
// The loop works on 64 bytes at a time: encoding/binary compiles to unaligned loads and stores
// where the CPU has them, and fixed-size arrays need no bounds checks.
func mask(key uint32, b []byte) uint32 {
	if key == 0 {
		return 0 // unmasked, or masked with zeros
	}
	k := uint64(key)<<32 | uint64(key)
	for len(b) >= 64 {
		p := (*[64]byte)(b)
		binary.LittleEndian.PutUint64(p[0:], binary.LittleEndian.Uint64(p[0:])^k)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^k)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^k)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^k)
		binary.LittleEndian.PutUint64(p[32:], binary.LittleEndian.Uint64(p[32:])^k)
		binary.LittleEndian.PutUint64(p[40:], binary.LittleEndian.Uint64(p[40:])^k)
		binary.LittleEndian.PutUint64(p[48:], binary.LittleEndian.Uint64(p[48:])^k)
		binary.LittleEndian.PutUint64(p[56:], binary.LittleEndian.Uint64(p[56:])^k)
		b = b[64:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	if len(b) >= 4 {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)^key)
		b = b[4:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}

// appendMasked appends src to dst, masked, and returns the key for the byte after src. One pass
// over the memory instead of two is not faster: copying uses wider registers than the compiler does
// for a loop.
func appendMasked(dst, src []byte, key uint32) ([]byte, uint32) {
	n := len(dst)
	dst = append(dst, src...)
	return dst, mask(key, dst[n:])
}
