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
	// maxUnfinishedHandshakes is the maximum number of clients of one server that have a TCP
	// connection and are not open yet. It is more than arrive during a handshake, and their memory
	// is acceptable (about 20 KiB each, with TLS). Further clients wait in the queue of the system.
	maxUnfinishedHandshakes = 1024
	// unfinishedGrace is the time during which a connecting client is not disconnected in favour of
	// others. If there are too many, the one that has been connecting longest, and for longer than
	// this, is disconnected, so that clients which open connections and send nothing cannot exclude
	// others.
	unfinishedGrace = 2 * time.Second
	// minAcceptDelay and maxAcceptDelay bound the time that the server waits after a failed accept.
	// It doubles with each failure: without free file descriptors the server would otherwise fail
	// in a busy loop.
	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second
)

// errTooManyUnfinished ends the handshake of a slow client while others wait.
var errTooManyUnfinished = errors.New("too many clients are connecting, and this one has taken longest")

// newClient is a client with a TCP connection and no handshake yet.
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

// waitForRoom waits until one more client may connect. It reports whether the server is still
// running.
func (s *WebSocketServer) waitForRoom() bool {
	for {
		s.mu.Lock()
		if isDone(s.done) || len(s.unfinished) < s.tuning.maxUnfinished {
			s.mu.Unlock()
			return !isDone(s.done)
		}
		oldest := s.unfinished[0]
		s.mu.Unlock()
		grace := time.NewTimer(time.Until(oldest.since.Add(s.tuning.grace)))
		select {
		case <-s.room:
		case <-s.done:
		case <-grace.C:
			oldest.cancel(errTooManyUnfinished)
			select {
			case <-s.room:
			case <-s.done:
			}
		}
		grace.Stop()
	}
}

// arrived makes a WebSocket for a new client, and queues the call of the callback.
func (s *WebSocketServer) arrived(stream net.Conn) {
	ws := newWebSocket(s.logger, s.options.MaxMessageSize, s.tuning.webSocketTuning)
	ws.remote = addressOf(stream)
	ws.held = true
	ws.onEnded = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.unclosed, ws)
	}
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
	s.unclosed[ws] = struct{}{}
	s.clients = append(s.clients, newClient{ws: ws, stream: stream, ctx: ctx, stop: stop})
	s.callbacks.push(event{target: s, kind: eventClient})
}

// deliver calls the callback with the next client.
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
	defer s.begin(c) // even if the callback calls runtime.Goexit
	s.onClient(c.ws)
}

// begin starts the handshake of a client that the callback has been called with.
func (s *WebSocketServer) begin(c newClient) {
	c.ws.lock()
	c.ws.release()
	c.ws.unlock()
	go s.handshake(c)
}

// handshake is the goroutine that connects a client.
func (s *WebSocketServer) handshake(c newClient) {
	conn, path, err := s.handshakes(c)
	c.stop()
	c.ws.mu.Lock()
	c.ws.path = path
	c.ws.mu.Unlock()
	s.leaveUnfinished(c.ws)
	c.ws.connected(conn, err)
}

// handshakes performs the handshakes of TLS and WebSocket.
func (s *WebSocketServer) handshakes(c newClient) (conn *websocket.Conn, path string, err error) {
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
	options.BeforeClose = c.ws.drain
	conn, request, err := websocket.Handshake(c.ctx, stream, &options)
	if request != nil {
		path = request.Path
	}
	return conn, path, err
}

// leaveUnfinished makes room for another client.
func (s *WebSocketServer) leaveUnfinished(ws *WebSocket) {
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
