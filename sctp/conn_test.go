package sctp

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// testPath is one direction of a path: each packet is lost with a probability, or arrives after a
// delay, out of order if there is jitter.
type testPath struct {
	mu            sync.Mutex
	rng           *rand.Rand
	loss          float64
	delay, jitter time.Duration
	packets       chan []byte
	drop          func(packet []byte) bool // if not nil
}

func (p *testPath) set(loss float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loss = loss
}

func (p *testPath) write(packet []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.Float64() < p.loss || p.drop != nil && p.drop(packet) {
		return
	}
	packet = append([]byte(nil), packet...)
	time.AfterFunc(p.delay+time.Duration(p.rng.Int64N(int64(p.jitter)+1)), func() {
		select {
		case p.packets <- packet:
		default: // the queue is full
		}
	})
}

// testTransport is one end of two paths.
type testTransport struct {
	out, in *testPath
	once    sync.Once
	closed  chan struct{}
	fail    chan error // errors that Read returns
}

func (e *testTransport) Write(packet []byte) (int, error) {
	e.out.write(packet)
	return len(packet), nil
}

func (e *testTransport) Read(b []byte) (int, error) {
	select {
	case packet := <-e.in.packets:
		return copy(b, packet), nil
	case err := <-e.fail:
		return 0, err
	case <-e.closed:
		return 0, errors.New("closed")
	}
}

func (e *testTransport) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func newTestTransport(out, in *testPath) *testTransport {
	return &testTransport{out: out, in: in, closed: make(chan struct{}), fail: make(chan error)}
}

// testPipe returns two ends of a path with a round trip of 20 ms.
func testPipe(seed uint64, loss float64, jitter time.Duration) (a, b *testTransport) {
	path := func(n uint64) *testPath {
		return &testPath{rng: rand.New(rand.NewPCG(seed, n)), loss: loss, delay: 10 * time.Millisecond, jitter: jitter, packets: make(chan []byte, 1000)}
	}
	ab, ba := path(0), path(1)
	return newTestTransport(ab, ba), newTestTransport(ba, ab)
}

// connPair connects the two ends of a pipe.
func connPair(t *testing.T, a, b *testTransport, ca, cb ConnConfig) (*Conn, *Conn) {
	t.Helper()
	accepted := make(chan *Conn, 1)
	go func() {
		c, err := Accept(t.Context(), b, cb)
		require.NoError(t, err)
		accepted <- c
	}()
	c, err := Connect(t.Context(), a, ca)
	require.NoError(t, err)
	return c, <-accepted
}

// inBubble runs a test in virtual time with a connected pair, which must leave no goroutine behind.
func inBubble(t *testing.T, f func(t *testing.T, a, b *Conn)) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		a, b := connPair(t, ta, tb, ConnConfig{}, ConnConfig{})
		defer a.Close()
		defer b.Close()
		f(t, a, b)
	})
}

// wantEnd asserts that a method reports the end with its reason, and one prefix only.
func wantEnd(t *testing.T, err, reason error) {
	t.Helper()
	require.ErrorIs(t, err, ErrClosed)
	if reason != nil {
		require.ErrorIs(t, err, reason)
	}
	require.Regexp(t, `^sctp: [^:]*(: [^:]+)*$`, err.Error())
	require.NotContains(t, err.Error()[5:], "sctp:")
}

func TestConnOverLossyPaths(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			ta, tb := testPipe(seed, 0.02*float64(seed%6), time.Duration(seed%4)*3*time.Millisecond)
			a, b := connPair(t, ta, tb, ConnConfig{Config: Config{MaxSendBuffer: 100_000}}, ConnConfig{})
			const messages, streams = 200, 3
			var group sync.WaitGroup
			send := func(from *Conn, stream uint16) {
				for n := range uint32(messages) {
					m := append([]byte{byte(stream)}, payload2(stream, n)...)
					require.NoError(t, from.Send(t.Context(), stream, 51, m, SendOptions{}))
				}
				require.NoError(t, from.Flush(t.Context()))
			}
			receive := func(to *Conn) {
				next := [streams]uint32{}
				for range messages * streams {
					m, err := to.Receive(t.Context())
					require.NoError(t, err)
					require.EqualValues(t, 51, m.PPID)
					require.Equal(t, append([]byte{byte(m.Stream)}, payload2(m.Stream, next[m.Stream])...), m.Data)
					next[m.Stream]++
					to.Release(&m)
				}
			}
			for _, way := range [][2]*Conn{{a, b}, {b, a}} {
				for stream := range uint16(streams) {
					group.Go(func() { send(way[0], stream) })
				}
				group.Go(func() { receive(way[1]) })
			}
			group.Wait()
			require.Zero(t, a.Stats().Buffered+b.Stats().Buffered)

			// One side shuts down, or both.
			group.Go(func() { require.NoError(t, a.Shutdown(t.Context())) })
			if seed%2 == 0 {
				group.Go(func() { require.NoError(t, b.Shutdown(t.Context())) })
			}
			group.Wait()
			for _, c := range []*Conn{a, b} {
				_, err := c.Receive(t.Context())
				require.Equal(t, io.EOF, err)
				require.ErrorIs(t, c.Send(t.Context(), 0, 51, []byte("x"), SendOptions{}), ErrClosed)
				require.NoError(t, c.Shutdown(t.Context())) // again
			}
			// Nobody calls Close: the transports are closed when the time for the last packet is
			// over.
			<-a.done
			<-b.done
			<-ta.closed
			<-tb.closed
		})
	}
}

