package websocket

import (
	"context"
	"crypto/tls"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tlsPair is tcpPair with TLS in between.
func tlsPair(t *testing.T) (client, server *Conn) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	c, s := tcpPair(t, connConfig{}, connConfig{})
	return newConn(tls.Client(c.stream, &tls.Config{InsecureSkipVerify: true}), connConfig{client: true}),
		newConn(tls.Server(s.stream, &tls.Config{Certificates: https.TLS.Certificates}), connConfig{})
}

func TestTLS(t *testing.T) {
	client, server := tlsPair(t)
	go echo(server)
	var buf []byte
	for _, size := range []int{0, 1, 1000, maxCopy + 1, 200_000} {
		message := pattern(size)
		written := make(chan error, 1)
		go func() {
			for range 15 {
				client.WriteBuffered(background(), MessageBinary, message)
			}
			written <- client.Write(background(), MessageBinary, message)
		}()
		for range 16 {
			_, got, err := client.ReadInto(background(), buf)
			require.NoError(t, err)
			require.Equal(t, size, len(got))
			buf = got
		}
		require.NoError(t, <-written)
	}

	// A Read that was cancelled while it waited leaves the connection usable.
	ctx, cancel := context.WithTimeout(background(), 10*time.Millisecond)
	defer cancel()
	_, _, err := client.Read(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, client.Write(background(), MessageText, []byte("still here")))
	_, got, err := client.Read(background())
	require.NoError(t, err)
	require.Equal(t, "still here", string(got))

	require.NoError(t, client.Close(StatusNormalClosure, ""))
}

func TestTLSPing(t *testing.T) {
	client, server := tlsPair(t)
	go echo(server)
	go client.Read(background())
	for range 3 {
		require.NoError(t, client.Ping(background()))
	}
	require.NoError(t, client.Close(StatusNormalClosure, ""))
}
