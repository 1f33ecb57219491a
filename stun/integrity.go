package stun

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// MinIntegritySHA256Size is the least length a truncated MESSAGE-INTEGRITY-SHA256 may have, in
// bytes (RFC 8489, section 14.6).
const MinIntegritySHA256Size = 16

// The value of FINGERPRINT is the CRC-32 of the message before it, XORed with fingerprintXOR so
// that it differs from a CRC of the application's own packet (RFC 8489, section 14.7).
const (
	fingerprintSize        = 4
	fingerprintXOR  uint32 = 0x5354554E
)

// CheckIntegrity checks MESSAGE-INTEGRITY, in constant time. It returns nil, ErrIntegrityMismatch,
// ErrAttributeNotFound, or a *ParseError if the attribute is not 20 bytes long.
func (m Message) CheckIntegrity(k *Key) error {
	value, offset, ok := m.valueAt(m.integrity)
	if !ok {
		return ErrAttributeNotFound
	}
	if len(value) != sha1.Size {
		return &ParseError{AttributeMessageIntegrity, offset, ErrValueLength}
	}
	sum := k.sumSHA1(m.raw[:m.integrity])
	if !hmac.Equal(sum[:], value) {
		return ErrIntegrityMismatch
	}
	return nil
}

// CheckIntegritySHA256 checks MESSAGE-INTEGRITY-SHA256 in constant time. The value must have the
// full 32 bytes: neither ICE nor TURN allows truncation (RFC 8489, section 14.6). It returns nil,
// ErrIntegrityMismatch, ErrAttributeNotFound, or a *ParseError if the attribute has another length.
func (m Message) CheckIntegritySHA256(k *Key) error {
	return m.CheckIntegritySHA256Truncated(k, sha256.Size)
}

// CheckIntegritySHA256Truncated is CheckIntegritySHA256 for a usage that allows truncation. The
// value must have a multiple of 4 bytes, at least shortest and MinIntegritySHA256Size, and at most
// 32.
func (m Message) CheckIntegritySHA256Truncated(k *Key, shortest int) error {
	value, offset, ok := m.valueAt(m.integritySHA256)
	if !ok {
		return ErrAttributeNotFound
	}
	if len(value) < max(shortest, MinIntegritySHA256Size) || len(value) > sha256.Size || len(value)%4 != 0 {
		return &ParseError{AttributeMessageIntegritySHA256, offset, ErrValueLength}
	}
	sum := k.sumSHA256(m.raw[:m.integritySHA256], len(value))
	if !hmac.Equal(sum[:len(value)], value) {
		return ErrIntegrityMismatch
	}
	return nil
}

// CheckFingerprint checks FINGERPRINT, a checksum that distinguishes STUN from other packets. It
// does not authenticate the message. It returns nil, ErrFingerprintMismatch, ErrAttributeNotFound,
// or a *ParseError if the attribute is not 4 bytes long.
func (m Message) CheckFingerprint() error {
	value, offset, ok := m.valueAt(m.fingerprint)
	if !ok {
		return ErrAttributeNotFound
	}
	if len(value) != fingerprintSize {
		return &ParseError{AttributeFingerprint, offset, ErrValueLength}
	}
	// FINGERPRINT must be the last attribute (RFC 8489, section 14.7): the length field in the
	// header is then the one that the sender has computed it with.
	if offset+fingerprintSize != len(m.raw) || fingerprint(m.raw[:m.fingerprint]) != binary.BigEndian.Uint32(value) {
		return ErrFingerprintMismatch
	}
	return nil
}

// fingerprint returns the value of FINGERPRINT for b, a message up to that attribute, whose length
// field includes it.
func fingerprint(b []byte) uint32 { return crc32.ChecksumIEEE(b) ^ fingerprintXOR }
