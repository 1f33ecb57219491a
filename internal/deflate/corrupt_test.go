package deflate

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// stream writes a DEFLATE stream bit by bit.
type stream struct {
	bytes []byte
	n     uint
}

// bits adds n bits, the lowest first, as for "data elements other than Huffman codes" (RFC 1951,
// section 3.1.1).
func (s *stream) bits(v, n uint) *stream {
	for i := range n {
		if s.n%8 == 0 {
			s.bytes = append(s.bytes, 0)
		}
		s.bytes[len(s.bytes)-1] |= byte(v>>i&1) << (s.n % 8)
		s.n++
	}
	return s
}

// code adds a Huffman code, "starting with the most-significant bit of the code".
func (s *stream) code(v, n uint) *stream {
	for i := range n {
		s.bits(v>>(n-1-i), 1)
	}
	return s
}

// dynamic starts a block with two codes, whose lengths are given one by one: in codes of 4 bits,
// the same for all lengths 0 to 15 (16 codes of 4 bits are a complete code).
func (s *stream) dynamic(litLen, distance []uint) *stream {
	s.bits(0, 1).bits(2, 2).bits(uint(len(litLen)-257), 5).bits(uint(len(distance)-1), 5).bits(19-4, 4)
	for _, symbol := range codeLengthOrder {
		if symbol < 16 {
			s.bits(4, 3)
		} else {
			s.bits(0, 3)
		}
	}
	for _, n := range append(append([]uint{}, litLen...), distance...) {
		s.code(n, 4)
	}
	return s
}

// lengthsOf returns n lengths: those of some symbols, and 0 for the others.
func lengthsOf(n int, some map[int]uint) []uint {
	lengths := make([]uint, n)
	for symbol, length := range some {
		lengths[symbol] = length
	}
	return lengths
}

func TestDecompressCodesOfEveryShape(t *testing.T) {
	for name, c := range map[string]struct {
		s    *stream
		want string // "" with an error
		fail bool
	}{
		"codes of one bit": {
			s:    new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 1, 256: 1}), []uint{0}).code(0, 1).code(0, 1).code(1, 1),
			want: "aa",
		},
		// "If only one distance code is used, it is encoded using one bit, not zero bits; in this
		// case there is a single code length of one, with one unused code."
		"one distance code": {
			s:    new(stream).dynamic(lengthsOf(258, map[int]uint{'a': 1, 256: 2, 257: 2}), []uint{1}).code(0, 1).code(3, 2).code(0, 1).code(2, 2),
			want: "aaaa",
		},
		"one distance code, the unused one": {
			s:    new(stream).dynamic(lengthsOf(258, map[int]uint{'a': 1, 256: 2, 257: 2}), []uint{1}).code(0, 1).code(3, 2).code(1, 1).code(2, 2),
			fail: true,
		},
		// "One distance code of zero bits means that there are no distance codes used at all (the
		// data is all literals)."
		"no distance code, but a length": {
			s:    new(stream).dynamic(lengthsOf(258, map[int]uint{'a': 1, 256: 2, 257: 2}), []uint{0}).code(0, 1).code(3, 2).code(0, 1).code(2, 2),
			fail: true,
		},
		"only the end": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{256: 1}), []uint{0}).code(0, 1),
		},
		"only the end, its unused code": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{256: 1}), []uint{0}).code(1, 1), fail: true,
		},
		"no end": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 1, 'b': 1}), []uint{0}), fail: true,
		},
		"over-subscribed": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 1, 'b': 1, 256: 1}), []uint{0}), fail: true,
		},
		"incomplete": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 2, 'b': 2, 256: 2}), []uint{0}), fail: true,
		},
		"distances over-subscribed": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 1, 256: 1}), []uint{1, 1, 1}), fail: true,
		},
		"distances incomplete": {
			s: new(stream).dynamic(lengthsOf(257, map[int]uint{'a': 1, 256: 1}), []uint{2, 2, 2}), fail: true,
		},
		"287 literals and lengths": {s: new(stream).bits(4, 3).bits(30, 5).bits(0, 5).bits(15, 4), fail: true},
		"31 distances":             {s: new(stream).bits(4, 3).bits(0, 5).bits(30, 5).bits(15, 4), fail: true},
		"no code lengths":          {s: new(stream).bits(4, 3).bits(0, 5).bits(0, 5).bits(0, 4).bits(0, 12), fail: true},
		"code lengths incomplete":  {s: new(stream).bits(4, 3).bits(0, 5).bits(0, 5).bits(0, 4).bits(1, 12), fail: true},
		"code lengths over-subscribed": {
			s: new(stream).bits(4, 3).bits(0, 5).bits(0, 5).bits(0, 4).bits(1|1<<3|1<<6, 12), fail: true,
		},
		"a repetition first":       {s: new(stream).bits(4, 3).bits(0, 5).bits(0, 5).bits(0, 4).bits(1|1<<9, 12).code(1, 1).bits(0, 2), fail: true},
		"a repetition beyond":      {s: new(stream).bits(4, 3).bits(0, 5).bits(0, 5).bits(0, 4).bits(1<<6|1<<9, 12).code(1, 1).bits(127, 7).code(1, 1).bits(127, 7), fail: true},
		"block type 3":             {s: new(stream).bits(6, 3), fail: true},
		"LEN and NLEN":             {s: new(stream).bits(0, 8).bits(5, 16).bits(5, 16), fail: true},
		"fixed length symbol 286":  {s: new(stream).bits(2, 3).code(0x30, 8).code(0xc6, 8), fail: true},
		"fixed distance symbol 30": {s: new(stream).bits(2, 3).code(0x30, 8).code(1, 7).code(30, 5), fail: true},
		"distance before the start": {
			s: new(stream).bits(2, 3).code(0x30, 8).code(1, 7).code(1, 5), fail: true,
		},
		"fixed": {s: new(stream).bits(2, 3).code(0x30, 8).code(1, 7).code(0, 5).code(0, 7), want: "\x00\x00\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			s := *c.s
			if !c.fail {
				s.bits(0, 3) // the header of the empty stored block
			}
			for chunk := 1; chunk < 12; chunk++ {
				got, err := inflateMessage(NewDecompressor(15), s.bytes, chunk, -1)
				if c.fail {
					require.ErrorIs(t, err, ErrCorrupt)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, c.want, string(got))
			}
		})
	}
}

