package rtc

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted counts the bytes that a channel receives.
func counted(dc *DataChannel) *atomic.Int64 {
	n := new(atomic.Int64)
	dc.OnMessage(func(m Message) { n.Add(int64(len(m.Data))) })
	return n
}

// Shutdown returns when the peer has received everything, over a path that loses packets.
func TestShutdownDeliversEverything(t *testing.T) {
	inWorld(t, 1, 20*time.Millisecond, 0.02, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, b := w.connect("x", nil)
		received := counted(b)
		for range 50 {
			require.NoError(t, a.Send(make([]byte, 30_000)))
		}
		require.NoError(t, w.a.Shutdown(t.Context()))
		require.Equal(t, StateClosed, w.a.State())
		require.EqualValues(t, 50*30_000, received.Load())
		require.Zero(t, w.a.Stats().Undelivered)
		require.NoError(t, w.a.Shutdown(t.Context()), "a second one")
		require.ErrorIs(t, a.Send(nil), net.ErrClosed)
	})
}

// Shutdown stops waiting for an unreachable peer as Close does, and the error contains the number
// of bytes.
func TestShutdownReportsWhatIsNotAcknowledged(t *testing.T) {
	inWorld(t, 2, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, _ := w.connect("x", nil)
		pause(time.Second) // the OPEN message is acknowledged
		w.losing(everything)
		require.NoError(t, a.Send(make([]byte, 1000)))
		require.NoError(t, a.Send(make([]byte, 234)))
		began := time.Now()
		err := w.a.Shutdown(t.Context())
		require.EqualError(t, err, "rtc: shutdown: 1234 bytes were not acknowledged by the peer")
		require.Equal(t, closeLinger, time.Since(began))
		var undelivered *UndeliveredError
		require.ErrorAs(t, err, &undelivered)
		require.Equal(t, 1234, undelivered.Bytes)
		require.ErrorIs(t, err, ErrFailure)
		require.Equal(t, err, w.a.Shutdown(t.Context()), "it returns the same again")
	})
}

// The end of the context closes the connection at once.
func TestShutdownEndsWithItsContext(t *testing.T) {
	inWorld(t, 3, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, _ := w.connect("x", nil)
		pause(time.Second)
		w.losing(everything)
		require.NoError(t, a.Send(make([]byte, 1000)))
		impatient := errors.New("the user is impatient")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, impatient)
		defer cancel()
		began := time.Now()
		err := w.a.Shutdown(ctx)
		require.Equal(t, 300*time.Millisecond, time.Since(began))
		require.EqualError(t, err, "rtc: shutdown: context deadline exceeded: the user is impatient: 1000 bytes were not acknowledged by the peer")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, impatient)
		require.ErrorIs(t, err, ErrFailure)
		require.Equal(t, StateClosed, w.a.State())
		require.Equal(t, 1000, w.a.Stats().Undelivered)
	})
	// Everything is acknowledged, but the end of the association does not arrive.
	inWorld(t, 4, 20*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		w.connect("x", nil)
		pause(time.Second)
		w.losing(everything)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := w.a.Shutdown(ctx)
		require.EqualError(t, err, "rtc: shutdown: context deadline exceeded")
		require.False(t, errors.As(err, new(*UndeliveredError)))
	})
}

// While the peer acknowledges data, the time limit of Close does not apply to Shutdown.
func TestShutdownTakesAsLongAsTheContext(t *testing.T) {
	tune := tuning{closeTimeout: 2 * time.Second}
	for _, patient := range []bool{false, true} {
		inTunedWorld(t, 5, 200*time.Millisecond, 0, withCUBIC(), withCUBIC(), tune, func(t *testing.T, w *world) {
			a, b := w.connect("x", nil)
			received := counted(b)
			const size = 4 << 20
			for range size / 65536 {
				require.NoError(t, a.Send(make([]byte, 65536)))
			}
			began := time.Now()
			if patient {
				require.NoError(t, w.a.Shutdown(t.Context()))
				require.EqualValues(t, size, received.Load())
				require.Greater(t, time.Since(began), tune.closeTimeout)
				return
			}
			require.NoError(t, w.a.Close())
			_, err := w.a.Wait(t.Context(), StateClosed)
			require.NoError(t, err)
			require.Equal(t, tune.closeTimeout, time.Since(began))
			require.Positive(t, w.a.Stats().Undelivered)
		})
	}
}

// Shutdown with all layers, on a connection that was never established, from a callback, and after
// CloseAndWait.
func TestShutdownOfWholeConnections(t *testing.T) {
	inSimulation(t, 6, place{}, func(t *testing.T, s *simulation) {
		a, b := s.connect("x", nil)
		received := counted(b)
		result := make(chan error, 1)
		a.OnMessage(func(Message) {
			_ = a.Send(make([]byte, 100_000))
			result <- s.a.Shutdown(context.Background())
		})
		require.NoError(t, b.SendText("go"))
		require.NoError(t, <-result)
		require.EqualValues(t, 100_000, received.Load())
		_, err := s.b.Wait(t.Context(), StateClosed)
		require.NoError(t, err)
		require.NoError(t, s.b.Shutdown(t.Context()), "the peer has closed it")
	})
	pc := newConnection(t, Configuration{})
	require.NoError(t, pc.Shutdown(t.Context()))
	require.Equal(t, StateClosed, pc.State())
	pc = newConnection(t, Configuration{})
	require.NoError(t, pc.CloseAndWait())
	require.NoError(t, pc.Shutdown(t.Context()))
}
