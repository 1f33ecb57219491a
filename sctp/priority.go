package sctp

// makeRoom drops waiting messages of the priority policy that are less important than priority, the
// least important and oldest first, until size more bytes fit. It drops nothing if that cannot be
// reached: RFC 7496, section 3.2.
func (a *Association) makeRoom(t instant, size int, priority uint32) bool {
	q := &a.send
	if q.prioritized == 0 {
		return false
	}
	gain := 0
	for _, s := range q.streams {
		for m := s.head; m != nil; m = m.next {
			if m.droppableFor(priority) {
				gain += len(m.buf.B)
			}
		}
	}
	if !a.sendRoom(size, q.buffered-gain, q.unsent-gain) {
		return false
	}
	for !a.sendRoom(size, q.buffered, q.unsent) {
		var worst *outMessage
		for _, s := range q.streams {
			for m := s.head; m != nil; m = m.next {
				if m.droppableFor(priority) && (worst == nil || m.priority > worst.priority || m.priority == worst.priority && m.arrival < worst.arrival) {
					worst = m
				}
			}
		}
		if worst == nil {
			return false
		}
		a.stats.MessagesAbandoned++
		if worst == worst.queue.head {
			a.abandon(t, worst)
		} else {
			q.dropWaiting(worst)
		}
	}
	return true
}

// droppableFor reports whether a waiting message may be dropped for one of that priority. One that
// is partly sent may not: dropping it would free little.
func (m *outMessage) droppableFor(priority uint32) bool {
	return m.prioritized && m.priority > priority && m.sent == 0
}
