package websocket

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A context that ends at the same time as the connection is a reason to return, no more: the call
// that it interrupts may come to that only when the connection has forgotten the context.
func TestWatchIsReleasedWhileItInterrupts(t *testing.T) {
	w := watch{interrupt: func(time.Time) error { return nil }}
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, w.begin(ctx))
	cancel()
	w.fire(ctx.Done())
	w.release()
	require.ErrorIs(t, w.end(ctx), context.Canceled)
}

// The same with a connection, as programs do when they stop: both calls return with any order of
// the events.
func TestContextEndsAsTheConnectionDoes(t *testing.T) {
	for range 50 {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			ctx, cancel := context.WithCancel(context.Background())
			read := s.reads(ctx)
			go cancel()
			s.conn.CloseNow()
			result := read.now()
			require.True(t, result.done)
			require.True(t, errors.Is(result.err, context.Canceled) || errors.Is(result.err, ErrClosed), "%v", result.err)
		})
	}
}

// A call that begins when the connection has just ended does not bind its memory to a context that
// lives on.
func TestWatchRemembersNothingAfterItsRelease(t *testing.T) {
	w := watch{interrupt: func(time.Time) error { return nil }}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.release()
	require.NoError(t, w.begin(ctx))
	require.Nil(t, w.stop)
	require.NoError(t, w.end(ctx))
}
