package sctp

// dropAfter drops the message that waits behind prev in its stream, of which
// nothing has been sent.
func (q *sendQueue) dropAfter(s *outStream, prev *outMessage) {
	m := prev.next
	if prev.next = m.next; m.next == nil {
		s.tail = prev
	}
	q.uncount(m)
	q.unsent -= len(m.buf.B)
	q.buffered -= len(m.buf.B)
	q.done(m)
}

// makeRoom drops waiting expendable messages that are less important than rank,
// the least important and oldest first, until size more bytes fit. It drops
// nothing if that cannot be reached.
// https://www.rfc-editor.org/rfc/rfc7496.html#section-3.2
func (a *Association) makeRoom(t instant, size int, rank uint32) bool {
	q := &a.send
	if q.ranked == 0 {
		return false
	}
	gain := 0
	for _, s := range q.streams {
		for m := s.head; m != nil; m = m.next {
			if m.droppableFor(rank) {
				gain += len(m.buf.B)
			}
		}
	}
	if !a.sendRoom(size, q.buffered-gain, q.unsent-gain) {
		return false
	}
	for !a.sendRoom(size, q.buffered, q.unsent) {
		var stream *outStream
		var before, worst *outMessage
		for _, s := range q.streams {
			var prev *outMessage
			for m := s.head; m != nil; prev, m = m, m.next {
				if m.droppableFor(rank) && (worst == nil || m.rank > worst.rank || m.rank == worst.rank && m.arrival < worst.arrival) {
					stream, before, worst = s, prev, m
				}
			}
		}
		if worst == nil {
			return false
		}
		a.stats.MessagesAbandoned++
		if before == nil {
			a.giveUp(t, worst)
		} else {
			q.dropAfter(stream, before)
		}
	}
	return true
}

// droppableFor reports whether a waiting message may go for one of that rank.
// One that is partly sent stays: giving it up would free little.
func (m *outMessage) droppableFor(rank uint32) bool { return m.ranked && m.rank > rank && m.sent == 0 }
