package rtc

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// The NetConn of a WebSocket follows the contract of net.Conn, at both ends: Write splits its bytes
// into messages, and Read does not show their boundaries.
func TestWebSocketNetConnIsANetConn(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, fromServer := range map[string]bool{"client": false, "server": true} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, WebSocketServerConfiguration{})
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				client := dial(t, s.url("ws", "/"), nil)
				server := receive(t, s.accepted, "client callback")
				eventually(t, "open", func() bool { return client.IsOpen() && server.IsOpen() })
				c1, c2 = client.NetConn(), server.NetConn()
				if fromServer {
					c1, c2 = c2, c1
				}
				return c1, c2, func() { client.CloseAndWait(); server.CloseAndWait() }, nil
			})
		})
	}
}
