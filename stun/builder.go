package stun

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
)

// Builder appends one message to a buffer, attribute by attribute. NewBuilder makes it, for use by
// one goroutine at a time. If an attribute cannot be added, that attribute and all later ones are
// not added, Err returns the reason, and Bytes returns no message. A program therefore checks Err
// once, at the end.
type Builder struct {
	buf   []byte
	start int // where the message starts in buf
	stage stage
	err   error
}

// stage is the progress of the attributes whose order is fixed.
type stage uint8

const (
	stageNone            stage = iota // of the zero Builder: there is no header
	stageOpen                         // any attribute may follow
	stageIntegrity                    // only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT may follow
	stageIntegritySHA256              // only FINGERPRINT may follow
	stageFingerprint                  // nothing may follow
)

// NewBuilder starts a message behind the bytes of dst. The builder appends to dst as append does:
// it allocates nothing if the capacity of dst is enough.
func NewBuilder(dst []byte, t Type, id TransactionID) Builder {
	b := Builder{buf: dst, start: len(dst), stage: stageOpen}
	b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(t)&0x3FFF)
	b.buf = binary.BigEndian.AppendUint16(b.buf, 0)
	b.buf = binary.BigEndian.AppendUint32(b.buf, MagicCookie)
	b.buf = append(b.buf, id[:]...)
	return b
}

// Bytes returns dst with the message appended, or dst as it was given to NewBuilder if Err is not
// nil.
func (b *Builder) Bytes() []byte {
	if b.err != nil {
		return b.buf[:b.start]
	}
	return b.buf
}

// Err returns the first error of an Add method: ErrMessageTooLong, ErrAttributeOrder,
// ErrInvalidValue, or ErrNoHeader.
func (b *Builder) Err() error { return b.err }

// message returns the bytes of the message so far.
func (b *Builder) message() []byte { return b.buf[b.start:] }

// open appends the header of an attribute. The caller then appends its value of n bytes and calls
// close. If the attribute cannot be added, open appends nothing and reports false.
func (b *Builder) open(t AttributeType, n int) bool {
	return b.openAt(t, n, stageOpen, stageOpen)
}

// openAt is open for an attribute that may be added up to stage last, and whose addition is stage
// next.
func (b *Builder) openAt(t AttributeType, n int, last, next stage) bool {
	switch {
	case b.err != nil:
		return false
	case b.stage-stageOpen > last-stageOpen: // also stageNone
		b.err = ErrAttributeOrder
		if b.stage == stageNone {
			b.err = ErrNoHeader
		}
		return false
	case n > 0xFFFF || len(b.message())+attributeHeaderSize+padded(n) > MaxMessageSize:
		b.err = ErrMessageTooLong
		return false
	}
	b.stage = next
	b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(t))
	b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(n))
	return true
}

// close pads the last attribute with zeros to a multiple of 4 bytes and updates the length in the
// header.
func (b *Builder) close() {
	n := len(b.message())
	for range padded(n) - n {
		b.buf = append(b.buf, 0)
	}
	b.setLength(len(b.message()) - HeaderSize)
}

// setLength writes the header's length field.
func (b *Builder) setLength(n int) { putUint16(b.message()[offsetLength:], n) }

// putUint16 writes n, which is known to fit, in network byte order.
func putUint16(b []byte, n int) { binary.BigEndian.PutUint16(b, uint16(n)) }

// Add appends an attribute with any value. For FINGERPRINT and the integrity attributes see
// AddFingerprint and AddIntegrity.
func (b *Builder) Add(t AttributeType, value []byte) {
	if b.open(t, len(value)) {
		b.buf = append(b.buf, value...)
		b.close()
	}
}

// AddString appends an attribute whose value is text (USERNAME, REALM, NONCE, SOFTWARE,
// ALTERNATE-DOMAIN). RFC 8489 allows 508 bytes for USERNAME and 763 for the others; AddString does
// not check that. It does not share code with Add: a function for both types would let every Builder
// escape to the heap.
func (b *Builder) AddString(t AttributeType, value string) {
	if b.open(t, len(value)) {
		b.buf = append(b.buf, value...)
		b.close()
	}
}

// AddUint32 appends an attribute whose value is a 32-bit number (PRIORITY, LIFETIME in seconds).
func (b *Builder) AddUint32(t AttributeType, value uint32) {
	if b.open(t, 4) {
		b.buf = binary.BigEndian.AppendUint32(b.buf, value)
		b.close()
	}
}

// AddUint64 appends an attribute whose value is a 64-bit number (ICE-CONTROLLING, ICE-CONTROLLED).
func (b *Builder) AddUint64(t AttributeType, value uint64) {
	if b.open(t, 8) {
		b.buf = binary.BigEndian.AppendUint64(b.buf, value)
		b.close()
	}
}

// AddFlag appends an attribute without a value (USE-CANDIDATE, DONT-FRAGMENT).
func (b *Builder) AddFlag(t AttributeType) {
	if b.open(t, 0) {
		b.close()
	}
}

// AddIntegrity appends MESSAGE-INTEGRITY, which covers all attributes added before. Only
// AddIntegritySHA256 and AddFingerprint may follow.
func (b *Builder) AddIntegrity(k *Key) {
	covered := len(b.buf)
	if b.openAt(AttributeMessageIntegrity, sha1.Size, stageOpen, stageIntegrity) {
		sum := k.sumSHA1(b.buf[b.start:covered])
		b.buf = append(b.buf, sum[:]...)
		b.close()
	}
}

// AddIntegritySHA256 appends MESSAGE-INTEGRITY-SHA256 of the full 32 bytes, which covers all
// attributes added before. Only AddFingerprint may follow.
func (b *Builder) AddIntegritySHA256(k *Key) {
	b.AddIntegritySHA256Truncated(k, sha256.Size)
}

// AddIntegritySHA256Truncated is AddIntegritySHA256 for a usage that allows truncation: it keeps
// the first n bytes of the HMAC. n is a multiple of 4 from MinIntegritySHA256Size to 32; for
// another n, Err returns ErrInvalidValue.
func (b *Builder) AddIntegritySHA256Truncated(k *Key, n int) {
	if n < MinIntegritySHA256Size || n > sha256.Size || n%4 != 0 {
		b.fail(ErrInvalidValue)
		return
	}
	covered := len(b.buf)
	if b.openAt(AttributeMessageIntegritySHA256, n, stageIntegrity, stageIntegritySHA256) {
		sum := k.sumSHA256(b.buf[b.start:covered], n)
		b.buf = append(b.buf, sum[:n]...)
		b.close()
	}
}

// AddFingerprint appends FINGERPRINT, the last attribute.
func (b *Builder) AddFingerprint() {
	covered := len(b.buf)
	if b.openAt(AttributeFingerprint, fingerprintSize, stageIntegritySHA256, stageFingerprint) {
		// The length field includes FINGERPRINT when the CRC is computed.
		b.setLength(covered - b.start - HeaderSize + attributeHeaderSize + fingerprintSize)
		b.buf = binary.BigEndian.AppendUint32(b.buf, fingerprint(b.buf[b.start:covered]))
	}
}

// fail keeps the first error.
func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}
