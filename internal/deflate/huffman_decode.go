package deflate

import "math/bits"

// The alphabets: RFC 1951, section 3.2.5
const (
	maxLitLenSymbols   = 286
	maxDistanceSymbols = 30
	endOfBlock         = 256
	maxCodeLength      = 15
	minMatch           = 3
	maxMatch           = 258
)

// The bits that the first look into a decoding table takes. A wider table saves second looks and takes longer to fill; 10 bits
// decoded nothing faster.
const (
	litLenTableBits   = 9
	distanceTableBits = 8
	codeLengthBits    = 7 // the longest code of the code lengths: no second look
)

// The most entries that a complete code can need, with all its second tables, whatever its lengths are: the maximum over
// all codes of 286 symbols of up to 15 bits behind a first table of 9 bits, and of 32 symbols behind one of 8.
const (
	litLenTableSize   = 852
	distanceTableSize = 402
)

// entry is what a decoding table says about the bits at its index:
//
//	bits 0–3    the length of the code, from the first bit that this table looks at
//	bits 4–7    the number of extra bits; of a link, the bits that the second table looks at
//	bits 8–10   the kind
//	bits 16–31  the literal, the base of the length or distance; of a link, where the second table starts
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

// meaning is what the symbols of an alphabet mean: their entries without a length.
var (
	litLenMeaning     [288]entry
	distanceMeaning   [32]entry
	codeLengthMeaning [19]entry
)

// The fixed codes, RFC 1951, section 3.2.6
var (
	fixedLitLen   [1 << litLenTableBits]entry
	fixedDistance [1 << distanceTableBits]entry
)

// baseAndExtra gives the base and the extra bits of the n-th length or distance code, where each group of perGroup codes has
// one extra bit more than the one before: RFC 1951, section 3.2.5
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

// buildTable fills the table for the code with the lengths of its symbols. The table has the entries of a first look of root
// bits; behind them come those of the second tables.
//
// It fails if the code is over-subscribed, or incomplete, unless it is a code of one symbol of one bit ("One distance code of
// zero bits means that there are no distance codes used at all", and one used code has one bit) or of none.
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

	var first [maxCodeLength + 2]int // where the symbols of each length start
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

	// The first table: that of n bits is twice that of n-1 bits, and then what the codes of n bits say. What the copies have
	// where there is no code yet, longer codes say later, as the code is complete.
	code, i := uint(0), 0 // the next code, "packed starting with the most-significant bit of the code", and its symbol
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
					return false // no code of the sizes above comes here
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

// secondWidth returns the bits of a second table that starts with a code of n bits, of which there are still some: it has to
// hold the codes that follow until their prefix is used up.
func secondWidth(count *[maxCodeLength + 1]int, n, root uint, some int) uint {
	width := n - root
	for left := 1<<width - some; left > 0 && width+root < maxCodeLength; {
		width++
		left = left<<1 - count[width+root]
	}
	return width
}
