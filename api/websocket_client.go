package rtc

import (
	"context"
	"net"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

// NewWebSocket makes a WebSocket client and begins to connect; configuration may be nil. The URL is absolute, with the
// scheme ws or wss. The error is ErrInvalid for a URL or configuration that cannot be right; everything else is said by
// OnError and OnClosed, or by OnOpen. The WebSocket must be closed at the end, unless OnClosed has been called.
//
// The causes of a failure can be told apart with errors.As: a *net.OpError (a closed port, a timeout), a *proxy.Error, a
// *tls.CertificateVerificationError, a *websocket.HandshakeError of a server that refused or does not speak WebSocket.
func NewWebSocket(url string, configuration *WebSocketConfiguration) (*WebSocket, error) {
	return openWebSocket(url, configuration, webSocketTuning{})
}

func openWebSocket(url string, configuration *WebSocketConfiguration, tune webSocketTuning) (*WebSocket, error) {
	if configuration == nil {
		configuration = &WebSocketConfiguration{}
	}
	tune.setDefaults()
	t, err := configuration.target(url, tune)
	if err != nil {
		return nil, err
	}
	ws := newWebSocket(t.options.MaxMessageSize, tune)
	ctx, stop := ws.connecting(t.timeout)
	ws.log.Debug("WebSocket", "connecting", t.url.Address(), "proxy", t.proxied)
	ws.path = t.url.Path
	go ws.connect(ctx, stop, t)
	return ws, nil
}

// connecting gives the context of the time until the WebSocket is open; Close ends it. A negative timeout is none.
func (ws *WebSocket) connecting(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ws.cancel, ws.since = cancel, time.Now()
	if timeout < 0 {
		return ctx, func() { cancel(nil) }
	}
	ctx, stop := context.WithTimeoutCause(ctx, timeout, websocket.ErrHandshakeTimeout)
	return ctx, func() { stop(); cancel(nil) }
}

// connect is the goroutine that connects a client.
func (ws *WebSocket) connect(ctx context.Context, stop context.CancelFunc, t webSocketTarget) {
	dial := t.options.DialContext
	t.options.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		stream, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		remote := t.url.Address()
		if !t.proxied {
			remote = addressOf(stream)
		}
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.remote = remote
		return stream, nil
	}
	t.options.BeforeClose = ws.settle
	conn, err := websocket.Dial(ctx, t.raw, &t.options)
	stop()
	ws.connected(conn, err)
}

// connected ends connecting. The goroutine that connected ends with it: a TLS handshake leaves it with a large stack, and
// the one that reads from now on needs a small one.
func (ws *WebSocket) connected(conn *websocket.Conn, err error) {
	ws.mu.Lock()
	if err != nil || ws.state != channelConnecting {
		ws.mu.Unlock()
		ws.finish(conn, err)
		return
	}
	ws.conn = conn
	ws.log.Debug("WebSocket", "open", ws.path, "protocol", conn.Protocol())
	ws.opened()
	ws.mu.Unlock()
	go ws.read(conn)
}
