package netsim

import (
	"bytes"
	"net/netip"
)

// packetSize is the room in a fresh packet. Larger packets grow theirs and keep it.
const packetSize = 2048

// A packet is a datagram under way. Packets come from the simulation's free list and return to it,
// with their bytes.
type packet struct {
	next     *packet // in the free list or in a fifo
	data     []byte
	at       int64 // when it arrives, on a link
	queued   int64 // when it joined the queue of a bottleneck
	src, dst netip.AddrPort
	stray    *stray // its timer when it flies outside the order of its link
}

func (s *Sim) takePacket() *packet {
	p := s.free
	if p == nil {
		return &packet{data: make([]byte, 0, packetSize)}
	}
	s.free = p.next
	p.next = nil
	return p
}

// poison overwrites packets that have been received. 0xEE as a first byte belongs to no layer (RFC
// 7983, section 7), and as a length or a count it is large.
var poison = bytes.Repeat([]byte{0xEE}, packetSize)

func (s *Sim) dropPacket(p *packet) {
	for b := p.data; len(b) > 0; {
		b = b[copy(b, poison):]
	}
	p.data = p.data[:0]
	p.next = s.free
	s.free = p
}

// keep makes data, which Transmit returned for the buffer of p, the content of p.
func (p *packet) keep(data []byte) {
	if len(data) > 0 && cap(p.data) > 0 && &data[0] == &p.data[:1][0] {
		p.data = data
		return
	}
	// The core has appended beyond the buffer, or returned memory of its own, which it may change.
	p.data = append(p.data[:0], data...)
}

// A fifo is a queue of packets.
type fifo struct {
	head, tail *packet
}

func (f *fifo) push(p *packet) {
	p.next = nil
	if f.tail == nil {
		f.head = p
	} else {
		f.tail.next = p
	}
	f.tail = p
}

func (f *fifo) pop() *packet {
	p := f.head
	f.head = p.next
	if f.head == nil {
		f.tail = nil
	}
	p.next = nil
	return p
}
