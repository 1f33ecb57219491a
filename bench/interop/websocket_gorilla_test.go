package interop_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// gorillaSocket is a connection of github.com/gorilla/websocket. sendPieces sends frames of gorillaBuffer octets.
type gorillaSocket struct {
	c     *websocket.Conn
	mu    *sync.Mutex // held by writers of messages
	pongs chan string
}

const gorillaBuffer = 1 << 10

var gorillaStack = socketStack{name: "gorilla", connect: connectGorilla, serve: serveGorilla}

func newGorillaSocket(c *websocket.Conn) socket {
	s := gorillaSocket{c, new(sync.Mutex), make(chan string, 1)}
	c.SetPongHandler(func(payload string) error {
		s.pongs <- payload
		return nil
	})
	return s
}

func connectGorilla(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error) {
	d := websocket.Dialer{NetDialContext: dial, Subprotocols: o.subprotocols, EnableCompression: o.compression != nil, WriteBufferSize: gorillaBuffer}
	c, _, err := d.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return newGorillaSocket(c), nil
}

func serveGorilla(t *testing.T, o socketOptions, handle func(socket)) string {
	upgrader := websocket.Upgrader{Subprotocols: o.subprotocols, EnableCompression: o.compression != nil, WriteBufferSize: gorillaBuffer}
	return serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			handle(newGorillaSocket(c))
		}
	})
}

func gorillaType(isText bool) int {
	if isText {
		return websocket.TextMessage
	}
	return websocket.BinaryMessage
}

func (s gorillaSocket) send(isText bool, message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c.WriteMessage(gorillaType(isText), message)
}

func (s gorillaSocket) sendPieces(isText bool, pieces ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.c.NextWriter(gorillaType(isText))
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

func (s gorillaSocket) receive() (isText bool, message []byte, err error) {
	typ, message, err := s.c.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		err = &closedSocket{uint16(closed.Code), closed.Text}
	}
	return typ == websocket.TextMessage, message, err
}

func (s gorillaSocket) ping() error {
	if err := s.c.WriteControl(websocket.PingMessage, []byte("gorilla"), time.Now().Add(webSocketPatience)); err != nil {
		return err
	}
	return awaitPong(s.pongs, "gorilla")
}

// awaitPong waits for a pong. It returns an error if its payload is not want.
func awaitPong(pongs <-chan string, want string) error {
	select {
	case got := <-pongs:
		if got != want {
			return errors.New("pong " + got + ", want " + want)
		}
		return nil
	case <-time.After(webSocketPatience):
		return errors.New("no pong")
	}
}

func (s gorillaSocket) close(code uint16, reason string) error {
	return s.c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), reason), time.Now().Add(webSocketPatience))
}

func (s gorillaSocket) subprotocol() string { return s.c.Subprotocol() }
func (s gorillaSocket) drop()               { _ = s.c.Close() }
