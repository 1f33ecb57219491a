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
)

var errForward = errors.New("no way to the proxy")

// pipeTo returns a Forward function whose connections are served by serve, in a goroutine.
func pipeTo(serve func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serve(server)
		return client, nil
	}
}

// wantClosed waits until the client closes.
func wantClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	require.NoError(t, err)
}

func TestDialerTellsForwardWhereTheProxyIs(t *testing.T) {
	for address, c := range map[string]Config{
		"proxy:3128":    {Host: "proxy"},
		"proxy:1080":    {Protocol: SOCKS5, Host: "proxy"},
		"[::1]:8080":    {Host: "::1", Port: 8080},
		"192.0.2.1:443": {Host: "192.0.2.1", Port: 443},
	} {
		d := &Dialer{Proxy: &c, Forward: func(_ context.Context, network, got string) (net.Conn, error) {
			require.Equal(t, "tcp", network)
			require.Equal(t, address, got)
			return nil, errForward
		}}
		_, err := d.DialContext(t.Context(), "tcp", "example.org:443")
		require.ErrorIs(t, err, errForward)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, &Error{Op: OpDial, Proxy: c.String(), Target: "example.org:443", Err: errForward}, e)
	}
}

func TestDialerClosesWhatItDoesNotReturn(t *testing.T) {
	for name, answer := range map[string]string{
		"refused":   "HTTP/1.1 403 Forbidden\r\n\r\n",
		"malformed": "SSH-2.0-OpenSSH\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			d := &Dialer{Proxy: &Config{Host: "proxy"}, Forward: pipeTo(func(conn net.Conn) {
				defer close(closed)
				_, _ = io.ReadFull(conn, make([]byte, len(plainRequest)))
				_, _ = io.WriteString(conn, answer) // the client need not take all of it
				wantClosed(t, conn)
			})}
			conn, err := d.DialContext(t.Context(), "tcp", "example.org:443")
			require.Error(t, err)
			require.Nil(t, conn)
			<-closed
		})
	}
}

func TestDialerEndsWithItsTimeout(t *testing.T) {
	for name, silence := range map[string]func(net.Conn){
		"that does not read": func(net.Conn) {},
		"that says nothing":  func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
		// One byte a second keeps a deadline for each read alive, but not this one.
		"that dawdles": func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, len(plainRequest)))
			for _, c := range []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000)) {
				if _, err := conn.Write([]byte{c}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
	} {
		for want, timeout := range map[time.Duration]time.Duration{DefaultTimeout: 0, 5 * time.Second: 5 * time.Second} {
			t.Run("a proxy "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := &Dialer{Proxy: &Config{Host: "proxy"}, Timeout: timeout, Forward: pipeTo(silence)}
					start := time.Now()
					_, err := d.DialContext(t.Context(), "tcp", "example.org:443")
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, want, time.Since(start))
					var timeout net.Error
					require.ErrorAs(t, err, &timeout)
					require.True(t, timeout.Timeout())
					time.Sleep(2 * time.Second) // the proxy finds its connection closed
				})
			})
		}
	}
}

func TestDialerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Dialer{Proxy: &Config{Host: "proxy"}, Timeout: -1, Forward: pipeTo(func(conn net.Conn) { wantClosed(t, conn) })}
		changed := errors.New("changed my mind")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(changed) })
		start := time.Now()
		_, err := d.DialContext(ctx, "tcp", "example.org:443")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, changed)
		require.Equal(t, time.Hour, time.Since(start))
	})
}

// If the context has already ended, DialContext calls nothing; if it ends during Forward, the error
// matches that of the context and that of Forward.
func TestDialerAndContextsThatHaveEnded(t *testing.T) {
	changed, unreachable := errors.New("changed my mind"), errors.New("unreachable")
	ctx, cancel := context.WithCancelCause(t.Context())
	d := &Dialer{Proxy: &Config{Host: "proxy"}, Forward: func(context.Context, string, string) (net.Conn, error) {
		cancel(changed)
		return nil, unreachable
	}}
	_, err := d.DialContext(ctx, "tcp", "example.org:443")
	for _, want := range []error{context.Canceled, changed, unreachable} {
		require.ErrorIs(t, err, want)
	}

	d.Forward = noForward(t)
	_, err = d.DialContext(ctx, "tcp", "example.org:443")
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, OpDial, failed.Op)
	for _, want := range []error{context.Canceled, changed} {
		require.ErrorIs(t, err, want)
	}
	require.EqualError(t, err, "proxy: dial (http://proxy:3128): context canceled: changed my mind")
}

