// Signaling is a signalling server. It forwards messages between the two peers in a room.
//
//	signaling [-port PORT] [-bind ADDRESS] [-tls [-cert FILE -key FILE [-pass PASSWORD]]]
//
// A peer joins a room by opening a WebSocket whose path is the room's name, ws://host:8000/room.
// Its messages are forwarded unchanged to the other peer in the room, and wait for it if it has not
// joined yet. A third peer is rejected. The server neither parses nor stores messages. Any client
// that knows the name of a room can join it, so that a name should be hard to guess.
//
// "transfer send -signal ws://host:8000/room FILE" and "transfer receive -signal
// ws://host:8000/room DIR" use it. Their messages are rtc.Signals in JSON, the format of browsers,
// so that a page can be one of the peers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// maxMessage is the size of the largest message that is forwarded, in bytes. A description with all
// its candidates has a few thousand.
const maxMessage = 64 << 10

// connectionTimeout is the time within which a client must open its WebSocket.
const connectionTimeout = 10 * time.Second

const usage = `Signaling is a server that brings two peers together: what one of them says in
a room, the other one hears. A room is the path of a WebSocket's URL, as in
transfer send -signal ws://host:8000/room FILE.

Flags:
`

// run is the main function with the arguments, the streams, and the exit status as parameters and
// result.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	flags := flag.NewFlagSet("signaling", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {} // an error is printed in one line
	configuration := rtc.WebSocketServerConfiguration{MaxMessageSize: maxMessage, ConnectionTimeout: connectionTimeout}
	port := flags.Uint("port", 8000, "the TCP `port` to listen on; 0: a free one")
	flags.StringVar(&configuration.BindAddress, "bind", "", "the only `address` to listen on (default all)")
	flags.BoolVar(&configuration.EnableTLS, "tls", false, "be a server for wss URLs; without -cert with a certificate of its own")
	flags.StringVar(&configuration.CertificatePEMFile, "cert", "", "the `file` with the certificate")
	flags.StringVar(&configuration.KeyPEMFile, "key", "", "the `file` with its private key")
	flags.StringVar(&configuration.KeyPEMPass, "pass", "", "the `password` of the private key")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "See signaling -h.")
		return 2
	}
	if flags.NArg() > 0 || *port > 65535 {
		fmt.Fprintln(stderr, "signaling: the port is 0 to 65535, and there are no arguments but flags; see -h")
		return 2
	}
	configuration.Port = uint16(*port)

	l := newLobby()
	server, err := rtc.NewWebSocketServer(configuration, l.arrived)
	if err != nil {
		fmt.Fprintf(stderr, "signaling: %v\n", err)
		return 1
	}
	scheme := "ws"
	if configuration.EnableTLS {
		scheme = "wss"
	}
	fmt.Fprintf(stdout, "listening on %s://%s\n", scheme, server.Addr())
	<-ctx.Done()
	_ = server.Close()
	l.close()
	return 0
}
