package netsim

import (
	"bytes"
	"net/netip"
)

// packetSize is the capacity of a new packet. It grows for a larger packet and does not shrink.
const packetSize = 2048

// A packet is a datagram in flight. Packets, with their buffers, come from the free list of the
// simulation and return to it.
type packet struct {
	next     *packet // in the free list or in a fifo
	data     []byte
	at       int64 // when it arrives, on a link
	queued   int64 // when it joined the queue of a bottleneck
	src, dst netip.AddrPort
	late     *lateArrival // its timer, if it is delivered out of order
}

func (s *Sim) newPacket() *packet {
	p := s.free
	if p == nil {
		return &packet{data: make([]byte, 0, packetSize)}
	}
	s.free = p.next
	p.next = nil
	return p
}

// poison overwrites received packets. 0xEE is not the first byte of any layer (RFC 7983, section
// 7), and is a large length or count.
var poison = bytes.Repeat([]byte{0xEE}, packetSize)

func (s *Sim) freePacket(p *packet) {
	for b := p.data; len(b) > 0; {
		b = b[copy(b, poison):]
	}
	p.data = p.data[:0]
	p.next = s.free
	s.free = p
}

// keep sets the content of p to data, which Transmit has returned for the buffer of p.
func (p *packet) keep(data []byte) {
	if len(data) > 0 && cap(p.data) > 0 && &data[0] == &p.data[:1][0] {
		p.data = data
		return
	}
	// The core has reallocated the buffer, or returned memory of its own, which it may change
	// later.
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
