package deflate

import "math/bits"

// The alphabets.
//
// RFC 1951, section 3.2.5.
const (
	maxLitLenSymbols   = 286
	maxDistanceSymbols = 30
	endOfBlock         = 256
	maxCodeLength      = 15
	minMatch           = 3
	maxMatch           = 258
)

// The number of bits of the index of each first decoding table. A wider table needs fewer second
// tables and takes longer to fill; with 10 bits, decoding was not faster.
const (
	litLenTableBits   = 9
	distanceTableBits = 8
	codeLengthBits    = 7 // the longest code of the code lengths: no second table
)

// The largest number of entries that a complete code can need, including its second tables: the
// maximum over all codes of 286 symbols of up to 15 bits with a first table of 9 bits, and of 32
// symbols with one of 8 bits.
const (
	litLenTableSize   = 852
	distanceTableSize = 402
)

// entry is the meaning of the bits at its index in a decoding table:
//
//	bits 0–3    the length of the code, from the first bit of this table's index
//	bits 4–7    the number of extra bits; of a link, the number of bits of the second table's index
//	bits 8–10   the kind
//	bits 16–31  the literal, or the base of the length or distance; of a link, the start of the second table
type entry uint32

const (
	kindLiteral entry = 0 << 8
	kindBase    entry = 1 << 8
	kindEnd     entry = 2 << 8
	kindLink    entry = 3 << 8
	kindInvalid entry = 4 << 8
	kindMask    entry = 7 << 8

	invalidEntry = kindInvalid | 1
)

func (e entry) length() uint { return uint(e & 15) }
func (e entry) extra() uint  { return uint(e >> 4 & 15) }
func (e entry) value() int   { return int(e >> 16) }

// The meanings of the symbols of each alphabet: their entries without a length.
var (
	litLenMeaning     [288]entry
	distanceMeaning   [32]entry
	codeLengthMeaning [19]entry
)

// The decoding tables of the fixed codes.
//
// RFC 1951, section 3.2.6.
var (
	fixedLitLen   [1 << litLenTableBits]entry
	fixedDistance [1 << distanceTableBits]entry
)

// baseAndExtra returns the base and the number of extra bits of the n-th length or distance code.
// Each group of perGroup codes has one extra bit more than the one before.
//
// RFC 1951, section 3.2.5.
func baseAndExtra(n, perGroup, first int) (base, extra int) {
	if n < 2*perGroup {
		return first + n, 0
	}
	extra = n/perGroup - 1
	return first + (perGroup+n%perGroup)<<extra, extra
}

func init() {
	for symbol := range litLenMeaning {
		switch {
		case symbol < endOfBlock:
			litLenMeaning[symbol] = kindLiteral | entry(symbol)<<16
		case symbol == endOfBlock:
			litLenMeaning[symbol] = kindEnd
		case symbol == 285:
			litLenMeaning[symbol] = kindBase | maxMatch<<16
		case symbol < 285:
			base, extra := baseAndExtra(symbol-257, 4, minMatch)
			litLenMeaning[symbol] = kindBase | entry(extra)<<4 | entry(base)<<16
		default:
			litLenMeaning[symbol] = kindInvalid // "will never actually occur in the compressed data"
		}
	}
	for symbol := range distanceMeaning {
		distanceMeaning[symbol] = kindInvalid
		if symbol < maxDistanceSymbols {
			base, extra := baseAndExtra(symbol, 2, 1)
			distanceMeaning[symbol] = kindBase | entry(extra)<<4 | entry(base)<<16
		}
	}
	for symbol := range codeLengthMeaning {
		codeLengthMeaning[symbol] = entry(symbol) << 16
	}

	buildTable(fixedLitLen[:], litLenTableBits, fixedLitLenLengths[:], litLenMeaning[:])
	buildTable(fixedDistance[:], distanceTableBits, fixedDistanceLengths[:], distanceMeaning[:])
}

// buildTable builds the decoding table of the code with the given lengths of its symbols. The first
// table has an index of root bits; the second tables follow it.
//
// It returns false if the code is over-subscribed, or incomplete. Two incomplete codes are valid:
// that of one symbol, of one bit, and that of none.
//
// RFC 1951, section 3.2.7: "One distance code of zero bits means that there are no distance codes
// used at all".
func buildTable(table []entry, root uint, lengths []uint8, meaning []entry) bool {
	var count [maxCodeLength + 1]int
	for _, n := range lengths {
		count[n&15]++
	}
	count[0] = 0
	longest := maxCodeLength
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	left := 1
	for n := 1; n <= maxCodeLength; n++ {
		if left = left<<1 - count[n]; left < 0 {
			return false
		}
	}
	if left > 0 {
		if longest > 1 || root == codeLengthBits {
			return false
		}
		table[0], table[1] = invalidEntry, invalidEntry
	}

	var first [maxCodeLength + 2]int // the index of the first symbol of each length
	for n := 1; n <= maxCodeLength; n++ {
		first[n+1] = first[n] + count[n]
	}
	var symbols [288]uint16
	for symbol, n := range lengths {
		if n != 0 {
			symbols[first[n]] = uint16(symbol)
			first[n]++
		}
	}

	// The first table of n bits is twice that of n-1 bits, plus the codes of n bits. As the code is
	// complete, longer codes later overwrite the entries that are still without a code.
	// RFC 1951, section 3.1.1: "Huffman codes are packed starting with the most-significant bit of
	// the code."
	code, i := uint(0), 0 // the next code, and the index of its symbol
	for n := uint(1); n <= root; n++ {
		if n > 1 {
			copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		}
		for range count[n] {
			table[bits.Reverse16(uint16(code))>>(16-n)] = meaning[symbols[i]] | entry(n)
			code++
			i++
		}
		code <<= 1
	}

	next := 1 << root
	prefix, start, width := ^uint(0), 0, uint(0) // of the second table being filled
	for n := root + 1; n <= uint(longest); n++ {
		for range count[n] {
			reversed := uint(bits.Reverse16(uint16(code)) >> (16 - n))
			if p := reversed & (1<<root - 1); p != prefix {
				prefix, start = p, next
				width = secondWidth(&count, n, root, first[n]-i)
				if next += 1 << width; next > len(table) {
					return false // impossible for codes of the sizes above
				}
				table[prefix] = kindLink | entry(root) | entry(width)<<4 | entry(start)<<16
			}
			e := meaning[symbols[i]] | entry(n-root)
			for at := reversed >> root; at < 1<<width; at += 1 << (n - root) {
				table[start+int(at)] = e
			}
			code++
			i++
		}
		code <<= 1
	}
	return true
}

// secondWidth returns the width, in bits, of a second table whose first code has n bits. some is
// the number of remaining codes of n bits. The table must hold all following codes with the same
// prefix.
func secondWidth(count *[maxCodeLength + 1]int, n, root uint, some int) uint {
	width := n - root
	for left := 1<<width - some; left > 0 && width+root < maxCodeLength; {
		width++
		left = left<<1 - count[width+root]
	}
	return width
}
