package deflate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"
)

// Beyond the limit there is an ErrTooLarge, not a byte more; at the limit there is none.
func TestDecompressLimit(t *testing.T) {
	for _, s := range samples(70_000) {
		c := NewCompressor(15)
		message := c.Append(nil, s.data, true)
		for _, chunk := range []int{1, 100, len(message)} {
			for _, limit := range []int{len(s.data), len(s.data) + 1, 1 << 30} {
				got, err := inflateMessage(NewDecompressor(15), message, chunk, limit)
				require.NoError(t, err, s.name)
				require.Len(t, got, len(s.data))
			}
			for _, limit := range []int{0, 1, 2, 257, 511, 512, 513, 40_000, len(s.data) - 1} {
				got, err := inflateMessage(NewDecompressor(15), message, chunk, limit)
				require.ErrorIs(t, err, ErrTooLarge, "%s, limit %d", s.name, limit)
				require.LessOrEqual(t, len(got), limit)
				require.True(t, bytes.Equal(s.data[:len(got)], got))
			}
		}
	}
}

// The limit applies to all of dst: the bytes already in it count, and do not change.
func TestDecompressLimitCountsWhatIsThere(t *testing.T) {
	hello := unhex(t, "f2 48 cd c9 c9 07 00")
	for limit, want := range map[int]error{10: ErrTooLarge, 11: nil, -1: nil, 5: ErrTooLarge, 0: ErrTooLarge} {
		got, err := NewDecompressor(8).Append([]byte("before"), hello, limit)
		require.ErrorIs(t, err, want, "limit %d", limit)
		require.True(t, bytes.HasPrefix([]byte("beforeHello"), got))
		require.GreaterOrEqual(t, len(got), len("before"))
	}
}

// A bomb of a thousand to one costs the limit, and no more.
func TestDecompressBomb(t *testing.T) {
	bomb := NewCompressor(15).Append(nil, make([]byte, 10<<20), true)
	require.Less(t, len(bomb), 15_000)
	const limit = 100_000
	got, err := NewDecompressor(15).Append(nil, bomb, limit)
	require.ErrorIs(t, err, ErrTooLarge)
	require.LessOrEqual(t, len(got), limit)
	require.Less(t, cap(got), 2*limit)
}

// An error stays until Reset, which forgets it with all else.
func TestDecompressErrorStays(t *testing.T) {
	hello := unhex(t, "f2 48 cd c9 c9 07 00")
	for _, end := range []func(d *Decompressor) error{
		func(d *Decompressor) error { _, err := d.Append(nil, hello, 2); return err },
		func(d *Decompressor) error { _, err := d.Append(nil, []byte{7}, -1); return err },
		func(d *Decompressor) error { _, err := inflateMessage(d, hello[:3], 3, -1); return err },
	} {
		d := NewDecompressor(15)
		want := end(d)
		require.Error(t, want)
		_, err := d.Append(nil, hello, -1)
		require.Equal(t, want, err)
		err = d.Finish()
		require.Equal(t, want, err)
		d.Reset()
		got, err := inflateMessage(d, hello, 1, -1)
		require.NoError(t, err)
		require.Equal(t, "Hello", string(got))
	}
}

func TestWindowBitsOutOfRange(t *testing.T) {
	for _, bits := range []int{-1, 0, 7, 16} {
		require.Panics(t, func() { NewCompressor(bits) })
		require.Panics(t, func() { NewDecompressor(bits) })
	}
}

// A compressor holds as much memory as its documentation says.
func TestCompressorSize(t *testing.T) {
	for bits, most := range map[int]int{8: 3 << 10, 9: 4 << 10, 12: 24 << 10, 15: 160 << 10} {
		c := NewCompressor(bits)
		require.LessOrEqual(t, len(c.buf)+2*len(c.head)+2*len(c.prev), most, "%d bits", bits)
	}
}

// A decompressor holds its window, as far as it was needed, and no tables between messages.
func TestDecompressorSize(t *testing.T) {
	d := NewDecompressor(15)
	c := NewCompressor(15)
	message := []byte(strings.Repeat("x", 100))
	_, err := inflateMessage(d, c.Append(nil, message, true), 1, -1)
	require.NoError(t, err)
	require.Len(t, d.window.ring, minHistory)
	for range 1000 {
		_, err := inflateMessage(d, c.Append(nil, message, true), 1, -1)
		require.NoError(t, err)
	}
	require.Len(t, d.window.ring, 1<<15)
	require.Nil(t, d.tables)
}

func TestNoAllocationInSteadyState(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops some of what it is given under the race detector")
	}
	for _, size := range []int{125, 65536} {
		for _, s := range samples(size) {
			c, d := NewCompressor(15), NewDecompressor(15)
			wire, got := make([]byte, 0, 2*size), make([]byte, 0, 2*size)
			var err error
			message := func() {
				wire = c.Append(wire[:0], s.data, true)
				if got, err = d.Append(got[:0], wire, size); err == nil {
					err = d.Finish()
				}
			}
			for range 600 { // until the window is full
				if message(); len(d.window.ring) == d.window.size {
					break
				}
			}
			require.Zero(t, testing.AllocsPerRun(20, message), "%d bytes of %s", size, s.name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(s.data, got))
		}
	}
}
