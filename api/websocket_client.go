package rtc

import (
	"context"
	"net"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

// NewWebSocket returns a WebSocket client that is connecting; configuration may be nil. The URL is
// absolute, with the scheme ws or wss. The error is ErrInvalid for an invalid URL or configuration;
// other failures are reported by OnError and OnClosed, success by OnOpen. The program must close
// the WebSocket, unless OnClosed has been called.
//
// The cause of a failure is inspected with errors.As: a *net.OpError (a closed port, a timeout), a
// *proxy.Error, a *tls.CertificateVerificationError, a *websocket.HandshakeError of a server that
// rejects the handshake or does not support WebSocket.
func NewWebSocket(url string, configuration *WebSocketConfiguration) (*WebSocket, error) {
	return openWebSocket(url, configuration, webSocketTuning{})
}

func openWebSocket(url string, configuration *WebSocketConfiguration, tune webSocketTuning) (*WebSocket, error) {
	if configuration == nil {
		configuration = &WebSocketConfiguration{}
	}
	tune = tune.withDefaults()
	t, err := configuration.target(url, tune)
	if err != nil {
		return nil, err
	}
	ws := newWebSocket(configuration.Logger, t.options.MaxMessageSize, tune)
	ctx, stop := ws.connecting(t.timeout)
	ws.log.Debug("WebSocket", "connecting", t.url.Address(), "proxy", t.proxied)
	ws.path = t.url.Path
	go ws.connect(ctx, stop, t)
	return ws, nil
}

// connecting returns the context of the time until the WebSocket is open, which Close ends. A
// negative timeout is none.
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
	t.options.BeforeClose = ws.drain
	conn, err := websocket.Dial(ctx, t.raw, &t.options)
	stop()
	ws.connected(conn, err)
}

// connected ends connecting. The calling goroutine then ends, because a TLS handshake leaves it
// with a large stack; reading, in a new goroutine, needs only a small one.
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
	if ws.closeOnOpen {
		ws.close()
	}
	ws.unlock()
	go ws.read(conn)
}
