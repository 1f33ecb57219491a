package netsim

// A timer is an entry of the schedule: a function and the virtual time at which to call it. Its
// owner embeds it and arms it repeatedly, so that scheduling does not allocate.
type timer struct {
	fire func()
	at   int64  // nanoseconds since the start of the simulation
	seq  uint64 // the order of arming, in which timers of the same time fire
	pos  int    // index in the schedule plus one; 0: not armed
}

// A schedule is a binary heap of armed timers. A link has one timer for all its packets in flight
// and a core has one for its deadline, so that the size of the heap does not depend on the number
// of packets.
type schedule struct {
	heap []*timer
	seq  uint64
}

func (q *schedule) arm(t *timer, at int64) {
	q.seq++
	if t.pos == 0 {
		q.heap = append(q.heap, t)
		t.pos = len(q.heap)
	}
	t.at, t.seq = at, q.seq
	i := t.pos - 1
	if !q.up(i) {
		q.down(i)
	}
}

func (q *schedule) disarm(t *timer) {
	if t.pos == 0 {
		return
	}
	i, last := t.pos-1, len(q.heap)-1
	moved := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	t.pos = 0
	if i == last {
		return
	}
	q.set(i, moved)
	if !q.up(i) {
		q.down(i)
	}
}

// first returns the timer that is due next, or nil.
func (q *schedule) first() *timer {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

func (q *schedule) set(i int, t *timer) {
	q.heap[i] = t
	t.pos = i + 1
}

func before(a, b *timer) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq
}

// up moves the timer at i towards the root and reports whether it moved.
func (q *schedule) up(i int) bool {
	t, from := q.heap[i], i
	for i > 0 {
		parent := (i - 1) / 2
		if !before(t, q.heap[parent]) {
			break
		}
		q.set(i, q.heap[parent])
		i = parent
	}
	q.set(i, t)
	return i != from
}

func (q *schedule) down(i int) {
	t := q.heap[i]
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if r := child + 1; r < len(q.heap) && before(q.heap[r], q.heap[child]) {
			child = r
		}
		if !before(q.heap[child], t) {
			break
		}
		q.set(i, q.heap[child])
		i = child
	}
	q.set(i, t)
}
