package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQueueIsFirstInFirstOut(t *testing.T) {
	var q Queue[int]
	_, ok := q.Pop()
	require.False(t, ok)
	require.Nil(t, q.Front())
	next, want := 0, 0
	for round := range 100 { // the head moves around the ring while it grows
		for range round%7 + 3 {
			q.Push(next)
			next++
		}
		for range min(q.Len(), round%5+2) {
			require.Equal(t, want, *q.Front())
			v, ok := q.Pop()
			require.True(t, ok)
			require.Equal(t, want, v)
			want++
		}
		for i := range q.Len() {
			require.Equal(t, want+i, *q.At(i))
		}
	}
	require.Equal(t, next-want, q.Len())
}

func TestPushFront(t *testing.T) {
	var q Queue[int]
	for i := range 20 {
		q.PushFront(-i)
		q.Push(i)
	}
	for i := range 40 {
		v, ok := q.Pop()
		require.True(t, ok)
		require.Equal(t, max(i-20, 0)+min(i-19, 0), v, i)
	}
}

// Under a steady load, during which the queue is never empty, it does not grow.
func TestSteadyLoadDoesNotGrow(t *testing.T) {
	var q Queue[*int]
	for range 5 {
		q.Push(new(int))
	}
	for range 10_000 {
		q.Push(nil)
		_, _ = q.Pop()
	}
	require.Equal(t, 8, q.Cap())
	for _, p := range q.ring {
		require.Nil(t, p, "Pop clears the element in the ring")
	}
	q.Trim()
	require.Equal(t, 8, q.Cap(), "it is not empty")
	for q.Len() > 0 {
		_, _ = q.Pop()
	}
	q.Trim()
	require.Zero(t, q.Cap())
}
