// Browser serves a web page that connects with this program, first by a WebSocket, and then, after
// descriptions and candidates are exchanged over that, by data channels. The page shows their
// throughput in both directions, round-trip times, the steps of the connection, and a chat.
//
//	browser [-addr HOST:PORT]
//
// The traffic begins when the page's button is pressed. On a path without any loss some of it is
// sent again all the same, one or two chunks in a hundred: Chromium's socket has a receive buffer
// of 64 KiB, 57 packets on Linux, and while the browser is busy the system drops further packets.
// BBR, the default congestion control, slows down when more than 2 % is lost. CUBIC, which slows
// down at each loss, has less than 0.1 % sent again on such a path and is as fast.
//
// It listens on localhost:8080 by default; with -addr :8080 other machines of the network can open
// the page, too.
//
// It is meant to be read: server.go accepts the WebSocket, visitor.go is the connection with one
// page, channels.go is this side of each data channel, room.go the chat. The page's side is
// page/connection.js.
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
	// The first Ctrl-C says goodbye to the pages, the second kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// headerTimeout is how long a client may take to send the header of a request.
const headerTimeout = 10 * time.Second

// run is the program but for the process around it: the arguments, the streams, and the exit
// status.
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
	// A WebSocket is not net/http's any more once it is accepted: Shutdown does not wait for it.
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

// urls returns the addresses of the page, the one for this machine first.
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
