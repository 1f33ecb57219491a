package stun

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"io"
)

// Key is the key of the integrity attributes, together with values that are computed from it once,
// so that making and checking an attribute does not allocate, except for the first use of each of
// the two hash functions. A Key is for one goroutine at a time.
type Key struct {
	key          []byte
	sha1, sha256 *hmacState // nil until first used
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

// sumSHA1 returns the HMAC-SHA1 for MESSAGE-INTEGRITY behind b: see hasher.sign.
func (k *Key) sumSHA1(b []byte) (sum [sha1.Size]byte) {
	h := sha1Hashers.Get().(*hasher)
	defer sha1Hashers.Put(h)
	if k.sha1 == nil {
		k.sha1 = h.state(k.key)
	}
	copy(sum[:], h.sign(k.sha1, b, attributeHeaderSize+sha1.Size))
	return sum
}

// sumSHA256 returns the HMAC-SHA256 for a MESSAGE-INTEGRITY-SHA256 of size bytes behind b.
func (k *Key) sumSHA256(b []byte, size int) (sum [sha256.Size]byte) {
	h := sha256Hashers.Get().(*hasher)
	defer sha256Hashers.Put(h)
	if k.sha256 == nil {
		k.sha256 = h.state(k.key)
	}
	copy(sum[:], h.sign(k.sha256, b, attributeHeaderSize+size))
	return sum
}
