package stun

import (
	"encoding/hex"
	"fmt"
	"io"
)

// HeaderSize is the length of the fixed header that starts every message, in bytes (RFC 8489,
// section 5).
const HeaderSize = 20

// MagicCookie is the fixed value of bytes 4 to 7 of every message. It distinguishes STUN from other
// protocols on the same port and from the STUN of RFC 3489.
const MagicCookie uint32 = 0x2112A442

// MaxMessageSize is the size in bytes of the largest message: the header and 65,532 bytes of
// attributes, the largest multiple of 4 in the 16-bit length field. A message over UDP should be
// smaller than the path MTU or, if that is not known, than 1,280 bytes for IPv6 and 576 bytes for
// IPv4 (RFC 8489, section 6.1).
const MaxMessageSize = HeaderSize + 0xFFFC

// Method is the 12-bit method of a message, the kind of the request or indication.
type Method uint16

// The methods of RFC 8489 (Binding), RFC 8656 (TURN) and RFC 6062 (TURN-TCP).
const (
	MethodBinding           Method = 0x001
	MethodAllocate          Method = 0x003
	MethodRefresh           Method = 0x004
	MethodSend              Method = 0x006
	MethodData              Method = 0x007
	MethodCreatePermission  Method = 0x008
	MethodChannelBind       Method = 0x009
	MethodConnect           Method = 0x00A
	MethodConnectionBind    Method = 0x00B
	MethodConnectionAttempt Method = 0x00C
)

// String returns the RFC's name of the method, or its number in hexadecimal.
func (m Method) String() string {
	switch m {
	case MethodBinding:
		return "Binding"
	case MethodAllocate:
		return "Allocate"
	case MethodRefresh:
		return "Refresh"
	case MethodSend:
		return "Send"
	case MethodData:
		return "Data"
	case MethodCreatePermission:
		return "CreatePermission"
	case MethodChannelBind:
		return "ChannelBind"
	case MethodConnect:
		return "Connect"
	case MethodConnectionBind:
		return "ConnectionBind"
	case MethodConnectionAttempt:
		return "ConnectionAttempt"
	}
	return fmt.Sprintf("0x%03X", uint16(m))
}

// Class is the 2-bit class of a message: a request, an indication (which has no response) or one of
// two responses.
type Class uint8

// The four classes.
const (
	ClassRequest    Class = 0b00
	ClassIndication Class = 0b01
	ClassSuccess    Class = 0b10
	ClassError      Class = 0b11
)

// String returns the RFC's name of the class.
func (c Class) String() string {
	switch c {
	case ClassRequest:
		return "request"
	case ClassIndication:
		return "indication"
	case ClassSuccess:
		return "success response"
	case ClassError:
		return "error response"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Type is the 14-bit message type: a method and a class with their bits interleaved.
//
//	13 12 11 10  9  8  7  6  5  4  3  2  1  0
//	M11 …       M7 C1 M6 M5 M4 C0 M3 M2 M1 M0
type Type uint16

// The types of the Binding method, the only method of ICE and of plain STUN servers.
const (
	TypeBindingRequest    Type = 0x0001
	TypeBindingIndication Type = 0x0011
	TypeBindingSuccess    Type = 0x0101
	TypeBindingError      Type = 0x0111
)

// NewType returns the type of a method (12 bits) and a class (2 bits). Higher bits are ignored.
func NewType(m Method, c Class) Type {
	return Type(m&0x00F | m&0x070<<1 | m&0xF80<<2 | Method(c&1)<<4 | Method(c&2)<<7)
}

// Method returns the type's method.
func (t Type) Method() Method {
	return Method(t&0x000F | t>>1&0x0070 | t>>2&0x0F80)
}

// Class returns the type's class.
func (t Type) Class() Class {
	return Class(t>>4&1 | t>>7&2)
}

// String returns for example "Binding request".
func (t Type) String() string {
	return t.Method().String() + " " + t.Class().String()
}

// TransactionID identifies a request and its response. It must be unpredictable: an attacker who
// guesses it can forge a response.
type TransactionID [12]byte

// NewTransactionID reads an identifier from rand, which must be cryptographically strong, such as
// crypto/rand.Reader. The error wraps that of rand.
func NewTransactionID(rand io.Reader) (TransactionID, error) {
	var id TransactionID
	if _, err := io.ReadFull(rand, id[:]); err != nil {
		return TransactionID{}, fmt.Errorf("stun: new transaction id: %w", err)
	}
	return id, nil
}

// String returns the identifier in hexadecimal.
func (id TransactionID) String() string { return hex.EncodeToString(id[:]) }
