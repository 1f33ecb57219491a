package websocket

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func cancellable() (context.Context, context.CancelFunc) { return context.WithCancel(background()) }

func TestCloseContext(t *testing.T) {
	reason := errors.New("shutting down")
	t.Run("answered in time", func(t *testing.T) {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			ctx, cancel := context.WithTimeout(background(), second)
			defer cancel()
			closing := s.does(func() error { return s.conn.CloseContext(ctx, StatusGoingAway, "bye") })
			s.wants("\x88\x05\x03\xe9bye")
			s.sends(0x88, "\x03\xe9")
			s.hangsUp()
			require.Equal(t, result{done: true}, closing.now())
		})
	})
	t.Run("unanswered", func(t *testing.T) {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			ctx, cancel := context.WithTimeoutCause(background(), second, reason)
			defer cancel()
			read := s.reads(background())
			closing := s.does(func() error { return s.conn.CloseContext(ctx, StatusGoingAway, "") })
			s.wants("\x88\x02\x03\xe9")
			time.Sleep(second - 1)
			require.False(t, closing.now().done)
			time.Sleep(time.Nanosecond)
			for _, want := range []error{context.DeadlineExceeded, reason, ErrClosed, net.ErrClosed} {
				require.ErrorIs(t, closing.now().err, want)
				require.ErrorIs(t, read.now().err, want)
			}
			require.EqualError(t, closing.now().err, "websocket: close: context deadline exceeded: shutting down")
			s.closesStream(true)
		})
	})
	// The close timeout of the options is still there.
	t.Run("long context", func(t *testing.T) {
		inScript(t, connConfig{closeTimeout: second}, func(t *testing.T, s *script) {
			ctx, cancel := context.WithTimeout(background(), time.Hour)
			defer cancel()
			closing := s.does(func() error { return s.conn.CloseContext(ctx, StatusGoingAway, "") })
			time.Sleep(second)
			require.ErrorIs(t, closing.now().err, ErrCloseTimeout)
		})
	})
	t.Run("ended before", func(t *testing.T) {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			ctx, cancel := cancellable()
			cancel()
			require.ErrorIs(t, s.conn.CloseContext(ctx, StatusGoingAway, ""), context.Canceled)
			s.closesStream(true)
			s.wants("")
		})
	})
	t.Run("a second call", func(t *testing.T) {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			first := s.closes(StatusNormalClosure, "")
			ctx, cancel := context.WithTimeout(background(), second)
			defer cancel()
			closing := s.does(func() error { return s.conn.CloseContext(ctx, StatusGoingAway, "") })
			time.Sleep(second)
			require.ErrorIs(t, closing.now().err, context.DeadlineExceeded)
			require.ErrorIs(t, first.now().err, ErrClosed)
		})
	})
}

// A peer that does not read, over a stream whose writes block, cannot hold CloseContext up.
func TestCloseContextWhileAWriteIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := newConn(a, connConfig{})
		written := make(chan error, 1)
		go func() { written <- c.Write(background(), MessageBinary, make([]byte, 1<<20)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(background(), second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, c.CloseContext(ctx, StatusGoingAway, ""), context.DeadlineExceeded)
		require.Equal(t, second, time.Since(start))
		require.ErrorIs(t, <-written, ErrClosed)
	})
}
