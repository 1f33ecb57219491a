package stun

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// NonceCookie starts a nonce in which the server announces its security features (RFC 8489, section
// 9.2).
const NonceCookie = "obMatJos2"

// encodedFeaturesSize is the length in bytes of the 24 feature bits in base64.
const encodedFeaturesSize = 4

// SecurityFeatures is the set of 24 flags that follows the cookie in a nonce. It protects against
// bid-down attacks: an attacker who removes PASSWORD-ALGORITHMS from a challenge has to change the
// nonce too, and the server does not accept the changed nonce.
type SecurityFeatures uint32

// The features. Bit 0 is the most significant one (RFC 8489, section 18.1).
const (
	FeaturePasswordAlgorithms SecurityFeatures = 1 << 23 // bit 0
	FeatureUsernameAnonymity  SecurityFeatures = 1 << 22 // bit 1
)

// String returns the names of the features, separated by commas: "password algorithms, username
// anonymity". Bits without a name are in hexadecimal, and the empty set is "none".
func (f SecurityFeatures) String() string {
	var names []string
	if f&FeaturePasswordAlgorithms != 0 {
		names = append(names, "password algorithms")
	}
	if f&FeatureUsernameAnonymity != 0 {
		names = append(names, "username anonymity")
	}
	if rest := f &^ (FeaturePasswordAlgorithms | FeatureUsernameAnonymity); rest != 0 {
		names = append(names, fmt.Sprintf("0x%06X", uint32(rest)))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// ParseNonce returns the security features that a NONCE announces. ok is false if it does not start
// with the cookie and the features, as with servers of RFC 5389.
func ParseNonce(nonce []byte) (features SecurityFeatures, ok bool) {
	const size = len(NonceCookie) + encodedFeaturesSize
	if len(nonce) < size || string(nonce[:len(NonceCookie)]) != NonceCookie {
		return 0, false
	}
	var bits [3]byte
	if n, err := base64.StdEncoding.Decode(bits[:], nonce[len(NonceCookie):size]); err != nil || n != len(bits) {
		return 0, false
	}
	return SecurityFeatures(bits[0])<<16 | SecurityFeatures(bits[1])<<8 | SecurityFeatures(bits[2]), true
}

// AppendNonce appends to dst the cookie and the features. The server appends the rest of the nonce,
// which must be unique for the client.
func AppendNonce(dst []byte, features SecurityFeatures) []byte {
	dst = append(dst, NonceCookie...)
	return base64.StdEncoding.AppendEncode(dst, []byte{byte(features >> 16), byte(features >> 8), byte(features)})
}
