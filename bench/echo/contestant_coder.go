package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

var coder = contestant{
	name:     "coder",
	module:   "github.com/coder/websocket",
	settings: "no read limit; Reader into a reused buffer, and Write",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		c, err := websocket.Accept(w, r, nil)
		return newCoderEnd(c, err)
	}),
	dial: func(address string) (end, error) {
		c, _, err := websocket.Dial(context.Background(), "ws://"+address+"/", nil)
		return newCoderEnd(c, err)
	},
}

type coderEnd struct{ c *websocket.Conn }

func newCoderEnd(c *websocket.Conn, err error) (end, error) {
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return coderEnd{c}, nil
}

func (e coderEnd) send(message []byte) error {
	return e.c.Write(context.Background(), websocket.MessageBinary, message)
}

func (e coderEnd) echo(arrived func([]byte) int) error {
	var message []byte
	for {
		_, r, err := e.c.Reader(context.Background())
		if err != nil {
			return err
		}
		if message, err = readAll(r, message); err != nil {
			return err
		}
		for range arrived(message) {
			if err := e.send(message); err != nil {
				return err
			}
		}
	}
}
