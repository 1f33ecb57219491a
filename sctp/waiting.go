package sctp

import "github.com/rtcstack/rtcstack/internal/serial"

// waitingHeap holds the whole messages of a stream that wait for earlier ones, as a heap by
// ordinal, so that the cost does not depend on the order of arrival.
type waitingHeap []*fragment

func (h waitingHeap) less(i, j int) bool { return serial.Less32(h[i].ordinal, h[j].ordinal) }

func (h *waitingHeap) push(f *fragment) {
	*h = append(*h, f)
	w := *h
	for i := len(w) - 1; i > 0; {
		parent := (i - 1) / 2
		if !w.less(i, parent) {
			return
		}
		w[i], w[parent] = w[parent], w[i]
		i = parent
	}
}

// pop removes the message with the lowest ordinal; there must be one.
func (h *waitingHeap) pop() *fragment {
	w := *h
	first, last := w[0], len(w)-1
	w[0], w[last] = w[last], nil
	w = w[:last]
	*h = w
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(w); child++ {
			if w.less(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		w[i], w[least] = w[least], w[i]
		i = least
	}
}

// link adds an incomplete run to those of its stream.
func (r *reassembly) link(f *fragment) {
	s := r.stream(f.stream)
	f.linked, f.next = true, s.runs
	if s.runs != nil {
		s.runs.previous = f
	}
	s.runs = f
}

// unlink removes a run that is complete or dropped; it has no effect on one that is not linked.
func (r *reassembly) unlink(f *fragment) {
	if !f.linked {
		return
	}
	if f.next != nil {
		f.next.previous = f.previous
	}
	if f.previous != nil {
		f.previous.next = f.next
	} else {
		r.stream(f.stream).runs = f.next
	}
	f.linked, f.previous, f.next = false, nil, nil
}
