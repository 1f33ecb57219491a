package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

const (
	// floorBuffer holds the largest message with its length.
	floorBuffer = 68 << 10
	// floorMax is the largest message.
	floorMax = 64 << 10
)

var runtimeVersion = runtime.Version()

// floor has the cost of the sockets and of the least protocol: the length of a message, and the
// message, in a buffer of its own. It writes when there is nothing to read.
var floor = contestant{
	name:     result.Floor,
	settings: "no WebSocket: the length in 4 bytes and the message, over bufio of 68 KiB, flushed when there is nothing to read",
	serve: func(l net.Listener) {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go newFloorEnd(conn).echo(once)
		}
	},
	dial: func(address string) (end, error) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		return newFloorEnd(conn), nil
	},
}

type floorEnd struct {
	r      *bufio.Reader
	w      *bufio.Writer
	length [4]byte
}

func newFloorEnd(conn net.Conn) *floorEnd {
	return &floorEnd{r: bufio.NewReaderSize(conn, floorBuffer), w: bufio.NewWriterSize(conn, floorBuffer)}
}

func (e *floorEnd) send(message []byte) error {
	if err := e.write(message); err != nil {
		return err
	}
	return e.w.Flush()
}

func (e *floorEnd) write(message []byte) error {
	binary.BigEndian.PutUint32(e.length[:], uint32(len(message)))
	if e.w.Available() < len(e.length)+len(message) {
		if err := e.w.Flush(); err != nil {
			return err
		}
	}
	if _, err := e.w.Write(e.length[:]); err != nil {
		return err
	}
	_, err := e.w.Write(message)
	return err
}

func (e *floorEnd) echo(arrived func([]byte) int) error {
	var message []byte
	for {
		if e.r.Buffered() < len(e.length) {
			if err := e.w.Flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(e.r, e.length[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(e.length[:])
		if n > floorMax {
			return fmt.Errorf("a message of %d bytes", n)
		}
		message = slices.Grow(message[:0], int(n))[:n]
		if e.r.Buffered() < len(message) {
			if err := e.w.Flush(); err != nil {
				return err
			}
		}
		if _, err := io.ReadFull(e.r, message); err != nil {
			return err
		}
		for range arrived(message) {
			if err := e.write(message); err != nil {
				return err
			}
		}
	}
}
