package dtlsconn

import (
	"crypto/cipher"
	"encoding/binary"
	"slices"
	"sync"
)

const (
	tagSize   = 16
	nonceSize = 12
	aadSize   = 13
)

// sealer protects outgoing records of epochApplication. After the handover it owns that epoch's only sequence
// counter, so a pair of key and nonce occurs once by construction: every record that reaches the wire took
// its number from next, under mu, and next never goes back.
type sealer struct {
	mu       sync.Mutex
	aead     cipher.AEAD
	explicit int    // bytes of explicit nonce in a record
	next     uint64 // the next record's sequence number
	closed   bool

	iv    [nonceSize]byte
	nonce [nonceSize]byte
	aad   [aadSize]byte

	records, bytes uint64
}

func newSealer(s suite, d direction, next uint64) *sealer {
	t := &sealer{aead: d.aead, explicit: s.explicitNonce, next: next}
	copy(t.iv[:], d.iv)
	return t
}

func (t *sealer) headroom() int { return recordHeaderSize + t.explicit }

// seal appends a record to dst. The last sequence number is kept for close_notify, so that an association which
// has used all others still ends in order.
func (t *sealer) seal(dst []byte, contentType byte, plaintext []byte) ([]byte, error) {
	if len(plaintext) > maxPlaintext {
		return dst, ErrRecordTooLong
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sealLocked(dst, contentType, plaintext)
}

// sealLocked is seal with mu held.
func (t *sealer) sealLocked(dst []byte, contentType byte, plaintext []byte) ([]byte, error) {
	if t.closed {
		return dst, ErrClosed
	}
	last := uint64(maxSequence - 1)
	if contentType == contentAlert {
		last = maxSequence
	}
	if t.next > last {
		return dst, ErrSequenceExhausted
	}
	sequence := t.next
	t.next++

	epochAndSequence := uint64(epochApplication)<<48 | sequence
	copy(t.nonce[:], t.iv[:])
	if t.explicit > 0 {
		// https://www.rfc-editor.org/rfc/rfc5288.html#section-3: "The nonce_explicit MAY be the 64-bit
		// sequence number."
		binary.BigEndian.PutUint64(t.nonce[4:], epochAndSequence)
	} else {
		// https://www.rfc-editor.org/rfc/rfc7905.html#section-2
		binary.BigEndian.PutUint64(t.nonce[4:], binary.BigEndian.Uint64(t.iv[4:])^epochAndSequence)
	}
	putAdditionalData(&t.aad, epochAndSequence, contentType, versionDTLS12, len(plaintext))

	start := len(dst)
	dst = slices.Grow(dst, t.headroom()+len(plaintext)+tagSize)
	dst = appendRecordHeader(dst, contentType, epochApplication, sequence, t.explicit+len(plaintext)+tagSize)
	if t.explicit > 0 {
		dst = append(dst, dst[start+3:start+11]...)
	}
	dst = t.aead.Seal(dst, t.nonce[:], plaintext, t.aad[:])
	t.records++
	t.bytes += uint64(len(plaintext))
	return dst, nil
}

// close appends a sealed close_notify to dst and makes every later seal fail: nothing follows it.
func (t *sealer) close(dst []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	dst, _ = t.sealLocked(dst, contentAlert, []byte{alertWarning, alertCloseNotify})
	t.closed = true
	return dst
}

// putAdditionalData writes what an AEAD authenticates besides the ciphertext: seq_num + type + version + length of
// the plaintext, where DTLS puts the epoch in front of the sequence number.
// https://www.rfc-editor.org/rfc/rfc5246.html#section-6.2.3.3
func putAdditionalData(aad *[aadSize]byte, epochAndSequence uint64, contentType byte, version uint16, length int) {
	binary.BigEndian.PutUint64(aad[:8], epochAndSequence)
	aad[8] = contentType
	binary.BigEndian.PutUint16(aad[9:11], version)
	binary.BigEndian.PutUint16(aad[11:13], uint16(length))
}
