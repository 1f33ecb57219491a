package websocket

import (
	"encoding/binary"
	"math/bits"
)

// Opcode is the kind of a frame.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-11.8
type Opcode uint8

// The opcodes that are defined. 3 to 7 and 11 to 15 are reserved.
const (
	OpcodeContinuation Opcode = 0
	OpcodeText         Opcode = 1
	OpcodeBinary       Opcode = 2
	OpcodeClose        Opcode = 8
	OpcodePing         Opcode = 9
	OpcodePong         Opcode = 10
)

// IsControl reports whether it is the opcode of a control frame: close, ping, pong, or reserved for another.
func (o Opcode) IsControl() bool { return o&8 != 0 }

func (o Opcode) isReserved() bool { return o&7 > 2 }

const (
	// MaxControlPayload is how many bytes of payload a control frame can have.
	// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.5
	MaxControlPayload = 125

	// MaxFrameHeader is the size of the longest frame header: that of a masked frame of 64 KiB and more.
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

// FrameHeader is what is in front of the payload of a frame.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.2
type FrameHeader struct {
	Fin              bool // the last, or only, frame of a message
	Rsv1, Rsv2, Rsv3 bool // Rsv1 on the first frame of a message: permessage-deflate compressed it
	Opcode           Opcode
	Masked           bool
	MaskingKey       [4]byte // if Masked
	PayloadLength    int64   // in bytes; at most 125 if Opcode.IsControl
}

// ParseFrameHeader reads the header that b begins with and returns how many
// bytes it has. While b is too short for that, n is 0, and err is nil unless
// those bytes are wrong already. What is wrong for any endpoint is an error, a
// *[ProtocolError]: a reserved opcode, a control frame that is fragmented or too
// long, a length that is not encoded in the fewest bytes. What depends on the
// role of the receiver and on extensions, masking and reserved bits, is the
// caller's to check, or a [Receiver]'s.
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
		// "the minimal number of bytes MUST be used to encode the length"
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

// AppendFrameHeader appends the header to dst, its length encoded in the fewest
// bytes. It does not check the header. The payload that the caller appends must
// be masked if the header says so: see [Mask].
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

// appendStart appends what a header has besides the masking key: its first byte,
// and the length behind the bits of the second.
func appendStart(dst []byte, b0, b1 byte, n int64) []byte {
	switch {
	case n < length16:
		return append(dst, b0, b1|byte(n))
	case n < 1<<16:
		return append(dst, b0, b1|length16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, b0, b1|length64), uint64(n))
}

// Mask masks or unmasks b, the part of a frame's payload that begins offset
// bytes behind the header, in place.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-5.3
func Mask(key [4]byte, offset int, b []byte) {
	mask(bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(offset&3)), b)
}

// mask masks b in place with a key whose low byte is for b[0], and returns the
// key for what follows b.
//
// The loop works on 64 bytes at a time: encoding/binary turns into unaligned
// loads and stores where the CPU has them, and fixed-size arrays need no check of
// bounds inside.
func mask(key uint32, b []byte) uint32 {
	if key == 0 {
		return 0 // unmasked, or as good as that
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

// appendMasked appends src to dst, masked, and returns the key for what follows.
// One pass over the memory instead of two is no faster: copying is done with
// wider registers than the compiler uses for a loop.
func appendMasked(dst, src []byte, key uint32) ([]byte, uint32) {
	n := len(dst)
	dst = append(dst, src...)
	return dst, mask(key, dst[n:])
}
