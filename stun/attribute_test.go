package stun

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// built returns the message that add builds.
func built(t *testing.T, add func(b *Builder)) Message {
	t.Helper()
	b := NewBuilder(nil, TypeBindingRequest, TransactionID(unhex(t, "b7e7a701bc34d686fa87dfae")))
	add(&b)
	require.NoError(t, b.Err())
	m, err := Parse(b.Bytes())
	require.NoError(t, err)
	return m
}

// value returns the result of a getter, or fails the test.
func value[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func TestAddressesRoundTrip(t *testing.T) {
	plain := map[AttributeType]func(Message) (netip.AddrPort, error){
		AttributeMappedAddress:   Message.MappedAddress,
		AttributeAlternateServer: Message.AlternateServer,
		AttributeResponseOrigin:  Message.ResponseOrigin,
		AttributeOtherAddress:    Message.OtherAddress,
	}
	xored := map[AttributeType]func(Message) (netip.AddrPort, error){
		AttributeXORMappedAddress:  Message.XORMappedAddress,
		AttributeXORPeerAddress:    Message.XORPeerAddress,
		AttributeXORRelayedAddress: Message.XORRelayedAddress,
	}
	for in, want := range map[string]string{
		"192.0.2.1:32853":         "192.0.2.1:32853",
		"0.0.0.0:0":               "0.0.0.0:0",
		"255.255.255.255:65535":   "255.255.255.255:65535",
		"[2001:db8::1]:3478":      "[2001:db8::1]:3478",
		"[::]:0":                  "[::]:0",
		"[fe80::1%eth0]:9":        "[fe80::1]:9",
		"[::ffff:192.0.2.1]:3478": "192.0.2.1:3478",
	} {
		addr := netip.MustParseAddrPort(in)
		for typ, get := range plain {
			m := built(t, func(b *Builder) { b.AddAddress(typ, addr) })
			require.Equal(t, want, value[netip.AddrPort](t)(get(m)).String(), typ)
		}
		for typ, get := range xored {
			m := built(t, func(b *Builder) { b.AddXORAddress(typ, addr) })
			require.Equal(t, want, value[netip.AddrPort](t)(get(m)).String(), typ)
		}
	}
	require.Equal(t, FamilyIPv4, FamilyOf(netip.MustParseAddr("::ffff:192.0.2.1")))
	require.Equal(t, FamilyIPv6, FamilyOf(netip.MustParseAddr("2001:db8::1")))
}

func TestRepeatedPeerAddresses(t *testing.T) {
	peers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[2001:db8::1]:2")}
	m := built(t, func(b *Builder) {
		for _, peer := range peers {
			b.AddXORAddress(AttributeXORPeerAddress, peer)
		}
	})
	var got []netip.AddrPort
	for typ, v := range m.Attributes() {
		got = append(got, value[netip.AddrPort](t)(m.DecodeXORAddress(typ, v)))
	}
	require.Equal(t, peers, got)
}

func TestCredentialsRoundTrip(t *testing.T) {
	hash := UserHash("user", "realm")
	algorithms := []PasswordAlgorithm{
		{Algorithm: PasswordAlgorithmSHA256, Parameters: []byte{}},
		{Algorithm: 7, Parameters: []byte("abcde")},
		{Algorithm: PasswordAlgorithmMD5, Parameters: []byte{1}},
	}
	m := built(t, func(b *Builder) {
		b.AddString(AttributeUsername, "user")
		b.AddString(AttributeRealm, "realm")
		b.Add(AttributeNonce, []byte("nonce"))
		b.AddString(AttributeSoftware, "")
		b.AddString(AttributeAlternateDomain, "example.org")
		b.Add(AttributeUserHash, hash[:])
		b.AddPasswordAlgorithm(algorithms[1])
		b.AddPasswordAlgorithms(algorithms...)
	})
	require.Equal(t, "user", string(value[[]byte](t)(m.Username())))
	require.Equal(t, "realm", string(value[[]byte](t)(m.Realm())))
	require.Equal(t, "nonce", string(value[[]byte](t)(m.Nonce())))
	require.Empty(t, value[[]byte](t)(m.Software()))
	require.Equal(t, "example.org", string(value[[]byte](t)(m.AlternateDomain())))
	require.Equal(t, hash, value[[UserHashSize]byte](t)(m.UserHash()))
	require.Equal(t, algorithms[1], value[PasswordAlgorithm](t)(m.PasswordAlgorithm()))
	require.Equal(t, algorithms, value[[]PasswordAlgorithm](t)(m.PasswordAlgorithms(nil)))

	// Each algorithm starts on a 32-bit boundary. The padding of the last one is that of the
	// attribute, which its length does not include.
	list, _ := m.Get(AttributePasswordAlgorithms)
	require.Len(t, list, 4+12+5)

	m = built(t, func(b *Builder) { b.AddPasswordAlgorithms() })
	require.Empty(t, value[[]PasswordAlgorithm](t)(m.PasswordAlgorithms(nil)))
}

func TestICEAttributesRoundTrip(t *testing.T) {
	m := built(t, func(b *Builder) {
		b.AddUint32(AttributePriority, 0xFEDCBA98)
		b.AddFlag(AttributeUseCandidate)
		b.AddUint64(AttributeICEControlling, 0xFEDCBA9876543210)
		b.AddUint64(AttributeICEControlled, 1)
	})
	require.Equal(t, uint32(0xFEDCBA98), value[uint32](t)(m.Priority()))
	require.True(t, m.UseCandidate())
	require.Equal(t, uint64(0xFEDCBA9876543210), value[uint64](t)(m.ICEControlling()))
	require.Equal(t, uint64(1), value[uint64](t)(m.ICEControlled()))
}

func TestTURNAttributesRoundTrip(t *testing.T) {
	token := ReservationToken{1, 2, 3, 4, 5, 6, 7, 8}
	m := built(t, func(b *Builder) {
		b.AddLifetime(10*time.Minute + 999*time.Millisecond)
		b.AddChannelNumber(0x4001)
		b.Add(AttributeData, []byte("payload"))
		b.AddRequestedTransport(ProtocolUDP)
		b.AddFamily(AttributeRequestedAddressFamily, FamilyIPv6)
		b.AddFamily(AttributeAdditionalAddressFamily, FamilyIPv4)
		b.AddAddressErrorCode(FamilyIPv6, CodeAddressFamilyNotSupported, "no")
		b.AddEvenPort(true)
		b.AddFlag(AttributeDontFragment)
		b.AddReservationToken(token)
		b.AddICMP(ICMP{Type: 3, Code: 4, Data: 1280})
	})
	require.Equal(t, 10*time.Minute, value[time.Duration](t)(m.Lifetime()))
	require.Equal(t, uint16(0x4001), value[uint16](t)(m.ChannelNumber()))
	require.Equal(t, "payload", string(value[[]byte](t)(m.Data())))
	require.Equal(t, uint8(ProtocolUDP), value[uint8](t)(m.RequestedTransport()))
	require.Equal(t, FamilyIPv6, value[Family](t)(m.RequestedAddressFamily()))
	require.Equal(t, FamilyIPv4, value[Family](t)(m.AdditionalAddressFamily()))
	family, code, reason, err := m.AddressErrorCode()
	require.NoError(t, err)
	require.Equal(t, FamilyIPv6, family)
	require.Equal(t, CodeAddressFamilyNotSupported, code)
	require.Equal(t, "no", reason)
	require.True(t, value[bool](t)(m.EvenPort()))
	require.True(t, m.DontFragment())
	require.Equal(t, token, value[ReservationToken](t)(m.ReservationToken()))
	require.Equal(t, ICMP{Type: 3, Code: 4, Data: 1280}, value[ICMP](t)(m.ICMP()))

	m = built(t, func(b *Builder) {
		b.AddEvenPort(false)
		b.AddICMP(ICMP{Type: 0x7F, Code: 0x1FF, Data: 0xFFFFFFFF})
		b.AddLifetime(0xFFFFFFFF * time.Second)
	})
	require.False(t, value[bool](t)(m.EvenPort()))
	require.Equal(t, ICMP{Type: 0x7F, Code: 0x1FF, Data: 0xFFFFFFFF}, value[ICMP](t)(m.ICMP()))
	require.Equal(t, 0xFFFFFFFF*time.Second, value[time.Duration](t)(m.Lifetime()))
	require.False(t, m.DontFragment())
}

func TestErrorsRoundTrip(t *testing.T) {
	for _, code := range []int{300, 399, 400, 401, 420, 438, 487, 500, 508, 600, 699} {
		m := built(t, func(b *Builder) { b.AddErrorCode(code, Reason(code)) })
		got, reason, err := m.ErrorCode()
		require.NoError(t, err)
		require.Equal(t, code, got)
		require.Equal(t, Reason(code), reason)
	}
	m := built(t, func(b *Builder) { b.AddUnknownAttributes([]AttributeType{0x7777, 0x0024, 1}) })
	require.Equal(t, []AttributeType{9, 0x7777, 0x0024, 1},
		value[[]AttributeType](t)(m.UnknownAttributes([]AttributeType{9})))
	m = built(t, func(b *Builder) { b.AddUnknownAttributes(nil) })
	require.Empty(t, value[[]AttributeType](t)(m.UnknownAttributes(nil)))
}

func TestEveryErrorCodeHasItsReason(t *testing.T) {
	phrases := map[int]string{
		// RFC 8489, section 14.8
		CodeTryAlternate: "Try Alternate", CodeBadRequest: "Bad Request", CodeUnauthenticated: "Unauthenticated",
		CodeUnknownAttribute: "Unknown Attribute", CodeStaleNonce: "Stale Nonce", CodeServerError: "Server Error",
		// RFC 8656, section 19
		CodeForbidden: "Forbidden", CodeAllocationMismatch: "Allocation Mismatch",
		CodeAddressFamilyNotSupported: "Address Family not Supported", CodeWrongCredentials: "Wrong Credentials",
		CodeUnsupportedTransportProtocol: "Unsupported Transport Protocol",
		CodePeerAddressFamilyMismatch:    "Peer Address Family Mismatch",
		CodeAllocationQuotaReached:       "Allocation Quota Reached", CodeInsufficientCapacity: "Insufficient Capacity",
		// RFC 8445, section 16.2
		CodeRoleConflict: "Role Conflict",
		// RFC 6062, section 6.3, and RFC 8016, section 3.3
		CodeConnectionAlreadyExists: "Connection Already Exists", CodeConnectionTimeoutOrFailure: "Connection Timeout or Failure",
		CodeMobilityForbidden: "Mobility Forbidden",
	}
	for code := range 1000 {
		require.Equal(t, phrases[code], Reason(code), code)
	}
}

// getters are all getters that can fail, for the tests of malformed and missing attributes.
var getters = map[AttributeType]func(m Message) error{
	AttributeMappedAddress:           func(m Message) error { _, err := m.MappedAddress(); return err },
	AttributeUsername:                func(m Message) error { _, err := m.Username(); return err },
	AttributeErrorCode:               func(m Message) error { _, _, err := m.ErrorCode(); return err },
	AttributeUnknownAttributes:       func(m Message) error { _, err := m.UnknownAttributes(nil); return err },
	AttributeChannelNumber:           func(m Message) error { _, err := m.ChannelNumber(); return err },
	AttributeLifetime:                func(m Message) error { _, err := m.Lifetime(); return err },
	AttributeXORPeerAddress:          func(m Message) error { _, err := m.XORPeerAddress(); return err },
	AttributeData:                    func(m Message) error { _, err := m.Data(); return err },
	AttributeRealm:                   func(m Message) error { _, err := m.Realm(); return err },
	AttributeNonce:                   func(m Message) error { _, err := m.Nonce(); return err },
	AttributeXORRelayedAddress:       func(m Message) error { _, err := m.XORRelayedAddress(); return err },
	AttributeRequestedAddressFamily:  func(m Message) error { _, err := m.RequestedAddressFamily(); return err },
	AttributeEvenPort:                func(m Message) error { _, err := m.EvenPort(); return err },
	AttributeRequestedTransport:      func(m Message) error { _, err := m.RequestedTransport(); return err },
	AttributePasswordAlgorithm:       func(m Message) error { _, err := m.PasswordAlgorithm(); return err },
	AttributeUserHash:                func(m Message) error { _, err := m.UserHash(); return err },
	AttributeXORMappedAddress:        func(m Message) error { _, err := m.XORMappedAddress(); return err },
	AttributeReservationToken:        func(m Message) error { _, err := m.ReservationToken(); return err },
	AttributePriority:                func(m Message) error { _, err := m.Priority(); return err },
	AttributeAdditionalAddressFamily: func(m Message) error { _, err := m.AdditionalAddressFamily(); return err },
	AttributeAddressErrorCode:        func(m Message) error { _, _, _, err := m.AddressErrorCode(); return err },
	AttributePasswordAlgorithms:      func(m Message) error { _, err := m.PasswordAlgorithms(nil); return err },
	AttributeAlternateDomain:         func(m Message) error { _, err := m.AlternateDomain(); return err },
	AttributeICMP:                    func(m Message) error { _, err := m.ICMP(); return err },
	AttributeSoftware:                func(m Message) error { _, err := m.Software(); return err },
	AttributeAlternateServer:         func(m Message) error { _, err := m.AlternateServer(); return err },
	AttributeICEControlled:           func(m Message) error { _, err := m.ICEControlled(); return err },
	AttributeICEControlling:          func(m Message) error { _, err := m.ICEControlling(); return err },
	AttributeResponseOrigin:          func(m Message) error { _, err := m.ResponseOrigin(); return err },
	AttributeOtherAddress:            func(m Message) error { _, err := m.OtherAddress(); return err },
	AttributeMessageIntegrity:        func(m Message) error { return m.CheckIntegrity(NewKey(nil)) },
	AttributeMessageIntegritySHA256:  func(m Message) error { return m.CheckIntegritySHA256(NewKey(nil)) },
	AttributeFingerprint:             Message.CheckFingerprint,
}

func TestMissingAttributesAreNotFound(t *testing.T) {
	m := parsed(t, "7777 0004 00000000")
	for typ, get := range getters {
		require.ErrorIs(t, get(m), ErrAttributeNotFound, typ)
	}
}

func TestMalformedValues(t *testing.T) {
	for _, test := range []struct {
		typ    AttributeType
		value  string // with its length, in hexadecimal
		offset int    // from the start of the value
		want   error
	}{
		{AttributeMappedAddress, "0003 00010000", 0, ErrValueLength},
		{AttributeMappedAddress, "0007 0001000001020300", 0, ErrValueLength},
		{AttributeMappedAddress, "0008 0002000001020304", 0, ErrValueLength},
		{AttributeMappedAddress, "0008 0003000001020304", 1, ErrAddressFamily},
		{AttributeXORMappedAddress, "0000", 0, ErrValueLength},
		{AttributeXORMappedAddress, "0014 0001000001020304010203040102030401020304", 0, ErrValueLength},
		{AttributeXORPeerAddress, "0008 0000000001020304", 1, ErrAddressFamily},
		{AttributeXORRelayedAddress, "0004 00010000", 0, ErrValueLength},
		{AttributeAlternateServer, "0004 00020000", 0, ErrValueLength},
		{AttributeResponseOrigin, "0004 00090000", 1, ErrAddressFamily},
		{AttributeOtherAddress, "0001 00000000", 0, ErrValueLength},
		{AttributeErrorCode, "0003 00000400", 0, ErrValueLength},
		{AttributeErrorCode, "0004 00000263", 2, ErrValue}, // 299
		{AttributeErrorCode, "0004 00000700", 2, ErrValue}, // 700
		{AttributeErrorCode, "0004 00000464", 2, ErrValue}, // 4, 100
		{AttributeAddressErrorCode, "0002 01000000", 0, ErrValueLength},
		{AttributeAddressErrorCode, "0004 01000000", 2, ErrValue},
		{AttributeUnknownAttributes, "0003 00010200", 0, ErrValueLength},
		{AttributePriority, "0003 00000000", 0, ErrValueLength},
		{AttributePriority, "0005 0000000000000000", 0, ErrValueLength},
		{AttributeICEControlling, "0004 00000000", 0, ErrValueLength},
		{AttributeICEControlled, "0000", 0, ErrValueLength},
		{AttributeLifetime, "0002 00000000", 0, ErrValueLength},
		{AttributeChannelNumber, "0002 40000000", 0, ErrValueLength},
		{AttributeRequestedTransport, "0001 11000000", 0, ErrValueLength},
		{AttributeRequestedAddressFamily, "0000", 0, ErrValueLength},
		{AttributeAdditionalAddressFamily, "0000", 0, ErrValueLength},
		{AttributeEvenPort, "0000", 0, ErrValueLength},
		{AttributeEvenPort, "0004 80000000", 0, ErrValueLength},
		{AttributeReservationToken, "0004 00000000", 0, ErrValueLength},
		{AttributeICMP, "0004 00000000", 0, ErrValueLength},
		{AttributeUserHash, "0004 00000000", 0, ErrValueLength},
		{AttributePasswordAlgorithm, "0002 00010000", 0, ErrValueLength},
		{AttributePasswordAlgorithm, "0004 00010001", 0, ErrValueLength},
		{AttributePasswordAlgorithm, "0008 0001000000020000", 0, ErrValueLength}, // two of them
		{AttributePasswordAlgorithms, "0008 000100000002ffff", 4, ErrValueLength},
		{AttributePasswordAlgorithms, "0006 0001000000020000", 4, ErrValueLength},
		{AttributeMessageIntegrity, "0010 00000000000000000000000000000000", 0, ErrValueLength},
		{AttributeMessageIntegritySHA256, "0010 00000000000000000000000000000000", 0, ErrValueLength},
		{AttributeFingerprint, "0000", 0, ErrValueLength},
		{AttributeFingerprint, "0008 0000000000000000", 0, ErrValueLength},
	} {
		// SOFTWARE comes first, so that the offset differs from that in an empty message.
		m := parsed(t, "8022 0001 61000000"+hex16(test.typ)+test.value)
		err := getters[test.typ](m)
		var parseError *ParseError
		require.ErrorAs(t, err, &parseError, "%v %s", test.typ, test.value)
		require.Equal(t, ParseError{test.typ, 20 + 8 + 4 + test.offset, test.want}, *parseError, "%v %s", test.typ, test.value)
	}
}

// hex16 returns t in four hexadecimal digits.
func hex16(t AttributeType) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[t>>12], digits[t>>8&15], digits[t>>4&15], digits[t&15]})
}
