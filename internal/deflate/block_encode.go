package deflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	maxStored = 65535 // bytes in a stored block: its LEN has 16 bits

	// minHeaderBits and headerBitsPerSymbol are an estimate of the least size of the header of a
	// dynamic block: the counts and the lengths of 10 code length codes, and for each symbol that
	// occurs its length, of 1 to 4 bits, with the gaps between symbols.
	minHeaderBits       = 5 + 5 + 4 + 3*10
	headerBitsPerSymbol = 2
)

// The symbols, bases and extra bits of lengths and distances. Length symbols are counted from the
// first one.
var (
	lengthSymbol    [maxMatch - minMatch + 1]uint8
	lengthBase      [29]uint16
	lengthExtra     [29]uint8
	nearDistance    [256]uint8 // symbols of distances up to 256
	farDistance     [256]uint8 // symbols of larger distances, divided by 128
	distanceBase    [maxDistanceSymbols]uint16
	distanceExtra   [maxDistanceSymbols]uint8
	fixedLitLenCode codes
	fixedDistCode   codes
)

func init() {
	for symbol := range lengthBase {
		base, extra := baseAndExtra(symbol, 4, minMatch)
		if symbol == len(lengthBase)-1 {
			base, extra = maxMatch, 0
		}
		lengthBase[symbol], lengthExtra[symbol] = uint16(base-minMatch), uint8(extra)
		for length := base; length < base+1<<extra && length <= maxMatch; length++ {
			lengthSymbol[length-minMatch] = uint8(symbol)
		}
	}
	for symbol := range distanceBase {
		base, extra := baseAndExtra(symbol, 2, 1)
		distanceBase[symbol], distanceExtra[symbol] = uint16(base-1), uint8(extra)
		for d := base - 1; d < base-1+1<<extra; d++ {
			if d < len(nearDistance) {
				nearDistance[d] = uint8(symbol)
			} else {
				farDistance[d>>7] = uint8(symbol)
			}
		}
	}
	for symbol, length := range fixedLitLenLengths {
		fixedLitLenCode[symbol] = uint32(length) << codeBits
	}
	for symbol, length := range fixedDistanceLengths {
		fixedDistCode[symbol] = uint32(length) << codeBits
	}
	fixedLitLenCode.assign(len(fixedLitLenLengths))
	fixedDistCode.assign(len(fixedDistanceLengths))
}

// distanceSymbol returns the symbol of the distance d+1.
func distanceSymbol(d int) uint8 {
	if d < len(nearDistance) {
		return nearDistance[d]
	}
	return farDistance[d>>7]
}

// appendBlocks ends a block: it appends the tokens, which stand for raw, in the encoding that takes
// the fewest bits.
func (c *Compressor) appendBlocks(dst []byte, s *scratch, raw []byte) []byte {
	s.litLenCount[endOfBlock] = 1
	extra := s.extraBits()
	storedBits := (len(raw) + (len(raw)+maxStored-1)/maxStored*5) * 8 // an upper bound, except for the first header's bits
	bits := 3 + extra + s.codedBits(&fixedLitLenCode, &fixedDistCode)
	litLen, distance := &fixedLitLenCode, &fixedDistCode
	var h dynamicHeader
	// Making codes takes longer than estimating that they save nothing, as for short messages and
	// random bytes.
	if minHeaderBits+extra+s.leastBits() < min(bits, storedBits) {
		s.makeCodes(&s.litLen, s.litLenCount[:], maxCodeLength)
		s.makeCodes(&s.distance, s.distanceCount[:], maxCodeLength)
		h = s.dynamicHeader()
		if dynamic := 3 + h.bits + extra + s.codedBits(&s.litLen, &s.distance); dynamic < bits {
			bits, litLen, distance = dynamic, &s.litLen, &s.distance
		}
	}
	if storedBits < bits {
		dst = c.appendStored(dst, raw)
	} else {
		w := newBitWriter(dst, bits, c.hold, c.nbits)
		if litLen == &fixedLitLenCode {
			w.add(1<<1, 3)
		} else {
			w.add(2<<1, 3)
			s.writeHeader(&w, h)
		}
		s.writeTokens(&w, litLen, distance)
		dst, c.hold, c.nbits = w.finish()
	}
	s.reset()
	return dst
}

