// Package ring implements a queue: first in, first out, in a ring that grows by doubling.
package ring

// Queue is a first-in, first-out queue. The zero value is an empty queue without memory. It is not
// safe for concurrent use.
type Queue[T any] struct {
	ring []T
	head int
	n    int
}

// minSize is the number of elements of the first ring.
const minSize = 1

// Len returns the number of elements.
func (q *Queue[T]) Len() int { return q.n }

// Cap returns the number of elements for which memory is allocated.
func (q *Queue[T]) Cap() int { return len(q.ring) }

func (q *Queue[T]) grow() {
	ring := make([]T, max(minSize, 2*len(q.ring)))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// Push appends an element.
func (q *Queue[T]) Push(v T) { *q.Add() = v }

// Add appends the zero value and returns a pointer to it, which is valid until the queue changes.
// To fill a large element in its place is faster than Push: the processor cannot load in one piece
// what it has just stored in several, and waits for all stores before.
func (q *Queue[T]) Add() *T {
	if q.n == len(q.ring) {
		q.grow()
	}
	v := &q.ring[(q.head+q.n)&(len(q.ring)-1)]
	q.n++
	return v
}

// PushFront inserts an element before the first.
func (q *Queue[T]) PushFront(v T) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = v
	q.n++
}

// Pop removes the first element and returns it; ok is false if there is none.
func (q *Queue[T]) Pop() (v T, ok bool) {
	if q.n == 0 {
		return v, false
	}
	var zero T
	v, q.ring[q.head] = q.ring[q.head], zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v, true
}

// Front returns the first element, nil if there is none. The pointer is valid until the queue
// changes.
func (q *Queue[T]) Front() *T {
	if q.n == 0 {
		return nil
	}
	return &q.ring[q.head]
}

// At returns element i, counted from the first; i is from 0 to Len()-1. The pointer is valid until
// the queue changes.
func (q *Queue[T]) At(i int) *T { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// Clear removes all elements and frees the memory.
func (q *Queue[T]) Clear() { *q = Queue[T]{} }

// Trim frees the memory of an empty queue; it has no effect on one with elements.
func (q *Queue[T]) Trim() {
	if q.n == 0 {
		q.Clear()
	}
}