// The context applies to dialling only: its end does not affect the connection.
func TestConnectionOutlivesTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Dialer{Proxy: &Config{Host: "proxy"}, Forward: pipeTo(func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, len(plainRequest)))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(conn, conn)
		})}
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := d.DialContext(ctx, "tcp", "example.org:443")
		require.NoError(t, err)
		defer conn.Close()
		cancel()
		time.Sleep(2 * DefaultTimeout)
		_, err = io.WriteString(conn, "tunnel")
		require.NoError(t, err)
		echo := make([]byte, 6)
		_, err = io.ReadFull(conn, echo)
		require.NoError(t, err)
		require.Equal(t, "tunnel", string(echo))
	})
}

// The result is the connection that Forward opened: a wrapper would hide the methods of a
// *net.TCPConn.
func TestConnectionIsNotWrapped(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			expect(t, conn, turn{plainRequest, "HTTP/1.1 200 OK\r\n\r\n"})
			conn.Close()
		}
	}()
	config, err := Parse(listener.Addr().String())
	require.NoError(t, err)
	conn, err := (&Dialer{Proxy: config}).DialContext(t.Context(), "tcp", "example.org:443")
	require.NoError(t, err)
	defer conn.Close()
	require.IsType(t, (*net.TCPConn)(nil), conn)
}

// expect answers each of the requests, which have to come byte for byte.
func expect(t *testing.T, conn net.Conn, turns ...turn) {
	for _, turn := range turns {
		said := make([]byte, len(turn.client))
		if _, err := io.ReadFull(conn, said); err != nil || string(said) != turn.client {
			t.Errorf("the client says %q (%v), the script %q", said, err, turn.client)
			return
		}
		if _, err := io.WriteString(conn, turn.proxy); err != nil {
			t.Errorf("the client does not take %q: %v", turn.proxy, err)
		}
	}
}

// An HTTP proxy reached through a SOCKS5 proxy: the outer dialer's Forward is the inner one's
// DialContext.
func TestChainOfProxies(t *testing.T) {
	dial := func(turns ...turn) error {
		inner := &Dialer{
			Proxy:   &Config{Protocol: SOCKS5, Host: "inner"},
			Forward: pipeTo(func(conn net.Conn) { expect(t, conn, turns...); wantClosed(t, conn) }),
		}
		outer := &Dialer{Proxy: &Config{Host: "outer"}, Forward: inner.DialContext}
		conn, err := outer.DialContext(t.Context(), "tcp", "example.org:443")
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	const askOuter = "\x05\x01\x00\x03\x05outer\x0c\x38"
	require.NoError(t, dial(turn{offerNone, chooseNone}, turn{askOuter, succeeded}, turn{plainRequest, "HTTP/1.1 200 OK\r\n\r\n"}))

	// The error shows which of the two proxies has refused.
	var e, cause *Error
	require.ErrorAs(t, dial(turn{offerNone, chooseNone}, turn{askOuter, succeeded}, turn{plainRequest, "HTTP/1.1 502 No\r\n\r\n"}), &e)
	require.Equal(t, 502, e.Status)
	require.Equal(t, "http://outer:3128", e.Proxy)

	require.ErrorAs(t, dial(turn{offerNone, chooseNone}, turn{askOuter, "\x05\x04\x00\x01"}), &e)
	require.Equal(t, OpDial, e.Op)
	require.Equal(t, ReplySucceeded, e.Reply)
	require.ErrorAs(t, e.Err, &cause)
	require.Equal(t, ReplyHostUnreachable, cause.Reply)
	require.Equal(t, "socks5://inner:1080", cause.Proxy)
	require.Equal(t, "outer:3128", cause.Target)
}

func TestErrorsSayWhatHappened(t *testing.T) {
	for want, e := range map[string]*Error{
		`proxy: dial (http://proxy:3128): no way to the proxy`: {Op: OpDial, Err: errForward},
		`proxy: connect to example.org:443 (http://proxy:3128): refused: "HTTP/1.1 403 \x1b[2J"`: {
			Op: OpConnect, Status: 403, StatusLine: "HTTP/1.1 403 \x1b[2J", Err: ErrRefused,
		},
		`proxy: connect to example.org:443 (http://proxy:3128): refused: host unreachable`: {
			Op: OpConnect, Reply: ReplyHostUnreachable, Err: ErrRefused,
		},
		`proxy: authenticate (http://proxy:3128): authentication failed`: {Op: OpAuthenticate, Err: ErrAuthenticationFailed},
	} {
		e.Proxy, e.Target = "http://proxy:3128", "example.org:443"
		require.EqualError(t, e, want)
	}
}