// payload2 returns a message of up to 5000 bytes that stream and number determine.
func payload2(stream uint16, n uint32) []byte {
	b := make([]byte, 4+(n*977+uint32(stream)*31)%5000)
	for i := range b {
		b[i] = byte(n>>(8*(i&3))) ^ byte(i)
	}
	return b
}

func TestConnBothConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		var conns [2]*Conn
		var group sync.WaitGroup
		for i, end := range []*testTransport{ta, tb} {
			group.Go(func() {
				var err error
				conns[i], err = Connect(t.Context(), end, ConnConfig{})
				require.NoError(t, err)
			})
		}
		group.Wait()
		for _, c := range conns {
			require.NoError(t, c.Close())
		}
	})
}

// Send blocks while the reader of the peer does not read, and continues when it does.
func TestConnBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		a, b := connPair(t, ta, tb, ConnConfig{Config: Config{MaxSendBuffer: 20_000}},
			ConnConfig{Config: Config{MaxReceiveWindow: 30_000, MaxMessageSize: 10_000}})
		defer a.Close()
		defer b.Close()
		message := make([]byte, 5000)
		sent := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			err := a.Send(ctx, 1, 51, message, SendOptions{})
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				break
			}
			sent++
			require.Less(t, sent, 30)
		}
		require.Greater(t, sent, 3)
		blocked := make(chan error)
		go func() { blocked <- a.Send(t.Context(), 1, 51, message, SendOptions{}) }()
		synctest.Wait()
		require.Empty(t, blocked)
		for range sent + 1 {
			m, err := b.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, message, m.Data)
			b.Release(&m)
		}
		require.NoError(t, <-blocked)
	})
}

// The lifetime of a message contains the time that Send blocks.
func TestConnLifetimeBeginsWithSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		a, b := connPair(t, ta, tb, ConnConfig{Config: Config{MaxSendBuffer: 1000, MaxRetransmits: 100}}, ConnConfig{})
		defer a.Close()
		defer b.Close()
		ta.out.set(1)
		require.NoError(t, a.Send(t.Context(), 1, 51, make([]byte, 1000), SendOptions{}))
		time.AfterFunc(5*time.Second, func() { ta.out.set(0) })
		require.NoError(t, a.Send(t.Context(), 2, 51, []byte("late"), SendOptions{Lifetime: time.Second}))
		require.NoError(t, a.Send(t.Context(), 2, 51, []byte("in time"), SendOptions{Lifetime: time.Minute}))
		for _, want := range []int{1000, len("in time")} {
			m, err := b.Receive(t.Context())
			require.NoError(t, err)
			require.Len(t, m.Data, want)
			b.Release(&m)
		}
		require.EqualValues(t, 1, a.Stats().MessagesAbandoned)
	})
}

// Each method that blocks ends with its context, with the context's cause.
func TestConnContexts(t *testing.T) {
	cause := errors.New("the user has left")
	canceled := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		return ctx
	}
	want := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, "sctp: context canceled: the user has left")
	}
	inBubble(t, func(t *testing.T, a, b *Conn) {
		_, err := a.Receive(canceled(t))
		want(t, err)
		a.transport.(*testTransport).out.set(1)
		require.NoError(t, a.Send(t.Context(), 1, 51, make([]byte, 200_000), SendOptions{}))
		want(t, a.Flush(canceled(t)))
		want(t, a.ResetStream(canceled(t), 1))
		want(t, a.ResetStream(canceled(t), 1)) // the reset continues
		want(t, a.Shutdown(canceled(t)))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, b.Send(ended, 1, 51, []byte("x"), SendOptions{}), context.Canceled)
		_, err = b.Receive(ended)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, b.Stats().MessagesSent)
	})
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 1, 0)
		_, err := Connect(canceled(t), ta, ConnConfig{})
		want(t, err)
		_, err = Accept(canceled(t), tb, ConnConfig{})
		want(t, err)
		<-ta.closed
		<-tb.closed
	})
}

func TestConnNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, _ := testPipe(1, 1, 0)
		_, err := Connect(t.Context(), ta, ConnConfig{})
		wantEnd(t, err, ErrHandshakeTimeout)
		<-ta.closed
		var bad *ConfigError
		_, tb := testPipe(1, 1, 0)
		_, err = Connect(t.Context(), tb, ConnConfig{Config: Config{MTU: 1}})
		require.ErrorAs(t, err, &bad)
		<-tb.closed
	})
}

// blockedCalls starts each method that blocks, and returns their errors.
func blockedCalls(t *testing.T, c *Conn) []chan error {
	c.transport.(*testTransport).out.set(1)
	require.NoError(t, c.Send(t.Context(), 1, 51, make([]byte, 1<<20), SendOptions{}))
	var calls []chan error
	for _, f := range []func() error{
		func() error { _, err := c.Receive(t.Context()); return err },
		func() error { return c.Send(t.Context(), 1, 51, make([]byte, 17<<20), SendOptions{}) },
		func() error { return c.Flush(t.Context()) },
		func() error { return c.ResetStream(t.Context(), 2) },
	} {
		done := make(chan error, 1)
		calls = append(calls, done)
		go func() { done <- f() }()
	}
	synctest.Wait()
	for _, done := range calls[:3] {
		require.Empty(t, done)
	}
	return calls
}

func TestConnCloseEndsAllCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, a, b *Conn) {
		calls := blockedCalls(t, a)
		require.NoError(t, a.Close())
		for _, done := range calls {
			err := <-done
			wantEnd(t, err, nil)
			var abort *AbortError
			require.ErrorAs(t, err, &abort)
			require.False(t, abort.Remote)
		}
		require.NoError(t, a.Close()) // again
		require.ErrorIs(t, a.Send(t.Context(), 1, 51, []byte("x"), SendOptions{}), ErrClosed)
		require.ErrorIs(t, a.ResetStream(t.Context(), 1), ErrClosed)
		require.ErrorIs(t, a.Shutdown(t.Context()), ErrClosed)
	})
	inBubble(t, func(t *testing.T, a, b *Conn) { // both at the same time
		var group sync.WaitGroup
		for _, c := range []*Conn{a, b, a, b} {
			group.Go(func() { require.NoError(t, c.Close()) })
		}
		group.Wait()
	})
}

// A path that is interrupted for long ends the association; the reason is in all errors.
func TestConnInterruption(t *testing.T) {
	inBubble(t, func(t *testing.T, a, b *Conn) {
		path := a.transport.(*testTransport).out
		path.set(1)
		require.NoError(t, a.Send(t.Context(), 1, 51, []byte("late"), SendOptions{}))
		time.Sleep(10 * time.Second)
		path.set(0)
		m, err := b.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "late", string(m.Data))
		b.Release(&m)

		for _, done := range blockedCalls(t, a) {
			wantEnd(t, <-done, ErrPeerUnreachable)
		}
		<-a.done
	})
}

func TestConnTransportFails(t *testing.T) {
	broken := errors.New("the cable is cut")
	for _, failures := range []int{1, maxReadErrors} {
		inBubble(t, func(t *testing.T, a, b *Conn) {
			transport := a.transport.(*testTransport)
			for range failures - 1 {
				transport.fail <- broken
			}
			if failures == 1 {
				// A single error counts as a lost packet, but io.EOF is the end.
				transport.fail <- broken
				require.NoError(t, b.Send(t.Context(), 1, 51, []byte("x"), SendOptions{}))
				m, err := a.Receive(t.Context())
				require.NoError(t, err)
				a.Release(&m)
			}
			calls := blockedCalls(t, a)
			reason := broken
			if failures == 1 {
				reason = io.EOF
			}
			transport.fail <- reason
			for _, done := range calls {
				wantEnd(t, <-done, reason)
			}
			<-a.done
		})
	}
}

