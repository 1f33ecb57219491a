package ring

import "testing"

func TestQueueIsFirstInFirstOut(t *testing.T) {
	var q Queue[int]
	if _, ok := q.Pop(); ok || q.Front() != nil {
		t.Error("an element in the empty queue")
	}
	next, want := 0, 0
	for round := range 100 { // the head moves around the ring while it grows
		for range round%7 + 3 {
			q.Push(next)
			next++
		}
		for range min(q.Len(), round%5+2) {
			front := *q.Front()
			if v, ok := q.Pop(); !ok || v != want || front != want {
				t.Fatalf("Pop %d, %v, Front %d, want %d", v, ok, front, want)
			}
			want++
		}
		for i := range q.Len() {
			if v := *q.At(i); v != want+i {
				t.Fatalf("At(%d) is %d, want %d", i, v, want+i)
			}
		}
	}
	if q.Len() != next-want {
		t.Errorf("Len is %d, want %d", q.Len(), next-want)
	}
}

func TestPushFront(t *testing.T) {
	var q Queue[int]
	for i := range 20 {
		q.PushFront(-i)
		q.Push(i)
	}
	for i := range 40 {
		if v, ok := q.Pop(); !ok || v != max(i-20, 0)+min(i-19, 0) {
			t.Errorf("element %d is %d, %v", i, v, ok)
		}
	}
}

// Under a steady load, during which the queue is never empty, it does not grow.
func TestSteadyLoadDoesNotGrow(t *testing.T) {
	var q Queue[*int]
	wantCap := func(n int, when string) {
		t.Helper()
		if q.Cap() != n {
			t.Errorf("%s: capacity %d, want %d", when, q.Cap(), n)
		}
	}
	for range 5 {
		q.Push(new(int))
	}
	for range 10_000 {
		q.Push(nil)
		_, _ = q.Pop()
	}
	wantCap(8, "after the load")
	for _, p := range q.ring {
		if p != nil {
			t.Error("Pop has left the element in the ring")
		}
	}
	q.Trim()
	wantCap(8, "Trim of a queue that is not empty")
	for q.Len() > 0 {
		_, _ = q.Pop()
	}
	q.Trim()
	wantCap(0, "Trim of an empty queue")
}
