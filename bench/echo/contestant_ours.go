package main

import (
	"context"
	"net/http"

	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/rtcstack/rtcstack/websocket"
)

var ours = contestant{
	name:     result.Ours,
	module:   "github.com/rtcstack/rtcstack",
	settings: "defaults; ReadInto and Write",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		c, err := websocket.Accept(w, r, nil)
		return oursEnd{c}, err
	}),
	dial: func(address string) (end, error) {
		c, err := websocket.Dial(context.Background(), "ws://"+address+"/", nil)
		return oursEnd{c}, err
	},
}

type oursEnd struct{ c *websocket.Conn }

func (e oursEnd) send(message []byte) error {
	return e.c.Write(context.Background(), websocket.MessageBinary, message)
}

func (e oursEnd) echo(arrived func([]byte) int) error {
	ctx := context.Background()
	var message []byte
	for {
		var err error
		if _, message, err = e.c.ReadInto(ctx, message); err != nil {
			return err
		}
		for range arrived(message) {
			if err := e.send(message); err != nil {
				return err
			}
		}
	}
}
