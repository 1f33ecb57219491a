package deflate

import "math/bits"

// The effort of the search for matches. The benchmarks of this package measure the effect of each.
const (
	// hashLength is the number of bytes hashed, and so the length of the shortest match that is
	// found. Matches of 3 bytes, the shortest of the format, save too little.
	hashLength = 4
	// maxChain is the number of positions with the same hash that are compared.
	maxChain = 12
	// lazyChain is the number of positions compared, once there is a match, to find a longer one at
	// the next byte.
	lazyChain = 4
	// niceLength is the length of a match that ends the search, here and at the next byte.
	niceLength = 32
	// skipShift determines how fast data without matches is skipped: the step grows by one byte
	// after each 2^skipShift misses.
	skipShift = 5
	// maxStep is the largest step, in bytes.
	maxStep = 32
)

func (c *Compressor) hash(i int) uint32 {
	return load32(c.buf, i) * 0x9e3779b1 >> c.hashShift
}

// index adds the positions up to end to the index, if enough bytes follow them to be hashed.
func (c *Compressor) index(end int) {
	mask := uint16(len(c.prev) - 1)
	end = min(end, c.end-hashLength+1)
	for i := c.hashed; i < end; i++ {
		h, place := c.hash(i), c.base+uint16(i)
		c.prev[place&mask] = c.head[h]
		c.head[h] = place
	}
	c.hashed = max(c.hashed, end)
}

// find searches for a match at i that is longer than best. It compares at most the given number of
// places. It returns the length and the distance of the match, or best and 0 if there is none.
func (c *Compressor) find(i, best, places int) (length, distance int) {
	mask := uint16(len(c.prev) - 1)
	place := c.base + uint16(i)
	candidate := c.head[c.hash(i)]
	maxDistance := min(i, c.window)
	longest := min(maxMatch, c.end-i)
	if best >= longest {
		return best, 0
	}
	length = best
	buf := c.buf[:c.end]
	first := load32(buf, i)
	for last := 0; places > 0; places-- {
		d := int(place - candidate)
		if d <= last || d > maxDistance { // an outdated position, or one outside of the window
			break
		}
		last = d
		if buf[i-d+length] == buf[i+length] && load32(buf, i-d) == first {
			if n := matchLength(buf, i-d, i, longest); n > length {
				length, distance = n, d
				if n >= niceLength || n == longest {
					break
				}
			}
		}
		candidate = c.prev[candidate&mask]
	}
	return length, distance
}

// matchLength returns the number of equal bytes, up to most, from i and from j on. i is less than
// j, and the first four bytes are equal.
func matchLength(b []byte, i, j, most int) int {
	n := hashLength
	for n+8 <= most {
		if x := load64(b, i+n) ^ load64(b, j+n); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		n += 8
	}
	for n < most && b[i+n] == b[j+n] {
		n++
	}
	return n
}

// findMatches converts bytes of buf to tokens, until there are enough for a block. Unless all is
// set, it stops in front of the last bytes, where the length of a match would still depend on the
// bytes to come.
func (c *Compressor) findMatches(s *scratch, all bool) {
	stop := c.end
	if !all {
		stop -= maxMatch + hashLength
	}
	i := c.pos
	c.index(i)
	misses := 0
	for i < stop && !s.full() {
		length, distance := hashLength-1, 0
		if i+hashLength <= c.end {
			length, distance = c.find(i, length, maxChain)
		}
		if distance == 0 {
			// The skipped bytes are not added to the index either.
			step := min(1+misses>>skipShift, maxStep, c.end-i)
			c.index(i + 1)
			for _, b := range c.buf[i : i+step] {
				s.literal(b)
			}
			i += step
			c.hashed = max(c.hashed, min(i, c.end-hashLength+1))
			misses++
			continue
		}
		misses = 0
		for length < niceLength && i+1+hashLength <= c.end && s.n < maxTokens-1 {
			c.index(i + 1)
			l, d := c.find(i+1, length, lazyChain)
			if d == 0 {
				break
			}
			s.literal(c.buf[i])
			i++
			length, distance = l, d
		}
		s.match(length, distance)
		i += length
		c.index(i)
	}
	c.pos = i
}
