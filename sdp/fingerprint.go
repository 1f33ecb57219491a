package sdp

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
)

// Names of hash functions in a=fingerprint (RFC 8122, section 5).
const (
	SHA1   = "sha-1"
	SHA224 = "sha-224"
	SHA256 = "sha-256"
	SHA384 = "sha-384"
	SHA512 = "sha-512"
)

// A Fingerprint is the hash of a certificate, the value of a=fingerprint (RFC 8122, section 5).
type Fingerprint struct {
	Algorithm string // the name of the hash function in lower case, such as SHA256; also unknown names
	Value     []byte // the hash
}

// NewFingerprint returns the fingerprint of a certificate in DER form. The error matches
// [ErrUnsupportedHash] for an algorithm that is not one of the constants, such as [SHA256].
func NewFingerprint(algorithm string, certificate []byte) (Fingerprint, error) {
	var value []byte
	switch algorithm {
	case SHA1:
		h := sha1.Sum(certificate)
		value = h[:]
	case SHA224:
		h := sha256.Sum224(certificate)
		value = h[:]
	case SHA256:
		h := sha256.Sum256(certificate)
		value = h[:]
	case SHA384:
		h := sha512.Sum384(certificate)
		value = h[:]
	case SHA512:
		h := sha512.Sum512(certificate)
		value = h[:]
	default:
		return Fingerprint{}, fmt.Errorf("%w %s", ErrUnsupportedHash, quote(algorithm))
	}
	return Fingerprint{Algorithm: algorithm, Value: value}, nil
}

// Supported reports whether certificates can be checked against the fingerprint: its hash function
// is one of the constants, such as [SHA256], and its value has the length of the hash.
func (f Fingerprint) Supported() bool {
	n := hashSize(f.Algorithm)
	return n > 0 && len(f.Value) == n
}

// Equal reports whether both fingerprints are the same.
func (f Fingerprint) Equal(g Fingerprint) bool {
	return f.Algorithm == g.Algorithm && bytes.Equal(f.Value, g.Value)
}

// String returns the value of a=fingerprint: "sha-256 12:DF:…".
func (f Fingerprint) String() string { return string(f.append(nil)) }

// VerifyCertificate checks a peer's certificate, in DER form, against the fingerprints of its
// description.
//
// "An endpoint MUST select the set of fingerprints that use its most preferred hash function (out
// of those offered by the peer) and verify that each certificate used matches one fingerprint out
// of that set" (RFC 8122, section 5.1); The most preferred hash function is the strongest. The
// error matches [ErrFingerprintMismatch] if no fingerprint matches and [ErrUnsupportedHash] if none
// can be checked.
func VerifyCertificate(certificate []byte, fingerprints []Fingerprint) error {
	best := 0
	for _, f := range fingerprints {
		if f.Supported() {
			best = max(best, len(f.Value))
		}
	}
	if best == 0 {
		return fmt.Errorf("%w in %d fingerprints", ErrUnsupportedHash, len(fingerprints))
	}
	for _, f := range fingerprints {
		if len(f.Value) != best || !f.Supported() {
			continue
		}
		own, err := NewFingerprint(f.Algorithm, certificate)
		if err == nil && own.Equal(f) {
			return nil
		}
	}
	return ErrFingerprintMismatch
}

// hashSize returns the length in bytes of a supported hash, and 0 for others. The lengths differ,
// and a longer hash is stronger.
func hashSize(algorithm string) int {
	switch algorithm {
	case SHA1:
		return sha1.Size
	case SHA224:
		return sha256.Size224
	case SHA256:
		return sha256.Size
	case SHA384:
		return sha512.Size384
	case SHA512:
		return sha512.Size
	}
	return 0
}

// ParseFingerprint reads the value of a=fingerprint: "sha-256 12:DF:…". Lower-case digits are
// accepted. The error is a *[SyntaxError] without a line number. A hash function that is not known
// is no error, see [Fingerprint.Supported].
func ParseFingerprint(value string) (Fingerprint, error) {
	f, problem := readFingerprint(value)
	if problem != "" {
		return Fingerprint{}, &SyntaxError{Field: "a=fingerprint", Reason: problem}
	}
	return f, nil
}

// readFingerprint parses the value of a=fingerprint. problem is the defect, or "".
func readFingerprint(value string) (f Fingerprint, problem string) {
	algorithm, rest := word(value)
	text, rest := word(rest)
	if extra, _ := word(rest); text == "" || extra != "" {
		return f, quote(value) + " is not of the form hash-function fingerprint"
	}
	// RFC 8122, section 5: the names are case-insensitive tokens. Some implementations write the
	// hexadecimal digits in lower case, which is not allowed.
	f.Algorithm = strings.ToLower(algorithm)
	if !isToken(f.Algorithm) {
		return f, "bad hash function " + quote(algorithm)
	}
	if len(text)%3 != 2 {
		return f, quote(text) + " is not hexadecimal with colons"
	}
	f.Value = make([]byte, (len(text)+1)/3)
	for i := range f.Value {
		high, low := unhex(text[3*i]), unhex(text[3*i+1])
		if high > 15 || low > 15 || 3*i+2 < len(text) && text[3*i+2] != ':' {
			return f, quote(text) + " is not hexadecimal with colons"
		}
		f.Value[i] = high<<4 | low
	}
	if n := hashSize(f.Algorithm); n > 0 && n != len(f.Value) {
		return f, fmt.Sprintf("%d bytes are not a %s hash", len(f.Value), f.Algorithm)
	}
	return f, ""
}

// unhex returns the value of a hexadecimal digit, or a value above 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// upperHex are the digits of a fingerprint (RFC 8122, section 5).
const upperHex = "0123456789ABCDEF"

func (f Fingerprint) append(dst []byte) []byte {
	dst = append(dst, f.Algorithm...)
	for i, b := range f.Value {
		if i == 0 {
			dst = append(dst, ' ')
		} else {
			dst = append(dst, ':')
		}
		dst = append(dst, upperHex[b>>4], upperHex[b&15])
	}
	return dst
}
