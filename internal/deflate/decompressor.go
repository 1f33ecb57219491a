package deflate

import "errors"

// The errors of a Decompressor.
var (
	// ErrTooLarge says that the message is larger than the limit.
	ErrTooLarge = errors.New("deflate: message larger than the limit")
	// ErrCorrupt says that the data is not DEFLATE, or ends too early.
	ErrCorrupt = errors.New("deflate: corrupt data")
)

// A Decompressor decompresses the messages of one direction of one connection.
type Decompressor struct{}

// NewDecompressor returns a decompressor for a peer whose matches reach back at most 2^windowBits bytes. It panics if
// windowBits is not in 8 to 15.
func NewDecompressor(windowBits int) *Decompressor {
	checkWindowBits(windowBits)
	return &Decompressor{}
}

// Append decompresses src, the next bytes of a message, and appends what came out to dst, which never grows beyond limit
// bytes (ErrTooLarge). A negative limit is none.
func (d *Decompressor) Append(dst, src []byte, limit int) ([]byte, error) {
	return dst, ErrCorrupt
}

// Finish ends the message: it takes the 00 00 ff ff that the sender left out.
func (d *Decompressor) Finish(dst []byte, limit int) ([]byte, error) {
	return dst, ErrCorrupt
}

// Reset forgets the history and an unfinished message.
func (d *Decompressor) Reset() {}
