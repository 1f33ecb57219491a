package websocket

import (
	"context"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const second = time.Second

// A ping is sent in each interval, and the connection fails when the number of unanswered ones that
// is allowed is exceeded.
func TestKeepAlive(t *testing.T) {
	inScript(t, connConfig{pingInterval: second, maxOutstandingPings: 2}, func(t *testing.T, s *script) {
		read := s.reads(background())
		time.Sleep(second)
		s.wants("\x89\x08\x00\x00\x00\x00\x00\x00\x00\x01")
		time.Sleep(second)
		s.wants("\x89\x08\x00\x00\x00\x00\x00\x00\x00\x02")
		s.sends(0x8a, "\x00\x00\x00\x00\x00\x00\x00\x02") // also answers the first
		s.sends(0x8a, "unsolicited")
		s.sends(0x8a, "\x00\x00\x00\x00\x00\x00\x00\x09")

		time.Sleep(2 * second)
		s.wants("\x89\x08\x00\x00\x00\x00\x00\x00\x00\x03\x89\x08\x00\x00\x00\x00\x00\x00\x00\x04")
		s.sends(0x8a, "\x00\x00\x00\x00\x00\x00\x00\x07") // none that was asked
		require.False(t, read.now().done)
		time.Sleep(second)
		synctest.Wait()
		require.ErrorIs(t, read.now().err, ErrPingTimeout)
		s.closesStream(true)
		require.ErrorIs(t, s.conn.Write(background(), MessageText, nil), ErrPingTimeout)
	})
}

// Without a limit, unanswered pings do not fail the connection.
func TestKeepAliveWithoutLimit(t *testing.T) {
	inScript(t, connConfig{pingInterval: second}, func(t *testing.T, s *script) {
		read := s.reads(background())
		time.Sleep(100 * second)
		require.False(t, read.now().done)
	})
}

// A pong counts as missing only if a Read was waiting for it.
func TestKeepAliveWhileNobodyReads(t *testing.T) {
	inScript(t, connConfig{pingInterval: second, maxOutstandingPings: 1}, func(t *testing.T, s *script) {
		time.Sleep(10 * second)
		read := s.reads(background())
		s.sends(0x82, "still here")
		require.Equal(t, "still here", read.now().message)
	})
}

func TestPing(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		s.reads(background())
		first := s.does(func() error { return s.conn.Ping(background()) })
		second := s.does(func() error { return s.conn.Ping(background()) })
		ctx, cancel := context.WithCancel(background())
		third := s.does(func() error { return s.conn.Ping(ctx) })
		s.wants("\x89\x08\x00\x00\x00\x00\x00\x00\x00\x01\x89\x08\x00\x00\x00\x00\x00\x00\x00\x02\x89\x08\x00\x00\x00\x00\x00\x00\x00\x03")
		cancel()
		synctest.Wait()
		require.ErrorIs(t, third.now().err, context.Canceled)
		require.False(t, first.now().done || second.now().done)
		s.sends(0x8a, "\x00\x00\x00\x00\x00\x00\x00\x01")
		require.Equal(t, result{done: true}, first.now())
		require.False(t, second.now().done)
		s.sends(0x8a, "\x00\x00\x00\x00\x00\x00\x00\x03")
		require.Equal(t, result{done: true}, second.now())
	})
}

// If a context ends between messages, the connection remains usable; if it ends within one, it does
// not.
func TestReadContext(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		ctx, cancel := context.WithCancel(background())
		read := s.reads(ctx)
		s.sends(0x82, "1")
		require.Equal(t, result{"1", nil, true}, read.now())
		read = s.reads(ctx)
		s.sends(0x01, "")
		cancel()
		synctest.Wait()
		require.ErrorIs(t, read.now().err, context.Canceled)
		require.ErrorIs(t, s.reads(ctx).now().err, context.Canceled)

		ctx, cancel = context.WithTimeout(background(), second)
		defer cancel()
		read = s.reads(ctx)
		s.sends(0x80, "2")
		require.Equal(t, result{"2", nil, true}, read.now())
		time.Sleep(2 * second) // the context ends between two Reads
		require.ErrorIs(t, s.reads(ctx).now().err, context.DeadlineExceeded)
		read = s.reads(background())
		s.sends(0x82, "3")
		require.Equal(t, result{"3", nil, true}, read.now())

		ctx, cancel = context.WithCancel(background())
		read = s.reads(ctx)
		s.sends(0x02, "half a mes")
		cancel()
		synctest.Wait()
		require.ErrorIs(t, read.now().err, context.Canceled)
		require.ErrorIs(t, read.now().err, ErrClosed)
		s.closesStream(true)
	})
}

// If a waiting writer is cancelled, the connection remains usable; if one that is writing is
// cancelled, it is closed.
func TestWriteContext(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		w, err := s.conn.Writer(background(), MessageText)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(background())
		waiting := s.does(func() error { return s.conn.Write(ctx, MessageText, nil) })
		cancel()
		synctest.Wait()
		require.ErrorIs(t, waiting.now().err, context.Canceled)
		require.ErrorIs(t, s.conn.Write(ctx, MessageText, nil), context.Canceled)
		require.NoError(t, w.Close())
		s.wants("\x81\x00")
	})
}

func TestWriteContextWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		c := newConn(a, connConfig{})
		ctx, cancel := context.WithTimeout(background(), second)
		defer cancel()
		err := c.Write(ctx, MessageBinary, make([]byte, 1<<20))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, c.Write(background(), MessageBinary, nil), ErrClosed)
	})
}

// A ping interval alone detects a dead peer.
func TestPingSettings(t *testing.T) {
	for _, c := range []struct {
		interval     time.Duration
		outstanding  int
		wantInterval time.Duration
		want         int
	}{
		{0, 0, DefaultPingInterval, 0},
		{0, 5, DefaultPingInterval, 5},
		{-1, 0, -1, 0},
		{second, 0, second, 30},
		{7 * second, 0, 7 * second, 5},
		{time.Hour, 0, time.Hour, 2},
		{1, 0, 1, math.MaxInt32},
		{second, 4, second, 4},
		{second, -1, second, -1},
	} {
		interval, outstanding := pingSettings(c.interval, c.outstanding)
		require.Equal(t, c.wantInterval, interval)
		require.Equal(t, c.want, outstanding, c)
	}
}

func TestPingIntervalAloneDetectsADeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			opts DialOptions
			want time.Duration // 0: never
		}{
			{DialOptions{PingInterval: 10 * second}, 40 * second},
			{DialOptions{PingInterval: 10 * second, MaxOutstandingPings: -1}, 0},
			{DialOptions{}, 0},
		} {
			ours, theirs := net.Pipe()
			c.opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
			go func() {
				peer, _, err := Handshake(background(), theirs, &AcceptOptions{PingInterval: -1})
				if err == nil {
					_, _ = io.Copy(io.Discard, peer.UnderlyingConn()) // it never answers
				}
			}()
			conn, err := Dial(background(), "ws://h/", &c.opts)
			require.NoError(t, err)
			start := time.Now()
			ctx, cancel := context.WithTimeout(background(), time.Hour)
			_, _, err = conn.Read(ctx)
			cancel()
			if c.want == 0 {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				conn.mu.Lock()
				sent := conn.pings.sent
				conn.mu.Unlock()
				require.Greater(t, sent, uint64(350), "the pings go on")
			} else {
				require.ErrorIs(t, err, ErrPingTimeout)
				require.Equal(t, c.want, time.Since(start))
			}
			conn.CloseNow()
			theirs.Close()
		}
	})
}
