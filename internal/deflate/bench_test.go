package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"
)

// benchmarkMessages cuts a sample into messages.
func benchmarkMessages(b *testing.B, name string, size int) [][]byte {
	for _, s := range samples(1 << 20) {
		if s.name == name {
			var messages [][]byte
			for at := 0; at+size <= len(s.data); at += size {
				messages = append(messages, s.data[at:at+size])
			}
			return messages
		}
	}
	b.Fatal("no such sample")
	return nil
}

// forEachMessage runs the benchmark for messages of several kinds and sizes, all with the window
// kept.
func forEachMessage(b *testing.B, run func(b *testing.B, messages [][]byte)) {
	for _, name := range []string{"json", "words", "noise"} {
		for _, size := range []int{125, 1024, 65536} {
			messages := benchmarkMessages(b, name, size)
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				run(b, messages)
			})
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, windowBits := range []int{15, 12, 9} {
		b.Run(fmt.Sprintf("window=%d", windowBits), func(b *testing.B) {
			forEachMessage(b, func(b *testing.B, messages [][]byte) {
				c := NewCompressor(windowBits)
				var wire []byte
				in, out := 0, 0
				for i := 0; b.Loop(); i++ {
					m := messages[i%len(messages)]
					wire = c.Append(wire[:0], m, true)
					in, out = in+len(m), out+len(wire)
				}
				b.ReportMetric(float64(in)/float64(out), "ratio")
			})
		})
	}
	for _, level := range []int{1, 3, 6} {
		b.Run(fmt.Sprintf("compress-flate=%d", level), func(b *testing.B) {
			forEachMessage(b, func(b *testing.B, messages [][]byte) {
				var wire bytes.Buffer
				w, _ := flate.NewWriter(&wire, level)
				in, out := 0, 0
				for i := 0; b.Loop(); i++ {
					m := messages[i%len(messages)]
					wire.Reset()
					_, _ = w.Write(m)
					_ = w.Flush()
					in, out = in+len(m), out+wire.Len()-len(emptyTail)
				}
				b.ReportMetric(float64(in)/float64(out), "ratio")
			})
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	compressed := func(messages [][]byte, c *Compressor) (wire [][]byte) {
		for _, m := range messages {
			wire = append(wire, c.Append(nil, m, true))
		}
		return wire
	}
	b.Run("window=15", func(b *testing.B) {
		forEachMessage(b, func(b *testing.B, messages [][]byte) {
			wire := compressed(messages, NewCompressor(15))
			d := NewDecompressor(15)
			var got []byte
			for i := 0; b.Loop(); i++ {
				if i%len(wire) == 0 {
					d.Reset()
				}
				var err error
				got, err = d.Append(got[:0], wire[i%len(wire)], 1<<20)
				if err == nil {
					err = d.Finish()
				}
				if err != nil || len(got) != len(messages[0]) {
					b.Fatal(err, len(got))
				}
			}
		})
	})
	b.Run("compress-flate", func(b *testing.B) {
		forEachMessage(b, func(b *testing.B, messages [][]byte) {
			wire := compressed(messages, NewCompressor(15))
			for i, m := range wire {
				wire[i] = append(m, emptyTail...)
			}
			got := make([]byte, len(messages[0]))
			var r io.ReadCloser
			var in bytes.Reader
			more := 0
			source := readerFunc(func(p []byte) (int, error) { // one message after the other, for one stream
				if in.Len() == 0 {
					in.Reset(wire[more%len(wire)])
					more++
				}
				return in.Read(p)
			})
			for i := 0; b.Loop(); i++ {
				if i%len(wire) == 0 {
					in.Reset(nil)
					more = 0
					r = flate.NewReader(source)
				}
				if _, err := io.ReadFull(r, got); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
