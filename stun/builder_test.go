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
	// The message alone is a whole message, padded with zeros, though it does not start on a 32-bit boundary of the buffer.
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
	for name, test := range map[string]struct {
		add  func(b *Builder)
		want error
	}{
		"after FINGERPRINT":                          {func(b *Builder) { b.AddFingerprint(); b.AddFlag(1) }, ErrAttributeOrder},
		"FINGERPRINT twice":                          {func(b *Builder) { b.AddFingerprint(); b.AddFingerprint() }, ErrAttributeOrder},
		"after MESSAGE-INTEGRITY":                    {func(b *Builder) { b.AddIntegrity(key); b.AddUint32(1, 1) }, ErrAttributeOrder},
		"MESSAGE-INTEGRITY twice":                    {func(b *Builder) { b.AddIntegrity(key); b.AddIntegrity(key) }, ErrAttributeOrder},
		"MESSAGE-INTEGRITY after SHA-256":            {func(b *Builder) { b.AddIntegritySHA256(key); b.AddIntegrity(key) }, ErrAttributeOrder},
		"after MESSAGE-INTEGRITY-SHA256":             {func(b *Builder) { b.AddIntegritySHA256(key); b.AddUint64(1, 1) }, ErrAttributeOrder},
		"MESSAGE-INTEGRITY-SHA256 twice":             {func(b *Builder) { b.AddIntegritySHA256(key); b.AddIntegritySHA256(key) }, ErrAttributeOrder},
		"MESSAGE-INTEGRITY-SHA256 after FINGERPRINT": {func(b *Builder) { b.AddFingerprint(); b.AddIntegritySHA256(key) }, ErrAttributeOrder},
		"attribute too long":                         {func(b *Builder) { b.Add(1, make([]byte, 0x10000)) }, ErrMessageTooLong},
		"message too long":                           {func(b *Builder) { b.Add(1, make([]byte, 0xFFF0)); b.Add(1, make([]byte, 8)) }, ErrMessageTooLong},
		"no room for MESSAGE-INTEGRITY":              {func(b *Builder) { b.Add(1, make([]byte, 0xFFF0)); b.AddIntegrity(key) }, ErrMessageTooLong},
		"reason too long":                            {func(b *Builder) { b.AddErrorCode(400, strings.Repeat("x", 0x10000)) }, ErrMessageTooLong},
		"too many unknown attributes":                {func(b *Builder) { b.AddUnknownAttributes(make([]AttributeType, 0x8000)) }, ErrMessageTooLong},
		"algorithm parameters too long":              {func(b *Builder) { b.AddPasswordAlgorithm(PasswordAlgorithm{1, make([]byte, 0x10000)}) }, ErrMessageTooLong},
		"no address":                                 {func(b *Builder) { b.AddAddress(1, netip.AddrPort{}) }, ErrInvalidValue},
		"no address, XORed":                          {func(b *Builder) { b.AddXORAddress(1, netip.AddrPort{}) }, ErrInvalidValue},
		"error code too small":                       {func(b *Builder) { b.AddErrorCode(299, "") }, ErrInvalidValue},
		"error code too big":                         {func(b *Builder) { b.AddErrorCode(700, "") }, ErrInvalidValue},
		"address error code":                         {func(b *Builder) { b.AddAddressErrorCode(FamilyIPv4, -1, "") }, ErrInvalidValue},
		"negative lifetime":                          {func(b *Builder) { b.AddLifetime(-time.Nanosecond) }, ErrInvalidValue},
		"lifetime too long":                          {func(b *Builder) { b.AddLifetime(0x100000000 * time.Second) }, ErrInvalidValue},
		"ICMP type":                                  {func(b *Builder) { b.AddICMP(ICMP{Type: 128}) }, ErrInvalidValue},
		"ICMP code":                                  {func(b *Builder) { b.AddICMP(ICMP{Code: 512}) }, ErrInvalidValue},
		"the first error counts":                     {func(b *Builder) { b.AddErrorCode(0, ""); b.AddFingerprint(); b.AddFlag(1) }, ErrInvalidValue},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder([]byte("before"), TypeBindingRequest, TransactionID{})
			test.add(&b)
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
