package websocket

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var errChangedMyMind = errors.New("changed my mind")

// requireEnded requires the error of a call whose context was cancelled with errChangedMyMind.
func requireEnded(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errChangedMyMind)
	require.LessOrEqual(t, strings.Count(err.Error(), "websocket: "), 1, err.Error())
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errChangedMyMind)
	return ctx
}

// A context that has ended ends every call at once, even one that need not wait, and does not
// affect the connection.
func TestContextsThatHaveEnded(t *testing.T) {
	inScript(t, connConfig{}, func(t *testing.T, s *script) {
		c, ended := s.conn, cancelled()
		s.out <- append(frame(!c.client, 0x82, "q1"), frame(!c.client, 0x82, "q2")...)
		require.Equal(t, result{"q1", nil, true}, s.reads(background()).now())
		for name, call := range map[string]func() error{
			"Read":            func() error { _, _, err := c.Read(ended); return err },
			"ReadInto":        func() error { _, _, err := c.ReadInto(ended, nil); return err },
			"Reader":          func() error { _, _, err := c.Reader(ended); return err },
			"Write":           func() error { return c.Write(ended, MessageBinary, []byte("x")) },
			"a large Write":   func() error { return c.Write(ended, MessageBinary, make([]byte, 1<<20)) },
			"WriteBuffered":   func() error { return c.WriteBuffered(ended, MessageBinary, []byte("x")) },
			"Writer":          func() error { _, err := c.Writer(ended, MessageBinary); return err },
			"Flush":           func() error { return c.Flush(ended) },
			"Ping":            func() error { return c.Ping(ended) },
			"Flush of a held": func() error { c.WriteBuffered(background(), MessageBinary, nil); return c.Flush(ended) },
		} {
			t.Log(name)
			requireEnded(t, call())
		}
		require.NoError(t, c.Flush(background()))
		s.wants("\x82\x00")
		require.Equal(t, result{"q2", nil, true}, s.reads(background()).now())
	})
}

// The same where a call waits.
func TestContextsThatEndWhileACallWaits(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Conn) error{
		"Read":   func(ctx context.Context, c *Conn) error { _, _, err := c.Read(ctx); return err },
		"Reader": func(ctx context.Context, c *Conn) error { _, _, err := c.Reader(ctx); return err },
		"Ping":   func(ctx context.Context, c *Conn) error { return c.Ping(ctx) },
		"Write": func(ctx context.Context, c *Conn) error {
			w, _ := c.Writer(background(), MessageText)
			defer w.Close()
			return c.Write(ctx, MessageBinary, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inScript(t, connConfig{}, func(t *testing.T, s *script) {
				ctx, cancel := context.WithCancelCause(background())
				waiting := s.does(func() error { return call(ctx, s.conn) })
				require.False(t, waiting.now().done)
				cancel(errChangedMyMind)
				require.True(t, waiting.now().done)
				requireEnded(t, waiting.now().err)
				require.NoError(t, s.conn.Write(background(), MessageBinary, nil), "the connection goes on")
			})
		})
	}
}

// A stream of a message ends with the context of the message, though the next bytes are there.
func TestContextsOfMessageStreams(t *testing.T) {
	for name, compression := range map[string]*compressionParams{"plain": nil, "compressed": {serverMaxWindowBits: 15, clientMaxWindowBits: 15}} {
		t.Run("read "+name, func(t *testing.T) {
			pairs(t, connConfig{compression: compression}, connConfig{compression: compression}, func(t *testing.T, c, peer *Conn) {
				go peer.Write(background(), MessageBinary, pattern(1000))
				ctx, cancel := context.WithCancelCause(background())
				_, r, err := c.Reader(ctx)
				require.NoError(t, err)
				_, err = io.ReadFull(r, make([]byte, 10))
				require.NoError(t, err)
				cancel(errChangedMyMind)
				_, err = r.Read(make([]byte, 10))
				requireEnded(t, err)
				require.ErrorIs(t, err, ErrClosed, "in the middle of a message")
			})
		})
	}
	t.Run("read to the end", func(t *testing.T) {
		inScript(t, connConfig{}, func(t *testing.T, s *script) {
			s.sends(0x82, "q")
			ctx, cancel := context.WithCancelCause(background())
			_, r, err := s.conn.Reader(ctx)
			require.NoError(t, err)
			_, err = io.ReadFull(r, make([]byte, 1))
			require.NoError(t, err)
			cancel(errChangedMyMind)
			_, err = r.Read(make([]byte, 10))
			require.Equal(t, io.EOF, err, "it has been handed out completely")
		})
	})
	t.Run("write", func(t *testing.T) {
		for _, closes := range []bool{false, true} {
			for _, sent := range []bool{false, true} {
				inScript(t, connConfig{}, func(t *testing.T, s *script) {
					ctx, cancel := context.WithCancelCause(background())
					w, err := s.conn.Writer(ctx, MessageBinary)
					require.NoError(t, err)
					size := 10
					if sent {
						size = writerBuffer + 1
					}
					_, err = w.Write(make([]byte, size))
					require.NoError(t, err)
					cancel(errChangedMyMind)
					if !closes {
						_, err = w.Write([]byte("x"))
						requireEnded(t, err)
					}
					requireEnded(t, w.Close())
					err = s.conn.Write(background(), MessageBinary, []byte("a"))
					if sent {
						require.ErrorIs(t, err, ErrClosed, "a part of the message is missing")
						return
					}
					require.NoError(t, err)
					s.wants("\x82\x01a")
				})
			}
		}
	})
}
