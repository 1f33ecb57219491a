package stun

import "encoding/binary"

// Error codes of STUN (RFC 8489, section 14.8).
const (
	CodeTryAlternate     = 300
	CodeBadRequest       = 400
	CodeUnauthenticated  = 401
	CodeUnknownAttribute = 420
	CodeStaleNonce       = 438
	CodeServerError      = 500
)

// CodeUnauthorized is the name that CodeUnauthenticated had in RFC 5389.
const CodeUnauthorized = CodeUnauthenticated

// CodeRoleConflict is the error code of ICE (RFC 8445, section 7.3.1.1).
const CodeRoleConflict = 487

// Error codes of TURN (RFC 8656, section 19).
const (
	CodeForbidden                    = 403
	CodeMobilityForbidden            = 405 // RFC 8016
	CodeAllocationMismatch           = 437
	CodeAddressFamilyNotSupported    = 440
	CodeWrongCredentials             = 441
	CodeUnsupportedTransportProtocol = 442
	CodePeerAddressFamilyMismatch    = 443
	CodeConnectionAlreadyExists      = 446 // RFC 6062
	CodeConnectionTimeoutOrFailure   = 447 // RFC 6062
	CodeAllocationQuotaReached       = 486
	CodeInsufficientCapacity         = 508
)

// Reason returns the recommended reason phrase for an error code, in the words of the RFC that
// defines the code, or "" for an unknown code.
func Reason(code int) string {
	switch code {
	case CodeTryAlternate:
		return "Try Alternate"
	case CodeBadRequest:
		return "Bad Request"
	case CodeUnauthenticated:
		return "Unauthenticated"
	case CodeForbidden:
		return "Forbidden"
	case CodeMobilityForbidden:
		return "Mobility Forbidden"
	case CodeUnknownAttribute:
		return "Unknown Attribute"
	case CodeAllocationMismatch:
		return "Allocation Mismatch"
	case CodeStaleNonce:
		return "Stale Nonce"
	case CodeAddressFamilyNotSupported:
		return "Address Family not Supported"
	case CodeWrongCredentials:
		return "Wrong Credentials"
	case CodeUnsupportedTransportProtocol:
		return "Unsupported Transport Protocol"
	case CodePeerAddressFamilyMismatch:
		return "Peer Address Family Mismatch"
	case CodeConnectionAlreadyExists:
		return "Connection Already Exists"
	case CodeConnectionTimeoutOrFailure:
		return "Connection Timeout or Failure"
	case CodeAllocationQuotaReached:
		return "Allocation Quota Reached"
	case CodeRoleConflict:
		return "Role Conflict"
	case CodeServerError:
		return "Server Error"
	case CodeInsufficientCapacity:
		return "Insufficient Capacity"
	}
	return ""
}

// Error codes are 300 to 699: a hundreds digit and a number below it.
const (
	minErrorCode = 300
	maxErrorCode = 699
	// errorCodeSize is the length of ERROR-CODE's value before the reason phrase.
	errorCodeSize = 4
)

// ErrorCode returns the code of an error response, 300 to 699, and its reason phrase, which is
// meant for humans and may not be valid UTF-8. The error is ErrAttributeNotFound or a *ParseError.
func (m Message) ErrorCode() (code int, reason string, err error) {
	value, offset, ok := m.find(AttributeErrorCode)
	if !ok {
		return 0, "", ErrAttributeNotFound
	}
	return decodeErrorCode(AttributeErrorCode, value, offset)
}

// decodeErrorCode decodes the value of ERROR-CODE or ADDRESS-ERROR-CODE that starts at offset in
// its message.
func decodeErrorCode(t AttributeType, value []byte, offset int) (code int, reason string, err error) {
	if len(value) < errorCodeSize {
		return 0, "", &ParseError{t, offset, ErrValueLength}
	}
	class, number := int(value[2]&0x07), int(value[3]) // the bits before the class are reserved
	if class < minErrorCode/100 || class > maxErrorCode/100 || number > 99 {
		return 0, "", &ParseError{t, offset + 2, ErrValue}
	}
	return class*100 + number, string(value[errorCodeSize:]), nil
}

// AddErrorCode appends ERROR-CODE. For a code outside 300 to 699, Err returns ErrInvalidValue.
// Reason returns the usual phrase.
func (b *Builder) AddErrorCode(code int, reason string) {
	b.addErrorCode(AttributeErrorCode, 0, code, reason)
}

// addErrorCode appends ERROR-CODE or, with a family in the first byte, ADDRESS-ERROR-CODE.
func (b *Builder) addErrorCode(t AttributeType, first byte, code int, reason string) {
	if code < minErrorCode || code > maxErrorCode {
		b.fail(ErrInvalidValue)
		return
	}
	if b.open(t, errorCodeSize+len(reason)) {
		b.buf = append(b.buf, first, 0, byte(code/100), byte(code%100))
		b.buf = append(b.buf, reason...)
		b.close()
	}
}

// UnknownAttributes appends to dst the types in UNKNOWN-ATTRIBUTES, the attributes of the request
// that the server did not understand. The error is ErrAttributeNotFound or a *ParseError.
func (m Message) UnknownAttributes(dst []AttributeType) ([]AttributeType, error) {
	value, offset, ok := m.find(AttributeUnknownAttributes)
	if !ok {
		return dst, ErrAttributeNotFound
	}
	if len(value)%2 != 0 {
		return dst, &ParseError{AttributeUnknownAttributes, offset, ErrValueLength}
	}
	for ; len(value) > 0; value = value[2:] {
		dst = append(dst, AttributeType(binary.BigEndian.Uint16(value)))
	}
	return dst, nil
}

// AddUnknownAttributes appends UNKNOWN-ATTRIBUTES, which a response with CodeUnknownAttribute
// carries.
func (b *Builder) AddUnknownAttributes(types []AttributeType) {
	if b.open(AttributeUnknownAttributes, 2*len(types)) {
		for _, t := range types {
			b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(t))
		}
		b.close()
	}
}
