package udp

import (
	"net/netip"
	"sync"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

const (
	// chunkSize is the size of the buffers that a Writer collects datagrams in: one GSO message is at most as large.
	chunkSize = 1 << 16

	// MaxWriterBytes is how much a Writer collects before Commit asks for a Flush. Four full GSO messages: the
	// cost of the system call vanishes by then, and the buffer still fits a second-level cache.
	MaxWriterBytes = 4 * chunkSize
)

// Writer collects outgoing datagrams, and sends them with few system calls. The zero value is ready; once flushed it holds no memory. It is for
// one goroutine at a time, and several Writers may be flushed to one socket concurrently.
type Writer struct {
	b *outgoing // nil: empty
}

// outgoing is the content of a Writer.
type outgoing struct {
	chunks    []*bufpool.Buffer // the last one is being filled
	size      int               // bytes of all chunks
	datagrams []datagram
}

type datagram struct {
	data []byte // in a chunk
	to   netip.AddrPort
	// follows says that the datagram has the same destination as the one before and lies behind it in memory.
	follows bool
}

var outgoingPool = sync.Pool{New: func() any { return new(outgoing) }}

// Reserve returns an empty slice with room for at least n bytes, to append a datagram to and hand it to Commit. It never fails. It stays valid until
// the next call of Reserve, Commit or Flush; what is not committed is forgotten.
func (w *Writer) Reserve(n int) []byte {
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

// tail is the unused rest of the last chunk.
func (o *outgoing) tail() []byte {
	b := o.chunks[len(o.chunks)-1].B
	return b[len(b):]
}

// Commit adds a datagram to the batch. The packet is what the caller has appended to the result of Reserve; any other one is copied. It
// reports whether the batch is so large that it should be flushed before more is added.
func (w *Writer) Commit(packet []byte, to netip.AddrPort) (full bool) {
	if w.b == nil || !isTail(packet, w.b) {
		packet = append(w.Reserve(len(packet)), packet...)
	}
	o := w.b
	chunk := o.chunks[len(o.chunks)-1]
	follows := len(chunk.B) > 0 && o.datagrams[len(o.datagrams)-1].to == to
	chunk.B = chunk.B[:len(chunk.B)+len(packet)]
	o.size += len(packet)
	o.datagrams = append(o.datagrams, datagram{packet, to, follows})
	return o.size >= MaxWriterBytes
}

// isTail reports whether packet begins where the free part of the last chunk does.
func isTail(packet []byte, o *outgoing) bool {
	if len(packet) == 0 || len(o.chunks) == 0 {
		return false
	}
	tail := o.tail()
	return cap(tail) >= len(packet) && &packet[0] == &tail[:1][0]
}

// Len is the number of datagrams in the batch.
func (w *Writer) Len() int {
	if w.b == nil {
		return 0
	}
	return len(w.b.datagrams)
}

// Size is the number of bytes in the batch.
func (w *Writer) Size() int {
	if w.b == nil {
		return 0
	}
	return w.b.size
}

// Flush sends the datagrams over s in the order of their Commit, and empties the batch, whatever happens. It waits while the system
// has no room. Its error is a *[SendError] if some could not be sent, and another one if the socket is closed.
func (w *Writer) Flush(s *Socket) error {
	if w.Len() == 0 {
		w.Reset()
		return nil
	}
	err := s.send(w.b.datagrams)
	w.Reset()
	return err
}

// Reset empties the batch without sending it.
func (w *Writer) Reset() {
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