func TestConnAbort(t *testing.T) {
	inBubble(t, func(t *testing.T, a, b *Conn) {
		require.NoError(t, a.Send(t.Context(), 1, 51, []byte("before"), SendOptions{}))
		require.NoError(t, a.Flush(t.Context()))
		a.Abort("no more")
		m, err := b.Receive(t.Context()) // what had arrived can be read
		require.NoError(t, err)
		b.Release(&m)
		_, err = b.Receive(t.Context())
		wantEnd(t, err, nil)
		var abort *AbortError
		require.ErrorAs(t, err, &abort)
		require.Equal(t, &AbortError{Remote: true, Code: CauseUserInitiatedAbort, Reason: "no more"}, abort)
		<-a.done
		<-b.done
	})
}

// The peer's resets are reported in order with the messages.
func TestConnResetStream(t *testing.T) {
	inBubble(t, func(t *testing.T, a, b *Conn) {
		for _, text := range []string{"old", "new"} {
			require.NoError(t, a.Send(t.Context(), 7, 51, []byte(text), SendOptions{}))
			both := make(chan error, 1)
			go func() { both <- a.ResetStream(t.Context(), 7) }() // the same reset
			require.NoError(t, a.ResetStream(t.Context(), 7))
			require.NoError(t, <-both)
		}
		for _, want := range []string{"old", "", "new", ""} {
			m, err := b.Receive(t.Context())
			if want != "" {
				require.NoError(t, err)
				require.Equal(t, want, string(m.Data))
				b.Release(&m)
				continue
			}
			var reset *StreamResetError
			require.ErrorAs(t, err, &reset)
			require.EqualValues(t, 7, reset.Stream)
		}
		require.ErrorIs(t, a.ResetStream(t.Context(), 65535), ErrInvalidStream)
	})
	synctest.Test(t, func(t *testing.T) { // the peer denies it
		ta, tb := testPipe(1, 0, 0)
		a, b := connPair(t, ta, tb, ConnConfig{}, ConnConfig{Config: Config{DisableRequests: allRequests}})
		require.ErrorIs(t, a.ResetStream(t.Context(), 1), ErrResetDenied)
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

// The peer restarts on the same path: Receive reports that, and the Conn remains usable.
func TestConnRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		var events []EventKind
		a, b := connPair(t, ta, tb, ConnConfig{}, ConnConfig{OnEvent: func(e Event) { events = append(events, e.Kind) }})
		ta.out.set(1) // the ABORT is lost
		require.NoError(t, a.Close())
		ta.out.set(0)
		reset := make(chan error)
		go func() { reset <- b.ResetStream(t.Context(), 1) }()
		synctest.Wait()
		a, err := Connect(t.Context(), newTestTransport(ta.out, ta.in), ConnConfig{})
		require.NoError(t, err)
		_, err = b.Receive(t.Context())
		require.Equal(t, ErrRestarted, err)
		require.Equal(t, ErrRestarted, <-reset)
		require.NoError(t, b.Send(t.Context(), 1, 51, []byte("again"), SendOptions{}))
		m, err := a.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "again", string(m.Data))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
		require.Equal(t, []EventKind{EventConnected, EventRestarted, EventConnected, EventClosed}, events)
	})
}

// The last packet of a shutdown is lost. It is repeated when the other side repeats its packet; if
// that is lost, too, both sides end without an error. Both close by themselves.
func TestConnLastPacketLost(t *testing.T) {
	for _, losses := range []int32{1, 100} {
		synctest.Test(t, func(t *testing.T) {
			ta, tb := testPipe(1, 0, 0)
			a, b := connPair(t, ta, tb, ConnConfig{}, ConnConfig{})
			var lost atomic.Int32
			ta.out.mu.Lock()
			ta.out.drop = func(packet []byte) bool {
				return chunkType(packet[commonHeaderSize]) == chunkShutdownComplete && lost.Add(1) <= losses
			}
			ta.out.mu.Unlock()
			require.NoError(t, a.Shutdown(t.Context()))
			start := time.Now()
			_, err := b.Receive(t.Context())
			require.Equal(t, io.EOF, err)
			if losses == 1 {
				require.Less(t, time.Since(start), minShutdownRTO)
			}
			require.Greater(t, lost.Load(), int32(1), "the other side was answered again")
			<-a.done
			<-b.done
			require.Less(t, time.Since(start), maxShutdownWait)
		})
	}
}

// slowTransport is a transport whose Write waits, while slow is set, for the test.
type slowTransport struct {
	*testTransport
	slow           atomic.Bool
	begun, proceed chan struct{}
}

