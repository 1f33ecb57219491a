package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

// socket is an open connection of one of the implementations. One goroutine receives, another one sends.
type socket interface {
	send(isText bool, message []byte) error
	// sendPieces sends a message in several frames if the implementation supports that. Not all of them let the program
	// choose the frames.
	sendPieces(isText bool, pieces ...[]byte) error
	// receive returns the next message. The error is a *closedSocket if the peer has closed the connection.
	receive() (isText bool, message []byte, err error)
	// ping sends a ping and waits for its pong. Another goroutine has to call receive.
	ping() error
	close(code uint16, reason string) error // code 1005: a close frame without a code
	subprotocol() string
	drop() // closes the connection without a closing handshake if it is still open
}

// closedSocket has the code and reason of the peer's close frame.
type closedSocket struct {
	code   uint16
	reason string
}

func (e *closedSocket) Error() string { return fmt.Sprintf("closed: %d %q", e.code, e.reason) }

// socketStack is a WebSocket implementation.
type socketStack struct {
	name string
	// connect opens a connection with the dialer.
	connect func(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error)
	// serve starts a server for the duration of the test. The server calls handle in a new goroutine for each client.
	serve func(t *testing.T, o socketOptions, handle func(socket)) (url string)
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

var ourStacks = []socketStack{
	{name: "websocket", connect: connectWebsocket, serve: serveWebsocket},
	{name: "rtc", connect: connectRTC, serve: serveRTC},
}

// tappedConn keeps the head of the server's opening handshake and counts the octets received after it.
type tappedConn struct {
	net.Conn
	mu        sync.Mutex
	head      []byte
	headEnded bool
	received  int // after the head
}

var endOfHead = []byte("\r\n\r\n")

func (c *tappedConn) Read(b []byte) (n int, err error) {
	n, err = c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headEnded {
		c.received += n
		return n, err
	}
	c.head = append(c.head, b[:n]...)
	if end := bytes.Index(c.head, endOfHead); end >= 0 {
		c.headEnded, c.received = true, len(c.head)-end-len(endOfHead)
		c.head = c.head[:end]
	}
	return n, err
}

func (c *tappedConn) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received
}

// extensions returns the extensions in the server's opening handshake.
func (c *tappedConn) extensions() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range bytes.Split(c.head, []byte("\r\n")) {
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// socketPair has the two ends of a connection.
type socketPair struct {
	client, server socket
	tap            *tappedConn // of the client
}

// errNoServer is the error if a client is connected and the server has accepted no connection.
var errNoServer = errors.New("the client is connected, but the server has not accepted a connection")

// connectPair opens a connection for the duration of the test.
func connectPair(t *testing.T, client, server socketStack, clientOptions, serverOptions socketOptions) (socketPair, error) {
	t.Helper()
	accepted, done := make(chan socket, 1), make(chan struct{})
	url := server.serve(t, serverOptions, func(s socket) {
		accepted <- s
		<-done
	})
	t.Cleanup(func() { close(done) }) // before the server ends
	ctx, cancel := context.WithTimeout(t.Context(), webSocketPatience)
	defer cancel()
	var p socketPair
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		p.tap = &tappedConn{Conn: conn}
		return p.tap, nil
	}
	var err error
	p.client, err = client.connect(ctx, url, clientOptions, dial)
	if err != nil {
		return p, err
	}
	t.Cleanup(p.client.drop)
	select {
	case p.server = <-accepted:
		t.Cleanup(p.server.drop)
		return p, nil
	case <-ctx.Done():
		return p, errNoServer
	}
}

// websocketSocket is a connection of package websocket.
type websocketSocket struct{ c *websocket.Conn }

func connectWebsocket(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error) {
	options := dialOptions(o)
	options.DialContext = dial
	c, err := websocket.Dial(ctx, url, options)
	if err != nil {
		return nil, err
	}
	return websocketSocket{c}, nil
}

func serveWebsocket(t *testing.T, o socketOptions, handle func(socket)) string {
	return serveConns(t, o, func(c *websocket.Conn) { handle(websocketSocket{c}) })
}

func messageType(isText bool) websocket.MessageType {
	if isText {
		return websocket.MessageText
	}
	return websocket.MessageBinary
}

func (s websocketSocket) send(isText bool, message []byte) error {
	return s.c.Write(context.Background(), messageType(isText), message)
}

func (s websocketSocket) sendPieces(isText bool, pieces ...[]byte) error {
	w, err := s.c.Writer(context.Background(), messageType(isText))
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Close()
}

func (s websocketSocket) receive() (isText bool, message []byte, err error) {
	typ, message, err := s.c.Read(context.Background())
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		err = &closedSocket{uint16(closed.Code), closed.Reason}
	}
	return typ == websocket.MessageText, message, err
}

