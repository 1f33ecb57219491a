package deflate

import (
	"encoding/binary"
	"sync"
)

// The window sizes of RFC 7692, in bits.
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

const (
	// minSpace is the least space for new bytes in a Compressor's buffer: with less, small windows
	// would be moved often.
	minSpace = 1024
	// maxHashBits bounds the table of hashes; below, it has an entry for each byte of the window.
	maxHashBits = 14
)

// A Compressor compresses the messages of one direction of one connection, one after the other. It
// holds the last bytes of them, up to the size of its window, and an index: 160 KiB for a window of
// 15 bits, 4 KiB for one of 9. It is not safe for concurrent use.
type Compressor struct {
	window int    // the size of the window, in bytes: a power of 2
	buf    []byte // the window, then the bytes to be compressed
	pos    int    // the start of the bytes to be compressed, in buf
	end    int    // the end of them
	hashed int    // the start of the bytes that are not in the index yet, never above pos

	// The index: for each hash the last position in the stream with that hash, and for each
	// position the one before it with the same hash. Positions count modulo 65536 from the start of
	// the stream, so that they remain valid when the bytes of buf move. An outdated position is
	// recognised by comparing the bytes.
	head, prev []uint16
	base       uint16 // the position of buf[0] in the stream
	hashShift  uint

	hold  uint64 // bits that do not fill a byte yet, the first one lowest
	nbits uint   // the number of them
}

// NewCompressor returns a compressor whose matches reach back at most 2^windowBits bytes, also into
// earlier messages. It panics if windowBits is not in [MinWindowBits] to [MaxWindowBits].
func NewCompressor(windowBits int) *Compressor {
	checkWindowBits(windowBits)
	window := 1 << windowBits
	hashBits := min(windowBits, maxHashBits)
	return &Compressor{
		window:    window,
		buf:       make([]byte, window+max(window, minSpace)),
		head:      make([]uint16, 1<<hashBits),
		prev:      make([]uint16, window),
		hashShift: uint(32 - hashBits),
	}
}

func checkWindowBits(bits int) {
	if bits < MinWindowBits || bits > MaxWindowBits {
		panic("deflate: window bits out of range")
	}
}

// Reset empties the window and discards an unfinished message.
func (c *Compressor) Reset() {
	c.base += uint16(c.end) // so that the distances to nearly all positions of the index are too large
	c.pos, c.end, c.hashed = 0, 0, 0
	c.hold, c.nbits = 0, 0
}

// Append compresses src, the next bytes of a message, and appends the output to dst. The output has
// whole bytes, and up to 7 bits are kept for the next call. If last is set, the message ends: all
// of its output has been appended, without the 00 00 ff ff at its end (RFC 7692, section 7.2.1),
// and the next call begins another message. Neither slice is kept.
//
// Each call produces blocks of its own, so that a message passed in many small parts is larger than
// one passed at once.
func (c *Compressor) Append(dst, src []byte, last bool) []byte {
	if len(src) > 0 {
		s := scratchPool.Get().(*scratch)
		dst = c.compress(dst, src, s)
		scratchPool.Put(s)
	}
	if last {
		// An empty stored block: BFINAL 0, BTYPE 00, and zeros up to the byte boundary, without LEN
		// and NLEN.
		for bits := c.nbits + 3; bits > 0; bits -= min(bits, 8) {
			dst = append(dst, byte(c.hold))
			c.hold >>= 8
		}
		c.nbits = 0
	}
	return dst
}

func (c *Compressor) compress(dst, src []byte, s *scratch) []byte {
	read, start := 0, 0 // bytes of src in buf, and bytes of src in finished blocks
	for start < len(src) {
		read += c.fill(src[read:])
		c.findMatches(s, read == len(src))
		if done := read - (c.end - c.pos); done == len(src) || s.full() {
			dst = c.appendBlocks(dst, s, src[start:done])
			start = done
		}
	}
	return dst
}

// fill copies as many bytes of src to buf as there is space for, and returns their number.
func (c *Compressor) fill(src []byte) int {
	if len(src) > len(c.buf)-c.end && c.pos > c.window {
		moved := c.pos - c.window
		copy(c.buf, c.buf[moved:c.end])
		c.pos -= moved
		c.end -= moved
		c.hashed -= moved
		c.base += uint16(moved)
	}
	n := copy(c.buf[c.end:], src)
	c.end += n
	return n
}

// maxTokens is the largest number of tokens in a block: large enough that dynamic codes save more
// than their header takes, and small enough that the codes adapt to the data.
const maxTokens = 1 << 14

// scratch is the memory that compression needs besides the window. It holds nothing between calls,
// so that a few of them serve many connections.
type scratch struct {
	n      int // the number of tokens
	tokens [maxTokens]token

	// The number of occurrences of each symbol, without the end of the block.
	litLenCount   [maxLitLenSymbols]uint32
	distanceCount [maxDistanceSymbols]uint32

	litLen, distance codes
	codeLength       codes
	header           [maxLitLenSymbols + maxDistanceSymbols]uint16 // symbols of the code length code, with their extra bits
	sorted, weights  [maxLitLenSymbols]uint32                      // of makeCodes
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// full reports whether there may be no space for the tokens of one more step of findMatches.
func (s *scratch) full() bool { return s.n > maxTokens-maxStep }

func (s *scratch) reset() {
	s.n = 0
	clear(s.litLenCount[:])
	clear(s.distanceCount[:])
}

// token is a literal byte, or a match: tokenMatch | (length-3)<<16 | distance-1.
type token uint32

const tokenMatch token = 1 << 31

func (s *scratch) literal(b byte) {
	s.tokens[s.n] = token(b)
	s.n++
	s.litLenCount[b]++
}

func (s *scratch) match(length, distance int) {
	s.tokens[s.n] = tokenMatch | token(length-minMatch)<<16 | token(distance-1)
	s.n++
	s.litLenCount[257+int(lengthSymbol[length-minMatch])]++
	s.distanceCount[distanceSymbol(distance-1)]++
}

func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i : i+4 : len(b)]) }
func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : len(b)]) }
