package stun

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex returns the bytes of hexadecimal text with any spacing.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	require.NoError(t, err)
	return b
}

// vector is a message of RFC 5769 or RFC 8489, appendix B, with its parameters.
type vector struct {
	message string
	typ     Type
	id      string
	key     *Key
	sha256  bool // protected by MESSAGE-INTEGRITY-SHA256
	crc     bool // with FINGERPRINT
	// build adds the attributes before the integrity.
	build func(b *Builder)
	// check verifies the values of the attributes.
	check func(t *testing.T, m Message)
	// spaces are the offsets at which the message is padded with spaces. Zeros are required since
	// RFC 8489, section 14.
	spaces []int
}

const (
	vectorPassword = "VOkJxbRl1RmTxUk/WvJxBt"
	vectorUsername = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9" // マトリックス
	vectorRealm    = "example.org"
	// "The<U+00AD>M<U+00AA>tr<U+2168>" after SASLprep.
	vectorLongTermPassword = "TheMatrIX"
	vectorNonce            = "f//499k954d6OL34oL9FSTvy64sA"
	vectorCookieNonce      = "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"
)

var vectors = map[string]vector{
	// RFC 5769, section 2.1
	"request": {
		message: `00010058 2112a442 b7e7a701bc34d686fa87dfae
			80220010 5354554e207465737420636c69656e74
			00240004 6e0001ff
			80290008 932ff9b151263b36
			00060009 6576746a3a68367659202020
			00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
			80280004 e57a3bcf`,
		typ: TypeBindingRequest, id: "b7e7a701bc34d686fa87dfae", key: NewKey([]byte(vectorPassword)), crc: true,
		spaces: []int{73, 74, 75},
		build: func(b *Builder) {
			b.AddString(AttributeSoftware, "STUN test client")
			b.AddUint32(AttributePriority, 0x6e0001ff)
			b.AddUint64(AttributeICEControlled, 0x932ff9b151263b36)
			b.AddString(AttributeUsername, "evtj:h6vY")
		},
		check: func(t *testing.T, m Message) {
			username, err := m.Username()
			require.NoError(t, err)
			require.Equal(t, "evtj:h6vY", string(username))
			software, err := m.Software()
			require.NoError(t, err)
			require.Equal(t, "STUN test client", string(software))
			priority, err := m.Priority()
			require.NoError(t, err)
			require.Equal(t, uint32(0x6e0001ff), priority)
			tieBreaker, err := m.ICEControlled()
			require.NoError(t, err)
			require.Equal(t, uint64(0x932ff9b151263b36), tieBreaker)
			require.False(t, m.UseCandidate())
		},
	},
	// RFC 5769, section 2.2
	"IPv4 response": {
		message: `0101003c 2112a442 b7e7a701bc34d686fa87dfae
			8022000b 7465737420766563746f7220
			00200008 0001a147e112a643
			00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
			80280004 c07d4c96`,
		typ: TypeBindingSuccess, id: "b7e7a701bc34d686fa87dfae", key: NewKey([]byte(vectorPassword)), crc: true,
		spaces: []int{35},
		build: func(b *Builder) {
			b.AddString(AttributeSoftware, "test vector")
			b.AddXORAddress(AttributeXORMappedAddress, netip.MustParseAddrPort("192.0.2.1:32853"))
		},
		check: func(t *testing.T, m Message) {
			addr, err := m.XORMappedAddress()
			require.NoError(t, err)
			require.Equal(t, netip.MustParseAddrPort("192.0.2.1:32853"), addr)
		},
	},
	// RFC 5769, section 2.3
	"IPv6 response": {
		message: `01010048 2112a442 b7e7a701bc34d686fa87dfae
			8022000b 7465737420766563746f7220
			00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9
			00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
			80280004 c8fb0b4c`,
		typ: TypeBindingSuccess, id: "b7e7a701bc34d686fa87dfae", key: NewKey([]byte(vectorPassword)), crc: true,
		spaces: []int{35},
		build: func(b *Builder) {
			b.AddString(AttributeSoftware, "test vector")
			b.AddXORAddress(AttributeXORMappedAddress, netip.MustParseAddrPort("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
		},
		check: func(t *testing.T, m Message) {
			addr, err := m.XORMappedAddress()
			require.NoError(t, err)
			require.Equal(t, netip.MustParseAddrPort("[2001:db8:1234:5678:11:2233:4455:6677]:32853"), addr)
		},
	},
	// RFC 5769, section 2.4
	"request with long-term authentication": {
		message: `00010060 2112a442 78ad3433c6ad72c029da412e
			00060012 e3839ee38388e383aae38383e382afe382b90000
			0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341
			0014000b 6578616d706c652e6f726700
			00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`,
		typ: TypeBindingRequest, id: "78ad3433c6ad72c029da412e",
		key: NewLongTermKey(vectorUsername, vectorRealm, vectorLongTermPassword),
		build: func(b *Builder) {
			b.AddString(AttributeUsername, vectorUsername)
			b.AddString(AttributeNonce, vectorNonce)
			b.AddString(AttributeRealm, vectorRealm)
		},
		check: func(t *testing.T, m Message) {
			nonce, err := m.Nonce()
			require.NoError(t, err)
			require.Equal(t, vectorNonce, string(nonce))
			realm, err := m.Realm()
			require.NoError(t, err)
			require.Equal(t, vectorRealm, string(realm))
			_, ok := ParseNonce(nonce)
			require.False(t, ok, "a nonce without the cookie tells no features")
		},
	},
	// RFC 8489, appendix B.1, with erratum 6268.
	"request with SHA-256 and user hash": {
		message: `00010090 2112a442 78ad3433c6ad72c029da412e
			001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
			00150029 6f624d61744a6f73324141414366 2f2f3439396b39353464364f4c33346f4c39465354767936347341 000000
			0014000b 6578616d706c652e6f726700
			001d0004 00020000
			001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65`,
		typ: TypeBindingRequest, id: "78ad3433c6ad72c029da412e", sha256: true,
		key: NewLongTermKeySHA256(vectorUsername, vectorRealm, vectorLongTermPassword),
		build: func(b *Builder) {
			hash := UserHash(vectorUsername, vectorRealm)
			b.Add(AttributeUserHash, hash[:])
			b.AddString(AttributeNonce, vectorCookieNonce)
			b.AddString(AttributeRealm, vectorRealm)
			b.AddPasswordAlgorithm(PasswordAlgorithm{Algorithm: PasswordAlgorithmSHA256})
		},
		check: func(t *testing.T, m Message) {
			hash, err := m.UserHash()
			require.NoError(t, err)
			require.Equal(t, UserHash(vectorUsername, vectorRealm), hash)
			algorithm, err := m.PasswordAlgorithm()
			require.NoError(t, err)
			require.Equal(t, PasswordAlgorithmSHA256, algorithm.Algorithm)
			nonce, err := m.Nonce()
			require.NoError(t, err)
			features, ok := ParseNonce(nonce)
			require.True(t, ok)
			require.Equal(t, SecurityFeatures(2), features, "the vector's AAAC")
		},
	},
}

func TestVectorsAreUnderstood(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			raw := unhex(t, v.message)
			require.True(t, Is(raw))
			m, err := Parse(raw)
			require.NoError(t, err)
			require.Equal(t, v.typ, m.Type())
			require.Equal(t, v.id, m.TransactionID().String())
			v.check(t, m)
			require.NoError(t, v.checkIntegrity(m))
			if v.crc {
				require.NoError(t, m.CheckFingerprint())
			} else {
				require.ErrorIs(t, m.CheckFingerprint(), ErrAttributeNotFound)
			}
			require.Equal(t, unhex(t, v.message), raw, "a check must not write to the packet")
		})
	}
}

