package link

// Batch collects packets for any paths, over one link or several. Many connections may add packets
// to it in turn before it is flushed once. The zero value is ready. After Flush it holds no
// buffers, only references to its last links.
type Batch struct {
	parts []part // usually one; parts in use need not come first
	err   error  // of a flush by Commit
	// retired holds the buffers of a part that was reassigned to another link. The packet that is
	// passed to Commit may be in them, if it was reserved for the first link and is for the second.
	retired Outbound
}

// part holds the packets for one link.
type part struct {
	link Link
	out  Outbound
}

// maxParts is the maximum number of links with packets in a batch. A packet for a further link
// causes the packets of the first part to be sent.
const maxParts = 8

// part returns the packets for a link.
func (b *Batch) part(l Link) *Outbound {
	for i := range b.parts {
		if b.parts[i].link == l {
			return &b.parts[i].out
		}
	}
	for i := range b.parts {
		if p := &b.parts[i]; p.out.Len() == 0 {
			return b.replace(p, l)
		}
	}
	if len(b.parts) == maxParts {
		p := &b.parts[0]
		if err := p.link.Send(&p.out); err != nil && b.err == nil {
			b.err = err
		}
		return b.replace(p, l)
	}
	b.parts = append(b.parts, part{link: l})
	return &b.parts[len(b.parts)-1].out
}

// replace makes p the part of the link l. It retires the buffers of the previous link.
func (b *Batch) replace(p *part, l Link) *Outbound {
	b.retired.Reset()
	b.retired, p.out = p.out, Outbound{}
	p.link = l
	return &p.out
}

// Reserve returns an empty slice with capacity for at least n bytes, for a packet that the caller
// appends and passes to Commit. The headroom of the path is in front of it. The slice is valid
// until the next call of a method.
func (b *Batch) Reserve(p *Path, n int) []byte {
	b.retired.Reset()
	return b.part(p.Link).Reserve(p.Headroom + n)[p.Headroom:p.Headroom]
}

// Commit adds a packet: the one appended to the result of Reserve for the same path; any other is
// copied. It reports whether the batch should be flushed before more is added.
func (b *Batch) Commit(p *Path, packet []byte) (full bool) {
	out := b.part(p.Link)
	if p.Headroom == 0 {
		full = out.Commit(packet, p.To)
		b.retired.Reset()
		return full
	}
	framed := out.Reserve(p.Headroom + len(packet))
	if at := framed[p.Headroom : p.Headroom+len(packet)]; len(packet) == 0 || &at[0] != &packet[0] {
		copy(at, packet)
	}
	b.retired.Reset()
	framed = framed[:p.Headroom+len(packet)]
	p.Link.Frame(p, framed[:p.Headroom:p.Headroom], framed[p.Headroom:])
	return out.Commit(framed, p.To)
}

// Len returns the number of packets.
func (b *Batch) Len() (n int) {
	for i := range b.parts {
		n += b.parts[i].out.Len()
	}
	return n
}

// Flush sends the packets of each link in the order of their Commit, and empties the batch even if
// there is an error. It does not block. It returns the first error of a link.
func (b *Batch) Flush() error {
	b.retired.Reset()
	for i := range b.parts {
		b.flush(&b.parts[i])
	}
	err := b.err
	b.err = nil
	return err
}

func (b *Batch) flush(p *part) {
	if err := p.out.Flush(p.link); err != nil && b.err == nil {
		b.err = err
	}
}
