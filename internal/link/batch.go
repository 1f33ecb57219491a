package link

// Batch collects packets for any paths, over one link or several. It may be lent to many
// connections in turn and then flushed once. The zero value is ready. After Flush it holds no
// buffers, only references to its last links.
type Batch struct {
	parts []part // usually one; parts in use need not come first
	err   error  // of a flush by Commit
}

// part is the packets for one link.
type part struct {
	link Link
	out  Outbound
}

// maxParts is the number of links with packets in a batch. For another link, those of the first are
// sent.
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
			p.out.Reset() // reserved, but not committed
			p.link = l
			return &p.out
		}
	}
	if len(b.parts) == maxParts {
		b.flush(&b.parts[0])
		b.parts[0].link = l
		return &b.parts[0].out
	}
	b.parts = append(b.parts, part{link: l})
	return &b.parts[len(b.parts)-1].out
}

// Reserve returns an empty slice with capacity for at least n bytes, for a packet that the caller
// appends and passes to Commit. The headroom of the path is in front of it. The slice is valid
// until the next call of a method.
func (b *Batch) Reserve(p *Path, n int) []byte {
	return b.part(p.Link).Reserve(p.Headroom + n)[p.Headroom:p.Headroom]
}

// Commit adds a packet: the one appended to the result of Reserve for the same path; any other is
// copied. It reports whether the batch should be flushed before more is added.
func (b *Batch) Commit(p *Path, packet []byte) (full bool) {
	out := b.part(p.Link)
	if p.Headroom == 0 {
		return out.Commit(packet, p.To)
	}
	framed := out.Reserve(p.Headroom + len(packet))
	if at := framed[p.Headroom : p.Headroom+len(packet)]; len(packet) == 0 || &at[0] != &packet[0] {
		copy(at, packet)
	}
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

// Flush sends the packets of each link in the order of their Commit, and empties the batch also in
// case of an error. It does not block. The error is the first one of a link.
func (b *Batch) Flush() error {
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

// Forget drops the packets for a link that is closed, and the reference to it.
func (b *Batch) Forget(l Link) {
	for i := range b.parts {
		if b.parts[i].link == l {
			b.parts[i].out.Reset()
			b.parts[i].link = nil
		}
	}
}
