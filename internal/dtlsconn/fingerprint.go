package dtlsconn

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrFingerprintMismatch is returned when a certificate is not the one that was signalled.
	ErrFingerprintMismatch = errors.New("dtls: certificate does not match the fingerprint")

	// ErrFingerprintSyntax is returned for a fingerprint that is not a list of bytes in hexadecimal.
	ErrFingerprintSyntax = errors.New("dtls: malformed fingerprint")
)

// UnknownHashError is returned for a fingerprint with a hash function that is not supported: RFC 8122 forbids MD2 and
// MD5, and whatever else there may be is not known.
type UnknownHashError struct {
	// Algorithm is the hash function as it was named.
	Algorithm string
}

// Error implements error.
func (e *UnknownHashError) Error() string {
	return fmt.Sprintf("dtls: unknown fingerprint hash function %q", e.Algorithm)
}

// digest hashes a certificate with the hash function of the given name; case does not matter.
// https://www.rfc-editor.org/rfc/rfc8122.html#section-5
func digest(der []byte, algorithm string) ([]byte, error) {
	switch strings.ToLower(algorithm) {
	case "sha-1":
		sum := sha1.Sum(der)
		return sum[:], nil
	case "sha-224":
		sum := sha256.Sum224(der)
		return sum[:], nil
	case "sha-256":
		sum := sha256.Sum256(der)
		return sum[:], nil
	case "sha-384":
		sum := sha512.Sum384(der)
		return sum[:], nil
	case "sha-512":
		sum := sha512.Sum512(der)
		return sum[:], nil
	}
	return nil, &UnknownHashError{Algorithm: algorithm}
}

// Fingerprint returns the fingerprint of a certificate in DER as SDP writes it: upper-case hexadecimal bytes, separated
// by colons. Algorithms are sha-1, sha-224, sha-256, sha-384 and sha-512 (RFC 8122, section 5); others give an
// *UnknownHashError.
func Fingerprint(der []byte, algorithm string) (string, error) {
	sum, err := digest(der, algorithm)
	if err != nil {
		return "", err
	}
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 3*len(sum))
	for i, b := range sum {
		if i > 0 {
			out = append(out, ':')
		}
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out), nil
}

// VerifyFingerprint checks a certificate in DER against a fingerprint from SDP. RFC 8122 writes bytes in upper case, but
// lower case is common and accepted. Errors: *UnknownHashError, ErrFingerprintSyntax, ErrFingerprintMismatch.
func VerifyFingerprint(der []byte, algorithm, value string) error {
	sum, err := digest(der, algorithm)
	if err != nil {
		return err
	}
	signalled, err := parseFingerprint(value)
	if err != nil {
		return err
	}
	if string(signalled) != string(sum) {
		return ErrFingerprintMismatch
	}
	return nil
}

// parseFingerprint reads UHEX *(":" UHEX).
func parseFingerprint(value string) ([]byte, error) {
	// The longest is SHA-512's.
	if len(value) > 3*sha512.Size-1 || len(value)%3 != 2 {
		return nil, ErrFingerprintSyntax
	}
	out := make([]byte, 0, sha512.Size)
	for i := 0; i < len(value); i += 3 {
		if i > 0 && value[i-1] != ':' {
			return nil, ErrFingerprintSyntax
		}
		var b [1]byte
		if _, err := hex.Decode(b[:], []byte(value[i:i+2])); err != nil {
			return nil, ErrFingerprintSyntax
		}
		out = append(out, b[0])
	}
	return out, nil
}
