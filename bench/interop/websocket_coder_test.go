package interop_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// coderSocket is a connection of github.com/coder/websocket. Without compression, each piece of a message is a frame.
type coderSocket struct{ c *websocket.Conn }

var coderStack = socketStack{name: "coder", connect: connectCoder, serve: serveCoder}

func coderMode(o socketOptions) websocket.CompressionMode {
	switch c := o.compression; {
	case c == nil:
		return websocket.CompressionDisabled
	case c.ServerNoContextTakeover || c.ClientNoContextTakeover:
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionContextTakeover
}

func newCoderSocket(c *websocket.Conn) socket {
	c.SetReadLimit(webSocketMessage)
	return coderSocket{c}
}

func connectCoder(ctx context.Context, url string, o socketOptions, dial dialFunc) (socket, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: o.subprotocols, CompressionMode: coderMode(o)})
	if err != nil {
		return nil, err
	}
	return newCoderSocket(c), nil
}

func serveCoder(t *testing.T, o socketOptions, handle func(socket)) string {
	return serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: o.subprotocols, CompressionMode: coderMode(o)})
		if err == nil {
			handle(newCoderSocket(c))
		}
	})
}

func coderType(isText bool) websocket.MessageType {
	if isText {
		return websocket.MessageText
	}
	return websocket.MessageBinary
}

func (s coderSocket) send(isText bool, message []byte) error {
	return s.c.Write(context.Background(), coderType(isText), message)
}

func (s coderSocket) sendPieces(isText bool, pieces ...[]byte) error {
	w, err := s.c.Writer(context.Background(), coderType(isText))
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

func (s coderSocket) receive() (isText bool, message []byte, err error) {
	typ, message, err := s.c.Read(context.Background())
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		err = &closedSocket{uint16(closed.Code), closed.Reason}
	}
	return typ == websocket.MessageText, message, err
}

func (s coderSocket) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), webSocketPatience)
	defer cancel()
	return s.c.Ping(ctx)
}

func (s coderSocket) close(code uint16, reason string) error {
	return s.c.Close(websocket.StatusCode(code), reason)
}

func (s coderSocket) subprotocol() string { return s.c.Subprotocol() }
func (s coderSocket) drop()               { _ = s.c.CloseNow() }
