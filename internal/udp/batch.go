package udp

import "net/netip"

// Batch is what one read has brought. It is valid during the call that it is handed to.
type Batch struct {
	datagrams []received
}

type received struct {
	data []byte
	from netip.AddrPort
}

// Len is the number of datagrams, at least 1.
func (b *Batch) Len() int { return len(b.datagrams) }

// At returns the datagram i, 0 ≤ i < Len, and who sent it. An IPv4 sender is an IPv4 address, never an IPv6 one that embeds it. Datagrams of one sender are in
// order of arrival. Each has its bytes to itself: its capacity ends where it ends.
func (b *Batch) At(i int) (data []byte, from netip.AddrPort) {
	d := &b.datagrams[i]
	return d.data, d.from
}

func (b *Batch) add(data []byte, from netip.AddrPort) {
	b.datagrams = append(b.datagrams, received{data, from})
}

// addSegments adds the datagrams of which the kernel has made one: all of the size segment, but
// for the last, which may be smaller.
func (b *Batch) addSegments(data []byte, segment int, from netip.AddrPort) {
	for len(data) > segment {
		b.add(data[:segment:segment], from)
		data = data[segment:]
	}
	b.add(data[:len(data):len(data)], from)
}
