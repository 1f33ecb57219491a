// Package bufpool pools byte buffers in size classes that are powers of two.
//
// The pools are shared by all connections of a process and shrink with the garbage collector
// ([sync.Pool]), so that an idle connection which has freed its buffers holds no memory. Get and
// Free do not allocate in steady state.
package bufpool

import (
	"math/bits"
	"sync"
)

const (
	minShift = 6  // 64 bytes: smaller buffers would consist mostly of bookkeeping
	maxShift = 20 // 1 MiB: larger buffers are rare, and left to the garbage collector
)

// Buffer is a buffer from the pool. Its owner may append to B and remove bytes from its end, but
// not from its front, and must not change its capacity. It must not be used after Free.
type Buffer struct {
	B     []byte
	Next  *Buffer // for the owner's lists; nil in a buffer from Get
	class int8    // index into pools, or -1 if the buffer is too large to be pooled
}

var pools [maxShift - minShift + 1]sync.Pool

// Get returns a buffer of length 0 with a capacity of at least n bytes.
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

// Free returns the buffer to its pool. Freeing nil is allowed.
func (b *Buffer) Free() {
	if b == nil || b.class < 0 {
		return
	}
	b.B, b.Next = b.B[:0], nil
	pools[b.class].Put(b)
}

// Grow returns a buffer with the bytes of b and room for n more, and frees b if the result is
// another buffer.
func (b *Buffer) Grow(n int) *Buffer {
	if cap(b.B)-len(b.B) >= n {
		return b
	}
	g := Get(max(len(b.B)+n, 2*cap(b.B)))
	g.B = append(g.B, b.B...)
	b.Free()
	return g
}
