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

// sealer protects outgoing records of epochApplication. After the handover it has the only sequence
// counter of that epoch, so no pair of key and nonce is used twice: each record gets its number
// from next, under mu, and next only grows.
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

// seal appends a record to dst. The last sequence number is reserved for close_notify.
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
		// RFC 5288, section 3: "The nonce_explicit MAY be the 64-bit sequence number."
		binary.BigEndian.PutUint64(t.nonce[4:], epochAndSequence)
	} else {
		// RFC 7905, section 2: the nonce is the IV exclusive-or the padded sequence number.
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

// close appends a sealed close_notify to dst. Every later seal returns ErrClosed.
func (t *sealer) close(dst []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	dst, _ = t.sealLocked(dst, contentAlert, []byte{alertWarning, alertCloseNotify})
	t.closed = true
	return dst
}

// putAdditionalData writes the additional data of an AEAD (RFC 5246, section 6.2.3.3): seq_num,
// type, version, and length of the plaintext. RFC 6347, section 4.1.2.1: in DTLS, seq_num is epoch
// and sequence_number.
func putAdditionalData(aad *[aadSize]byte, epochAndSequence uint64, contentType byte, version uint16, length int) {
	binary.BigEndian.PutUint64(aad[:8], epochAndSequence)
	aad[8] = contentType
	binary.BigEndian.PutUint16(aad[9:11], version)
	binary.BigEndian.PutUint16(aad[11:13], uint16(length))
}
