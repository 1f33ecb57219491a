package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// emptyTail is the end of a message, which the sender removes.
const emptyTail = "\x00\x00\xff\xff"

// stdInflate decompresses messages that share a window with the standard library.
func stdInflate(t testing.TB, messages ...[]byte) []byte {
	t.Helper()
	var stream bytes.Buffer
	for _, m := range messages {
		stream.Write(m)
		stream.WriteString(emptyTail)
	}
	stream.WriteString("\x01\x00\x00\xff\xff") // a final block, so that the reader finds an end
	data, err := io.ReadAll(flate.NewReader(&stream))
	require.NoError(t, err)
	return data
}

func TestCompressExamples(t *testing.T) {
	// RFC 7692, section 7.2.3.1.
	c := NewCompressor(15)
	first := c.Append(nil, []byte("Hello"), true)
	require.Equal(t, unhex(t, "f2 48 cd c9 c9 07 00"), first)

	// 7.2.3.2: with the window shared, the same message again takes 5 bytes at most.
	second := c.Append(nil, []byte("Hello"), true)
	require.LessOrEqual(t, len(second), 5)
	require.Equal(t, "HelloHello", string(stdInflate(t, first, second)))

	// and without, as many as before.
	c.Reset()
	require.Equal(t, first, c.Append(nil, []byte("Hello"), true))

	// RFC 7692, section 7.2.3.6: an empty message is the octet 0x00.
	require.Equal(t, []byte{0}, c.Append(nil, nil, true))
	require.Equal(t, []byte{0}, c.Append(nil, []byte{}, true))
}

// Nothing that a compressor makes may reach back further than its window: the decompressor with the
// same window, which refuses that, and the standard library's must agree on all of it.
func TestCompressRoundTrips(t *testing.T) {
	for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
		for _, size := range []int{0, 1, 3, 4, 5, 100, 1279, 1280, 1281, 5000, 40_000} {
			if size > 5000 && windowBits%3 != 0 {
				continue
			}
			for _, s := range samples(size) {
				name := fmt.Sprintf("%d bits, %d bytes of %s", windowBits, size, s.name)
				c, d := NewCompressor(windowBits), NewDecompressor(windowBits)
				first := c.Append(nil, s.data, true)
				require.LessOrEqual(t, len(first), size+size/maxTokens*5+7, name)
				got, err := inflateMessage(d, first, 1<<20, size)
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(s.data, got), name)

				// Again, and in two parts, with the earlier messages in the window.
				second := c.Append(nil, s.data[:size/3], false)
				second = c.Append(second, s.data[size/3:], true)
				got, err = inflateMessage(d, second, 1<<20, size)
				require.NoError(t, err, name)
				require.True(t, bytes.Equal(s.data, got), name)
				require.True(t, bytes.Equal(append(bytes.Clone(s.data), s.data...), stdInflate(t, first, second)), name)
				if size == 5000 && windowBits == MaxWindowBits {
					require.Less(t, len(second), size/10, "%s is in the window", name)
				}
			}
		}
	}
}

// Messages of all sizes, in parts of all sizes, appended to earlier ones.
func TestCompressConversation(t *testing.T) {
	data := samples(1 << 18)
	for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
		for seed := range byte(4) {
			random := rand.New(rand.NewChaCha8([32]byte{seed, byte(windowBits)}))
			c, d := NewCompressor(windowBits), NewDecompressor(windowBits)
			for range 100 {
				from := data[random.IntN(len(data))].data
				size := random.IntN(1 << random.IntN(16))
				at := random.IntN(len(from) - size)
				message := from[at : at+size]
				wire := []byte("before")
				for rest := message; ; {
					n := min(len(rest), random.IntN(1<<random.IntN(17)))
					last := n == len(rest)
					wire = c.Append(wire, rest[:n], last)
					if rest = rest[n:]; last {
						break
					}
				}
				require.Equal(t, "before", string(wire[:6]))
				got, err := inflateMessage(d, wire[6:], 1+random.IntN(1<<random.IntN(14)), size)
				require.NoError(t, err, "seed %d", seed)
				require.True(t, bytes.Equal(message, got), "seed %d", seed)
				if random.IntN(20) == 0 {
					c.Reset()
					d.Reset()
				}
			}
		}
	}
}

func TestCompressResetInsideAMessage(t *testing.T) {
	c := NewCompressor(10)
	_ = c.Append(nil, []byte("Hel"), false)
	c.Reset()
	require.Equal(t, unhex(t, "f2 48 cd c9 c9 07 00"), c.Append(nil, []byte("Hello"), true))
}