// appendStored appends stored blocks.
//
// RFC 1951, section 3.2.4.
func (c *Compressor) appendStored(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := min(len(raw), maxStored)
		for bits := c.nbits + 3; bits > 0; bits -= min(bits, 8) {
			dst = append(dst, byte(c.hold))
			c.hold >>= 8
		}
		c.nbits = 0
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
	}
	return dst
}

func (s *scratch) extraBits() int {
	bits := 0
	for symbol, extra := range lengthExtra {
		bits += int(s.litLenCount[257+symbol]) * int(extra)
	}
	for symbol, extra := range distanceExtra {
		bits += int(s.distanceCount[symbol]) * int(extra)
	}
	return bits
}

func (s *scratch) codedBits(litLen, distance *codes) int {
	bits := 0
	for symbol, n := range s.litLenCount {
		bits += int(n) * int(litLen.length(symbol))
	}
	for symbol, n := range s.distanceCount {
		bits += int(n) * int(distance.length(symbol))
	}
	return bits
}

// leastBits returns an estimate of the least size of the symbols in any code, in bits: their
// entropy, plus the size of the header.
func (s *scratch) leastBits() int {
	return leastBits(s.litLenCount[:]) + leastBits(s.distanceCount[:])
}

func leastBits(counts []uint32) int {
	total, symbols, bits := uint32(0), 0, 0
	for _, n := range counts {
		if n > 0 {
			total += n
			symbols++
			bits -= int(n) * int(log2(n))
		}
	}
	if total == 0 {
		return 0
	}
	return (bits+int(total)*int(log2(total)))>>log2Scale + symbols*headerBitsPerSymbol
}

const log2Scale = 8

// log2 returns the binary logarithm of n, which is above 0, with log2Scale fractional bits. Between
// powers of 2 it interpolates linearly: the result is too small by at most 0.09.
func log2(n uint32) uint32 {
	whole := uint32(bits.Len32(n)) - 1
	return whole<<log2Scale + (n<<log2Scale>>whole - 1<<log2Scale)
}

func (s *scratch) writeTokens(w *bitWriter, litLen, distance *codes) {
	for _, t := range s.tokens[:s.n] {
		if t < tokenMatch {
			w.addCode(litLen[t])
			w.flush()
			continue
		}
		length, d := int(t>>16&0xff), int(t&0xffff)
		symbol := lengthSymbol[length]
		w.addCode(litLen[257+int(symbol)])
		w.add(uint64(length)-uint64(lengthBase[symbol]), uint(lengthExtra[symbol]))
		symbol = distanceSymbol(d)
		w.addCode(distance[symbol])
		w.add(uint64(d)-uint64(distanceBase[symbol]), uint(distanceExtra[symbol]))
		w.flush()
	}
	w.addCode(litLen[endOfBlock])
	w.flush()
}

// dynamicHeader is the header of a block with dynamic codes.
//
// RFC 1951, section 3.2.7.
type dynamicHeader struct {
	nLitLen, nDistance, nCodeLength int // HLIT + 257, HDIST + 1 and HCLEN + 4
	symbols                         int // the number of symbols in scratch.header
	bits                            int
}

