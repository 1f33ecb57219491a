package fuzz_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

const deflateLimit = 1 << 20

// inflateInPieces decompresses a message that arrives in pieces of a given size.
func inflateInPieces(d *deflate.Decompressor, message []byte, piece int) ([]byte, error) {
	var out []byte
	var err error
	for len(message) > 0 {
		n := min(piece, len(message))
		if out, err = d.Append(out, message[:n], deflateLimit); err != nil {
			return out, err
		}
		message = message[n:]
	}
	return out, d.Finish()
}

// FuzzDecompress decompresses any bytes. The result must not depend on the sizes of the pieces, and
// must be that of the standard library if that accepts the bytes.
func FuzzDecompress(f *testing.F) {
	f.Add(byte(15), []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("\xf2\x00\x11\x00\x00"))
	f.Add(byte(8), []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), []byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"))
	f.Add(byte(9), []byte("\x00"), []byte{})
	c := deflate.NewCompressor(10)
	text := []byte(strings.Repeat("What is compressed with codes of its own has to be long enough. ", 40))
	for i := range text {
		text[i] ^= byte(i*i>>9) & 3
	}
	f.Add(byte(10), c.Append(nil, text, true), c.Append(nil, text[:900], true))
	f.Fuzz(func(t *testing.T, windowBits byte, first, second []byte) {
		bits := deflate.MinWindowBits + int(windowBits)%(deflate.MaxWindowBits-deflate.MinWindowBits+1)
		whole := deflate.NewDecompressor(bits)
		first1, err1 := inflateInPieces(whole, first, 1<<20)
		second1, err2 := inflateInPieces(whole, second, 1<<20)
		for _, piece := range []int{1, 3, 10} {
			d := deflate.NewDecompressor(bits)
			first2, err := inflateInPieces(d, first, piece)
			if !errors.Is(err, err1) || err1 == nil && !bytes.Equal(first1, first2) {
				t.Fatalf("in pieces of %d: %v, %d bytes; in one: %v, %d bytes", piece, err, len(first2), err1, len(first1))
			}
			second2, err := inflateInPieces(d, second, piece)
			if !errors.Is(err, err2) || err2 == nil && !bytes.Equal(second1, second2) {
				t.Fatalf("second message in pieces of %d: %v, %d bytes; in one: %v, %d bytes", piece, err, len(second2), err2, len(second1))
			}
		}
		if max(len(first1), len(second1)) > deflateLimit {
			t.Fatal("more than the limit")
		}
		if err1 != nil || len(first) == 0 {
			return
		}
		// The standard library ends at a final block, after which a message may continue.
		stream := io.MultiReader(bytes.NewReader(first), strings.NewReader("\x00\x00\xff\xff"))
		reference, err := io.ReadAll(flate.NewReader(stream))
		if !bytes.HasPrefix(first1, reference) || errors.Is(err, io.ErrUnexpectedEOF) && !bytes.Equal(first1, reference) {
			t.Fatalf("%q, the standard library %q, %v", first1, reference, err)
		}
	})
}

// FuzzCompress compresses two messages with a window of any size, in two parts each. Decompression
// must return the same messages.
func FuzzCompress(f *testing.F) {
	f.Add(byte(15), uint16(3), []byte("Hello"), []byte("Hello"))
	f.Add(byte(8), uint16(700), bytes.Repeat([]byte("0123456789"), 200), bytes.Repeat([]byte("9876543210"), 99))
	f.Add(byte(9), uint16(0), []byte{}, []byte{0})
	f.Fuzz(func(t *testing.T, windowBits byte, cut uint16, first, second []byte) {
		bits := deflate.MinWindowBits + int(windowBits)%(deflate.MaxWindowBits-deflate.MinWindowBits+1)
		c, d := deflate.NewCompressor(bits), deflate.NewDecompressor(bits)
		var stream []byte
		for _, message := range [][]byte{first, second, first} {
			at := min(int(cut), len(message))
			wire := c.Append(nil, message[:at], false)
			wire = c.Append(wire, message[at:], true)
			got, err := inflateInPieces(d, wire, 1+int(cut)%100)
			if err != nil && len(message) <= deflateLimit || err == nil && !bytes.Equal(got, message) {
				t.Fatalf("%v: %q instead of %q", err, got, message)
			}
			stream = append(append(stream, wire...), "\x00\x00\xff\xff"...)
		}
		stream = append(stream, "\x01\x00\x00\xff\xff"...)
		got, err := io.ReadAll(flate.NewReader(bytes.NewReader(stream)))
		if err != nil || !bytes.Equal(got, bytes.Join([][]byte{first, second, first}, nil)) {
			t.Fatalf("the standard library: %v, %q", err, got)
		}
	})
}
