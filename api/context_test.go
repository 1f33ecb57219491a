package rtc

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bareChannel is a channel without a transport: its messages stay buffered.
type bareChannel struct {
	channel
	mu    sync.Mutex
	calls callbackQueue
}

func newBareChannel(state channelState) *bareChannel {
	c := &bareChannel{}
	c.calls.init(&c.mu, func() {})
	c.setup(c, &c.calls)
	c.state = state
	return c
}

func (c *bareChannel) lock()               { c.mu.Lock() }
func (c *bareChannel) flush()              {}
func (c *bareChannel) unlock()             { c.mu.Unlock() }
func (c *bareChannel) close()              { c.closed(nil) }
func (c *bareChannel) released([]received) {}
func (c *bareChannel) reconsider()         {}
func (c *bareChannel) maxMessageSize() int { return DefaultMaxMessageSize }

func (c *bareChannel) send(data []byte, _ bool) error {
	c.setBuffered(c.buffered + len(data))
	return nil
}

func (c *bareChannel) arrive(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived(received{Message: Message{Data: []byte(text), IsText: true}})
}

// A context that has ended ends the calls that take one, whether they would have to wait or not;
// the error contains its cause.
func TestEndedContext(t *testing.T) {
	interrupted := errors.New("interrupted by the user")
	contexts := map[string]func() (ctx context.Context, want []error){
		"cancelled": func() (context.Context, []error) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, []error{context.Canceled}
		},
		"cancelled with a cause": func() (context.Context, []error) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(interrupted)
			return ctx, []error{context.Canceled, interrupted}
		},
		"cancelled with a cause that has a class": func() (context.Context, []error) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(ErrFailure)
			return ctx, []error{context.Canceled}
		},
		"expired": func() (context.Context, []error) {
			ctx, cancel := context.WithTimeout(t.Context(), 0)
			t.Cleanup(cancel)
			return ctx, []error{context.DeadlineExceeded}
		},
		"expired with a cause": func() (context.Context, []error) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 0, interrupted)
			t.Cleanup(cancel)
			return ctx, []error{context.DeadlineExceeded, interrupted}
		},
	}
	channels := map[string]func() *bareChannel{
		"connecting": func() *bareChannel { return newBareChannel(channelConnecting) },
		"idle":       func() *bareChannel { return newBareChannel(channelOpen) },
		"readable": func() *bareChannel {
			c := newBareChannel(channelOpen)
			c.arrive("x")
			return c
		},
		"full": func() *bareChannel {
			c := newBareChannel(channelOpen)
			c.buffered = writeHighWater + 1
			return c
		},
		"closed": func() *bareChannel { return newBareChannel(channelClosed) },
	}
	for name, ended := range contexts {
		for state, channel := range channels {
			t.Run(name+", "+state, func(t *testing.T) {
				ctx, want := ended()
				c := channel()
				buffered, available := c.BufferedAmount(), c.AvailableAmount()
				_, err := c.ReadMessage(ctx)
				for _, err := range []error{err, c.WriteMessage(ctx, Message{Data: []byte("x")})} {
					require.ErrorIs(t, err, ErrFailure)
					for _, w := range want {
						require.ErrorIs(t, err, w)
					}
				}
				require.Equal(t, buffered, c.BufferedAmount(), "nothing was sent")
				require.Equal(t, available, c.AvailableAmount(), "nothing was taken")
			})
		}
	}
}

// A reader that is woken for a message, but whose context has ended, passes the wake-up on to the
// next reader.
func TestEndedContextPassesTheWakeUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBareChannel(channelOpen)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		read := func(ctx context.Context, result chan error) {
			_, err := c.ReadMessage(ctx)
			result <- err
		}
		go read(ctx, first)
		synctest.Wait()
		go read(t.Context(), second)
		synctest.Wait()
		c.mu.Lock()
		c.arrived(received{Message: Message{Data: []byte("x")}}) // wakes the first
		cancel()
		c.mu.Unlock()
		require.ErrorIs(t, <-first, context.Canceled)
		require.NoError(t, <-second)
	})
}

// A context that ends during a call ends the call.
func TestContextEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBareChannel(channelConnecting)
		began := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("the user went home"))
		defer cancel()
		require.EqualError(t, c.WriteMessage(ctx, Message{}), "rtc: write message: context deadline exceeded: the user went home")
		require.Equal(t, time.Hour, time.Since(began))
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := c.ReadMessage(ctx)
		require.EqualError(t, err, "rtc: read message: context deadline exceeded")
		require.Equal(t, 2*time.Hour, time.Since(began))
	})
}
