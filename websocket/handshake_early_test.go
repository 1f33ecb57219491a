package websocket

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// RFC 6455, section 5.7: the text "Hello", masked and not.
const (
	maskedHello   = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	unmaskedHello = "\x81\x05Hello"
)

func requireHello(t *testing.T, c *Conn) {
	t.Helper()
	typ, message, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, MessageText, typ)
	require.Equal(t, "Hello", string(message))
}

// Bytes that a client sends without waiting for the response belong to the connection.
func TestServerKeepsEarlyBytes(t *testing.T) {
	for _, reader := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.HalfReader,
		iotest.OneByteReader,
	} {
		stream := &scriptConn{in: reader(strings.NewReader(request + "\r\n" + maskedHello))}
		c, _, err := Handshake(t.Context(), stream, nil)
		require.NoError(t, err)
		requireHello(t, c)
	}
}

// A server may send messages directly after its response, in the same segment.
func TestClientKeepsEarlyBytes(t *testing.T) {
	for _, reader := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r },
		iotest.HalfReader,
		iotest.OneByteReader,
	} {
		stream := &scriptConn{in: reader(strings.NewReader(accepted + "\r\n" + unmaskedHello))}
		cfg, err := exampleClient(t, "ws://h/", DialOptions{}).run(stream)
		require.NoError(t, err)
		requireHello(t, newConn(stream, cfg))
	}
}

// The same through net/http, which has read them into a buffer of its own.
func TestAcceptKeepsEarlyBytes(t *testing.T) {
	l := newPipeListener(t)
	conns := make(chan *Conn, 1)
	serveHTTP(t, l, func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err == nil {
			conns <- c
		}
	})
	stream, err := l.DialContext(t.Context(), "tcp", "server.example.com:80")
	require.NoError(t, err)
	defer stream.Close()
	_, err = io.WriteString(stream, request+"\r\n"+maskedHello)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(stream), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	c := <-conns
	defer c.CloseNow()
	requireHello(t, c)
}
