package stun

import (
	"errors"
	"strconv"
)

// What the getters and checks of a Message return besides a *ParseError. All are returned unwrapped.
var (
	// ErrAttributeNotFound: the message does not carry the attribute (or only where the RFC says to ignore it).
	ErrAttributeNotFound = errors.New("stun: attribute not found")
	// ErrIntegrityMismatch: MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 does not match the message and key.
	ErrIntegrityMismatch = errors.New("stun: message integrity mismatch")
	// ErrFingerprintMismatch: FINGERPRINT does not match the message, or is not its last attribute.
	ErrFingerprintMismatch = errors.New("stun: fingerprint mismatch")
)

// What a *ParseError wraps: the kind of defect, for errors.Is.
var (
	ErrTooShort        = errors.New("shorter than the 20-byte header")
	ErrFirstBits       = errors.New("the first two bits are not zero")
	ErrMagicCookie     = errors.New("no magic cookie")
	ErrMessageLength   = errors.New("length field does not match the message")
	ErrAttributeLength = errors.New("reaches beyond the end of the message")
	ErrValueLength     = errors.New("value has the wrong length")
	ErrAddressFamily   = errors.New("unknown address family")
	ErrValue           = errors.New("value is out of range")
)

// What Builder.Err returns.
var (
	// ErrMessageTooLong: an attribute or the message does not fit a 16-bit length.
	ErrMessageTooLong = errors.New("stun: message too long")
	// ErrAttributeOrder: an attribute was added after one that has to follow it (FINGERPRINT is last, before it the
	// integrity attributes, SHA-1 before SHA-256).
	ErrAttributeOrder = errors.New("stun: attribute after MESSAGE-INTEGRITY or FINGERPRINT")
	// ErrInvalidValue: a value that the attribute cannot express, such as an invalid address.
	ErrInvalidValue = errors.New("stun: value cannot be encoded")
)

// ParseError says where a message is malformed, and how.
type ParseError struct {
	Attribute AttributeType // the attribute at fault; 0: the header
	Offset    int           // where in the message the faulty field or attribute value starts, in bytes
	Err       error         // the kind of defect, one of the sentinels of this package
}

// Error returns for example "stun: XOR-MAPPED-ADDRESS at byte 24: unknown address family".
func (e *ParseError) Error() string {
	what := "header"
	if e.Attribute != 0 {
		what = e.Attribute.String()
	}
	return "stun: " + what + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }
