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
	// minSpace is the least room for new bytes in a Compressor's buffer: less would move small windows all the time.
	minSpace = 1024
	// maxHashBits bounds the table of hashes; below, it has an entry for each byte of the window.
	maxHashBits = 14
)

// A Compressor compresses the messages of one direction of one connection, one after the other. It holds the last messages up
// to the size of its window and an index of them: 160 KiB for a window of 15 bits, 4 KiB for one of 9. It is not safe for
// concurrent use.
type Compressor struct {
	window int    // the size of the window, in bytes: a power of 2
	buf    []byte // the window, then what is to be compressed
	pos    int    // where the second starts in buf
	end    int    // and where it ends
	hashed int    // where what is not in the index yet starts, never above pos

	// The index: where in the stream the last bytes with each hash were, and where others with the same hash were before.
	// Both count modulo 65536 from the stream's start, so that moving the bytes of buf leaves them alone; what has
	// become wrong in them is found out by looking at the bytes.
	head, prev []uint16
	base       uint16 // the place of buf[0] in the stream
	hashShift  uint

	hold  uint64 // bits that are no whole byte yet, the first one lowest
	nbits uint   // how many of them
}

// NewCompressor returns a compressor whose matches reach back at most 2^windowBits bytes, also into earlier messages. It
// panics if windowBits is not in [MinWindowBits] to [MaxWindowBits].
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

// Reset forgets the history and an unfinished message.
func (c *Compressor) Reset() {
	c.base += uint16(c.end) // nearly all of the index is too far away now
	c.pos, c.end, c.hashed = 0, 0, 0
	c.hold, c.nbits = 0, 0
}

// Append compresses src, the next bytes of a message, and appends to dst what came out: whole bytes, so that up to 7 bits may
// be kept for the next call. With last, the message ends: all of it is out, without the 00 00 ff ff at its end
// (RFC 7692, section 7.2.1), and the next call begins another one. Neither slice is kept.
//
// Each call makes blocks of its own, so that a message in many small parts is larger than in one.
func (c *Compressor) Append(dst, src []byte, last bool) []byte {
	if len(src) > 0 {
		s := scratchPool.Get().(*scratch)
		dst = c.compress(dst, src, s)
		scratchPool.Put(s)
	}
	if last {
		// An empty stored block: BFINAL 0, BTYPE 00, and zeros to the byte border; LEN and NLEN are what is left out.
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

// fill copies as much of src to buf as there is room for, and says how much that was.
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

// maxTokens is the most tokens in a block: enough to make a code worth its header, few enough for it to follow the data.
const maxTokens = 1 << 14

// scratch is what compressing needs besides the window. It holds nothing between calls, so that few of them serve many
// connections.
type scratch struct {
	n      int // tokens
	tokens [maxTokens]token

	// How often each symbol occurs, without the end of the block.
	litLenCount   [maxLitLenSymbols]uint32
	distanceCount [maxDistanceSymbols]uint32

	litLen, distance codes
	codeLength       codes
	header           [maxLitLenSymbols + maxDistanceSymbols]uint16 // symbols of the code length code, with their extra bits
	sorted, weights  [maxLitLenSymbols]uint32                      // for making codes
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// full says that there may be no room for the tokens of one more step of findMatches.
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
