package main

import (
	"net/http"

	gwslib "github.com/lxzan/gws"
)

var gws = contestant{
	name:     "gws",
	module:   "github.com/lxzan/gws",
	settings: "defaults; OnMessage and WriteMessage",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		e := &gwsEnd{}
		c, err := gwslib.NewUpgrader(e, &gwslib.ServerOption{}).Upgrade(w, r)
		e.c = c
		return e, err
	}),
	dial: func(address string) (end, error) {
		e := &gwsEnd{}
		c, _, err := gwslib.NewClient(e, &gwslib.ClientOption{Addr: "ws://" + address + "/"})
		e.c = c
		return e, err
	},
}

type gwsEnd struct {
	gwslib.BuiltinEventHandler
	c       *gwslib.Conn
	arrived func([]byte) int
	err     error
}

func (e *gwsEnd) send(message []byte) error {
	return e.c.WriteMessage(gwslib.OpcodeBinary, message)
}

func (e *gwsEnd) echo(arrived func([]byte) int) error {
	e.arrived = arrived
	e.c.ReadLoop()
	return e.err
}

// OnMessage is called in ReadLoop.
func (e *gwsEnd) OnMessage(c *gwslib.Conn, m *gwslib.Message) {
	defer m.Close()
	for range e.arrived(m.Bytes()) {
		if e.send(m.Bytes()) != nil {
			return // OnClose reports the error
		}
	}
}

// OnClose is called at the end of ReadLoop.
func (e *gwsEnd) OnClose(_ *gwslib.Conn, err error) { e.err = err }