// Codes of up to 15 bits, with second tables of all widths: symbol i of the first fifteen has i+1
// bits.
func TestDecompressLongCodes(t *testing.T) {
	litLen := map[int]uint{256: 15}
	for i := range 15 {
		litLen['a'+i] = uint(i + 1)
	}
	s := new(stream).dynamic(lengthsOf(257, litLen), []uint{0})
	want := ""
	for i := range 15 {
		// Of two symbols of 15 bits the smaller one has the smaller code.
		s.code(1<<(i+1)-2, uint(i+1))
		want += string(rune('a' + i))
	}
	s.code(1<<15-1, 15).bits(0, 3)
	for chunk := 1; chunk < 12; chunk++ {
		got, err := inflateMessage(NewDecompressor(15), s.bytes, chunk, -1)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// A match that reaches back beyond the window is refused, though the bytes may be there still.
func TestDecompressDistanceBeyondTheWindow(t *testing.T) {
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		// A match of 3 that reaches back so far, after a stored block of more than that.
		match := func(distance int) []byte {
			symbol := distanceSymbol(distance - 1)
			s := new(stream).bits(2, 3).code(1, 7).code(uint(symbol), 5)
			return s.bits(uint(distance-1)-uint(distanceBase[symbol]), uint(distanceExtra[symbol])).code(0, 7).bits(0, 3).bytes
		}
		before := bytes.Repeat([]byte("0123456789abc"), 3000)
		window := 1 << bits
		for distance, ok := range map[int]bool{1: true, window - 1: true, window: true, window + 1: false} {
			if distance > 1<<MaxWindowBits {
				continue
			}
			stored := (&Compressor{}).appendStored(nil, before)
			for name, message := range map[string][]byte{"in one message": append(stored, match(distance)...), "in another": match(distance)} {
				d := NewDecompressor(bits)
				var out []byte
				var err error
				if name == "in another" {
					_, err = inflateMessage(d, append(bytes.Clone(stored), 0), 1<<20, -1)
					require.NoError(t, err)
					out = bytes.Clone(before)
				}
				got, err := inflateMessage(d, message, 1<<20, -1)
				if !ok {
					require.ErrorIs(t, err, ErrCorrupt, "%d bits, distance %d, %s", bits, distance, name)
					continue
				}
				require.NoError(t, err, "%d bits, distance %d, %s", bits, distance, name)
				out = append(out, got...)
				want := before[len(before)-distance:]
				require.Equal(t, string(bytes.Repeat(want, 3)[:3]), string(out[len(out)-3:]), "%d bits, distance %d, %s", bits, distance, name)
				if distance == 1 {
					require.Equal(t, "ccc", string(out[len(out)-3:]))
				}
			}
		}
	}
}

// A message that ends anywhere but at the end of a block is corrupt.
func TestDecompressCutShort(t *testing.T) {
	for _, s := range samples(300) {
		message := NewCompressor(15).Append(nil, s.data, true)
		for n := 1; n < len(message); n++ {
			if n == 1 && message[0] == 0 {
				continue // an empty message
			}
			_, err := inflateMessage(NewDecompressor(15), message[:n], 1+n%5, -1)
			require.ErrorIs(t, err, ErrCorrupt, "%d of %d bytes of %s", n, len(message), s.name)
		}
	}
}
