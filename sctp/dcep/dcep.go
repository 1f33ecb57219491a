// Package dcep implements the messages of the Data Channel Establishment Protocol (RFC 8832), by
// which one side opens a data channel on an SCTP stream, and the payload protocol identifiers that
// distinguish these messages from those of the channel (RFC 8831, section 8).
//
// It only builds and parses. The caller selects the stream, and handles a channel that both sides
// open at the same time.
package dcep

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Payload protocol identifiers of data channels: RFC 8831, section 8.
const (
	PPIDDCEP          = 50 // messages of this protocol
	PPIDString        = 51 // UTF-8 text
	PPIDBinaryPartial = 52 // deprecated: a part of a binary message, but not the last one
	PPIDBinary        = 53
	PPIDStringPartial = 54 // deprecated: a part of a text, but not the last one
	PPIDStringEmpty   = 56 // an empty text; the message is one byte, which is ignored
	PPIDBinaryEmpty   = 57 // an empty binary message; the message is one byte, which is ignored
)

// Message types: RFC 8832, section 8.2.1.
const (
	typeAck  = 0x02
	typeOpen = 0x03
)

// ChannelType is the reliability and order of a channel: RFC 8832, section 8.2.2.
type ChannelType uint8

// Channel types.
const (
	Reliable                       ChannelType = 0x00
	PartialReliableRexmit          ChannelType = 0x01 // at most so many retransmissions
	PartialReliableTimed           ChannelType = 0x02 // at most so many milliseconds
	ReliableUnordered              ChannelType = 0x80
	PartialReliableRexmitUnordered ChannelType = 0x81
	PartialReliableTimedUnordered  ChannelType = 0x82
	unorderedBit                               = 0x80
)

// Unordered reports whether messages may overtake each other.
func (t ChannelType) Unordered() bool { return t&unorderedBit != 0 }

// String returns the name of the type in lower case.
func (t ChannelType) String() string {
	var name string
	switch t &^ unorderedBit {
	case Reliable:
		name = "reliable"
	case PartialReliableRexmit:
		name = "partial-reliable-rexmit"
	case PartialReliableTimed:
		name = "partial-reliable-timed"
	default:
		return fmt.Sprintf("channel type %#02x", uint8(t))
	}
	if t.Unordered() {
		name += "-unordered"
	}
	return name
}

// Priorities: RFC 8831, section 6.4.
const (
	PriorityBelowNormal = 128
	PriorityNormal      = 256
	PriorityHigh        = 512
	PriorityExtraHigh   = 1024
)

const openHeaderSize = 12

// MaxStringLength is the maximum size in bytes of a label or protocol: their length fields have 16
// bits.
const MaxStringLength = 65535

// MaxMessageSize is the maximum size in bytes of a message of the protocol.
const MaxMessageSize = openHeaderSize + 2*MaxStringLength

// Open is the DATA_CHANNEL_OPEN message: RFC 8832, section 5.1.
type Open struct {
	ChannelType ChannelType
	Priority    uint16
	// ReliabilityParameter is a number of retransmissions or of milliseconds, depending on
	// ChannelType; it is ignored for reliable channels.
	ReliabilityParameter uint32
	Label, Protocol      string // UTF-8
}

// ErrTooLong: a label or protocol is longer than MaxStringLength.
var ErrTooLong = errors.New("dcep: label or protocol is longer than 65535 bytes")

// ParseError is the error of a message that cannot be parsed.
type ParseError struct {
	What   string // what is wrong
	Offset int    // in bytes
}

func (e *ParseError) Error() string { return fmt.Sprintf("dcep: %s at byte %d", e.What, e.Offset) }

// Append appends the message to dst. The error is ErrTooLong; dst is then returned unchanged.
func (o Open) Append(dst []byte) ([]byte, error) {
	if len(o.Label) > MaxStringLength || len(o.Protocol) > MaxStringLength {
		return dst, ErrTooLong
	}
	dst = append(dst, typeOpen, byte(o.ChannelType))
	dst = binary.BigEndian.AppendUint16(dst, o.Priority)
	dst = binary.BigEndian.AppendUint32(dst, o.ReliabilityParameter)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(o.Label)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(o.Protocol)))
	dst = append(dst, o.Label...)
	return append(dst, o.Protocol...), nil
}

// ParseOpen parses a DATA_CHANNEL_OPEN message. The error is a *[ParseError]. Bytes after the
// message are ignored.
func ParseOpen(b []byte) (Open, error) {
	if len(b) < openHeaderSize {
		return Open{}, &ParseError{"DATA_CHANNEL_OPEN is cut short", len(b)}
	}
	if b[0] != typeOpen {
		return Open{}, &ParseError{fmt.Sprintf("message type %d is not DATA_CHANNEL_OPEN", b[0]), 0}
	}
	o := Open{ChannelType: ChannelType(b[1]), Priority: binary.BigEndian.Uint16(b[2:]),
		ReliabilityParameter: binary.BigEndian.Uint32(b[4:])}
	if o.ChannelType&^unorderedBit > PartialReliableTimed {
		return Open{}, &ParseError{fmt.Sprintf("unknown channel type %#02x", b[1]), 1}
	}
	label, protocol := int(binary.BigEndian.Uint16(b[8:])), int(binary.BigEndian.Uint16(b[10:]))
	rest := b[openHeaderSize:]
	if len(rest) < label {
		return Open{}, &ParseError{"label is cut short", len(b)}
	}
	if len(rest) < label+protocol {
		return Open{}, &ParseError{"protocol is cut short", len(b)}
	}
	o.Label, o.Protocol = string(rest[:label]), string(rest[label:label+protocol])
	return o, nil
}

// IsOpen reports whether b has the type of a DATA_CHANNEL_OPEN message; ParseOpen validates it.
func IsOpen(b []byte) bool { return len(b) > 0 && b[0] == typeOpen }

// IsAck reports whether b has the type of a DATA_CHANNEL_ACK message: RFC 8832, section 5.2.
func IsAck(b []byte) bool { return len(b) > 0 && b[0] == typeAck }

// AppendAck appends a DATA_CHANNEL_ACK message to dst.
func AppendAck(dst []byte) []byte { return append(dst, typeAck) }
