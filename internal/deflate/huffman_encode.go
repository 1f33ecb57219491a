package deflate

import (
	"math/bits"
	"slices"
)

// codes are the codes of an alphabet: for each symbol the code, with its first bit lowest, and
// above codeBits its length.
type codes [288]uint32

const codeBits = 16

func (c *codes) length(symbol int) uint { return uint(c[symbol] >> codeBits) }

// assign assigns codes to the symbols, whose lengths are set.
//
// RFC 1951, section 3.2.2.
func (c *codes) assign(n int) {
	var count, next [maxCodeLength + 2]uint32
	for symbol := range n {
		count[c.length(symbol)]++
	}
	count[0] = 0
	for n := 1; n <= maxCodeLength; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for symbol := range n {
		if length := c.length(symbol); length > 0 {
			c[symbol] = uint32(length)<<codeBits | uint32(bits.Reverse16(uint16(next[length]))>>(16-length))
			next[length]++
		}
	}
}

// makeCodes makes the codes of symbols with the given numbers of occurrences. No code is longer
// than limit bits. There are always at least two codes, because some decoders require that.
func (s *scratch) makeCodes(c *codes, counts []uint32, limit int) {
	const symbolBits = 9
	n := 0
	for symbol, count := range counts {
		c[symbol] = 0
		if count > 0 {
			s.sorted[n] = count<<symbolBits | uint32(symbol)
			n++
		}
	}
	for symbol := uint32(0); n < 2; symbol++ {
		if counts[symbol] == 0 {
			s.sorted[n] = 1<<symbolBits | symbol
			n++
		}
	}
	sorted, weights := s.sorted[:n], s.weights[:n]
	slices.Sort(sorted)
	for i, v := range sorted {
		weights[i] = v >> symbolBits
	}
	minimumRedundancy(weights)

	var count [32]int // the number of codes of each length
	for _, length := range weights {
		count[min(int(length), limit)]++
	}
	limitLengths(count[:limit+1])
	i := n
	for length := 1; length <= limit; length++ {
		for range count[length] {
			i--
			c[sorted[i]&(1<<symbolBits-1)] = uint32(length) << codeBits
		}
	}
	c.assign(len(counts))
}

// minimumRedundancy replaces weights, in ascending order and at least two, by the lengths of the
// codes of an optimal code, in place: A. Moffat and J. Katajainen, In-Place Calculation of
// Minimum-Redundancy Codes, 1995.
func minimumRedundancy(a []uint32) {
	n := len(a)
	// The weights of the inner nodes, then, as they are joined, the indices of their parents.
	a[0] += a[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || a[root] < a[leaf] {
			a[next] = a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] = a[leaf]
			leaf++
		}
		if leaf >= n || root < next && a[root] < a[leaf] {
			a[next] += a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] += a[leaf]
			leaf++
		}
	}
	// The depths of the inner nodes.
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	// The depths of the leaves.
	available, used, depth := 1, 0, uint32(0)
	root, next := n-2, n-1
	for available > 0 {
		for root >= 0 && a[root] == depth {
			used++
			root--
		}
		for available > used {
			a[next] = depth
			next--
			available--
		}
		available, used = 2*used, 0
		depth++
	}
}

// limitLengths makes a code complete that is over-subscribed because some lengths were reduced to
// the limit: it lengthens other codes. count is the number of codes of each length.
func limitLengths(count []int) {
	longest := len(count) - 1
	total := 0
	for length := 1; length <= longest; length++ {
		total += count[length] << (longest - length)
	}
	for ; total > 1<<longest; total-- {
		length := longest - 1
		for count[length] == 0 {
			length--
		}
		// A code of this length is replaced by two that are one bit longer; one of them replaces a
		// code of the longest length.
		count[longest]--
		count[length]--
		count[length+1] += 2
	}
}
