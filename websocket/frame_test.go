package websocket

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// "j = i MOD 4; transformed-octet-i = original-octet-i XOR masking-key-octet-j"
//
// RFC 6455, section 5.3.
func TestMask(t *testing.T) {
	key := [4]byte{1, 20, 33, 240}
	original := make([]byte, 300)
	for i := range original {
		original[i] = byte(i * 7)
	}
	for length := range 200 {
		for offset := range 9 {
			want := bytes.Clone(original[:length])
			for i := range want {
				want[i] ^= key[(i+offset)%4]
			}
			got := bytes.Clone(original)
			Mask(key, offset, got[:length])
			require.Equal(t, want, got[:length], "%d bytes at %d", length, offset)
			require.Equal(t, original[length:], got[length:], "what is behind %d bytes", length)

			got, next := appendMasked([]byte("x"), original[:length], binary.LittleEndian.Uint32(key[:]))
			Mask(key, 0, got[1:])
			require.Equal(t, original[:length], got[1:])
			require.Equal(t, bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(length%4)), next)
		}
	}
}

// The key that mask returns continues where it has stopped.
func TestMaskInPieces(t *testing.T) {
	const key = 0x12345678
	whole := make([]byte, 256)
	mask(key, whole)
	for cut := range whole {
		pieces := make([]byte, 256)
		mask(mask(key, pieces[:cut]), pieces[cut:])
		require.Equal(t, whole, pieces, "cut at %d", cut)
	}
}

func TestFrameHeader(t *testing.T) {
	for _, length := range []int64{0, 1, 125, 126, 127, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<63 - 1} {
		for _, h := range []FrameHeader{
			{Opcode: OpcodeText, Fin: true}, {Opcode: OpcodeBinary, Rsv1: true}, {Opcode: OpcodeContinuation, Rsv2: true, Rsv3: true},
			{Opcode: OpcodeBinary, Masked: true, MaskingKey: [4]byte{1, 2, 3, 4}},
		} {
			h.PayloadLength = length
			b := AppendFrameHeader([]byte("x"), h)[1:]
			for i := range b {
				_, n, err := ParseFrameHeader(b[:i])
				require.Zero(t, n)
				require.NoError(t, err)
			}
			got, n, err := ParseFrameHeader(append(b, "payload"...))
			require.NoError(t, err)
			require.Equal(t, len(b), n)
			require.Equal(t, h, got)
		}
	}
}

// The piecewise check of UTF-8 agrees with the standard library's, wherever text is cut.
func TestUTF8(t *testing.T) {
	alphabet := []string{"a", "bcdefghij", "ü", "€", "𝄞", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "\x80", "\xc3", "\xe2\x82", "\xf0\x9d\x84", "\xf4\x90", "\xed\xa0\x80", "\xff"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var text []byte
		for range r.IntN(6) {
			text = append(text, alphabet[r.IntN(len(alphabet)-r.IntN(2)*7)]...)
		}
		a, b := r.IntN(len(text)+1), r.IntN(len(text)+1)
		a, b = min(a, b), max(a, b)
		var s utf8State
		got := s.valid(text[:a]) && s.valid(text[a:b]) && s.valid(text[b:]) && s.complete()
		require.Equal(t, utf8.Valid(text), got, "%q cut at %d and %d", text, a, b)
	}
}

// A prefix is refused exactly when nothing that follows could make it valid.
func TestUTF8FailsAtTheFirstBadByte(t *testing.T) {
	continuations := [][]byte{{}, {0x80}, {0xbf}, {0x80, 0x80}, {0xbf, 0xbf}, {0x80, 0x80, 0x80}, {0xbf, 0xbf, 0xbf}}
	for n := range 1 << 16 {
		text := []byte{byte(n >> 8), byte(n)}
		could := false
		for _, c := range continuations {
			could = could || utf8.Valid(append(text[:2:2], c...))
		}
		var s utf8State
		if got := s.valid(text); got != could {
			t.Fatalf("%x: %v", text, got)
		}
		s = utf8State{}
		if got := s.valid(text[:1]) && s.valid(text[1:]); got != could {
			t.Fatalf("%x cut: %v", text, got)
		}
	}
}
