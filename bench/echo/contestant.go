package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// contestant is a library, and how it is used here: as its documentation has it, in one goroutine for each end of a
// connection, without compression. It has both ends, so that what a client does counts, too.
type contestant struct {
	name     string
	module   string // its import path; empty: none
	settings string

	// serve accepts connections and sends back all that comes.
	serve func(net.Listener)
	// dial opens a connection.
	dial func(address string) (end, error)
}

// end is one end of a connection.
type end interface {
	// send sends a message, before echo is called.
	send(message []byte) error
	// echo sends back every message that comes, so often as arrived says, until the connection ends. The message is
	// arrived's for the call only.
	echo(arrived func(message []byte) (copies int)) error
}

// contestants is everybody, in the order of the results; ours is the first.
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

// once is what a server does with a message.
func once([]byte) int { return 1 }

// serveHTTP serves WebSocket connections. The goroutine that echoes is not the one of the request, which ends and takes
// along what only the handshake has needed.
func serveHTTP(accept func(http.ResponseWriter, *http.Request) (end, error)) func(net.Listener) {
	return func(l net.Listener) {
		server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, err := accept(w, r)
			if err != nil {
				return // the client will say so
			}
			go e.echo(once)
		})}
		server.Serve(l)
	}
}

// readAll reads what is left of r into buf, which it grows when it has to.
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
