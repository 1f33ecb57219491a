package stun

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// header returns the header of a Binding request with n bytes of attributes, n below 256.
func header(n byte) []byte {
	return append([]byte{0x00, 0x01, 0x00, n, 0x21, 0x12, 0xA4, 0x42}, make([]byte, 12)...)
}

// message returns a Binding request with the given attributes.
func message(t testing.TB, attributes string) []byte {
	b := unhex(t, attributes)
	return append(header(byte(len(b))), b...)
}

// parsed parses a Binding request with the given attributes, and fails the test if their framing is
// wrong.
func parsed(t testing.TB, attributes string) Message {
	t.Helper()
	m, err := Parse(message(t, attributes))
	require.NoError(t, err)
	return m
}

func TestTypeInterleavesMethodAndClass(t *testing.T) {
	// "For example, a Binding request has class=0b00 (request) and method=0b000000000001 (Binding)
	// and is encoded into the first 16 bits as 0x0001. A Binding response has class=0b10 (success
	// response) and method=0b000000000001 and is encoded into the first 16 bits as 0x0101." (RFC
	// 8489, section 5)
	require.Equal(t, Type(0x0001), NewType(MethodBinding, ClassRequest))
	require.Equal(t, Type(0x0101), NewType(MethodBinding, ClassSuccess))
	require.Equal(t, TypeBindingIndication, NewType(MethodBinding, ClassIndication))
	require.Equal(t, TypeBindingError, NewType(MethodBinding, ClassError))
	require.Equal(t, Type(0x0113), NewType(MethodAllocate, ClassError))
	require.Equal(t, Type(0x3FFF), NewType(0xFFF, ClassError))

	for method := range Method(0x1000) {
		for class := range Class(4) {
			typ := NewType(method, class)
			require.Less(t, typ, Type(0x4000))
			require.Equal(t, method, typ.Method())
			require.Equal(t, class, typ.Class())
		}
	}
	require.Equal(t, "Allocate error response", NewType(MethodAllocate, ClassError).String())
	require.Equal(t, "0xABC indication", NewType(0xABC, ClassIndication).String())
}

func TestMalformedMessages(t *testing.T) {
	for name, test := range map[string]struct {
		message []byte
		want    ParseError
		text    string
	}{
		"nothing":        {nil, ParseError{0, 0, ErrTooShort}, "stun: header at byte 0: shorter than the 20-byte header"},
		"short":          {header(0)[:19], ParseError{0, 19, ErrTooShort}, ""},
		"a ChannelData":  {append([]byte{0x40}, header(0)[1:]...), ParseError{0, 0, ErrFirstBits}, ""},
		"an RTP packet":  {append([]byte{0x80}, header(0)[1:]...), ParseError{0, 0, ErrFirstBits}, ""},
		"RFC 3489":       {make([]byte, 20), ParseError{0, 4, ErrMagicCookie}, "stun: header at byte 4: no magic cookie"},
		"length too big": {header(4), ParseError{0, 2, ErrMessageLength}, ""},
		"bytes behind":   {append(header(0), 0, 0, 0, 0), ParseError{0, 2, ErrMessageLength}, ""},
		"length not a multiple of 4": {append(header(6), 0x80, 0x22, 0, 2, 'a', 'b'), ParseError{0, 2, ErrMessageLength},
			"stun: header at byte 2: length field does not match the message"},
		"attribute reaches beyond": {message(t, "8022 0005 61626364"), ParseError{AttributeSoftware, 20, ErrAttributeLength},
			"stun: SOFTWARE at byte 20: reaches beyond the end of the message"},
		"second attribute reaches beyond": {message(t, "8022 0003 61626300 4321 ffff"), ParseError{0x4321, 28, ErrAttributeLength},
			"stun: 0x4321 at byte 28: reaches beyond the end of the message"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.message)
			var parseError *ParseError
			require.ErrorAs(t, err, &parseError)
			require.Equal(t, test.want, *parseError)
			require.ErrorIs(t, err, test.want.Err)
			if test.text != "" {
				require.EqualError(t, err, test.text)
			}
		})
	}
}

