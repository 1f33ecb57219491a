package rtc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

const (
	// maxUnfinishedHandshakes is how many clients of one server may be between their TCP connection and being open: more
	// than arrive within the time of a handshake, and little enough to hold (about 20 KiB each, with TLS). Beyond
	// it clients wait in the system's queue.
	maxUnfinishedHandshakes = 1024
	// unfinishedGrace is for how long a client is safe from those that come after it: when there are too many, the one
	// that has been connecting for longest, and for longer than this, has to go. So nobody who opens
	// connections and says nothing can keep the others out.
	unfinishedGrace = 2 * time.Second
	// minAcceptDelay and maxAcceptDelay are how long the server waits after a failed accept, doubling from one to the
	// next: without file descriptors it would otherwise do nothing but fail.
	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second
)

// errTooManyUnfinished ends a client that takes long while others wait.
var errTooManyUnfinished = errors.New("too many clients are connecting, and this one has taken longest")

// newClient is a client that has connected by TCP.
type newClient struct {
	ws     *WebSocket
	stream net.Conn
	ctx    context.Context // of the handshake
	stop   context.CancelFunc
}

// accept is the goroutine of a server.
func (s *WebSocketServer) accept() {
	defer s.accepting.Done()
	delay := time.Duration(0)
	for s.waitForRoom() {
		stream, err := s.listener.Accept()
		switch {
		case err == nil:
			delay = 0
			s.arrived(stream)
		case isDone(s.done):
			return
		case !isTemporary(err):
			s.log.Error("WebSocket server", "accept", err)
			return
		default:
			delay = min(max(2*delay, minAcceptDelay), maxAcceptDelay)
			s.log.Warn("WebSocket server", "accept", err, "again after", delay)
			select {
			case <-time.After(delay):
			case <-s.done:
			}
		}
	}
}

// waitForRoom waits until one more client may connect, and tells whether the server still runs.
func (s *WebSocketServer) waitForRoom() bool {
	for {
		s.mu.Lock()
		if isDone(s.done) || len(s.unfinished) < s.tuning.maxUnfinished {
			s.mu.Unlock()
			return !isDone(s.done)
		}
		oldest := s.unfinished[0]
		s.mu.Unlock()
		patience := time.NewTimer(time.Until(oldest.since.Add(s.tuning.grace)))
		select {
		case <-s.room:
		case <-s.done:
		case <-patience.C:
			oldest.cancel(errTooManyUnfinished)
			select {
			case <-s.room:
			case <-s.done:
			}
		}
		patience.Stop()
	}
}

// arrived makes a WebSocket of a new client, and makes the callback due.
func (s *WebSocketServer) arrived(stream net.Conn) {
	ws := newWebSocket(s.options.MaxMessageSize, s.tuning.webSocketTuning)
	ws.remote = addressOf(stream)
	ws.held = true
	ctx, stop := ws.connecting(s.timeout)
	ws.log.Debug("WebSocket", "accepted", ws.remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	if isDone(s.done) {
		stop()
		_ = stream.Close()
		return
	}
	s.unfinished = append(s.unfinished, ws)
	s.clients = append(s.clients, newClient{ws: ws, stream: stream, ctx: ctx, stop: stop})
	s.callbacks.push(event{target: s, kind: eventClient})
}

// deliver is the turn of one client.
func (s *WebSocketServer) deliver(q *callbackQueue, _ event) {
	if len(s.clients) == 0 {
		return
	}
	c := s.clients[0]
	s.clients[0] = newClient{}
	s.clients = s.clients[1:]
	if len(s.clients) == 0 {
		s.clients = nil
	}
	q.enter(s, eventClient)
	defer q.leave()
	defer s.begin(c) // also when the function ends by runtime.Goexit
	s.onClient(c.ws)
}

// begin starts the handshake of a client that the program knows.
func (s *WebSocketServer) begin(c newClient) {
	c.ws.lock()
	c.ws.introduce()
	c.ws.unlock()
	go s.handshake(c)
}

// handshake is the goroutine that connects a client.
func (s *WebSocketServer) handshake(c newClient) {
	conn, path, err := s.converse(c)
	c.stop()
	c.ws.mu.Lock()
	c.ws.path = path
	c.ws.mu.Unlock()
	s.finished(c.ws)
	c.ws.connected(conn, err)
}

// converse does the handshakes of TLS and WebSocket.
func (s *WebSocketServer) converse(c newClient) (conn *websocket.Conn, path string, err error) {
	stream := c.stream
	if s.tls != nil {
		secure := tls.Server(stream, s.tls)
		if err := secure.HandshakeContext(c.ctx); err != nil {
			_ = stream.Close()
			if cause := context.Cause(c.ctx); cause != nil {
				err = fmt.Errorf("%w: %w", cause, err)
			}
			return nil, "", fmt.Errorf("TLS handshake: %w", err)
		}
		stream = secure
	}
	options := s.options
	options.BeforeClose = c.ws.settle
	conn, request, err := websocket.Handshake(c.ctx, stream, &options)
	if request != nil {
		path = request.Path
	}
	return conn, path, err
}

// finished makes room for another client.
func (s *WebSocketServer) finished(ws *WebSocket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.unfinished, ws); i >= 0 {
		s.unfinished = slices.Delete(s.unfinished, i, i+1)
	}
	select {
	case s.room <- struct{}{}:
	default:
	}
}
