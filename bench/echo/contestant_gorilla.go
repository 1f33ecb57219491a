package main

import (
	"net/http"

	"github.com/gorilla/websocket"
)

const gorillaModule = "github.com/gorilla/websocket"

// gorillaBuffer holds the largest message with its header.
const gorillaBuffer = 68 << 10

var gorillaDefault = contestant{
	name:     "gorilla",
	module:   gorillaModule,
	settings: "defaults; ReadMessage and WriteMessage",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		var u websocket.Upgrader
		c, err := u.Upgrade(w, r, nil)
		return gorillaEnd{c}, err
	}),
	dial: func(address string) (end, error) {
		var d websocket.Dialer
		c, _, err := d.Dial("ws://"+address+"/", nil)
		return gorillaEnd{c}, err
	},
}

var gorillaTuned = contestant{
	name:     "gorilla-tuned",
	module:   gorillaModule,
	settings: "buffers of 68 KiB; NextReader into a reused buffer, and WriteMessage",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		u := websocket.Upgrader{ReadBufferSize: gorillaBuffer, WriteBufferSize: gorillaBuffer}
		c, err := u.Upgrade(w, r, nil)
		return gorillaTunedEnd{gorillaEnd{c}}, err
	}),
	dial: func(address string) (end, error) {
		d := websocket.Dialer{ReadBufferSize: gorillaBuffer, WriteBufferSize: gorillaBuffer}
		c, _, err := d.Dial("ws://"+address+"/", nil)
		return gorillaTunedEnd{gorillaEnd{c}}, err
	},
}

type gorillaEnd struct{ c *websocket.Conn }

func (e gorillaEnd) send(message []byte) error {
	return e.c.WriteMessage(websocket.BinaryMessage, message)
}

func (e gorillaEnd) echo(arrived func([]byte) int) error {
	for {
		_, message, err := e.c.ReadMessage()
		if err != nil {
			return err
		}
		for range arrived(message) {
			if err := e.send(message); err != nil {
				return err
			}
		}
	}
}

type gorillaTunedEnd struct{ gorillaEnd }

func (e gorillaTunedEnd) echo(arrived func([]byte) int) error {
	var message []byte
	for {
		_, r, err := e.c.NextReader()
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
