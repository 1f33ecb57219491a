package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xproxy "golang.org/x/net/proxy"
)

var (
	_ xproxy.Dialer        = (*Dialer)(nil)
	_ xproxy.ContextDialer = (*Dialer)(nil)
)

// plainDialer has no DialContext.
type plainDialer func(network, address string) (net.Conn, error)

func (d plainDialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

func TestDial(t *testing.T) {
	d := &Dialer{Proxy: &Config{Host: "proxy"}, Forward: pipeTo(func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, len(plainRequest)))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\ntunnel")
		conn.Close()
	})}
	conn, err := d.Dial("tcp", "example.org:443")
	require.NoError(t, err)
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "tunnel", string(b))

	_, err = new(Dialer).Dial("tcp", "example.org:443")
	require.ErrorIs(t, err, ErrInvalidProxy)
}

func TestForwardThroughUsesDialContext(t *testing.T) {
	type key struct{}
	outer := &Dialer{Proxy: &Config{Host: "outer"}, Forward: func(ctx context.Context, _, address string) (net.Conn, error) {
		require.Equal(t, "value", ctx.Value(key{}))
		require.Equal(t, "outer:3128", address)
		return nil, errForward
	}}
	d := &Dialer{Proxy: &Config{Host: "inner"}, Forward: ForwardThrough(outer)}
	_, err := d.DialContext(context.WithValue(t.Context(), key{}, "value"), "tcp", "example.org:443")
	require.ErrorIs(t, err, errForward)
	require.Equal(t, 1, strings.Count(err.Error(), "proxy: "), err.Error())
}

func TestForwardThroughDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		forward := ForwardThrough(plainDialer(func(network, address string) (net.Conn, error) {
			time.Sleep(time.Second)
			if address != "proxy:1" {
				return nil, errForward
			}
			return client, nil
		}))
		conn, err := forward(t.Context(), "tcp", "proxy:1")
		require.NoError(t, err)
		require.Equal(t, client, conn)
		_, err = forward(t.Context(), "tcp", "proxy:2")
		require.ErrorIs(t, err, errForward)

		// A connection that is opened too late is closed.
		reason := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second/2, reason)
		defer cancel()
		start := time.Now()
		d := &Dialer{Proxy: &Config{Host: "proxy", Port: 1}, Forward: forward}
		_, err = d.DialContext(ctx, "tcp", "example.org:443")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, reason)
		require.Equal(t, time.Second/2, time.Since(start))
		_, err = server.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestErrorsHaveOnePrefix(t *testing.T) {
	for _, err := range []error{ErrInvalidProxy, ErrInvalidTarget, ErrAuthenticationRequired, ErrAuthenticationFailed, ErrRefused, ErrProtocol} {
		require.True(t, strings.HasPrefix(err.Error(), "proxy: "), err.Error())
		wrapped := &Error{Op: OpDial, Err: err}
		requireOnePrefix(t, wrapped)
	}
	_, err := Parse("ftp://x")
	requireOnePrefix(t, err)
	_, err = new(Dialer).Dial("udp", "x")
	requireOnePrefix(t, err)
	require.NotPanics(t, func() { _ = new(Error).Error() })
	require.Equal(t, ":3128", new(Config).Address())
}

func requireOnePrefix(t *testing.T, err error) {
	t.Helper()
	rest, found := strings.CutPrefix(err.Error(), "proxy: ")
	require.True(t, found, err.Error())
	require.NotContains(t, rest, "proxy: proxy: ")
	require.False(t, strings.HasPrefix(rest, "proxy: "), err.Error())
	require.NotContains(t, rest, ": proxy: ", err.Error())
}
