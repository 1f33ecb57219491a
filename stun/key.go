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

// Key is the key of the integrity attributes, together with the state of its HMACs, so that making
// and checking an attribute does not allocate. Only the first use of each of the two hash functions
// does. A Key is for one goroutine at a time.
type Key struct {
	key          []byte
	sha1, sha256 hash.Hash // nil until first used
	// Buffers for the hash functions, which are called through an interface: on the stack they
	// would escape.
	header [HeaderSize]byte
	sum    [sha256.Size]byte
}

// NewKey returns the key of a short-term credential, which is the password itself (RFC 8489,
// section 9.1.1). In ICE it is the ice-pwd of the agent that receives the request, for the request
// and its response. The password is copied.
func NewKey(password []byte) *Key {
	return &Key{key: bytes.Clone(password)}
}

// NewLongTermKey returns the key of a long-term credential, MD5(username ":" realm ":" password).
// It is the key for password algorithm MD5 and for servers without password algorithms (RFC 8489,
// section 18.5.1.1). The arguments are hashed unchanged: see OpaqueString.
func NewLongTermKey(username, realm, password string) *Key {
	return &Key{key: hashCredential(md5.New(), username, realm, password)}
}

// NewLongTermKeySHA256 returns the key of a long-term credential with password algorithm SHA-256,
// SHA256(username ":" realm ":" password) (RFC 8489, section 18.5.1.2).
func NewLongTermKeySHA256(username, realm, password string) *Key {
	return &Key{key: hashCredential(sha256.New(), username, realm, password)}
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

// sign returns the HMAC of b, a message up to an integrity attribute of n bytes including its
// header. The length field that is hashed ends with that attribute, so that attributes behind it do
// not change the HMAC (RFC 8489, section 14.5). sign does not write to b. The result is valid until
// the next use of k.
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