func TestIsLooksAtTheHeaderOnly(t *testing.T) {
	require.True(t, Is(header(0)))
	require.True(t, Is(message(t, "8022 ffff")), "attributes are Parse's matter")
	for name, b := range map[string][]byte{
		"nothing":        nil,
		"short":          header(0)[:19],
		"first bits":     append([]byte{0xC0}, header(0)[1:]...),
		"no cookie":      make([]byte, 20),
		"length":         header(4),
		"trailing":       append(header(0), 0, 0, 0, 0),
		"not multiple 4": append(header(1), 0),
	} {
		require.False(t, Is(b), name)
	}
}

func TestSizeCutsMessagesOutOfAStream(t *testing.T) {
	stream := slices.Concat(message(t, "8022 0003 61626300"), header(0), []byte{0x40, 0x00})
	n, ok := Size(stream)
	require.True(t, ok)
	require.Equal(t, 28, n)
	stream = stream[n:]
	n, ok = Size(stream[:HeaderSize])
	require.True(t, ok)
	require.Equal(t, 20, n)
	_, ok = Size(stream[n:])
	require.False(t, ok, "not enough to tell")
	_, ok = Size(append([]byte{0x40}, header(0)[1:]...))
	require.False(t, ok, "ChannelData")
	_, ok = Size(header(2))
	require.False(t, ok, "no message has such a length")
}

func TestZeroMessageFindsNothing(t *testing.T) {
	var m Message
	require.Zero(t, m.Type())
	require.Zero(t, m.TransactionID())
	require.Empty(t, m.Raw())
	require.ErrorIs(t, m.CheckFingerprint(), ErrAttributeNotFound)
	require.ErrorIs(t, m.CheckIntegrity(NewKey(nil)), ErrAttributeNotFound)
	_, err := m.XORMappedAddress()
	require.ErrorIs(t, err, ErrAttributeNotFound)
	_, err = m.DecodeXORAddress(AttributeXORPeerAddress, make([]byte, 8))
	require.Error(t, err)
	for range m.Attributes() {
		t.Fatal("an attribute")
	}
}

func TestFirstOccurrenceCounts(t *testing.T) {
	// "Any attribute type MAY appear more than once in a STUN message. Unless specified otherwise,
	// the order of appearance is significant: only the first occurrence needs to be processed by a
	// receiver, and any duplicates MAY be ignored by a receiver." (RFC 8489, section 14)
	m := parsed(t, "8022 0001 61000000  0024 0004 00000001  8022 0002 62620000")
	software, err := m.Software()
	require.NoError(t, err)
	require.Equal(t, "a", string(software))

	var all []string
	for typ, value := range m.Attributes() {
		if typ == AttributeSoftware {
			all = append(all, string(value))
		}
	}
	require.Equal(t, []string{"a", "bb"}, all)
	for range m.Attributes() {
		break // the iterator ends early
	}
}

func TestValuesCannotBeAppendedInto(t *testing.T) {
	m := parsed(t, "8022 0001 61000000")
	software, _ := m.Software()
	require.Equal(t, 1, cap(software))
}

// types returns the types of the attributes of m.
func types(m Message) (list []AttributeType) {
	for typ := range m.Attributes() {
		list = append(list, typ)
	}
	return list
}

