package sctp

import "math/bits"

// tsnSet is a set of TSNs that lie close together, as a ring of bits. The cost of adding one
// depends neither on the order in which TSNs arrive nor on their number: at most 65,535 TSNs, 8
// KiB, of which a search for the next run skips 64 at a time.
type tsnSet struct {
	words []uint64 // a power of two long, nil before the first is added
	// steps counts the words accessed, for the tests that bound the work.
	steps int
}

const (
	wordBits    = 64
	minTSNWords = 4
)

func (s *tsnSet) word(tsn uint32) (w *uint64, bit uint32) {
	s.steps++
	return &s.words[tsn/wordBits&uint32(len(s.words)-1)], tsn % wordBits
}

// grow allocates memory for the TSNs from first to last; those up to high may be in the set.
func (s *tsnSet) grow(first, high, last uint32) {
	n := int(last-first)/wordBits + 1
	if n <= len(s.words) {
		return
	}
	old := tsnSet{words: s.words}
	s.words = make([]uint64, max(minTSNWords, 1<<bits.Len(uint(n-1))))
	s.steps += len(s.words)
	for n := high - first + 1; n > 0; {
		from, bit := old.word(first)
		to, _ := s.word(first)
		k := min(n, wordBits-bit)
		*to |= *from & ((1<<k - 1) << bit)
		first += k
		n -= k
	}
}

func (s *tsnSet) has(tsn uint32) bool {
	w, bit := s.word(tsn)
	return *w>>bit&1 != 0
}

func (s *tsnSet) add(tsn uint32) {
	w, bit := s.word(tsn)
	*w |= 1 << bit
}

// clear removes the TSNs from first to last.
func (s *tsnSet) clear(first, last uint32) {
	for n := last - first + 1; n > 0; {
		w, bit := s.word(first)
		k := min(n, wordBits-bit)
		*w &^= (1<<k - 1) << bit // 1<<64 is 0
		first += k
		n -= k
	}
}

// next returns the first TSN from first to last that is in the set, or, if in is false, that is
// not; last+1 if there is none.
func (s *tsnSet) next(in bool, first, last uint32) uint32 {
	for n := last - first + 1; n > 0; {
		w, bit := s.word(first)
		v := *w
		if !in {
			v = ^v
		}
		k := min(n, wordBits-bit)
		if zeros := uint32(bits.TrailingZeros64(v >> bit)); zeros < k {
			return first + zeros
		}
		first += k
		n -= k
	}
	return last + 1
}