// dynamicHeader encodes the lengths of the codes litLen and distance, in s.header, and makes the
// code length code.
func (s *scratch) dynamicHeader() dynamicHeader {
	h := dynamicHeader{nLitLen: maxLitLenSymbols, nDistance: maxDistanceSymbols, nCodeLength: len(codeLengthOrder)}
	for h.nLitLen > 257 && s.litLen.length(h.nLitLen-1) == 0 {
		h.nLitLen--
	}
	for h.nDistance > 1 && s.distance.length(h.nDistance-1) == 0 {
		h.nDistance--
	}
	var lengths [maxLitLenSymbols + maxDistanceSymbols]uint8
	for i := range h.nLitLen {
		lengths[i] = uint8(s.litLen.length(i))
	}
	for i := range h.nDistance {
		lengths[h.nLitLen+i] = uint8(s.distance.length(i))
	}

	var counts [19]uint32
	add := func(symbol, extra int) {
		s.header[h.symbols] = uint16(symbol | extra<<8)
		h.symbols++
		counts[symbol]++
	}
	for rest := lengths[:h.nLitLen+h.nDistance]; len(rest) > 0; {
		length, run := rest[0], 1
		for run < len(rest) && rest[run] == length {
			run++
		}
		rest = rest[run:]
		if length > 0 {
			add(int(length), 0)
			run--
		}
		for run >= 3 {
			switch {
			case length > 0:
				n := min(run, 6)
				add(16, n-3)
				run -= n
			case run < 11:
				add(17, run-3)
				run = 0
			default:
				n := min(run, 138)
				add(18, n-11)
				run -= n
			}
		}
		for range run {
			add(int(length), 0)
		}
	}
	s.makeCodes(&s.codeLength, counts[:], codeLengthBits)

	for h.nCodeLength > 4 && s.codeLength.length(int(codeLengthOrder[h.nCodeLength-1])) == 0 {
		h.nCodeLength--
	}
	h.bits = 5 + 5 + 4 + 3*h.nCodeLength
	for symbol, n := range counts {
		h.bits += int(n) * int(s.codeLength.length(symbol)+codeLengthExtra(symbol))
	}
	return h
}

func codeLengthExtra(symbol int) uint {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

func (s *scratch) writeHeader(w *bitWriter, h dynamicHeader) {
	w.add(uint64(h.nLitLen-257), 5)
	w.add(uint64(h.nDistance-1), 5)
	w.add(uint64(h.nCodeLength-4), 4)
	for _, symbol := range codeLengthOrder[:h.nCodeLength] {
		w.flush()
		w.add(uint64(s.codeLength.length(int(symbol))), 3)
	}
	for _, v := range s.header[:h.symbols] {
		w.flush()
		w.addCode(s.codeLength[v&0xff])
		w.add(uint64(v>>8), codeLengthExtra(int(v&0xff)))
	}
	w.flush()
}

// bitWriter appends bits, the first one lowest, to memory that is allocated in advance.
type bitWriter struct {
	out   []byte // all of the memory
	n     int    // whole bytes in out
	hold  uint64
	nbits uint
}

// newBitWriter returns a bitWriter that can append the given number of bits to dst, after the nbits
// bits in hold.
func newBitWriter(dst []byte, bits int, hold uint64, nbits uint) bitWriter {
	dst = slices.Grow(dst, (bits+int(nbits)+7)/8+8)
	return bitWriter{out: dst[:cap(dst)], n: len(dst), hold: hold, nbits: nbits}
}

// add appends n bits, at most 57 between two calls of flush.
func (w *bitWriter) add(bits uint64, n uint) {
	w.hold |= bits << w.nbits
	w.nbits += n
}

func (w *bitWriter) addCode(code uint32) { w.add(uint64(code&(1<<codeBits-1)), uint(code>>codeBits)) }

// flush moves whole bytes to out.
func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint64(w.out[w.n:], w.hold)
	w.n += int(w.nbits >> 3)
	w.hold >>= w.nbits &^ 7
	w.nbits &= 7
}

// finish returns the bytes, and the bits that do not fill a byte.
func (w *bitWriter) finish() (dst []byte, hold uint64, nbits uint) {
	return w.out[:w.n], w.hold, w.nbits
}
