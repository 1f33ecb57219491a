package rtc

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/race"
)

func TestReadMessageInto(t *testing.T) {
	inWorld(t, 1, 10*time.Millisecond, 0, Configuration{}, Configuration{}, func(t *testing.T, w *world) {
		a, b := w.connect("x", nil)
		buf := make([]byte, 8)
		time.AfterFunc(time.Second, func() { _ = a.SendText("longer than eight") })
		n, isText, err := b.ReadMessageInto(t.Context(), buf)
		require.ErrorIs(t, err, ErrTooSmall)
		require.Equal(t, 17, n)
		require.True(t, isText)
		big := make([]byte, 100)
		n, isText, err = b.ReadMessageInto(t.Context(), big)
		require.NoError(t, err)
		require.True(t, isText)
		require.Equal(t, "longer than eight", string(big[:n]))

		require.NoError(t, a.Send(nil))
		n, isText, err = b.ReadMessageInto(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
		require.False(t, isText)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = b.ReadMessageInto(ctx, buf)
		require.EqualError(t, err, "rtc: read message: context deadline exceeded")
		require.NoError(t, a.Close())
		_, _, err = b.ReadMessageInto(t.Context(), buf)
		require.ErrorIs(t, err, io.EOF)
		_, _, err = a.ReadMessageInto(t.Context(), buf)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// A reader whose buffer is too small leaves the message to another waiting reader.
func TestReadMessageIntoWakesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBareChannel(channelOpen)
		results := make(chan int, 2)
		for _, size := range []int{1, 10} {
			go func() {
				n, _, err := c.ReadMessageInto(t.Context(), make([]byte, size))
				if (err != nil) != (size < n) {
					t.Errorf("a buffer of %d bytes: %v", size, err)
				}
				results <- size
			}()
			synctest.Wait()
		}
		c.arrive("five!")
		require.ElementsMatch(t, []int{1, 10}, []int{<-results, <-results})
	})
}

// Reading a message needs no allocation, whether the reader waits for it or not.
func TestReadMessageIntoDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	c := newBareChannel(channelOpen)
	message := received{Message: Message{Data: make([]byte, 1000)}}
	arrive := func() {
		c.mu.Lock()
		c.arrived(message)
		c.mu.Unlock()
	}
	buf := make([]byte, 1000)
	var err error
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		arrive()
		_, _, err = c.ReadMessageInto(ctx, buf)
	}))
	require.NoError(t, err)

	arrivals := make(chan struct{})
	go func() {
		for range arrivals {
			for c.readers.n.Load() == 0 { // until the reader waits
				time.Sleep(time.Microsecond)
			}
			arrive()
		}
	}()
	defer close(arrivals)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		arrivals <- struct{}{}
		_, _, err = c.ReadMessageInto(ctx, buf)
	}))
	require.NoError(t, err)
}
