package link

import (
	"net/netip"
	"sync"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// chunkSize is the size of the buffers for packets. A GSO message is at most as large.
	chunkSize = 1 << 16

	// MaxOutbound is the number of bytes in an Outbound at which Commit reports that it is full.
	// With four full GSO messages, the cost of the system call is negligible, and the buffer still
	// fits into a second-level cache.
	MaxOutbound = 4 * chunkSize
)

// Outbound collects packets for one link. The zero value is ready; after Flush it holds no memory.
// It is for one goroutine at a time. Several may be flushed to one link concurrently.
type Outbound struct {
	b *outgoing // nil: empty
}

// outgoing is the content of an Outbound.
type outgoing struct {
	chunks    []*bufpool.Buffer // the last one is being filled
	size      int               // bytes of all chunks
	datagrams []Datagram
}

// Datagram is one packet to send.
type Datagram struct {
	Data []byte
	To   netip.AddrPort
	// Follows reports whether the packet has the destination of the previous one and is contiguous
	// with it in memory.
	Follows bool
}

var outgoingPool = sync.Pool{New: func() any { return new(outgoing) }}

// Reserve returns an empty slice with capacity for at least n bytes, for a datagram that the caller
// appends and passes to Commit. The slice is valid until the next call of Reserve, Commit or Flush.
func (w *Outbound) Reserve(n int) []byte {
	if w.b == nil {
		w.b = outgoingPool.Get().(*outgoing)
	}
	o := w.b
	if last := len(o.chunks) - 1; last >= 0 {
		if tail := o.tail(); cap(tail) >= n {
			return tail
		}
		if len(o.chunks[last].B) == 0 { // reserved before, and too small
			o.chunks[last].Free()
			o.chunks = o.chunks[:last]
		}
	}
	o.chunks = append(o.chunks, bufpool.Get(max(n, chunkSize)))
	return o.tail()
}

// tail returns the unused rest of the last chunk.
func (o *outgoing) tail() []byte {
	b := o.chunks[len(o.chunks)-1].B
	return b[len(b):]
}

// Commit adds a datagram: the one appended to the result of Reserve; any other is copied. It
// reports whether the batch should be flushed before more is added.
func (w *Outbound) Commit(packet []byte, to netip.AddrPort) (full bool) {
	if w.b == nil || !isTail(packet, w.b) {
		packet = append(w.Reserve(len(packet)), packet...)
	}
	o := w.b
	chunk := o.chunks[len(o.chunks)-1]
	follows := len(chunk.B) > 0 && o.datagrams[len(o.datagrams)-1].To == to
	chunk.B = chunk.B[:len(chunk.B)+len(packet)]
	o.size += len(packet)
	o.datagrams = append(o.datagrams, Datagram{packet, to, follows})
	return o.size >= MaxOutbound
}

// isTail reports whether packet begins at the unused rest of the last chunk.
func isTail(packet []byte, o *outgoing) bool {
	if len(packet) == 0 || len(o.chunks) == 0 {
		return false
	}
	tail := o.tail()
	return cap(tail) >= len(packet) && &packet[0] == &tail[:1][0]
}

// Len returns the number of packets.
func (w *Outbound) Len() int {
	if w.b == nil {
		return 0
	}
	return len(w.b.datagrams)
}

// Size returns the number of bytes.
func (w *Outbound) Size() int {
	if w.b == nil {
		return 0
	}
	return w.b.size
}

// Datagrams returns the packets in the order of their Commit. The slice is valid until the next
// call of another method.
func (w *Outbound) Datagrams() []Datagram {
	if w.b == nil {
		return nil
	}
	return w.b.datagrams
}

// Flush sends the packets over l in the order of their Commit, and empties the batch even if there
// is an error. The error is that of l.
func (w *Outbound) Flush(l Link) error {
	if w.Len() == 0 {
		w.Reset()
		return nil
	}
	err := l.Send(w)
	w.Reset()
	return err
}

// Reset empties the batch without sending it.
func (w *Outbound) Reset() {
	o := w.b
	if o == nil {
		return
	}
	w.b = nil
	for _, c := range o.chunks {
		c.Free()
	}
	o.chunks, o.datagrams, o.size = o.chunks[:0], o.datagrams[:0], 0
	outgoingPool.Put(o)
}
