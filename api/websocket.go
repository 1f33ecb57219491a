package rtc

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/websocket"
)

// WebSocket is one end of a WebSocket connection (RFC 6455): that of a client, or one that a
// WebSocketServer has accepted. See Channel for its methods. As in browsers, the states are
// connecting, open, closing and closed.
//
// After a failure OnError is called, and then OnClosed; after a close by either side only OnClosed.
//
// At most 1024 messages or 1 MiB, and one message more, wait for the program. Then the WebSocket
// does not read, and TCP slows the peer down.
//
// When the peer closes, the messages that it sent before are handled first: its close frame is
// answered when OnMessage has returned for the last message and the messages sent until then have
// left, or after 10 seconds without progress. A program that uses Receive, ReadMessage or NetConn
// has instead half a second for each message, or until it asks for the next one.
type WebSocket struct {
	channel
	mu        sync.Mutex
	callbacks callbackQueue
	log       *slog.Logger
	tuning    webSocketTuning
	maximum   int // message size, in bytes

	// Connecting: websocket_client.go, websocket_server_accept.go.
	cancel context.CancelCauseFunc // ends connecting
	since  time.Time               // when it began
	remote string                  // HOST:PORT, or empty
	path   string
	conn   *websocket.Conn // nil until open

	// Reading and writing: websocket_io.go.
	room     sync.Cond // the reader waits for room in the inbox
	outbox   ring.Queue[outMessage]
	writing  bool // a writer goroutine exists
	writer   func()
	counters MessageStats
	trimming *time.Timer

	// The peer's close: websocket_peer_close.go.
	unhandled    int       // the number of received messages that the program has neither handled nor taken
	lastTaken    time.Time // the last time that the program took one, other than in a callback; zero: never
	draining     bool      // the peer has closed, and the connection waits before it answers
	lastProgress time.Time // the time of the peer's close, or the last time since that a message was handled
	closedByPeer bool      // the program has not closed in time: the close status is that of the peer

	// Closing: websocket_close.go.
	closeCode    websocket.StatusCode // of our close frame
	closeReason  string
	closeOnOpen  bool          // the server has shut down while this WebSocket was connecting
	closeStarted bool          // the closing handshake has begun
	ended        chan struct{} // closed when the state is closed; nil in the zero WebSocket
	onEnded      func()        // called after that; may be nil
	closeTimer   *time.Timer
	status       *websocket.CloseError // the peer's close frame; nil: none
	cause        error                 // the reason that this side abandoned the connection
}

var _ Channel = (*WebSocket)(nil)

var lastWebSocketID atomic.Uint64

// webSocketTuning holds the parameters that tests change.
type webSocketTuning struct {
	closeTimeout, trimDelay, readGrace time.Duration
}

const (
	// webSocketCloseTimeout is the time that a closing WebSocket waits for the peer: to receive
	// more of the buffered messages, and then to answer the close frame (RFC 6455, section 7.1.1).
	webSocketCloseTimeout = 10 * time.Second
	// webSocketTrimDelay is the time without traffic after which empty queues release their memory.
	webSocketTrimDelay = 5 * time.Second
)

func (t webSocketTuning) withDefaults() webSocketTuning {
	t.closeTimeout = cmp.Or(t.closeTimeout, webSocketCloseTimeout)
	t.trimDelay = cmp.Or(t.trimDelay, webSocketTrimDelay)
	t.readGrace = cmp.Or(t.readGrace, webSocketReadGrace)
	return t
}

// newWebSocket returns a connecting WebSocket, of a client or of a server. logger is the configured
// one.
func newWebSocket(logger *slog.Logger, maximum int, tune webSocketTuning) *WebSocket {
	ws := &WebSocket{
		log:     newLogger(logger, "ws", lastWebSocketID.Add(1)),
		tuning:  tune,
		maximum: maximum,
		ended:   make(chan struct{}),
	}
	ws.callbacks.init(&ws.mu, func() {})
	ws.room.L = &ws.mu
	ws.writer = ws.write
	ws.setup(ws, &ws.callbacks)
	return ws
}

// RemoteAddr returns the network address of the peer as "HOST:PORT", with an IPv6 address in
// brackets. Through a proxy it is the host and the port of the URL. ErrNotAvailable while a client
// is not connected.
func (ws *WebSocket) RemoteAddr() (string, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.remote == "" {
		return "", notAvailablef("the WebSocket is not connected")
	}
	return ws.remote, nil
}

// Path returns the requested path, with the query. ErrNotAvailable unless the WebSocket is or has
// been open.
func (ws *WebSocket) Path() (string, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.conn == nil {
		return "", notAvailablef("the WebSocket is not open")
	}
	return ws.path, nil
}

// Protocol returns the subprotocol that was agreed on; empty: none, or the WebSocket is not open
// yet.
func (ws *WebSocket) Protocol() string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.conn == nil {
		return ""
	}
	return ws.conn.Protocol()
}

// CloseStatus returns the code and the reason that the connection was closed with: those of the
// first close frame, 1005 if it had none, 1006 if the connection ended without a closing handshake
// (RFC 6455, section 7.1.5). ErrNotAvailable unless the WebSocket is closed.
func (ws *WebSocket) CloseStatus() (code websocket.StatusCode, reason string, err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	switch {
	case ws.state != channelClosed:
		return 0, "", notAvailablef("the WebSocket is not closed")
	case ws.status == nil:
		return websocket.StatusAbnormalClosure, "", nil
	}
	return ws.status.Code, ws.status.Reason, nil
}

// Stats returns the counters of the WebSocket's messages.
func (ws *WebSocket) Stats() MessageStats {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.counters
}

func (ws *WebSocket) lock()               { ws.mu.Lock() }
func (ws *WebSocket) maxMessageSize() int { return ws.maximum }

func (ws *WebSocket) unlock() {
	ws.flush()
	if ws.draining {
		ws.callbacks.changed.Broadcast()
	}
	ws.mu.Unlock()
}

// addressOf returns the remote address of a connection in the form of RemoteAddr.
func addressOf(stream net.Conn) string {
	if a := stream.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
