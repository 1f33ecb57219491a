package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex reads the bytes of RFC 7692's examples.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// inflateMessage decompresses a whole message that comes in pieces of chunk bytes.
func inflateMessage(d *Decompressor, message []byte, chunk, limit int) ([]byte, error) {
	var out []byte
	var err error
	for len(message) > 0 {
		n := min(chunk, len(message))
		if out, err = d.Append(out, message[:n], limit); err != nil {
			return out, err
		}
		message = message[n:]
	}
	return out, d.Finish()
}

// The examples of RFC 7692, section 7.2.3
func TestDecompressExamples(t *testing.T) {
	for name, messages := range map[string][][2]string{
		"7.2.3.1 one block":         {{"f2 48 cd c9 c9 07 00", "Hello"}},
		"7.2.3.2 sharing a window":  {{"f2 48 cd c9 c9 07 00", "Hello"}, {"f2 00 11 00 00", "Hello"}},
		"7.2.3.2 without sharing":   {{"f2 48 cd c9 c9 07 00", "Hello"}, {"f2 48 cd c9 c9 07 00", "Hello"}},
		"7.2.3.3 no compression":    {{"00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"}},
		"7.2.3.4 BFINAL":            {{"f3 48 cd c9 c9 07 00 00", "Hello"}, {"f2 00 11 00 00", "Hello"}},
		"7.2.3.5 two blocks":        {{"f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello"}},
		"7.2.3.6 empty":             {{"00", ""}, {"00", ""}, {"f2 48 cd c9 c9 07 00", "Hello"}},
		"BFINAL and nothing more":   {{"f3 48 cd c9 c9 07 00", "Hello"}, {"f2 00 11 00 00", "Hello"}},
		"BFINAL on the empty block": {{"00 05 00 fa ff 48 65 6c 6c 6f 01", "Hello"}, {"f2 00 11 00 00", "Hello"}},
		"BFINAL, then more":         {{"f3 48 cd c9 c9 07 00 f2 00 11 00 00", "HelloHello"}},
		"nothing":                   {{"", ""}, {"f2 48 cd c9 c9 07 00", "Hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			for windowBits := MinWindowBits; windowBits <= MaxWindowBits; windowBits++ {
				for chunk := 1; chunk <= 13; chunk++ {
					d := NewDecompressor(windowBits)
					for _, m := range messages {
						got, err := inflateMessage(d, unhex(t, m[0]), chunk, -1)
						require.NoError(t, err)
						require.Equal(t, m[1], string(got))
						require.Nil(t, d.tables)
					}
				}
			}
		})
	}
}

// sample is data to compress, made from a seed.
type sample struct {
	name string
	data []byte
}

func samples(size int) []sample {
	random := rand.New(rand.NewChaCha8([32]byte{7}))
	noise := make([]byte, size)
	words := make([]byte, 0, size)
	few := make([]byte, size)
	far := make([]byte, size)
	json := make([]byte, 0, size)
	dictionary := strings.Fields(`the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you
		association stream candidate window deflate message connection retransmission acknowledgement`)
	for i := range noise {
		noise[i] = byte(random.Uint32())
		few[i] = "aaaaaaab"[random.IntN(8)]
		far[i] = byte(random.Uint32())
		if i >= 20000 && i%300 > 3 {
			far[i] = far[i-20000]
		}
	}
	for len(words) < size {
		words = append(append(words, dictionary[random.IntN(len(dictionary))]...), ' ')
	}
	for len(json) < size {
		json = append(json, `{"id":`...)
		json = append(json, hex.EncodeToString([]byte{byte(random.Uint32()), byte(random.Uint32())})...)
		json = append(json, `,"type":"candidate","label":"`...)
		json = append(append(json, dictionary[random.IntN(len(dictionary))]...), `","mid":0},`...)
	}
	return []sample{
		{"noise", noise}, {"zeros", make([]byte, size)}, {"words", words[:size]}, {"json", json[:size]}, {"few letters", few}, {"far matches", far},
	}
}

// stdDeflate compresses a message with the standard library.
func stdDeflate(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	return bytes.TrimSuffix(b.Bytes(), []byte(emptyTail))
}

func TestDecompressWhatTheStandardLibraryCompresses(t *testing.T) {
	for _, size := range []int{0, 1, 5, 3000, 50_000} {
		for _, s := range samples(size) {
			for _, level := range []int{flate.HuffmanOnly, 0, 1, 6} {
				message := stdDeflate(t, s.data, level)
				for _, chunk := range []int{len(message), 1, 7, 1000} {
					if size > 10_000 && chunk == 1 && level != 6 {
						continue
					}
					got, err := inflateMessage(NewDecompressor(15), message, max(1, chunk), len(s.data))
					require.NoError(t, err, "%s, %d bytes, level %d, in pieces of %d", s.name, size, level, chunk)
					require.True(t, bytes.Equal(s.data, got), "%s, %d bytes, level %d, in pieces of %d", s.name, size, level, chunk)
				}
			}
		}
	}
}
