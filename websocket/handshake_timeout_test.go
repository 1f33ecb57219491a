package websocket

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

// pipeDialer returns a DialContext function. serve is the server.
func pipeDialer(serve func(stream net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serve(server)
		return client, nil
	}
}

// requireTimeout checks the error of something that has taken too long, and how long it took.
func requireTimeout(t *testing.T, err error, start time.Time, want time.Duration) {
	t.Helper()
	require.ErrorIs(t, err, ErrHandshakeTimeout)
	require.NotErrorIs(t, err, ErrBadHandshake)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.Equal(t, want, time.Since(start))
}

func TestDialTCPConnectionTimeout(t *testing.T) {
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, test := range []struct {
		opts DialOptions
		want time.Duration
	}{
		{DialOptions{}, DefaultTCPConnectionTimeout},
		{DialOptions{TCPConnectionTimeout: time.Minute}, DefaultConnectionTimeout},
		{DialOptions{TCPConnectionTimeout: -1}, DefaultConnectionTimeout},
		{DialOptions{TCPConnectionTimeout: time.Minute, ConnectionTimeout: -1}, time.Minute},
		{DialOptions{TCPConnectionTimeout: time.Second, ConnectionTimeout: time.Minute}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			test.opts.DialContext = never
			_, err := Dial(t.Context(), "ws://h/", &test.opts)
			requireTimeout(t, err, start, test.want)
			require.ErrorContains(t, err, "connect to h:80")
		})
	}
}

func TestDialConnectionTimeout(t *testing.T) {
	silent := func(stream net.Conn) { io.Copy(io.Discard, stream) }
	// A byte a second, forever.
	slow := func(stream net.Conn) {
		go io.Copy(io.Discard, stream)
		for _, b := range []byte(accepted) {
			if _, err := stream.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	unread := func(net.Conn) {}
	for name, server := range map[string]func(net.Conn){"silent": silent, "slow": slow, "that does not read": unread} {
		for _, url := range []string{"ws://h/", "wss://h/"} {
			if name == "slow" && url == "wss://h/" {
				continue // is not TLS from its first byte on
			}
			for _, d := range []time.Duration{0, time.Minute} {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					_, err := Dial(t.Context(), url, &DialOptions{DialContext: pipeDialer(server), ConnectionTimeout: d})
					want := d
					if d == 0 {
						want = DefaultConnectionTimeout
					}
					requireTimeout(t, err, start, want)
					time.Sleep(time.Minute) // for the server to notice
				})
			}
		}
	}
}

// A response that refuses counts, even where its content never ends.
func TestDialErrorBodyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := Dial(t.Context(), "ws://h/", &DialOptions{DialContext: pipeDialer(func(stream net.Conn) {
			go io.Copy(io.Discard, stream)
			io.WriteString(stream, "HTTP/1.1 503 Service Unavailable\r\n\r\nsorry")
		})})
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 503, refusal.Status)
		require.Equal(t, "sorry", string(refusal.Body))
		require.Equal(t, errorBodyTimeout, time.Since(start))
	})
}

// Of a long content no more is waited for than is kept.
func TestDialDoesNotWaitForTheWholeErrorBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := Dial(t.Context(), "ws://h/", &DialOptions{DialContext: pipeDialer(func(stream net.Conn) {
			go io.Copy(io.Discard, stream)
			io.WriteString(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n"+string(pattern(MaxErrorBody)))
		})})
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, pattern(MaxErrorBody), refusal.Body)
		require.Zero(t, time.Since(start))
	})
}

func TestDialContextEnds(t *testing.T) {
	changed := errors.New("changed my mind")
	for name, server := range map[string]func(net.Conn){"silent": func(stream net.Conn) { io.Copy(io.Discard, stream) }, "that does not read": func(net.Conn) {}} {
		for _, url := range []string{"ws://h/", "wss://h/"} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(3*time.Second, func() { cancel(changed) })
				start := time.Now()
				_, err := Dial(ctx, url, &DialOptions{DialContext: pipeDialer(server)})
				require.ErrorIs(t, err, changed, name)
				require.ErrorIs(t, err, context.Canceled, name)
				require.NotErrorIs(t, err, ErrHandshakeTimeout)
				require.Equal(t, 3*time.Second, time.Since(start))
			})
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				_, err := Dial(ctx, url, &DialOptions{DialContext: pipeDialer(server)})
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
				require.NotErrorIs(t, err, ErrHandshakeTimeout)
			})
		}
	}
}

