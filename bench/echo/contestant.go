package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// contestant is a library under measurement. It is used as its documentation shows, with one
// goroutine for each end of a connection and without compression. Both ends use it, so that the
// costs of its client count as well.
type contestant struct {
	name     string
	module   string // its import path; empty: none
	settings string

	// serve accepts connections and echoes all messages.
	serve func(net.Listener)
	// dial opens a connection.
	dial func(address string) (end, error)
}

// end is one end of a connection.
type end interface {
	// send sends a message, before echo is called.
	send(message []byte) error
	// echo receives messages until the connection ends, and sends each as often as arrived returns.
	// The message is valid during the call of arrived only.
	echo(arrived func(message []byte) (copies int)) error
}

// contestants are all contestants in the order of the results; ours is the first.
var contestants = []contestant{
	ours,
	gorillaDefault,
	gorillaTuned,
	coder,
	gws,
	gobwas,
	floor,
}

func contestantNamed(name string) (contestant, error) {
	for _, c := range contestants {
		if c.name == name {
			return c, nil
		}
	}
	return contestant{}, fmt.Errorf("no contestant is called %q", name)
}

func (c contestant) version() string {
	if c.module == "" {
		return runtimeVersion
	}
	return result.ModuleVersion(c.module)
}

// once is the function arrived of a server: each message is echoed once.
func once([]byte) int { return 1 }

// serveHTTP serves WebSocket connections. The goroutine that echoes is not that of the request, so
// that the memory of the handshake is freed when the request ends.
func serveHTTP(accept func(http.ResponseWriter, *http.Request) (end, error)) func(net.Listener) {
	return func(l net.Listener) {
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, err := accept(w, r)
			if err != nil {
				return // the client reports the failure
			}
			go e.echo(once)
		})}
		server.Serve(l)
	}
}

// readAll reads from r until EOF into buf, and returns buf, which may have grown.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 512)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
