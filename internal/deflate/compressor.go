package deflate

import "encoding/binary"

// The window sizes of RFC 7692, in bits.
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

// A Compressor compresses the messages of one direction of one connection.
type Compressor struct{}

// NewCompressor returns a compressor whose matches reach back at most 2^windowBits bytes. It panics if windowBits is not in 8 to 15.
func NewCompressor(windowBits int) *Compressor {
	checkWindowBits(windowBits)
	return &Compressor{}
}

// Append compresses src as a part of a message and appends what came out to dst. With last, the message ends: its last byte
// is complete, and the 00 00 ff ff at its end is left out.
func (c *Compressor) Append(dst, src []byte, last bool) []byte {
	for len(src) > 0 {
		n := min(len(src), 65535)
		dst = append(dst, 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, src[:n]...)
		src = src[n:]
	}
	if last {
		dst = append(dst, 0)
	}
	return dst
}

// Reset forgets the history and an unfinished message.
func (c *Compressor) Reset() {}

func checkWindowBits(bits int) {
	if bits < MinWindowBits || bits > MaxWindowBits {
		panic("deflate: window bits out of range")
	}
}
