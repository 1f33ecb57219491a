package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/gobwas/ws"
)

// gobwasBuffer holds the largest message with its header.
const gobwasBuffer = 68 << 10

var gobwas = contestant{
	name:     "gobwas",
	module:   "github.com/gobwas/ws",
	settings: "its functions for frames, over bufio of 68 KiB, one write for each frame",
	serve: serveHTTP(func(w http.ResponseWriter, r *http.Request) (end, error) {
		conn, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return nil, err
		}
		return newGobwasEnd(conn, rw.Reader, false), nil
	}),
	dial: func(address string) (end, error) {
		conn, early, _, err := ws.Dial(context.Background(), "ws://"+address+"/")
		if err != nil {
			return nil, err
		}
		return newGobwasEnd(conn, early, true), nil
	},
}

type gobwasEnd struct {
	client bool
	state  ws.State
	r      *bufio.Reader
	w      *bufio.Writer
	copied []byte // a client masks this copy, because the message is sent again
}

func newGobwasEnd(conn net.Conn, early *bufio.Reader, client bool) *gobwasEnd {
	var r io.Reader = conn
	if early != nil && early.Buffered() > 0 {
		r = io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn)
	}
	state := ws.StateServerSide
	if client {
		state = ws.StateClientSide
	}
	return &gobwasEnd{
		client: client, state: state,
		r: bufio.NewReaderSize(r, gobwasBuffer), w: bufio.NewWriterSize(conn, gobwasBuffer),
	}
}

func (e *gobwasEnd) send(message []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(len(message)), Masked: e.client}
	if e.client {
		h.Mask = ws.NewMask()
		e.copied = append(e.copied[:0], message...)
		ws.Cipher(e.copied, h.Mask, 0)
		message = e.copied
	}
	if err := ws.WriteHeader(e.w, h); err != nil {
		return err
	}
	if _, err := e.w.Write(message); err != nil {
		return err
	}
	return e.w.Flush()
}

func (e *gobwasEnd) echo(arrived func([]byte) int) error {
	var message []byte
	for {
		h, err := ws.ReadHeader(e.r)
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, e.state); err != nil {
			return err
		}
		message = slices.Grow(message[:0], int(h.Length))[:h.Length]
		if _, err := io.ReadFull(e.r, message); err != nil {
			return err
		}
		if h.Masked {
			ws.Cipher(message, h.Mask, 0)
		}
		for range arrived(message) {
			if err := e.send(message); err != nil {
				return err
			}
		}
	}
}
