package sctp

// expiryQueue holds the messages with a lifetime of which a part waits for transmission or
// retransmission. It is a binary heap by the end of the lifetime, so that an expiry does not
// examine all messages of a full send buffer. Messages that are wholly in flight are not in it:
// they count in the congestion window until they are acknowledged or lost, whatever their age.
type expiryQueue struct {
	heap []expiry
	ran  instant // when the timer last fired
	// steps counts the entries moved or compared, for the tests that bound the work.
	steps int
}

// expiry is an entry, with a copy of the time, so that a comparison does not access two messages.
type expiry struct {
	at instant
	m  *outMessage
}

// add inserts a message that has a lifetime, unless it is in the queue.
func (q *expiryQueue) add(m *outMessage) {
	if m.expires == 0 || m.expiry != 0 {
		return
	}
	q.heap = append(q.heap, expiry{})
	q.up(len(q.heap)-1, expiry{m.expires, m})
}

// remove takes a message out, if it is in the queue.
func (q *expiryQueue) remove(m *outMessage) {
	if m.expiry == 0 {
		return
	}
	i, last := m.expiry-1, len(q.heap)-1
	m.expiry = 0
	e := q.heap[last]
	q.heap[last] = expiry{}
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	if i > 0 && e.at < q.heap[(i-1)/2].at {
		q.up(i, e)
	} else {
		q.down(i, e)
	}
}

// expired removes and returns a message whose lifetime is over, nil if there is none.
func (q *expiryQueue) expired(t instant) *outMessage {
	if len(q.heap) == 0 || q.heap[0].at > t {
		return nil
	}
	m := q.heap[0].m
	q.remove(m)
	return m
}

// next returns the time of the next expiry, 0 if there is none. Lifetimes that end within a
// millisecond share a timer: ten thousand messages a second do not cause ten thousand wake-ups.
func (q *expiryQueue) next() instant {
	if len(q.heap) == 0 {
		return 0
	}
	at := q.heap[0].at
	if q.ran != 0 {
		at = max(at, q.ran+clockGranularity)
	}
	return at
}

func (q *expiryQueue) put(i int, e expiry) {
	q.heap[i] = e
	e.m.expiry = i + 1
	q.steps++
}

// up places e at i or at an ancestor of i.
func (q *expiryQueue) up(i int, e expiry) {
	for i > 0 {
		parent := (i - 1) / 2
		if q.heap[parent].at <= e.at {
			break
		}
		q.put(i, q.heap[parent])
		i = parent
	}
	q.put(i, e)
}

// down places e at i or below it.
func (q *expiryQueue) down(i int, e expiry) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if child+1 < len(q.heap) && q.heap[child+1].at < q.heap[child].at {
			child++
		}
		if e.at <= q.heap[child].at {
			break
		}
		q.put(i, q.heap[child])
		i = child
	}
	q.put(i, e)
}

// expire abandons the messages whose lifetime is over and sets the timer for the next.
func (a *Association) expire(t instant) {
	q := &a.send
	for m := q.expiry.expired(t); m != nil; m = q.expiry.expired(t) {
		switch {
		case m.sent == len(m.buf.B) && m.lost == 0:
			continue // in flight again; markLost abandons it if it is lost once more
		case m.sent == 0 && m != m.queue.head:
			q.dropWaiting(m) // only heads are in the schedule
		default:
			a.abandon(t, m)
		}
		a.stats.MessagesAbandoned++
	}
	q.expiry.ran = t
	a.timers[timerExpire] = q.expiry.next()
	a.notifyWritable()
}

// armExpiry sets the timer to the end of the next lifetime.
func (a *Association) armExpiry() {
	if at, next := a.timers[timerExpire], a.send.expiry.next(); next != 0 && (at == 0 || next < at) {
		a.timers[timerExpire] = next
	}
}
