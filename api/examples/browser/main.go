// Browser serves a web page that connects to this program: first by a WebSocket, over which the two
// exchange descriptions and candidates, and then by data channels. The page shows their throughput
// in both directions, round-trip times, the steps of the connection, and a chat.
//
//	browser [-addr HOST:PORT]
//
// A button of the page starts the traffic. Even on a path without loss, one or two chunks in a
// hundred are retransmitted: Chromium's socket has a receive buffer of 64 KiB, 57 packets on Linux,
// and while the browser is busy the system drops further packets. BBR, the default congestion
// control, slows down when more than 2 % is lost. CUBIC slows down at each loss. On such a path it
// retransmits less than 0.1 % and is as fast.
//
// It listens on localhost:8080 by default; with -addr :8080 other machines of the network can open
// the page, too.
//
// As an example to read: server.go accepts the WebSocket, visitor.go has the connection to one
// page, channels.go this side of each data channel, room.go the chat, and page/connection.js the
// connection in the page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	// The first Ctrl-C closes the connections to the pages, the second kills the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// headerTimeout is the time within which a client must send the header of a request.
const headerTimeout = 10 * time.Second

// run is the main function with the arguments, the streams, and the exit status as parameters and
// result.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	flags := flag.NewFlagSet("browser", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "localhost:8080", "the `host:port` to listen on; port 0: a free one; no host: all addresses")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "browser: unknown argument %q; see -h\n", flags.Arg(0))
		return 2
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintf(stderr, "browser: %v\n", err)
		if errors.Is(err, syscall.EADDRINUSE) {
			fmt.Fprintln(stderr, "With -addr localhost:0 it takes a port that is free.")
		}
		return 1
	}
	for i, url := range urls(listener.Addr()) {
		if i == 0 {
			fmt.Fprintf(stdout, "Open %s in a browser.\n", url)
		} else {
			fmt.Fprintf(stdout, "  or %s, from elsewhere.\n", url)
		}
	}

	s := newServer(ctx)
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: headerTimeout}
	// Shutdown of net/http does not wait for WebSockets.
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = web.Shutdown(context.Background())
		s.visits.Wait()
	})
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintf(stderr, "browser: %v\n", err)
		return 1
	}
	<-stopped
	return 0
}

// urls returns the URLs of the page, the one for this machine first.
func urls(listening net.Addr) []string {
	addr, ok := listening.(*net.TCPAddr)
	if !ok {
		return []string{"http://" + listening.String()}
	}
	url := func(host string) string { return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port)) }
	if !addr.IP.IsUnspecified() {
		if addr.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			return []string{url("localhost")}
		}
		return []string{url(addr.IP.String())}
	}
	all := []string{url("localhost")}
	interfaces, _ := net.InterfaceAddrs()
	for _, i := range interfaces {
		n, ok := i.(*net.IPNet)
		if ok && n.IP.IsGlobalUnicast() && (addr.IP.To4() == nil || n.IP.To4() != nil) {
			all = append(all, url(n.IP.String()))
		}
	}
	return all
}
