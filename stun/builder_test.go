package stun

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuilderAppends(t *testing.T) {
	dst := make([]byte, 0, 100)
	dst = append(dst, "before"...)
	b := NewBuilder(dst, TypeBindingRequest, TransactionID{1})
	b.AddString(AttributeSoftware, "a")
	out := b.Bytes()
	require.Equal(t, &dst[:1][0], &out[0], "the capacity is used")
	require.Equal(t, "before", string(out[:6]))
	// The appended message is padded with zeros relative to its own start, which is not on a 32-bit
	// boundary of the buffer.
	require.Equal(t, append(unhex(t, "0001 0008 2112a442 01 0000000000000000000000"), unhex(t, "8022 0001 61 000000")...), out[6:])
}

func TestBuilderPadsEveryLength(t *testing.T) {
	for n := range 9 {
		m := built(t, func(b *Builder) {
			b.Add(0x8777, make([]byte, n))
			b.AddFlag(AttributeUseCandidate)
		})
		value, ok := m.Get(0x8777)
		require.True(t, ok)
		require.Len(t, value, n)
		require.True(t, m.UseCandidate())
	}
}

func TestBuilderRefusesWhatCannotBeSent(t *testing.T) {
	key := NewKey([]byte("password"))
	type add = func(b *Builder)
	integrity := func(b *Builder) { b.AddIntegrity(key) }
	integritySHA256 := func(b *Builder) { b.AddIntegritySHA256(key) }
	crc := (*Builder).AddFingerprint
	flag := func(b *Builder) { b.AddFlag(AttributeUseCandidate) }
	value := func(n int) add { return func(b *Builder) { b.Add(AttributeData, make([]byte, n)) } }
	errorCode := func(code int) add { return func(b *Builder) { b.AddErrorCode(code, "") } }
	lifetime := func(d time.Duration) add { return func(b *Builder) { b.AddLifetime(d) } }
	icmp := func(icmp ICMP) add { return func(b *Builder) { b.AddICMP(icmp) } }

	for name, test := range map[string]struct {
		adds []add
		want error
	}{
		"after FINGERPRINT":                          {[]add{crc, flag}, ErrAttributeOrder},
		"FINGERPRINT twice":                          {[]add{crc, crc}, ErrAttributeOrder},
		"after MESSAGE-INTEGRITY":                    {[]add{integrity, flag}, ErrAttributeOrder},
		"MESSAGE-INTEGRITY twice":                    {[]add{integrity, integrity}, ErrAttributeOrder},
		"MESSAGE-INTEGRITY after SHA-256":            {[]add{integritySHA256, integrity}, ErrAttributeOrder},
		"after MESSAGE-INTEGRITY-SHA256":             {[]add{integritySHA256, flag}, ErrAttributeOrder},
		"MESSAGE-INTEGRITY-SHA256 twice":             {[]add{integritySHA256, integritySHA256}, ErrAttributeOrder},
		"MESSAGE-INTEGRITY-SHA256 after FINGERPRINT": {[]add{crc, integritySHA256}, ErrAttributeOrder},

		"attribute too long":        {[]add{value(0x10000)}, ErrMessageTooLong},
		"message too long":          {[]add{value(0xFFF0), value(8)}, ErrMessageTooLong},
		"no room for integrity":     {[]add{value(0xFFF0), integrity}, ErrMessageTooLong},
		"no room for SHA-256":       {[]add{value(0xFFE0), integritySHA256}, ErrMessageTooLong},
		"no room for FINGERPRINT":   {[]add{value(0xFFF8), crc}, ErrMessageTooLong},
		"no room for a string":      {[]add{func(b *Builder) { b.AddString(1, strings.Repeat("x", 0x10000)) }}, ErrMessageTooLong},
		"no room for an address":    {[]add{value(0xFFF0), func(b *Builder) { b.AddAddress(1, netip.MustParseAddrPort("1.2.3.4:5")) }}, ErrMessageTooLong},
		"reason too long":           {[]add{func(b *Builder) { b.AddErrorCode(400, strings.Repeat("x", 0x10000)) }}, ErrMessageTooLong},
		"too many unknown":          {[]add{func(b *Builder) { b.AddUnknownAttributes(make([]AttributeType, 0x8000)) }}, ErrMessageTooLong},
		"algorithm parameters long": {[]add{func(b *Builder) { b.AddPasswordAlgorithm(PasswordAlgorithm{1, make([]byte, 0x10000)}) }}, ErrMessageTooLong},

		"no address":             {[]add{func(b *Builder) { b.AddAddress(1, netip.AddrPort{}) }}, ErrInvalidValue},
		"no address, XORed":      {[]add{func(b *Builder) { b.AddXORAddress(1, netip.AddrPort{}) }}, ErrInvalidValue},
		"error code too small":   {[]add{errorCode(299)}, ErrInvalidValue},
		"error code too big":     {[]add{errorCode(700)}, ErrInvalidValue},
		"address error code":     {[]add{func(b *Builder) { b.AddAddressErrorCode(FamilyIPv4, -1, "") }}, ErrInvalidValue},
		"negative lifetime":      {[]add{lifetime(-time.Nanosecond)}, ErrInvalidValue},
		"lifetime too long":      {[]add{lifetime(0x100000000 * time.Second)}, ErrInvalidValue},
		"ICMP type":              {[]add{icmp(ICMP{Type: 128})}, ErrInvalidValue},
		"ICMP code":              {[]add{icmp(ICMP{Code: 512})}, ErrInvalidValue},
		"the first error counts": {[]add{errorCode(0), crc, flag}, ErrInvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder([]byte("before"), TypeBindingRequest, TransactionID{})
			for _, add := range test.adds {
				add(&b)
			}
			require.ErrorIs(t, b.Err(), test.want)
			require.Equal(t, "before", string(b.Bytes()), "half a message must not be sent")
		})
	}
}

func TestTheLargestMessage(t *testing.T) {
	b := NewBuilder(nil, TypeBindingRequest, TransactionID{})
	b.Add(0x8777, make([]byte, MaxMessageSize-HeaderSize-4-8))
	b.AddFingerprint()
	require.NoError(t, b.Err())
	require.Len(t, b.Bytes(), MaxMessageSize)
	require.True(t, Is(b.Bytes()))
	m, err := Parse(b.Bytes())
	require.NoError(t, err)
	require.NoError(t, m.CheckFingerprint())
}

func TestTypeHasFourteenBits(t *testing.T) {
	b := NewBuilder(nil, 0xFFFF, TransactionID{})
	require.True(t, Is(b.Bytes()))
}
