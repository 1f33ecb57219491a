package stun

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
)

// Builder appends one message to a buffer, attribute by attribute. It is a value for one goroutine;
// made by NewBuilder. An attribute that cannot be added leaves an error behind (Err) and the rest
// without effect, so that only the end needs a check; with an error there is no message to send by
// accident.
type Builder struct {
	buf   []byte
	start int // where the message starts in buf
	stage stage
	err   error
}

// stage is how far the attributes with a fixed order have come.
type stage uint8

const (
	stageOpen            stage = iota // any attribute may follow
	stageIntegrity                    // MESSAGE-INTEGRITY is there: MESSAGE-INTEGRITY-SHA256 or FINGERPRINT may follow
	stageIntegritySHA256              // FINGERPRINT may follow
	stageFingerprint                  // nothing may follow
)

// NewBuilder starts a message behind what dst holds; dst grows as append would make it grow, so
// nothing is allocated if its capacity is enough.
func NewBuilder(dst []byte, t Type, id TransactionID) Builder {
	b := Builder{buf: dst, start: len(dst)}
	b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(t)&0x3FFF)
	b.buf = binary.BigEndian.AppendUint16(b.buf, 0)
	b.buf = binary.BigEndian.AppendUint32(b.buf, MagicCookie)
	b.buf = append(b.buf, id[:]...)
	return b
}

// Bytes returns dst with the message appended; after an error, dst as NewBuilder got it.
func (b *Builder) Bytes() []byte {
	if b.err != nil {
		return b.buf[:b.start]
	}
	return b.buf
}

// Err returns the first error of an Add method: ErrMessageTooLong, ErrAttributeOrder or
// ErrInvalidValue.
func (b *Builder) Err() error { return b.err }

// message returns the bytes of the message so far.
func (b *Builder) message() []byte { return b.buf[b.start:] }

// open appends the header of an attribute whose value of n bytes the caller appends next, followed
// by close. It reports false, and appends nothing, if the attribute cannot be added.
func (b *Builder) open(t AttributeType, n int) bool {
	return b.openAt(t, n, stageOpen, stageOpen)
}

// openAt is open for an attribute that may follow a stage up to last and brings the message to
// stage next.
func (b *Builder) openAt(t AttributeType, n int, last, next stage) bool {
	switch {
	case b.err != nil:
		return false
	case len(b.message()) < HeaderSize:
		b.err = ErrNoHeader
		return false
	case b.stage > last:
		b.err = ErrAttributeOrder
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

// close pads the attribute just appended with zeros to a multiple of 4 and brings the header's
// length up to date.
func (b *Builder) close() {
	for len(b.message())%4 != 0 {
		b.buf = append(b.buf, 0)
	}
	b.setLength(len(b.message()) - HeaderSize)
}

// setLength writes the header's length field.
func (b *Builder) setLength(n int) { putUint16(b.message()[offsetLength:], n) }

// putUint16 writes n, which is known to fit, in network byte order.
func putUint16(b []byte, n int) { binary.BigEndian.PutUint16(b, uint16(n)) }

// Add appends an attribute with any value. FINGERPRINT and the integrity attributes have methods of
// their own.
func (b *Builder) Add(t AttributeType, value []byte) {
	if b.open(t, len(value)) {
		b.buf = append(b.buf, value...)
		b.close()
	}
}

// AddString appends an attribute with a text as its value (USERNAME, REALM, NONCE, SOFTWARE,
// ALTERNATE-DOMAIN). RFC 8489 allows USERNAME 508 bytes and the others 763; more is sent as it is.
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

// AddIntegrity appends MESSAGE-INTEGRITY, over all that was added before. After it only
// AddIntegritySHA256 and AddFingerprint may follow.
func (b *Builder) AddIntegrity(k *Key) {
	covered := len(b.buf)
	if b.openAt(AttributeMessageIntegrity, sha1.Size, stageOpen, stageIntegrity) {
		b.buf = append(b.buf, k.sign(k.hmacSHA1(), b.buf[b.start:covered], attributeHeaderSize+sha1.Size)...)
		b.close()
	}
}

// AddIntegritySHA256 appends MESSAGE-INTEGRITY-SHA256 of the full 32 bytes, over all that was added
// before. After it only AddFingerprint may follow.
func (b *Builder) AddIntegritySHA256(k *Key) {
	b.AddIntegritySHA256Truncated(k, sha256.Size)
}

// AddIntegritySHA256Truncated is AddIntegritySHA256 for a usage that allows truncation: it keeps
// the first n bytes of the HMAC, a multiple of 4 from MinIntegritySHA256Size to 32; otherwise the
// builder's error is ErrInvalidValue.
func (b *Builder) AddIntegritySHA256Truncated(k *Key, n int) {
	if n < MinIntegritySHA256Size || n > sha256.Size || n%4 != 0 {
		b.fail(ErrInvalidValue)
		return
	}
	covered := len(b.buf)
	if b.openAt(AttributeMessageIntegritySHA256, n, stageIntegrity, stageIntegritySHA256) {
		b.buf = append(b.buf, k.sign(k.hmacSHA256(), b.buf[b.start:covered], attributeHeaderSize+n)[:n]...)
		b.close()
	}
}

// AddFingerprint appends FINGERPRINT, the last attribute.
func (b *Builder) AddFingerprint() {
	covered := len(b.buf)
	if b.openAt(AttributeFingerprint, fingerprintSize, stageIntegritySHA256, stageFingerprint) {
		// The length field counts FINGERPRINT already when the CRC is taken.
		b.setLength(covered - b.start - HeaderSize + attributeHeaderSize + fingerprintSize)
		b.buf = binary.BigEndian.AppendUint32(b.buf, fingerprint(b.buf[b.start:covered]))
	}
}

// fail notes the first error.
func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}
