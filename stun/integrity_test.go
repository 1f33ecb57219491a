package stun

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysOfCredentials(t *testing.T) {
	// "For example, if the username is 'user', the realm is 'realm', and the password is 'pass',
	// then the 16-byte HMAC key would be the result of performing an MD5 hash on the string
	// 'user:realm:pass', the resulting hash being 0x8493fbc53ba582fb4c044c456bdc40eb." (RFC 8489,
	// section 9.2.2)
	require.Equal(t, unhex(t, "8493fbc53ba582fb4c044c456bdc40eb"), NewLongTermKey("user", "realm", "pass").key)
	sum := md5.Sum([]byte("::"))
	require.Equal(t, sum[:], NewLongTermKey("", "", "").key)
	sha := sha256.Sum256([]byte("user:realm:pass"))
	require.Equal(t, sha[:], NewLongTermKeySHA256("user", "realm", "pass").key)
	require.Equal(t, sha256.Sum256([]byte("user:realm")), UserHash("user", "realm"))

	// A short-term key is a copy of the password.
	password := []byte("password")
	key := NewKey(password)
	password[0] = 'P'
	require.Equal(t, "password", string(key.key))
}

// protected returns a message with both integrity attributes and FINGERPRINT.
func protected(t *testing.T, key *Key) []byte {
	b := NewBuilder(nil, TypeBindingSuccess, TransactionID{1, 2, 3})
	b.AddString(AttributeSoftware, "odd")
	b.AddIntegrity(key)
	b.AddIntegritySHA256(key)
	b.AddFingerprint()
	require.NoError(t, b.Err())
	return b.Bytes()
}

// The values of the attributes are those that this test computes from the text of RFC 8489,
// sections 14.5 to 14.7, without the functions of the package.
func TestWhatTheAttributesCover(t *testing.T) {
	key := NewKey([]byte("password"))
	raw := protected(t, key)
	const software, integrity, integritySHA256 = 20, 28, 28 + 24
	const fingerprintAt = integritySHA256 + 36
	require.Len(t, raw, fingerprintAt+8)

	// "The Length field of the STUN message header is adjusted to point to the end of the
	// MESSAGE-INTEGRITY attribute."
	covered := bytes.Clone(raw[:integrity])
	binary.BigEndian.PutUint16(covered[2:], integritySHA256-HeaderSize)
	h := hmac.New(sha1.New, []byte("password"))
	h.Write(covered)
	require.Equal(t, h.Sum(nil), raw[integrity+4:][:20])

	covered = bytes.Clone(raw[:integritySHA256])
	binary.BigEndian.PutUint16(covered[2:], fingerprintAt-HeaderSize)
	h = hmac.New(sha256.New, []byte("password"))
	h.Write(covered)
	require.Equal(t, h.Sum(nil), raw[integritySHA256+4:][:32])

	// "computed as the CRC-32 of the STUN message up to (but excluding) the FINGERPRINT attribute
	// itself, XOR'ed with the 32-bit value 0x5354554E", with the length of the whole message in its
	// header.
	require.Equal(t, uint16(len(raw)-HeaderSize), binary.BigEndian.Uint16(raw[2:]))
	require.Equal(t, crc32.ChecksumIEEE(raw[:fingerprintAt])^0x5354554E, binary.BigEndian.Uint32(raw[fingerprintAt+4:]))

	m, err := Parse(raw)
	require.NoError(t, err)
	require.NoError(t, m.CheckIntegrity(key))
	require.NoError(t, m.CheckIntegritySHA256(key))
	require.NoError(t, m.CheckFingerprint())
	other := NewKey([]byte("Password"))
	require.Equal(t, ErrIntegrityMismatch, m.CheckIntegrity(other))
	require.Equal(t, ErrIntegrityMismatch, m.CheckIntegritySHA256(other))
}

// RFC 2104, section 2: a key is padded to the block, or hashed if it is longer.
func TestKeysOfAllLengths(t *testing.T) {
	for n := range 200 {
		password := bytes.Repeat([]byte{0xa5}, n)
		raw := protected(t, NewKey(password))
		m, err := Parse(raw)
		require.NoError(t, err)
		covered := bytes.Clone(raw[:m.integrity])
		binary.BigEndian.PutUint16(covered[2:], uint16(m.integrity+24-HeaderSize))
		h := hmac.New(sha1.New, password)
		h.Write(covered)
		require.Equal(t, h.Sum(nil), raw[m.integrity+4:][:20])
		covered = bytes.Clone(raw[:m.integritySHA256])
		binary.BigEndian.PutUint16(covered[2:], uint16(m.integritySHA256+36-HeaderSize))
		h = hmac.New(sha256.New, password)
		h.Write(covered)
		require.Equal(t, h.Sum(nil), raw[m.integritySHA256+4:][:32])
	}
}

// The results of a key do not depend on its earlier uses.
func TestKeysAreReusable(t *testing.T) {
	key := NewKey([]byte("password"))
	first := protected(t, key)
	for range 3 {
		require.Equal(t, first, protected(t, key))
		m, err := Parse(first)
		require.NoError(t, err)
		require.NoError(t, m.CheckIntegrity(key))
		require.NoError(t, m.CheckIntegritySHA256(key))
	}
	require.Equal(t, first, protected(t, NewKey([]byte("password"))))
}

