package deflate

import (
	"errors"
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

// Finish ends the message. The sender has removed the 00 00 ff ff at its end, the sizes of an empty
// stored block (RFC 7692, section 7.2.1). If the message does not end in front of such sizes, it is not
// complete, and the error is ErrCorrupt. Two other endings are accepted: a final block without an empty
// block after it (RFC 7692, section 7.2.3.4), and a message without any byte, which is empty.
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

// take removes n bits, which must be there.
func (d *Decompressor) take(n uint) uint64 {
	v := d.hold & (1<<n - 1)
	d.hold >>= n
	d.nbits -= n
	return v
}
