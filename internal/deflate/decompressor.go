package deflate

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
)

// The errors of a Decompressor. Either stays until Reset.
var (
	// ErrTooLarge says that the message is larger than the limit.
	ErrTooLarge = errors.New("deflate: message larger than the limit")
	// ErrCorrupt says that the data is not DEFLATE, reaches back beyond the window, or ends too early.
	ErrCorrupt = errors.New("deflate: corrupt data")
)

// A Decompressor decompresses the messages of one direction of one connection, one after the other. It holds the last
// 2^windowBits bytes of them, or as many as there were; between two messages that is all that it holds. It is not safe for
// concurrent use.
type Decompressor struct {
	window history

	hold   uint64 // bits read and not used, the first one lowest
	nbits  uint   // how many of them
	state  state
	final  bool // the block is the last one of its stream
	begun  bool // the message has had a byte
	stored int  // bytes of a stored block that are still to come
	litLen []entry
	dist   []entry
	tables *tables // of a block with dynamic codes, until it ends

	// Of the header of a block with dynamic codes.
	nLitLen, nDistance, nCodeLength, have int

	err error
}

// state is what comes next.
type state uint8

const (
	stateHeader      state = iota // of a block
	stateAfterFinal               // the same, but the message may also be over
	stateStoredSize               // LEN and NLEN
	stateStored                   // the bytes of a stored block
	stateDynamic                  // HLIT, HDIST, HCLEN
	stateCodeLengths              // of the code length code
	stateLengths                  // of the two codes
	stateCodes                    // literals, lengths and distances
)

// tables are the codes of a block. Between messages no block is open, so that few of them serve many connections.
type tables struct {
	lengths  [maxLitLenSymbols + maxDistanceSymbols]uint8
	litLen   [litLenTableSize]entry
	distance [distanceTableSize]entry
}

// codeLengths is the memory of the code length code's table, needed before that of the distances.
func (t *tables) codeLengths() []entry { return t.distance[:1<<codeLengthBits] }

var tablesPool = sync.Pool{New: func() any { return new(tables) }}

// NewDecompressor returns a decompressor for a peer whose matches reach back at most 2^windowBits bytes, also into earlier
// messages. It panics if windowBits is not in [MinWindowBits] to [MaxWindowBits].
func NewDecompressor(windowBits int) *Decompressor {
	checkWindowBits(windowBits)
	return &Decompressor{window: history{size: 1 << windowBits}}
}

// Reset forgets the history, an unfinished message, and an error.
func (d *Decompressor) Reset() {
	d.releaseTables()
	d.window.reset()
	*d = Decompressor{window: d.window}
}

// Append decompresses src, the next bytes of a message, and appends what they give to dst. All of src is taken; what ends
// inside a code is kept for the next call. Neither slice is kept.
//
// The result is at most limit bytes long, dst included: where there is more, it is an ErrTooLarge. A negative limit is none.
// An error comes with what was decompressed before it.
func (d *Decompressor) Append(dst, src []byte, limit int) ([]byte, error) {
	if d.err != nil || len(src) == 0 {
		return dst, d.err
	}
	d.begun = true
	start := len(dst)
	dst, d.err = d.inflate(dst, src, limit)
	if d.err != nil {
		d.releaseTables()
		return dst, d.err
	}
	d.window.write(dst[start:])
	return dst, nil
}

// Finish ends the message. The sender has left out 00 00 ff ff at its end
// (https://www.rfc-editor.org/rfc/rfc7692.html#section-7.2.1), the sizes of an empty stored block: if these are not what comes next,
// the message is not complete, which is ErrCorrupt. Two others are taken as well: a message that ends with a final block
// (https://www.rfc-editor.org/rfc/rfc7692.html#section-7.2.3.4) without an empty one after it, and one without a byte, which is
// empty.
//
// It returns dst, as there is nothing to append: all that the bytes of a message give, Append has given.
func (d *Decompressor) Finish(dst []byte, _ int) ([]byte, error) {
	if d.err != nil {
		return dst, d.err
	}
	if d.begun && d.state != stateAfterFinal && (d.state != stateStoredSize || d.nbits > 0) {
		d.err = ErrCorrupt
		d.releaseTables()
		return dst, d.err
	}
	d.state, d.hold, d.nbits, d.begun = stateHeader, 0, 0, false
	return dst, nil
}

