package stun

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding"
	"hash"
	"sync"
)

// hmacBlock is the block size of SHA-1 and SHA-256 in bytes.
const hmacBlock = 64

// hmacState is a key of an HMAC (RFC 2104, section 2), as the states of the hash function after the
// first block of the inner hash, K XOR ipad, and of the outer one, K XOR opad. An HMAC of
// crypto/hmac holds two hashes besides; these are in a pool here, because an ICE agent has two keys
// for as long as it exists, and uses them once in a few seconds.
type hmacState struct {
	inner, outer []byte
}

// resumableHash has the methods of the hash functions of the standard library.
type resumableHash interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// hasher computes HMACs. Its arrays are here because they are passed to the hash function, an
// interface: on the stack they would escape.
type hasher struct {
	hash  resumableHash
	block [hmacBlock]byte
	sum   [sha256.Size]byte
}

var (
	sha1Hashers   = sync.Pool{New: func() any { return &hasher{hash: sha1.New().(resumableHash)} }}
	sha256Hashers = sync.Pool{New: func() any { return &hasher{hash: sha256.New().(resumableHash)} }}
)

// state returns the state for a key.
func (h *hasher) state(key []byte) *hmacState {
	if len(key) > hmacBlock {
		h.hash.Reset()
		h.hash.Write(key)
		key = h.hash.Sum(h.sum[:0])
	}
	padded := func(pad byte) []byte {
		clear(h.block[copy(h.block[:], key):])
		for i := range h.block {
			h.block[i] ^= pad
		}
		h.hash.Reset()
		h.hash.Write(h.block[:])
		state, _ := h.hash.MarshalBinary() // it never fails
		return state
	}
	s := &hmacState{padded(0x36), padded(0x5c)}
	clear(h.block[:])
	return s
}

// sign returns the HMAC of b, a message up to an integrity attribute of n bytes including its
// header. The length field that is hashed ends with that attribute, so that attributes behind it do
// not change the HMAC (RFC 8489, section 14.5). sign does not write to b. The result is valid until
// the next use of h.
func (h *hasher) sign(key *hmacState, b []byte, n int) []byte {
	_ = h.hash.UnmarshalBinary(key.inner) // it never fails
	header := h.block[:HeaderSize]
	copy(header, b)
	putUint16(header[offsetLength:], len(b)-HeaderSize+n)
	h.hash.Write(header)
	h.hash.Write(b[HeaderSize:])
	inner := h.hash.Sum(h.sum[:0])
	_ = h.hash.UnmarshalBinary(key.outer)
	h.hash.Write(inner)
	return h.hash.Sum(h.sum[:0])
}