// A client that sends a byte a minute is dropped when its time is over, as is one that sends
// nothing, and one that does not read the response.
func TestServerConnectionTimeout(t *testing.T) {
	for name, client := range map[string]func(net.Conn){
		"silent": func(stream net.Conn) { io.Copy(io.Discard, stream) },
		"slow": func(stream net.Conn) {
			for _, b := range []byte(request) {
				if _, err := stream.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(5 * time.Second)
			}
		},
		"that does not read":           func(stream net.Conn) { io.WriteString(stream, request+"\r\n") },
		"that does not read a refusal": func(stream net.Conn) { io.WriteString(stream, requestLine+hostLine+"\r\n") },
	} {
		for _, d := range []time.Duration{0, 7 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				clientStream, serverStream := net.Pipe()
				go client(clientStream)
				_, _, err := Handshake(t.Context(), serverStream, &AcceptOptions{ConnectionTimeout: d})
				want := d
				if d == 0 {
					want = DefaultConnectionTimeout
				}
				require.ErrorIs(t, err, ErrHandshakeTimeout, name)
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
				require.Equal(t, want, time.Since(start))
				_, err = serverStream.Write([]byte("x"))
				require.ErrorIs(t, err, io.ErrClosedPipe, name)
				time.Sleep(time.Minute) // for the client to notice
			})
		}
	}
}

func TestServerContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shutdown := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(shutdown) })
		client, server := net.Pipe()
		defer client.Close()
		_, _, err := Handshake(ctx, server, &AcceptOptions{ConnectionTimeout: -1})
		require.ErrorIs(t, err, shutdown)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrHandshakeTimeout)
	})
}

// A context that has ended ends Dial and Handshake before anything is sent or read, also if it
// would all have been there.
func TestHandshakesWithAContextThatHasEnded(t *testing.T) {
	changed := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(changed)
	_, err := Dial(ctx, "ws://h/", &DialOptions{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, net.ErrClosed
	}})
	require.EqualError(t, err, "websocket: connect to h:80: context canceled: changed my mind")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, changed)

	stream := &scriptConn{in: strings.NewReader(request + "\r\n")}
	_, _, err = Handshake(ctx, stream, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, changed)
	require.True(t, stream.closed)
	require.Empty(t, stream.out.String())
	require.Equal(t, len(request)+2, stream.in.(*strings.Reader).Len(), "nothing was read")
}

// A timeout of the handshake is none of the connection.
func TestTimeoutsEndWithTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *Conn, 1)
		ctx, cancel := context.WithCancel(t.Context())
		client, err := Dial(ctx, "ws://h/", &DialOptions{DialContext: pipeDialer(func(stream net.Conn) {
			if c, _, err := Handshake(ctx, stream, nil); err == nil {
				conns <- c
			}
		})})
		require.NoError(t, err)
		defer client.CloseNow()
		server := <-conns
		defer server.CloseNow()
		cancel()
		time.Sleep(time.Hour)
		go server.Write(context.Background(), MessageText, []byte("Hello"))
		requireHello(t, client)
	})
}

// A refusal reaches a client that is still talking: the stream is read a while after the response,
// and not forever.
func TestServerLingersAfterRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		stream, err := l.Accept()
		if err == nil {
			_, _, err = Handshake(context.Background(), stream, nil)
		}
		done <- err
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Write(append([]byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n"), make([]byte, 30000)...))
	require.NoError(t, err)
	response, err := io.ReadAll(client)
	require.NoError(t, err, "no reset")
	require.Contains(t, string(response), "HTTP/1.1 400 Bad Request\r\n")
	client.Close()
	require.ErrorIs(t, <-done, ErrBadHandshake)
}
