package interop_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

const (
	// webSocketPatience is the limit of a wait for an event without delay: much longer than a busy machine needs.
	webSocketPatience = 60 * time.Second
	// webSocketMessage is the largest message of the tests.
	webSocketMessage = 16 << 20
)

// socketOptions are the options that the tests vary, if an implementation has them.
type socketOptions struct {
	subprotocols []string
	compression  *websocket.CompressionOptions // nil: none
	pingInterval time.Duration                 // of package rtc; 0: a default
	secure       bool                          // our servers only: TLS, with a self-signed certificate
}

// echoServer starts a server that echoes messages for the duration of the test, and returns its URL. An error of a
// connection does not fail the test, because many tests violate the protocol.
type echoServer func(t *testing.T, o socketOptions) (url string)

// echoClient connects to a server, echoes messages, and returns the error that ended the connection.
type echoClient func(ctx context.Context, url string, o socketOptions) error

// Our servers and clients, by the packages under test.
var (
	ourEchoServers = map[string]echoServer{"websocket": websocketEchoServer, "rtc": rtcEchoServer}
	ourEchoClients = map[string]echoClient{"websocket": websocketEchoClient, "rtc": rtcEchoClient}
)

// serveHTTP starts an HTTP server for the duration of the test, which ends when all its handlers have returned, and
// returns its URL for WebSockets.
func serveHTTP(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	return serveHTTPWith(t, handler, (*httptest.Server).Start)
}

// serveHTTPWith is serveHTTP with a function that starts the server, with or without TLS.
func serveHTTPWith(t *testing.T, handler http.HandlerFunc, start func(*httptest.Server)) (url string) {
	t.Helper()
	var handlers sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler(w, r)
	}))
	start(server)
	t.Cleanup(func() {
		server.Close()
		handlers.Wait() // Close does not wait for hijacked connections
	})
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func acceptOptions(o socketOptions) *websocket.AcceptOptions {
	return &websocket.AcceptOptions{
		Protocols:      o.subprotocols,
		Compression:    o.compression,
		MaxMessageSize: webSocketMessage,

		InsecureSkipOriginCheck: true,
	}
}

func dialOptions(o socketOptions) *websocket.DialOptions {
	return &websocket.DialOptions{
		Protocols:      o.subprotocols,
		Compression:    o.compression,
		MaxMessageSize: webSocketMessage,
	}
}

func websocketEchoServer(t *testing.T, o socketOptions) string {
	return serveConns(t, o, func(c *websocket.Conn) { _ = echoConn(t.Context(), c) })
}

// serveConns starts a server of package websocket for the duration of the test.
func serveConns(t *testing.T, o socketOptions, handle func(*websocket.Conn)) string {
	t.Helper()
	start := (*httptest.Server).Start
	if o.secure {
		start = (*httptest.Server).StartTLS
	}
	return serveHTTPWith(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, acceptOptions(o)); err == nil {
			handle(c)
		}
	}, start)
}

func websocketEchoClient(ctx context.Context, url string, o socketOptions) error {
	c, err := websocket.Dial(ctx, url, dialOptions(o))
	if err != nil {
		return err
	}
	return echoConn(ctx, c)
}

// echoConn echoes messages until the connection ends.
func echoConn(ctx context.Context, c *websocket.Conn) error {
	defer c.CloseNow()
	var buf []byte
	for {
		typ, message, err := c.ReadInto(ctx, buf)
		if err == nil {
			err = c.Write(ctx, typ, message)
		}
		if err != nil {
			return err
		}
		buf = message[:0]
	}
}

func rtcEchoServer(t *testing.T, o socketOptions) string {
	return rtcServer(t, o, func(ws *rtc.WebSocket) { echoWebSocket(ws) })
}

// rtcServer starts a WebSocketServer for the duration of the test, and returns its URL.
func rtcServer(t *testing.T, o socketOptions, onClient func(*rtc.WebSocket)) string {
	t.Helper()
	var mu sync.Mutex
	var clients []*rtc.WebSocket
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{
		BindAddress:    "127.0.0.1",
		Protocols:      o.subprotocols,
		Compression:    o.compression,
		MaxMessageSize: webSocketMessage,
		PingInterval:   o.pingInterval,
		EnableTLS:      o.secure,
	}, func(ws *rtc.WebSocket) {
		mu.Lock()
		clients = append(clients, ws)
		mu.Unlock()
		onClient(ws)
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		mu.Lock()
		defer mu.Unlock()
		for _, ws := range clients {
			require.NoError(t, ws.CloseAndWait())
		}
	})
	scheme := "ws"
	if o.secure {
		scheme = "wss"
	}
	return scheme + "://127.0.0.1:" + strconv.Itoa(int(server.Port()))
}

func rtcEchoClient(ctx context.Context, url string, o socketOptions) error {
	ws, err := rtc.NewWebSocket(url, &rtc.WebSocketConfiguration{
		Protocols:      o.subprotocols,
		Compression:    o.compression,
		MaxMessageSize: webSocketMessage,
	})
	if err != nil {
		return err
	}
	var failure error
	ended := make(chan struct{})
	ws.OnError(func(err error) { failure = err })
	ws.OnClosed(func() { close(ended) })
	echoWebSocket(ws)
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return errors.Join(ws.CloseAndWait(), failure)
}

// echoWebSocket echoes messages. While the peer does not read, neither does echoWebSocket.
func echoWebSocket(ws *rtc.WebSocket) {
	ws.OnMessage(func(m rtc.Message) { _ = ws.WriteMessage(context.Background(), m) })
}
