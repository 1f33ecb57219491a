package stun

import (
	"encoding/binary"
	"iter"
	"slices"
)

// attributeHeaderSize is the size in bytes of the type and the length before the value of an
// attribute.
const attributeHeaderSize = 4

// Offsets of the header's fields.
const (
	offsetLength        = 2
	offsetCookie        = 4
	offsetTransactionID = 8
)

// Is reports whether b looks like one whole STUN message: it begins with two zero bits, has the
// magic cookie, and its length field agrees with len(b). It demultiplexes STUN from DTLS, RTP and
// ChannelData on one socket (RFC 7983). Unlike Parse, it does not check the attributes.
func Is(b []byte) bool {
	return len(b) >= HeaderSize && b[0]&0xC0 == 0 &&
		binary.BigEndian.Uint32(b[offsetCookie:]) == MagicCookie &&
		int(binary.BigEndian.Uint16(b[offsetLength:])) == len(b)-HeaderSize && len(b)&3 == 0
}

// Size returns the length in bytes of the message at the start of b. A reader of a byte stream
// (TCP, TLS) uses it to cut the stream into messages; b may hold as little as HeaderSize bytes of
// the message, or more than the message. ok is false if b is shorter than a header or does not
// begin with a STUN message; the rest of such a stream cannot be read.
func Size(b []byte) (n int, ok bool) {
	if len(b) < HeaderSize || b[0]&0xC0 != 0 || b[offsetLength+1]&3 != 0 ||
		binary.BigEndian.Uint32(b[offsetCookie:]) != MagicCookie {
		return 0, false
	}
	return HeaderSize + int(binary.BigEndian.Uint16(b[offsetLength:])), true
}

// Message is a view of the bytes of a message, made by Parse. It is small and may be copied, and is
// valid as long as the bytes are unchanged. Several goroutines may use it concurrently, each with a
// Key of its own. The zero value is a message without attributes.
type Message struct {
	raw []byte
	// The end in raw of the attributes that are not ignored: that of the first integrity attribute
	// or of FINGERPRINT, whichever comes first.
	visible int
	// Where in raw the headers of these attributes start; 0: absent, or to be ignored.
	integrity, integritySHA256, fingerprint int
}

// Parse checks the framing of b, which must be exactly one message, and returns a view of it. The
// error is a *ParseError. Parse neither copies nor allocates: b must stay unchanged while the
// Message is used. The getters check the values of attributes.
func Parse(b []byte) (Message, error) {
	if len(b) < HeaderSize {
		return Message{}, &ParseError{Offset: len(b), Err: ErrTooShort}
	}
	if b[0]&0xC0 != 0 {
		return Message{}, &ParseError{Offset: 0, Err: ErrFirstBits}
	}
	if binary.BigEndian.Uint32(b[offsetCookie:]) != MagicCookie {
		return Message{}, &ParseError{Offset: offsetCookie, Err: ErrMagicCookie}
	}
	if int(binary.BigEndian.Uint16(b[offsetLength:])) != len(b)-HeaderSize || len(b)&3 != 0 {
		return Message{}, &ParseError{Offset: offsetLength, Err: ErrMessageLength}
	}

	m := Message{raw: b}
	for at := HeaderSize; at < len(b); {
		// The length is a multiple of 4 and so is every step: four bytes are there.
		t := AttributeType(binary.BigEndian.Uint16(b[at:]))
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		end := at + attributeHeaderSize + padded(n)
		if end > len(b) {
			return Message{}, &ParseError{Attribute: t, Offset: at, Err: ErrAttributeLength}
		}
		m.note(t, at, end)
		at = end
	}
	if m.visible == 0 {
		m.visible = len(b)
	}
	return m, nil
}

// note records an attribute after which others are ignored.
//
// "Note that agents MUST ignore all attributes that follow MESSAGE-INTEGRITY, with the exception of
// the MESSAGE-INTEGRITY-SHA256 and FINGERPRINT attributes. Similarly, agents MUST ignore all
// attributes that follow the MESSAGE-INTEGRITY-SHA256 attribute if the MESSAGE-INTEGRITY attribute
// is not present, with the exception of the FINGERPRINT attribute." (RFC 8489, section 9) Anyone on
// the path may have added them.
func (m *Message) note(t AttributeType, at, end int) {
	if m.fingerprint != 0 { // FINGERPRINT is the last attribute, whatever follows
		return
	}
	switch t {
	case AttributeMessageIntegrity:
		if m.visible == 0 {
			m.integrity, m.visible = at, end
		}
	case AttributeMessageIntegritySHA256:
		if m.integritySHA256 == 0 {
			m.integritySHA256 = at
		}
		if m.visible == 0 {
			m.visible = end
		}
	case AttributeFingerprint:
		m.fingerprint = at
		if m.visible == 0 {
			m.visible = end
		}
	}
}

