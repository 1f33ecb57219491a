package link

import "net/netip"

// Inbound holds the packets of one read. It is valid during the call that it is passed to.
type Inbound struct {
	packets []received
}

type received struct {
	data []byte
	from netip.AddrPort
}

// Len returns the number of packets, at least 1.
func (b *Inbound) Len() int { return len(b.packets) }

// At returns packet i, 0 ≤ i < Len, and its sender. The caller may modify its bytes. An IPv4 sender
// is never an IPv4-mapped IPv6 address. Packets of one sender are in the order of their arrival.
func (b *Inbound) At(i int) (data []byte, from netip.AddrPort) {
	d := &b.packets[i]
	return d.data, d.from
}

// Reset empties the batch and keeps its memory.
func (b *Inbound) Reset() { b.packets = b.packets[:0] }

// Add adds a packet without copying it.
func (b *Inbound) Add(data []byte, from netip.AddrPort) {
	b.packets = append(b.packets, received{data[:len(data):len(data)], from})
}

// AddSegments adds the packets that the kernel has merged into data: all have the size segment,
// except the last, which may be smaller.
func (b *Inbound) AddSegments(data []byte, segment int, from netip.AddrPort) {
	for len(data) > segment {
		b.Add(data[:segment], from)
		data = data[segment:]
	}
	b.Add(data, from)
}
