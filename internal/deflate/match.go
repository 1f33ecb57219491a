package deflate

import "math/bits"

// How hard matches are looked for. The benchmarks of this package say what each is worth.
const (
	// hashLength is how many bytes are hashed, and so the shortest match that is found. A match of 3, the shortest there may be,
	// saves too little to be worth looking for.
	hashLength = 4
	// maxChain is how many places with the same hash are looked at.
	maxChain = 12
	// lazyChain is how many are once there is a match, for a longer one at the next byte.
	lazyChain = 4
	// niceLength is the length of a match that is good enough to look no further, here and at the next byte.
	niceLength = 32
	// skipShift says how soon data without matches is skipped through: by one byte more at a time after 2^skipShift misses.
	skipShift = 5
	// maxStep bounds the skipping, in bytes.
	maxStep = 32
)

func (c *Compressor) hash(i int) uint32 {
	return load32(c.buf, i) * 0x9e3779b1 >> c.hashShift
}

// index enters all positions up to end that have enough bytes behind them to be hashed.
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

// find looks for a match at i that is longer than best, in so many places, and returns its length, or best if there is none.
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
		if d <= last || d > maxDistance { // going round in circles, or no longer there
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

// matchLength returns how many bytes, up to most, are the same from i and from j on, where i < j. Four of them are.
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

// findMatches makes tokens of what buf has, until they are a block, or there is not enough left to see how far a match
// reaches, or, with all, nothing left.
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
			// What is skipped is not entered in the index either.
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