func TestAttributesAfterIntegrityAreIgnored(t *testing.T) {
	const (
		integrity       = "0008 0014 0000000000000000000000000000000000000000 "
		integritySHA256 = "001c 0010 00000000000000000000000000000000 "
		fingerprint     = "8028 0004 00000000 "
		useCandidate    = "0025 0000 "
		priority        = "0024 0004 00000001 "
		unknown         = "7777 0000 "
	)
	for name, test := range map[string]struct {
		attributes string
		want       []AttributeType
	}{
		// "Note that agents MUST ignore all attributes that follow MESSAGE-INTEGRITY, with the
		// exception of the MESSAGE-INTEGRITY-SHA256 and FINGERPRINT attributes."
		"after MESSAGE-INTEGRITY": {priority + integrity + useCandidate + integritySHA256 + unknown + fingerprint,
			[]AttributeType{AttributePriority, AttributeMessageIntegrity, AttributeMessageIntegritySHA256, AttributeFingerprint}},
		// "Similarly, agents MUST ignore all attributes that follow the MESSAGE-INTEGRITY-SHA256
		// attribute if the MESSAGE-INTEGRITY attribute is not present, with the exception of the
		// FINGERPRINT attribute."
		"after MESSAGE-INTEGRITY-SHA256": {priority + integritySHA256 + useCandidate + integrity + unknown + fingerprint,
			[]AttributeType{AttributePriority, AttributeMessageIntegritySHA256, AttributeFingerprint}},
		// FINGERPRINT "MUST be the last attribute in the message".
		"after FINGERPRINT": {priority + fingerprint + useCandidate + integrity + integritySHA256 + unknown,
			[]AttributeType{AttributePriority, AttributeFingerprint}},
		"repeated": {integrity + integrity + integritySHA256 + integritySHA256 + fingerprint + fingerprint,
			[]AttributeType{AttributeMessageIntegrity, AttributeMessageIntegritySHA256, AttributeFingerprint}},
	} {
		t.Run(name, func(t *testing.T) {
			m := parsed(t, test.attributes)
			require.Equal(t, test.want, types(m))
			require.False(t, m.UseCandidate(), "an unprotected nomination")
			require.Empty(t, m.UnknownRequired(nil, func(typ AttributeType) bool { return typ == AttributePriority }))
			for typ := range m.Attributes() {
				_, ok := m.Get(typ)
				require.True(t, ok, typ)
			}
			_, ok := m.Get(AttributeMessageIntegrity)
			require.Equal(t, slices.Contains(test.want, AttributeMessageIntegrity), ok)
			for typ := range m.Attributes() {
				if typ == test.want[1] {
					break
				}
			}
		})
	}
}

func TestUnknownComprehensionRequiredAttributes(t *testing.T) {
	// USERNAME, PRIORITY, an optional attribute, and two required ones, one of them twice.
	m := parsed(t, "0006 0001 61000000  0024 0004 00000001  8777 0000  7777 0000  7778 0000  7777 0000")
	known := func(typ AttributeType) bool { return typ == AttributePriority }
	require.Equal(t, []AttributeType{1, 0x7777, 0x7778}, m.UnknownRequired([]AttributeType{1}, known))
	require.Equal(t, []AttributeType{AttributePriority, 0x7777, 0x7778}, m.UnknownRequired(nil, nil))

	// A hostile message must not make its receiver compare thousands of types with one another.
	b := NewBuilder(nil, TypeBindingRequest, TransactionID{})
	for typ := range AttributeType(1000) {
		b.AddFlag(0x4000 + typ)
	}
	m, err := Parse(b.Bytes())
	require.NoError(t, err)
	require.Len(t, m.UnknownRequired(nil, nil), maxUnknownAttributes)
}

func TestAttributeNames(t *testing.T) {
	require.Equal(t, "XOR-MAPPED-ADDRESS", AttributeXORMappedAddress.String())
	require.Equal(t, "0x7ABC", AttributeType(0x7ABC).String())
	require.True(t, AttributeUseCandidate.Required())
	require.False(t, AttributeSoftware.Required())
}

func TestTransactionIDComesFromTheReader(t *testing.T) {
	id, err := NewTransactionID(newReader(unhex(t, "b7e7a701bc34d686fa87dfae ff")))
	require.NoError(t, err)
	require.Equal(t, "b7e7a701bc34d686fa87dfae", id.String())
	_, err = NewTransactionID(newReader(make([]byte, 11)))
	require.ErrorIs(t, err, errSpent)
	require.ErrorContains(t, err, "stun: new transaction id")
}

// errSpent is the error of a reader at its end.
var errSpent = errors.New("spent")

type reader struct{ rest []byte }

func newReader(b []byte) *reader { return &reader{b} }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, errSpent
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
