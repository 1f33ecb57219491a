// Package bufpool lends byte buffers in size classes that are powers of two.
//
// The pools are shared by all connections of a process and shrink with the
// garbage collector ([sync.Pool]), so an idle connection that has given its
// buffers back holds nothing. Get and Free do not allocate in steady state.
package bufpool

import (
	"math/bits"
	"sync"
)

const (
	minShift = 6  // 64 bytes: a smaller buffer would be mostly bookkeeping
	maxShift = 20 // 1 MiB: larger buffers are rare enough for the garbage collector
)

// Buffer is a borrowed buffer. Its owner may append to B and cut its end, but
// not its front or its capacity; it must not be used after Free.
type Buffer struct {
	B     []byte
	Next  *Buffer // for the owner's lists; nil in a buffer from Get
	class int8    // index into pools, or -1 when too large to be pooled
}

var pools [maxShift - minShift + 1]sync.Pool

// Get returns a buffer of length 0 with room for at least n bytes.
func Get(n int) *Buffer {
	shift := minShift
	if n > 1<<minShift {
		shift = bits.Len(uint(n - 1))
	}
	if shift > maxShift {
		return &Buffer{B: make([]byte, 0, n), class: -1}
	}
	class := shift - minShift
	if b, ok := pools[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{B: make([]byte, 0, 1<<shift), class: int8(class)}
}

// Free gives the buffer back. Freeing nil is allowed.
func (b *Buffer) Free() {
	if b == nil || b.class < 0 {
		return
	}
	b.B, b.Next = b.B[:0], nil
	pools[b.class].Put(b)
}

// Grow returns a buffer that holds what b held and has room for n more bytes,
// and frees b if that is another one.
func (b *Buffer) Grow(n int) *Buffer {
	if cap(b.B)-len(b.B) >= n {
		return b
	}
	g := Get(max(len(b.B)+n, 2*cap(b.B)))
	g.B = append(g.B, b.B...)
	b.Free()
	return g
}
