package stun

import (
	"errors"
	"strconv"
	"strings"
)

// Errors of the getters and checks of a Message, besides *ParseError. They are returned unwrapped.
var (
	// ErrAttributeNotFound: the message does not carry the attribute, or only in a place where it
	// must be ignored (RFC 8489, section 9).
	ErrAttributeNotFound = errors.New("stun: attribute not found")
	// ErrIntegrityMismatch: MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 does not match the
	// message and key.
	ErrIntegrityMismatch = errors.New("stun: message integrity mismatch")
	// ErrFingerprintMismatch: FINGERPRINT does not match the message, or is not its last attribute.
	ErrFingerprintMismatch = errors.New("stun: fingerprint mismatch")
)

// Errors that a *ParseError wraps: the kinds of defect.
var (
	ErrTooShort        = errors.New("stun: shorter than the 20-byte header")
	ErrFirstBits       = errors.New("stun: the first two bits are not zero")
	ErrMagicCookie     = errors.New("stun: no magic cookie")
	ErrMessageLength   = errors.New("stun: length field does not match the message")
	ErrAttributeLength = errors.New("stun: reaches beyond the end of the message")
	ErrValueLength     = errors.New("stun: value has the wrong length")
	ErrAddressFamily   = errors.New("stun: unknown address family")
	ErrValue           = errors.New("stun: value is out of range")
)

// Errors that Builder.Err returns.
var (
	// ErrMessageTooLong: an attribute or the message does not fit a 16-bit length.
	ErrMessageTooLong = errors.New("stun: message too long")
	// ErrAttributeOrder: an attribute was added behind one that must follow it. The order at the
	// end of a message is MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT.
	ErrAttributeOrder = errors.New("stun: attribute after MESSAGE-INTEGRITY or FINGERPRINT")
	// ErrInvalidValue: a value that the attribute cannot express, such as an invalid address.
	ErrInvalidValue = errors.New("stun: value cannot be encoded")
	// ErrNoHeader: the builder was not made by NewBuilder.
	ErrNoHeader = errors.New("stun: attribute without a message header")
)

// errorPrefix starts the text of every error of the package, once.
const errorPrefix = "stun: "

// ParseError describes where and how a message is malformed.
type ParseError struct {
	Attribute AttributeType // the attribute; 0: the header
	Offset    int           // of the malformed field or value, in bytes from the start of the message
	Err       error         // the kind of defect, one of the sentinels of this package
}

// Error returns for example "stun: XOR-MAPPED-ADDRESS at byte 24: unknown address family".
func (e *ParseError) Error() string {
	where := "header"
	if e.Attribute != 0 {
		where = e.Attribute.String()
	}
	s := errorPrefix + where + " at byte " + strconv.Itoa(e.Offset)
	if e.Err != nil {
		s += ": " + strings.TrimPrefix(e.Err.Error(), errorPrefix)
	}
	return s
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// An exchangeError is an error of a request, with its method.
type exchangeError struct {
	method Method
	err    error
}

func requestError(method Method, err error) error { return &exchangeError{method, err} }

func (e *exchangeError) Error() string {
	return errorPrefix + e.method.String() + " request: " + strings.TrimPrefix(e.err.Error(), errorPrefix)
}

func (e *exchangeError) Unwrap() error { return e.err }
