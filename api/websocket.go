package rtc

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/ring"
	"github.com/rtcstack/rtcstack/websocket"
)

// WebSocket is one end of a WebSocket connection (RFC 6455): a client's, or one that a WebSocketServer has accepted. See
// Channel for its methods; as with the browser's WebSocket, the states are connecting, open, closing and closed.
//
// A connection that fails calls OnError and then OnClosed; one that is closed by either side calls OnClosed.
//
// At most 1024 messages or 1 MiB, and the message beyond, wait for the program; then nothing more is read, and the
// peer is slowed down by TCP.
//
// When the peer closes, what it has sent before is handled first: it gets its answer to the close when OnMessage has
// returned for the last message, and what was sent until then has left, or after 10 seconds without progress. A program that
// takes messages by Receive, ReadMessage or NetConn has half a second for each instead, or until it asks for another.
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
	conn   *websocket.Conn // once open

	// Reading and writing: websocket_io.go.
	room     sync.Cond // the reader waits for room in the inbox
	outbox   ring.Queue[outMessage]
	writing  bool // a writer goroutine exists
	writer   func()
	counters MessageStats
	trimming *time.Timer

	// The peer's end: websocket_peer_close.go.
	unhandled  int       // messages that came and that the program has neither handled nor taken
	asked      time.Time // when the program last took one, other than in a callback; zero: never
	settling   bool      // the peer has ended its side, and the connection waits before it answers
	progressed time.Time // when it did, or the program last handled a message since
	dismissed  bool      // the program had its time, and did not close: the reason of the end is the peer's

	// The end: websocket_close.go.
	closeCode   websocket.StatusCode // what Close says to the peer
	closeReason string
	farewell    bool          // the closing handshake has begun
	ended       chan struct{} // closed when the state is closed
	closeTimer  *time.Timer
	status      *websocket.CloseError // what the peer said; nil: nothing
	cause       error                 // why this side gave the connection up
}

var _ Channel = (*WebSocket)(nil)

var lastWebSocketID atomic.Uint64

// webSocketTuning holds what tests change.
type webSocketTuning struct {
	closeTimeout, trimDelay, readGrace time.Duration
}

const (
	// webSocketCloseTimeout is how long a WebSocket that closes waits for the peer: to take more of what is
	// buffered, and then for its part of the closing handshake
	// (RFC 6455, section 7.1.1).
	webSocketCloseTimeout = 10 * time.Second
	// webSocketTrimDelay is after how much time without traffic empty queues give their memory back.
	webSocketTrimDelay = 5 * time.Second
)

func (t *webSocketTuning) setDefaults() {
	t.closeTimeout = durationOr(t.closeTimeout, webSocketCloseTimeout)
	t.trimDelay = durationOr(t.trimDelay, webSocketTrimDelay)
	t.readGrace = durationOr(t.readGrace, webSocketReadGrace)
}

// newWebSocket makes either kind of WebSocket, connecting.
func newWebSocket(maximum int, tune webSocketTuning) *WebSocket {
	ws := &WebSocket{
		log:     newLogger("ws", lastWebSocketID.Add(1)),
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

// RemoteAddr gives the network address of the peer, "HOST:PORT": an IP address, an IPv6 one in brackets. Through a
// proxy it is host and port of the URL. ErrNotAvailable while a client is not connected.
func (ws *WebSocket) RemoteAddr() (string, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.remote == "" {
		return "", notAvailablef("the WebSocket is not connected")
	}
	return ws.remote, nil
}

// Path gives the path, with the query, that was requested. ErrNotAvailable unless the WebSocket is or has been open.
func (ws *WebSocket) Path() (string, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.conn == nil {
		return "", notAvailablef("the WebSocket is not open")
	}
	return ws.path, nil
}

// Protocol gives the subprotocol that was agreed on; empty: none, or the WebSocket is not open yet.
func (ws *WebSocket) Protocol() string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.conn == nil {
		return ""
	}
	return ws.conn.Protocol()
}

// CloseStatus gives the code and reason that the connection was closed with: those of the side that was first to say so,
// 1005 if the peer gave none, 1006 if the connection ended without a closing handshake
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

// Stats gives the counters of the WebSocket's messages.
func (ws *WebSocket) Stats() MessageStats {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.counters
}

func (ws *WebSocket) lock()               { ws.mu.Lock() }
func (ws *WebSocket) maxMessageSize() int { return ws.maximum }

func (ws *WebSocket) unlock() {
	ws.flush()
	if ws.settling {
		ws.callbacks.changed.Broadcast()
	}
	ws.mu.Unlock()
}

// addressOf gives the address of a connection as RemoteAddr does.
func addressOf(stream net.Conn) string {
	if a := stream.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