func (d *Decompressor) releaseTables() {
	if d.tables != nil {
		tablesPool.Put(d.tables)
		d.tables, d.litLen, d.dist = nil, nil, nil
	}
}

// inflate is Append without the history's update.
func (d *Decompressor) inflate(dst, src []byte, limit int) ([]byte, error) {
	base := len(dst)
	for {
		// Whatever comes next but codes and stored bytes takes at most 32 bits.
		for d.nbits <= 32 && len(src) > 0 {
			d.hold |= uint64(src[0]) << d.nbits
			d.nbits += 8
			src = src[1:]
		}
		switch d.state {
		case stateHeader, stateAfterFinal:
			if d.nbits < 3 {
				return dst, nil
			}
			if err := d.header(); err != nil {
				return dst, err
			}

		case stateStoredSize:
			if d.nbits < 32 {
				return dst, nil
			}
			size := d.take(32)
			if size&0xffff != ^size>>16&0xffff {
				return dst, ErrCorrupt
			}
			d.stored = int(size & 0xffff)
			d.state = stateStored

		case stateStored:
			var err error
			if dst, src, err = d.copyStored(dst, src, limit); err != nil {
				return dst, err
			}
			if d.stored > 0 {
				return dst, nil
			}
			d.endBlock()

		case stateDynamic:
			if d.nbits < 14 {
				return dst, nil
			}
			d.nLitLen = int(d.take(5)) + 257
			d.nDistance = int(d.take(5)) + 1
			d.nCodeLength = int(d.take(4)) + 4
			if d.nLitLen > maxLitLenSymbols || d.nDistance > maxDistanceSymbols {
				return dst, ErrCorrupt
			}
			d.tables = tablesPool.Get().(*tables)
			clear(d.tables.lengths[:len(codeLengthOrder)])
			d.have = 0
			d.state = stateCodeLengths

		case stateCodeLengths:
			for d.have < d.nCodeLength && d.nbits >= 3 {
				d.tables.lengths[codeLengthOrder[d.have]] = uint8(d.take(3))
				d.have++
			}
			if d.have < d.nCodeLength {
				if len(src) == 0 {
					return dst, nil
				}
				continue
			}
			if !buildTable(d.tables.codeLengths(), codeLengthBits, d.tables.lengths[:len(codeLengthOrder)], codeLengthMeaning[:]) {
				return dst, ErrCorrupt
			}
			d.have = 0
			d.state = stateLengths

		case stateLengths:
			done, err := d.lengths()
			if err != nil {
				return dst, err
			}
			if !done {
				if len(src) == 0 {
					return dst, nil
				}
				continue
			}
			if err := d.dynamicTables(); err != nil {
				return dst, err
			}

		case stateCodes:
			var err error
			if dst, src, err = d.codes(dst, src, base, limit); err != nil {
				return dst, err
			}
			if d.state == stateCodes {
				return dst, nil // src is used up
			}
		}
	}
}

// take removes n bits, which must be there.
func (d *Decompressor) take(n uint) uint64 {
	v := d.hold & (1<<n - 1)
	d.hold >>= n
	d.nbits -= n
	return v
}

// header starts a block: https://www.rfc-editor.org/rfc/rfc1951.html#section-3.2.3
func (d *Decompressor) header() error {
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		d.take(d.nbits & 7) // "Any bits of input up to the next byte boundary are ignored."
		d.state = stateStoredSize
	case 1:
		d.litLen, d.dist = fixedLitLen[:], fixedDistance[:]
		d.state = stateCodes
	case 2:
		d.state = stateDynamic
	default:
		return ErrCorrupt
	}
	return nil
}

// endBlock ends one. A message may go on after a final block, as if the next one began a stream of its own, at a byte border:
// https://www.rfc-editor.org/rfc/rfc7692.html#section-7.2.3.4
func (d *Decompressor) endBlock() {
	d.releaseTables()
	d.state = stateHeader
	if d.final {
		d.take(d.nbits & 7)
		d.state = stateAfterFinal
	}
}