// padded returns n rounded up to a multiple of 4.
func padded(n int) int { return (n + 3) &^ 3 }

// Raw returns the bytes of the message, which are those given to Parse.
func (m Message) Raw() []byte { return m.raw }

// Type returns the message's type.
func (m Message) Type() Type {
	if len(m.raw) < HeaderSize {
		return 0
	}
	return Type(binary.BigEndian.Uint16(m.raw))
}

// TransactionID returns the message's transaction identifier.
func (m Message) TransactionID() (id TransactionID) {
	if len(m.raw) >= HeaderSize {
		copy(id[:], m.raw[offsetTransactionID:])
	}
	return id
}

// Get returns the value of the first attribute of type t, without its padding, as a view into the
// message. Of an attribute that may occur once, only the first occurrence is used (RFC 8489,
// section 14); for one that may be repeated, use Attributes. Get does not find attributes that must
// be ignored because they follow MESSAGE-INTEGRITY.
func (m Message) Get(t AttributeType) ([]byte, bool) {
	value, _, ok := m.find(t)
	return value, ok
}

// find is Get, and also returns the offset of the value in the message, for errors.
func (m Message) find(t AttributeType) (value []byte, offset int, ok bool) {
	switch t {
	case AttributeMessageIntegrity:
		return m.valueAt(m.integrity)
	case AttributeMessageIntegritySHA256:
		return m.valueAt(m.integritySHA256)
	case AttributeFingerprint:
		return m.valueAt(m.fingerprint)
	}
	for at := HeaderSize; at < m.visible; {
		n := int(binary.BigEndian.Uint16(m.raw[at+2:]))
		if AttributeType(binary.BigEndian.Uint16(m.raw[at:])) == t {
			return m.valueAt(at)
		}
		at += attributeHeaderSize + padded(n)
	}
	return nil, 0, false
}

// valueAt returns the value of the attribute whose header is at the given offset. At 0 there is
// none.
func (m Message) valueAt(at int) (value []byte, offset int, ok bool) {
	if at == 0 {
		return nil, 0, false
	}
	n := int(binary.BigEndian.Uint16(m.raw[at+2:]))
	at += attributeHeaderSize
	return m.raw[at : at+n : at+n], at, true
}

// Attributes returns an iterator over the types and values of the attributes, in their order,
// without those that must be ignored. The values are views, without padding.
func (m Message) Attributes() iter.Seq2[AttributeType, []byte] {
	return func(yield func(AttributeType, []byte) bool) {
		for at := HeaderSize; at < m.visible; {
			value, offset, _ := m.valueAt(at)
			if !yield(AttributeType(binary.BigEndian.Uint16(m.raw[at:])), value) {
				return
			}
			at = offset + padded(len(value))
		}
		if m.integritySHA256 >= m.visible && m.integritySHA256 != 0 {
			value, _, _ := m.valueAt(m.integritySHA256)
			if !yield(AttributeMessageIntegritySHA256, value) {
				return
			}
		}
		if m.fingerprint >= m.visible && m.fingerprint != 0 {
			value, _, _ := m.valueAt(m.fingerprint)
			yield(AttributeFingerprint, value)
		}
	}
}

// UnknownRequired appends to dst the types of the comprehension-required attributes that are not
// known, each once and at most 32. A server answers a request that has any with
// CodeUnknownAttribute and an UNKNOWN-ATTRIBUTES that lists them (RFC 8489, section 6.3.1). The
// function known reports whether the caller understands an attribute that RFC 8489 does not define;
// nil stands for a function that always returns false.
func (m Message) UnknownRequired(dst []AttributeType, known func(AttributeType) bool) []AttributeType {
	start := len(dst)
	for at := HeaderSize; at < m.visible; {
		t := AttributeType(binary.BigEndian.Uint16(m.raw[at:]))
		if t.Required() && !baseAttribute(t) && (known == nil || !known(t)) &&
			len(dst)-start < maxUnknownAttributes && !slices.Contains(dst[start:], t) {
			dst = append(dst, t)
		}
		at += attributeHeaderSize + padded(int(binary.BigEndian.Uint16(m.raw[at+2:])))
	}
	return dst
}

// maxUnknownAttributes limits the list of UnknownRequired. A hostile request of 64 KiB has 16,383
// types; comparing each with every other would take 100 ms. The first few are enough for a sender
// to correct its request.
const maxUnknownAttributes = 32
