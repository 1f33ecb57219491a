package deflate

import (
	"encoding/binary"
	"slices"
)

const (
	// pairBits is the largest size of a length with its distance: two codes of 15 bits, 5 and 13
	// extra bits.
	pairBits = 15 + 5 + 15 + 13
	// minGrowth is the least growth of dst, in bytes, unless the limit is closer.
	minGrowth = 512
)

// codes decodes literals, lengths and distances until the block ends, which changes d.state, or
// until src is used up.
func (d *Decompressor) codes(dst, src []byte, base, limit int) ([]byte, []byte, error) {
	hold, nbits := d.hold, d.nbits
	litLen, dist := (*[1 << litLenTableBits]entry)(d.litLen), (*[1 << distanceTableBits]entry)(d.dist)
	n := len(dst)
	out := room(dst, limit)
	var err error
loop:
	for {
		// Load 56 bits or more, unless src ends. A load of 8 bytes also sets bits above nbits, to
		// the values that the next load sets.
		if len(src) >= 8 {
			hold |= binary.LittleEndian.Uint64(src) << nbits
			taken := (63 - nbits) >> 3
			src = src[taken:]
			nbits += taken * 8
		} else {
			for nbits <= 56 && len(src) > 0 {
				hold |= uint64(src[0]) << nbits
				nbits += 8
				src = src[1:]
			}
		}
		// Decode literals while there are enough bits for a pair.
		var e entry
		for {
			e = litLen[hold&(1<<litLenTableBits-1)]
			if e&kindMask == kindLink {
				e = d.litLen[uint(e.value())+uint(hold>>litLenTableBits)&(1<<e.extra()-1)] + litLenTableBits
			}
			if e&kindMask != kindLiteral || n >= len(out) || nbits < pairBits {
				break
			}
			out[n] = byte(e >> 16)
			n++
			hold >>= e.length()
			nbits -= e.length()
		}
		if nbits < pairBits && len(src) > 0 {
			continue
		}
		used := e.length()
		switch {
		case used > nbits:
			break loop
		case e&kindMask == kindLiteral:
			if n == len(out) {
				if out, err = grow(out, limit); err != nil {
					break loop
				}
			}
			out[n] = byte(e >> 16)
			n++
			hold >>= used
			nbits -= used
			continue
		case e&kindMask == kindEnd:
			d.keep(hold>>used, nbits-used)
			d.endBlock()
			return out[:n], src, nil
		case e&kindMask != kindBase:
			err = ErrCorrupt
			break loop
		}

		// A pair is consumed at once: while it is incomplete, none of its bits are.
		length := e.value() + int(hold>>used&(1<<e.extra()-1))
		used += e.extra()
		e = dist[hold>>used&(1<<distanceTableBits-1)]
		if e&kindMask == kindLink {
			used += distanceTableBits
			e = d.dist[uint(e.value())+uint(hold>>used)&(1<<e.extra()-1)]
		}
		used += e.length()
		if used+e.extra() > nbits {
			break loop
		}
		if e&kindMask != kindBase {
			err = ErrCorrupt
			break loop
		}
		distance := e.value() + int(hold>>used&(1<<e.extra()-1))
		used += e.extra()
		hold >>= used
		nbits -= used

		if distance > d.window.size || distance > n-base+d.window.n {
			err = ErrCorrupt
			break loop
		}
		for len(out)-n < length {
			if out, err = grow(out, limit); err != nil {
				break loop
			}
		}
		end := n + length
		if back := distance - (n - base); back > 0 {
			n += d.window.copyTo(out[n:end], back)
		}
		if from := n - distance; n < end {
			if distance == 1 {
				c := out[from]
				for i := range out[n:end] {
					out[n+i] = c
				}
				n = end
				continue
			}
			// Overlapping bytes are periodic, so that each copy may take all bytes copied so far.
			for n < end {
				n += copy(out[n:end], out[from:n])
			}
		}
	}
	d.keep(hold, nbits)
	return out[:n], src, err
}

// keep stores the bits that codes has not used, without those above nbits, whose bytes are still in
// src.
func (d *Decompressor) keep(hold uint64, nbits uint) {
	d.hold, d.nbits = hold&(1<<nbits-1), nbits
}

// room returns dst extended to its capacity or the limit.
func room(dst []byte, limit int) []byte {
	n := cap(dst)
	if limit >= 0 {
		n = min(n, max(limit, len(dst)))
	}
	return dst[:n]
}

// grow returns out, all of which is in use, with more bytes behind it, or ErrTooLarge.
func grow(out []byte, limit int) ([]byte, error) {
	more := minGrowth
	if limit >= 0 {
		more = min(more, limit-len(out))
	}
	if more <= 0 {
		return out, ErrTooLarge
	}
	return room(slices.Grow(out, more), limit), nil
}
