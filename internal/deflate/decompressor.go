package deflate

import (
	"errors"
	"sync"
)

// The errors of a Decompressor. Either stays until Reset.
var (
	// ErrTooLarge says that the message is larger than the limit.
	ErrTooLarge = errors.New("deflate: message larger than the limit")
	// ErrCorrupt says that the data is not DEFLATE, reaches back beyond the window, or ends too
	// early.
	ErrCorrupt = errors.New("deflate: corrupt data")
)

// A Decompressor decompresses the messages of one direction of one connection, one after the other.
// Between two messages it holds only the last 2^windowBits bytes of them, or as many as there were.
// It is not safe for concurrent use.
type Decompressor struct {
	window history

	hold   uint64 // bits read and not used, the first one lowest
	nbits  uint   // the number of them
	state  state
	final  bool // the block is the last one of its stream
	begun  bool // the message has had a byte
	stored int  // the number of missing bytes of a stored block
	litLen []entry
	dist   []entry
	tables *tables // of a block with dynamic codes, until it ends

	// The header of a block with dynamic codes.
	nLitLen, nDistance, nCodeLength, have int

	err error
}

// state is the next part of the stream.
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

// tables are the codes of a block. Between messages there is none, so that a few of them serve many
// connections.
type tables struct {
	lengths  [maxLitLenSymbols + maxDistanceSymbols]uint8
	litLen   [litLenTableSize]entry
	distance [distanceTableSize]entry
}

// codeLengths returns the table of the code length code, which uses the memory of the distance
// table before that is built.
func (t *tables) codeLengths() []entry { return t.distance[:1<<codeLengthBits] }

var tablesPool = sync.Pool{New: func() any { return new(tables) }}

// NewDecompressor returns a decompressor for a peer whose matches reach back at most 2^windowBits
// bytes, also into earlier messages. It panics if windowBits is not in [MinWindowBits] to
// [MaxWindowBits].
func NewDecompressor(windowBits int) *Decompressor {
	checkWindowBits(windowBits)
	return &Decompressor{window: history{size: 1 << windowBits}}
}

// Reset empties the window, and discards an unfinished message and an error.
func (d *Decompressor) Reset() {
	d.releaseTables()
	d.window.reset()
	*d = Decompressor{window: d.window}
}

// Append decompresses src, the next bytes of a message, and appends the output to dst. It consumes
// all of src; the bits of an incomplete code are kept for the next call. Neither slice is kept.
//
// The result, including dst, has at most limit bytes; if there are more, the error is ErrTooLarge.
// A negative limit is none. Together with an error, Append returns the output before it.
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

// Finish ends the message. The sender has removed the 00 00 ff ff at its end, the sizes of an empty
// stored block (RFC 7692, section 7.2.1). If the message does not end in front of such sizes, it is
// not complete, and the error is ErrCorrupt. Two other endings are accepted: a final block without
// an empty block after it (RFC 7692, section 7.2.3.4), and a message without any byte, which is
// empty.
func (d *Decompressor) Finish() error {
	if d.err != nil {
		return d.err
	}
	if d.begun && d.state != stateAfterFinal && (d.state != stateStoredSize || d.nbits > 0) {
		d.err = ErrCorrupt
		d.releaseTables()
		return d.err
	}
	d.state, d.hold, d.nbits, d.begun = stateHeader, 0, 0, false
	return nil
}

func (d *Decompressor) releaseTables() {
	if d.tables != nil {
		tablesPool.Put(d.tables)
		d.tables, d.litLen, d.dist = nil, nil, nil
	}
}

// inflate is Append without the update of the window.
func (d *Decompressor) inflate(dst, src []byte, limit int) ([]byte, error) {
	base := len(dst)
	for {
		// Everything but codes and stored bytes takes at most 32 bits.
		for d.nbits <= 32 && len(src) > 0 {
			d.hold |= uint64(src[0]) << d.nbits
			d.nbits += 8
			src = src[1:]
		}
		var err error
		switch d.state {
		case stateHeader, stateAfterFinal:
			if d.nbits < 3 {
				return dst, nil
			}
			if err = d.header(); err != nil {
				return dst, err
			}
		case stateStoredSize:
			if d.nbits < 32 {
				return dst, nil
			}
			if err = d.storedSize(); err != nil {
				return dst, err
			}
		case stateStored:
			if dst, src, err = d.copyStored(dst, src, limit); err != nil {
				return dst, err
			}
			if d.stored > 0 {
				return dst, nil
			}
			d.endBlock()
		case stateCodes:
			if dst, src, err = d.codes(dst, src, base, limit); err != nil {
				return dst, err
			}
			if d.state == stateCodes {
				return dst, nil // src is used up
			}
		default:
			blocked, err := d.dynamicHeader()
			if err != nil || blocked && len(src) == 0 {
				return dst, err
			}
		}
	}
}

// take removes n of the nbits bits, and returns them.
func (d *Decompressor) take(n uint) uint64 {
	v := d.hold & (1<<n - 1)
	d.hold >>= n
	d.nbits -= n
	return v
}