func (s websocketSocket) ping() error { return s.c.Ping(context.Background()) }
func (s websocketSocket) close(code uint16, reason string) error {
	return s.c.Close(websocket.StatusCode(code), reason)
}
func (s websocketSocket) subprotocol() string { return s.c.Protocol() }
func (s websocketSocket) drop()               { _ = s.c.CloseNow() }

// rtcSocket is a connection of package rtc.
type rtcSocket struct{ ws *rtc.WebSocket }

func connectRTC(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error) {
	ws, err := rtc.NewWebSocket(url, &rtc.WebSocketConfiguration{
		Protocols: o.subprotocols, Compression: o.compression, MaxMessageSize: webSocketMessage, DialContext: dial,
		PingInterval: o.pingInterval,
	})
	if err != nil {
		return nil, err
	}
	result := make(chan error, 2)
	ws.OnOpen(func() { result <- nil })
	ws.OnError(func(err error) {
		select {
		case result <- err:
		default: // an error after the connection was open
		}
	})
	select {
	case err = <-result:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, ws.CloseAndWait())
	}
	return rtcSocket{ws}, nil
}

func serveRTC(t *testing.T, o socketOptions, handle func(socket)) string {
	var handlers sync.WaitGroup
	t.Cleanup(handlers.Wait) // after the server has ended
	return rtcServer(t, o, func(ws *rtc.WebSocket) {
		ws.OnOpen(func() { handlers.Go(func() { handle(rtcSocket{ws}) }) })
	})
}

func (s rtcSocket) send(isText bool, message []byte) error {
	return s.ws.WriteMessage(context.Background(), rtc.Message{Data: message, IsText: isText})
}

func (s rtcSocket) sendPieces(isText bool, pieces ...[]byte) error {
	return s.send(isText, bytes.Join(pieces, nil))
}

func (s rtcSocket) receive() (isText bool, message []byte, err error) {
	m, err := s.ws.ReadMessage(context.Background())
	if err != nil {
		if code, reason, statusErr := s.ws.CloseStatus(); statusErr == nil {
			err = &closedSocket{uint16(code), reason}
		}
	}
	return m.IsText, m.Data, err
}

func (s rtcSocket) ping() error { return errNoPing }
func (s rtcSocket) close(code uint16, reason string) error {
	return s.ws.CloseWithStatus(websocket.StatusCode(code), reason)
}
func (s rtcSocket) subprotocol() string { return s.ws.Protocol() }
func (s rtcSocket) drop()               { _ = s.ws.CloseAndWait() }

// errNoPing is the error of an implementation that has no function to send a ping.
var errNoPing = errors.New("the implementation has no function to send a ping")

// exchange sends messages in both directions at once, some in pieces, and checks the received ones.
func (p socketPair) exchange(t *testing.T, messages []testMessage) {
	t.Helper()
	var ends sync.WaitGroup
	for _, way := range []struct{ from, to socket }{{p.client, p.server}, {p.server, p.client}} {
		ends.Go(func() {
			if !sendAll(t, way.from, messages) {
				way.to.drop()
			}
		})
		ends.Go(func() {
			if !receiveAll(t, way.to, messages) {
				way.from.drop()
			}
		})
	}
	ends.Wait()
	require.False(t, t.Failed())
}

func sendAll(t *testing.T, s socket, messages []testMessage) bool {
	t.Helper()
	for i, m := range messages {
		var err error
		if m.pieces > 0 {
			err = s.sendPieces(m.isText, m.cut()...)
		} else {
			err = s.send(m.isText, m.data)
		}
		if err != nil {
			t.Errorf("%T: send message %d: %v", s, i, err)
			return false
		}
	}
	return true
}

func receiveAll(t *testing.T, s socket, messages []testMessage) bool {
	t.Helper()
	for i, m := range messages {
		isText, data, err := s.receive()
		if err != nil || isText != m.isText || !bytes.Equal(data, m.data) {
			t.Errorf("%T: message %d of %d octets, text: %v: received %d octets, text: %v, error %v", s, i, len(m.data),
				m.isText, len(data), isText, err)
			return false
		}
	}
	return true
}

// testMessage is a message, sent in a number of pieces if that is not 0.
type testMessage struct {
	isText bool
	data   []byte
	pieces int
}

func (m testMessage) cut() (pieces [][]byte) {
	rest := m.data
	for i := m.pieces; i > 0; i-- {
		n := len(rest) / i
		pieces, rest = append(pieces, rest[:n]), rest[n:]
	}
	return pieces
}