func (v vector) checkIntegrity(m Message) error {
	if v.sha256 {
		return m.CheckIntegritySHA256(v.key)
	}
	return m.CheckIntegrity(v.key)
}

// The integrity attribute or FINGERPRINT protects every bit of a message.
func TestVectorsWithAFlippedBitAreRefused(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			raw := unhex(t, v.message)
			for i := range len(raw) * 8 {
				raw[i/8] ^= 1 << (i % 8)
				m, err := Parse(raw)
				if err == nil {
					err = v.checkIntegrity(m)
				}
				if err == nil && v.crc {
					err = m.CheckFingerprint()
				}
				// With a bit of its type inverted, FINGERPRINT is another attribute, which is
				// ignored.
				require.Error(t, err, "byte %d bit %d", i/8, i%8)
				raw[i/8] ^= 1 << (i % 8)
			}
		})
	}
}

func TestVectorsAreBuiltByteByByte(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			want := unhex(t, v.message)
			prefix := []byte("prefix")
			b := NewBuilder(bytes.Clone(prefix), v.typ, TransactionID(unhex(t, v.id)))
			v.build(&b)
			if v.sha256 {
				b.AddIntegritySHA256(v.key)
			} else {
				b.AddIntegrity(v.key)
			}
			if v.crc {
				b.AddFingerprint()
			}
			require.NoError(t, b.Err())
			got, ok := bytes.CutPrefix(b.Bytes(), prefix)
			require.True(t, ok)

			if len(v.spaces) == 0 {
				require.Equal(t, want, got)
				return
			}
			// The HMAC covers the padding. With zeros in place of spaces, HMAC and CRC differ, and
			// nothing else.
			for _, i := range v.spaces {
				require.Equal(t, byte(' '), want[i])
				want[i] = 0
			}
			end := len(want) - (4 + 20) - (4 + 4)
			require.Equal(t, want[:end+4], got[:end+4])
			m, err := Parse(got)
			require.NoError(t, err)
			require.NoError(t, v.checkIntegrity(m))
			require.NoError(t, m.CheckFingerprint())
		})
	}
}