func TestTruncatedIntegritySHA256(t *testing.T) {
	key := NewKey([]byte("password"))
	for n := range 40 {
		b := NewBuilder(nil, TypeBindingRequest, TransactionID{})
		b.AddIntegritySHA256Truncated(key, n)
		// "The value will be at most 32 bytes, but it MUST be at least 16 bytes and MUST be a
		// multiple of 4 bytes."
		if n < 16 || n > 32 || n%4 != 0 {
			require.ErrorIs(t, b.Err(), ErrInvalidValue, n)
			continue
		}
		b.AddFingerprint()
		require.NoError(t, b.Err())
		m, err := Parse(b.Bytes())
		require.NoError(t, err)
		require.NoError(t, m.CheckFingerprint())
		require.NoError(t, m.CheckIntegritySHA256Truncated(key, 0), n)
		require.NoError(t, m.CheckIntegritySHA256Truncated(key, n), n)
		// "STUN Usages may specify a minimum length longer than 16 bytes."
		require.ErrorIs(t, m.CheckIntegritySHA256Truncated(key, n+4), ErrValueLength, n)
		// "The value must be the full 32 bytes unless the STUN Usage explicitly specifies that
		// truncation is allowed."
		if n < 32 {
			require.ErrorIs(t, m.CheckIntegritySHA256(key), ErrValueLength, n)
		} else {
			require.NoError(t, m.CheckIntegritySHA256(key))
		}
	}
	// An attacker must not choose the length: 12 and 18 bytes are refused, whatever their values.
	for _, attribute := range []string{"001c 000c 000000000000000000000000", "001c 0012 0000000000000000000000000000000000000000",
		"001c 0024 000000000000000000000000000000000000000000000000000000000000000000000000"} {
		require.ErrorIs(t, parsed(t, attribute).CheckIntegritySHA256Truncated(key, 0), ErrValueLength)
	}
}

func TestFingerprintHasToBeLast(t *testing.T) {
	// The CRC matches the message, but another attribute follows.
	raw := message(t, "8028 0004 00000000  8022 0000")
	binary.BigEndian.PutUint32(raw[24:], crc32.ChecksumIEEE(raw[:20])^0x5354554E)
	m, err := Parse(raw)
	require.NoError(t, err)
	require.Equal(t, ErrFingerprintMismatch, m.CheckFingerprint())

	raw[27] ^= 1
	m, err = Parse(raw[:len(raw):len(raw)])
	require.NoError(t, err)
	require.Equal(t, ErrFingerprintMismatch, m.CheckFingerprint())
}

// Attributes added behind MESSAGE-INTEGRITY do not change its check, and are ignored.
func TestIntegrityWithAttributesBehind(t *testing.T) {
	key := NewKey([]byte("password"))
	b := NewBuilder(nil, TypeBindingRequest, TransactionID{})
	b.AddUint32(AttributePriority, 1)
	b.AddIntegrity(key)
	raw := append(b.Bytes(), unhex(t, "0025 0000")...) // USE-CANDIDATE
	putUint16(raw[2:], len(raw)-HeaderSize)
	m, err := Parse(raw)
	require.NoError(t, err)
	require.NoError(t, m.CheckIntegrity(key))
	require.False(t, m.UseCandidate())
}

func TestNonceTellsSecurityFeatures(t *testing.T) {
	for text, want := range map[string]SecurityFeatures{
		"obMatJos2gAAArest": FeaturePasswordAlgorithms,
		"obMatJos2QAAA":     FeatureUsernameAnonymity,
		"obMatJos2wAAA":     FeaturePasswordAlgorithms | FeatureUsernameAnonymity,
		"obMatJos2AAAB":     1,
		"obMatJos2////":     0xFFFFFF,
	} {
		features, ok := ParseNonce([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, features, text)
		require.Equal(t, "x"+text[:13], string(AppendNonce([]byte("x"), features)))
	}
	for _, text := range []string{
		"", "nonce", "obMatJos2", "obMatJos2gAA", "obmatjos2gAAA", "obMatJos2gA==", "obMatJos2gA-_", "obMatJos2\n\n\n\n",
	} {
		_, ok := ParseNonce([]byte(text))
		require.False(t, ok, text)
	}
}

func TestOpaqueString(t *testing.T) {
	// RFC 8265, section 4.3
	for in, want := range map[string]string{
		"correct horse battery staple":            "correct horse battery staple",
		"Correct Horse Battery Staple":            "Correct Horse Battery Staple",
		"πßå":                                     "πßå",
		"Jack of ♦s":                              "Jack of ♦s",
		"foo\u1680bar":                            "foo bar", // an Ogham space mark
		"no-break\u00A0space":                     "no-break space",
		vectorUsername:                            vectorUsername,
		vectorPassword:                            vectorPassword,
		"Jack of \u2666s and \U0001F600 \u3000 .": "Jack of \u2666s and \U0001F600   .",
	} {
		got, err := OpaqueString(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"",                          // no password at all
		"my cat is a \u0009by",      // a control
		"\xff",                      // not UTF-8
		"a\u200Bb",                  // zero width space
		"soft\u00ADhyphen",          // ignorable
		"variation\uFE0F",           // ignorable
		"private\uE000", "\uFDD0 a", // private use, a noncharacter
	} {
		_, err := OpaqueString(in)
		require.ErrorIs(t, err, ErrOpaqueString, "%q", in)
	}
	_, err := OpaqueString("tab\there")
	require.EqualError(t, err, "stun: not an OpaqueString: U+0009 at byte 3")
}