func (s *slowTransport) Write(b []byte) (int, error) {
	if s.slow.Load() {
		s.begun <- struct{}{}
		<-s.proceed
	}
	return s.testTransport.Write(b)
}

// A slow Write delays only its caller: the lock is free meanwhile.
func TestConnSlowWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, slow := slowPair(t)
		slow.slow.Store(true)
		go func() { require.NoError(t, a.Send(t.Context(), 1, 51, []byte("first"), SendOptions{})) }()
		<-slow.begun
		require.NoError(t, a.Send(t.Context(), 1, 51, []byte("second"), SendOptions{})) // is sent with the first
		require.EqualValues(t, 2, a.Stats().MessagesSent)
		slow.slow.Store(false)
		close(slow.proceed)
		for _, want := range []string{"first", "second"} {
			m, err := b.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, string(m.Data))
			b.Release(&m)
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
}

// slowPair connects a Conn over a slowTransport with another.
func slowPair(t *testing.T) (a, b *Conn, slow *slowTransport) {
	ta, tb := testPipe(1, 0, 0)
	slow = &slowTransport{testTransport: ta, begun: make(chan struct{}), proceed: make(chan struct{})}
	accepted := make(chan *Conn, 1)
	go func() {
		c, err := Accept(t.Context(), tb, ConnConfig{})
		require.NoError(t, err)
		accepted <- c
	}()
	a, err := Connect(t.Context(), slow, ConnConfig{})
	require.NoError(t, err)
	b = <-accepted
	synctest.Wait()
	return a, b, slow
}

// If another goroutine is in Write, Close waits until that has also written the ABORT.
func TestConnCloseDuringWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, slow := slowPair(t)
		slow.slow.Store(true)
		go func() { require.NoError(t, a.Send(t.Context(), 1, 51, []byte("x"), SendOptions{})) }()
		<-slow.begun
		slow.slow.Store(false)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { require.NoError(t, a.Close()) })
		}
		synctest.Wait()
		close(slow.proceed)
		group.Wait()
		_, err := b.Receive(t.Context())
		if err == nil { // the message, unless the ABORT has overtaken it
			_, err = b.Receive(t.Context())
		}
		var abort *AbortError
		require.ErrorAs(t, err, &abort)
		require.True(t, abort.Remote)
		require.NoError(t, b.Close())
	})
}

// A Write that does not return delays Close for a limited time only.
func TestConnCloseDuringEndlessWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, slow := slowPair(t)
		slow.slow.Store(true)
		go func() { require.NoError(t, a.Send(t.Context(), 1, 51, []byte("x"), SendOptions{})) }()
		<-slow.begun
		start := time.Now()
		require.NoError(t, a.Close())
		require.Equal(t, maxCloseDelay, time.Since(start))
		slow.slow.Store(false)
		close(slow.proceed)
		require.NoError(t, b.Close())
	})
}

// failingClose is a transport whose Close takes a second, and returns an error.
type failingClose struct {
	*testTransport
	err error
}

func (f *failingClose) Close() error {
	_ = f.testTransport.Close()
	time.Sleep(time.Second)
	return f.err
}

// Each of several concurrent calls of Close returns the error of closing the transport.
func TestConnCloseConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ta, tb := testPipe(1, 0, 0)
		failing := &failingClose{ta, errors.New("cannot close")}
		accepted := make(chan *Conn, 1)
		go func() {
			c, err := Accept(t.Context(), tb, ConnConfig{})
			require.NoError(t, err)
			accepted <- c
		}()
		a, err := Connect(t.Context(), failing, ConnConfig{})
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { require.Equal(t, failing.err, a.Close()) })
		}
		group.Wait()
		require.NoError(t, (<-accepted).Close())
	})
}

// Do permits access to the association.
func TestConnDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		added := make(chan error, 2)
		ta, tb := testPipe(1, 0, 0)
		a, b := connPair(t, ta, tb, ConnConfig{OnEvent: func(e Event) {
			if e.Kind == EventStreamsAdded {
				added <- e.Err
			}
		}}, ConnConfig{})
		defer a.Close()
		defer b.Close()
		a.Do(func(association *Association, now time.Time) {
			require.NoError(t, association.AddStreams(now, 10, 0))
		})
		require.NoError(t, <-added)
		b.Do(func(association *Association, _ time.Time) {
			_, in := association.Streams()
			require.EqualValues(t, DefaultMaxStreams+10, in)
		})
		require.NoError(t, a.Send(t.Context(), DefaultMaxStreams+9, 51, []byte("x"), SendOptions{}))
	})
}