func (d *Decompressor) copyStored(dst, src []byte, limit int) ([]byte, []byte, error) {
	room := d.stored
	if limit >= 0 {
		room = min(room, max(0, limit-len(dst)))
	}
	for d.nbits > 0 && room > 0 {
		dst = append(dst, byte(d.take(8)))
		d.stored--
		room--
	}
	n := min(room, len(src))
	dst = append(dst, src[:n]...)
	d.stored -= n
	if d.stored > 0 && room == n && (len(src) > n || d.nbits > 0) {
		return dst, nil, ErrTooLarge
	}
	return dst, src[n:], nil
}

// lengths reads the lengths of the codes: https://www.rfc-editor.org/rfc/rfc1951.html#section-3.2.7
func (d *Decompressor) lengths() (done bool, err error) {
	table, lengths := d.tables.codeLengths(), d.tables.lengths[:d.nLitLen+d.nDistance]
	for d.have < len(lengths) {
		e := table[d.hold&(1<<codeLengthBits-1)]
		symbol, n := e.value(), e.length()
		if n > d.nbits {
			return false, nil
		}
		if symbol < 16 {
			d.take(n)
			lengths[d.have] = uint8(symbol)
			d.have++
			continue
		}
		extra, first := uint(2), 3
		switch symbol {
		case 17:
			extra = 3
		case 18:
			extra, first = 7, 11
		}
		if n+extra > d.nbits {
			return false, nil
		}
		d.take(n)
		repeat := first + int(d.take(extra))
		var length uint8
		if symbol == 16 {
			if d.have == 0 {
				return false, ErrCorrupt // nothing before it
			}
			length = lengths[d.have-1]
		}
		if repeat > len(lengths)-d.have {
			return false, ErrCorrupt
		}
		for range repeat {
			lengths[d.have] = length
			d.have++
		}
	}
	return true, nil
}

func (d *Decompressor) dynamicTables() error {
	t := d.tables
	if t.lengths[endOfBlock] == 0 ||
		!buildTable(t.litLen[:], litLenTableBits, t.lengths[:d.nLitLen], litLenMeaning[:]) ||
		!buildTable(t.distance[:], distanceTableBits, t.lengths[d.nLitLen:d.nLitLen+d.nDistance], distanceMeaning[:]) {
		return ErrCorrupt
	}
	d.litLen, d.dist = t.litLen[:], t.distance[:]
	d.state = stateCodes
	return nil
}

const (
	// pairBits is the most that a length with its distance takes: two codes of 15 bits, 5 and 13 extra bits.
	pairBits = 15 + 5 + 15 + 13
	// minGrowth is the least by which dst is grown, in bytes, unless the limit is closer.
	minGrowth = 512
)

// codes decodes until the block ends (d.state changes) or src does.
func (d *Decompressor) codes(dst, src []byte, base, limit int) ([]byte, []byte, error) {
	hold, nbits := d.hold, d.nbits
	litLen, dist := (*[1 << litLenTableBits]entry)(d.litLen), (*[1 << distanceTableBits]entry)(d.dist)
	n := len(dst)
	out := room(dst, limit)
	var err error
loop:
	for {
		// 56 bits or more, unless src ends. A load of 8 bytes leaves some above nbits, where the next load finds the same.
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
		// Literals go on as long as a pair would have its bits.
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

		// The pair is taken at once: nothing of it is used until all of it is there.
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
			// What overlaps is periodic, so that each copy may take all that there is.
			for n < end {
				n += copy(out[n:end], out[from:n])
			}
		}
	}
	d.keep(hold, nbits)
	return out[:n], src, err
}

// keep takes over what codes has not used, without the bits above it, of bytes that are still in src.
func (d *Decompressor) keep(hold uint64, nbits uint) {
	d.hold, d.nbits = hold&(1<<nbits-1), nbits
}

// room returns dst with all the bytes that it may be extended by, within its capacity and the limit.
func room(dst []byte, limit int) []byte {
	n := cap(dst)
	if limit >= 0 {
		n = min(n, max(limit, len(dst)))
	}
	return dst[:n]
}

// grow returns out, all of which is in use, with room behind it, or ErrTooLarge.
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
