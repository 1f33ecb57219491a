package stun

import (
	"encoding/binary"
	"iter"
	"slices"
)

// attributeHeaderSize is the type and the length before every attribute's value.
const attributeHeaderSize = 4

// Offsets of the header's fields.
const (
	offsetLength        = 2
	offsetCookie        = 4
	offsetTransactionID = 8
)

// Is reports whether b looks like one whole STUN message: two zero bits, the magic cookie, and a
// length field that agrees with len(b). It is the test to demultiplex STUN from DTLS, RTP and
// ChannelData on one socket (RFC 7983); it does not look at the attributes, which Parse does.
func Is(b []byte) bool {
	return len(b) >= HeaderSize && b[0]&0xC0 == 0 &&
		binary.BigEndian.Uint32(b[offsetCookie:]) == MagicCookie &&
		int(binary.BigEndian.Uint16(b[offsetLength:])) == len(b)-HeaderSize && len(b)&3 == 0
}

// Size returns the length of the message that starts b, which may hold only its first HeaderSize
// bytes, or more than the message: what a reader of a byte stream (TCP, TLS) needs to cut messages
// out of it. ok is false when b is shorter than a header or does not start a STUN message; the
// stream is then out of step.
func Size(b []byte) (n int, ok bool) {
	if len(b) < HeaderSize || b[0]&0xC0 != 0 || b[offsetLength+1]&3 != 0 ||
		binary.BigEndian.Uint32(b[offsetCookie:]) != MagicCookie {
		return 0, false
	}
	return HeaderSize + int(binary.BigEndian.Uint16(b[offsetLength:])), true
}

// Message is a view of a message's bytes, made by Parse. It is a small value to be passed around;
// it is valid as long as the bytes are unchanged. Any number of goroutines may use one at the same
// time, but for the Key they check it with. The methods of the zero value find nothing.
type Message struct {
	raw []byte
	// Where in raw the attributes end that count: just after the first integrity attribute or
	// FINGERPRINT.
	visible int
	// Where in raw the headers of these attributes start; 0: absent, or where they must be ignored.
	integrity, integritySHA256, fingerprint int
}

// Parse checks the framing of b, which has to be exactly one message, and returns a view of it. The
// error is a *ParseError. Nothing is copied or allocated: b must stay unchanged while the Message
// is used. The values of attributes are checked by their getters.
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
		m.place(t, at, end)
		at = end
	}
	if m.visible == 0 {
		m.visible = len(b)
	}
	return m, nil
}

// place notes the attributes that end the part of the message that counts.
//
// "Note that agents MUST ignore all attributes that follow MESSAGE-INTEGRITY, with the exception of
// the MESSAGE-INTEGRITY-SHA256 and FINGERPRINT attributes. Similarly, agents MUST ignore all
// attributes that follow the MESSAGE-INTEGRITY-SHA256 attribute if the MESSAGE-INTEGRITY attribute
// is not present, with the exception of the FINGERPRINT attribute." They are not protected: anyone
// on the path may have added them. RFC 8489, section 9
func (m *Message) place(t AttributeType, at, end int) {
	if m.fingerprint != 0 { // the last attribute by definition; what follows is not part of the message's meaning
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

// Raw returns the whole message, the bytes that were given to Parse.
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
// message. Where an attribute may occur once, only its first occurrence counts (RFC 8489, section
// 14); where it may be repeated, range over Attributes. Attributes that must be ignored because
// they follow MESSAGE-INTEGRITY are not found.
func (m Message) Get(t AttributeType) ([]byte, bool) {
	value, _, ok := m.find(t)
	return value, ok
}

// find is Get with the place of the attribute's value in the message, for errors.
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

// valueAt returns the value of the attribute whose header is at the given place; 0: there is none.
func (m Message) valueAt(at int) (value []byte, offset int, ok bool) {
	if at == 0 {
		return nil, 0, false
	}
	n := int(binary.BigEndian.Uint16(m.raw[at+2:]))
	at += attributeHeaderSize
	return m.raw[at : at+n : at+n], at, true
}

// Attributes returns an iterator over the attributes that count, in the order they appear: type and
// value (a view, without padding).
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

// UnknownRequired appends to dst the types of the message's comprehension-required attributes for
// which known is false, each once, and no more than 32: if there are any in a request, it is
// answered with CodeUnknownAttribute and an UNKNOWN-ATTRIBUTES that lists them (RFC 8489, section
// 6.3.1). The attributes that RFC 8489 itself defines are always known; known may be nil if there
// are no others.
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

// maxUnknownAttributes limits the list that UnknownRequired makes: a hostile request of 64 KiB
// names 16,383 types, comparing each with each would cost its receiver 100 ms. A sender mends its
// requests from the first few as well.
const maxUnknownAttributes = 32
