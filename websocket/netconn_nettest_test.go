package websocket

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/nettest"
)

// The contract of net.Conn holds over every kind of stream and at both ends: Read does not show the
// boundaries of messages.
func TestNetConnIsANetConn(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(https.Close)
	for name, wrap := range map[string]func(client, server net.Conn) (net.Conn, net.Conn){
		"socket": func(client, server net.Conn) (net.Conn, net.Conn) { return client, server },
		"stream": func(client, server net.Conn) (net.Conn, net.Conn) { return onlyConn{client}, onlyConn{server} },
		"TLS": func(client, server net.Conn) (net.Conn, net.Conn) {
			c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
			s := tls.Server(server, &tls.Config{Certificates: https.TLS.Certificates})
			done := make(chan error, 1)
			go func() { done <- c.Handshake() }() // as Dial does: not under the deadlines of a test
			if err := errors.Join(s.Handshake(), <-done); err != nil {
				t.Error(err)
			}
			return c, s
		},
		"pipe": func(client, server net.Conn) (net.Conn, net.Conn) {
			client.Close()
			server.Close()
			return net.Pipe()
		},
	} {
		for _, fromServer := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " client", true: " server"}[fromServer], func(t *testing.T) {
				t.Parallel() // most of the time it waits
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					a, b := tcpPair(t, connConfig{}, connConfig{})
					client, server := wrap(a.stream, b.stream)
					c1 = newConn(client, connConfig{client: true}).NetConn(MessageBinary)
					c2 = newConn(server, connConfig{}).NetConn(MessageBinary)
					if fromServer {
						c1, c2 = c2, c1
					}
					return c1, c2, func() { c1.Close(); c2.Close() }, nil
				})
			})
		}
	}
}
