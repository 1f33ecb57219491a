package stun

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"io"
)

// Key is the key of a message's integrity attributes with the state of its HMACs, kept so that
// checking and making an attribute allocates nothing (the first use of each of the two hash
// functions makes its state). A Key is for one goroutine at a time.
type Key struct {
	key          []byte
	sha1, sha256 hash.Hash // nil until first used
	// What the hash functions read and write through an interface would escape from a stack: it is
	// here instead.
	header [HeaderSize]byte
	sum    [sha256.Size]byte
}

// NewKey returns the key of a short-term credential, which is the password itself (RFC 8489,
// section 9.1.1). In ICE that is the ice-pwd of the agent that receives the request, for the
// request and its response. The password is copied.
func NewKey(password []byte) *Key {
	return &Key{key: bytes.Clone(password)}
}

// NewLongTermKey returns the key of a long-term credential, MD5(username ":" realm ":" password):
// that of password algorithm MD5, and of servers that know no password algorithms (RFC 8489,
// section 18.5.1.1). The three are used as they are: see OpaqueString.
func NewLongTermKey(username, realm, password string) *Key {
	h := md5.New()
	return &Key{key: hashCredential(h, username, realm, password)}
}

// NewLongTermKeySHA256 returns the key of a long-term credential with password algorithm SHA-256,
// SHA256(username ":" realm ":" password) (RFC 8489, section 18.5.1.2).
func NewLongTermKeySHA256(username, realm, password string) *Key {
	h := sha256.New()
	return &Key{key: hashCredential(h, username, realm, password)}
}

// hashCredential returns the hash of the fields joined by colons.
func hashCredential(h hash.Hash, fields ...string) []byte {
	for i, field := range fields {
		if i > 0 {
			io.WriteString(h, ":")
		}
		io.WriteString(h, field)
	}
	return h.Sum(nil)
}

// sign returns the HMAC of b, the start of a message up to an integrity attribute of n bytes (its
// header counted). "The Length field of the STUN message header is adjusted to point to the end of
// the MESSAGE-INTEGRITY attribute": whatever follows does not change the HMAC (RFC 8489, section
// 14.5). b is not written to. The result is valid until the next use of k.
func (k *Key) sign(h hash.Hash, b []byte, n int) []byte {
	h.Reset()
	copy(k.header[:], b)
	putUint16(k.header[offsetLength:], len(b)-HeaderSize+n)
	h.Write(k.header[:])
	h.Write(b[HeaderSize:])
	return h.Sum(k.sum[:0])
}

// hmacSHA1 returns the key's HMAC-SHA1.
func (k *Key) hmacSHA1() hash.Hash {
	if k.sha1 == nil {
		k.sha1 = hmac.New(sha1.New, k.key)
	}
	return k.sha1
}

// hmacSHA256 returns the key's HMAC-SHA256.
func (k *Key) hmacSHA256() hash.Hash {
	if k.sha256 == nil {
		k.sha256 = hmac.New(sha256.New, k.key)
	}
	return k.sha256
}
