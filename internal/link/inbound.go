package link

import "net/netip"

// Inbound is the packets that one read has brought. It is valid during the call that it is handed to.
type Inbound struct {
	packets []received
}

type received struct {
	data []byte
	from netip.AddrPort
}

// Len returns the number of packets, at least 1.
func (b *Inbound) Len() int { return len(b.packets) }

// At returns the packet i, 0 ≤ i < Len, and who sent it. The caller may change its bytes; its capacity ends where it ends. An IPv4 sender
// is an IPv4 address, never an IPv6 one that embeds it. Packets of one sender are in order of arrival.
func (b *Inbound) At(i int) (data []byte, from netip.AddrPort) {
	d := &b.packets[i]
	return d.data, d.from
}

// Reset empties the batch and keeps its memory.
func (b *Inbound) Reset() { b.packets = b.packets[:0] }

// Add adds a packet, which is not copied.
func (b *Inbound) Add(data []byte, from netip.AddrPort) {
	b.packets = append(b.packets, received{data[:len(data):len(data)], from})
}

// AddSegments adds the packets of which the kernel has made one: all of the size segment, but for the last, which may be smaller.
func (b *Inbound) AddSegments(data []byte, segment int, from netip.AddrPort) {
	for len(data) > segment {
		b.Add(data[:segment], from)
		data = data[segment:]
	}
	b.Add(data, from)
}
