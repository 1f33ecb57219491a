package rtc

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

// webSocketServer is a server on loopback. The test receives its clients one at a time.
type webSocketServer struct {
	*WebSocketServer
	t        testing.TB
	accepted chan *WebSocket
}

func newTestServer(t testing.TB, c WebSocketServerConfiguration) *webSocketServer {
	return newTunedTestServer(t, c, webSocketServerTuning{})
}

func newTunedTestServer(t testing.TB, c WebSocketServerConfiguration, tune webSocketServerTuning) *webSocketServer {
	t.Helper()
	checkLeaks(t)
	if c.BindAddress == "" {
		c.BindAddress = "127.0.0.1"
	}
	s := &webSocketServer{t: t, accepted: make(chan *WebSocket, 100)}
	var err error
	s.WebSocketServer, err = newWebSocketServer(c, func(ws *WebSocket) { s.accepted <- ws }, tune)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		for {
			select {
			case ws := <-s.accepted:
				require.NoError(t, ws.CloseAndWait())
			default:
				return
			}
		}
	})
	return s
}

func (s *webSocketServer) url(scheme, path string) string {
	return fmt.Sprintf("%s://%s%s", scheme, s.Addr(), path)
}

// dial creates a client that is closed at the end of the test.
func dial(t testing.TB, url string, c *WebSocketConfiguration) *WebSocket {
	return dialTuned(t, url, c, webSocketTuning{})
}

func dialTuned(t testing.TB, url string, c *WebSocketConfiguration, tune webSocketTuning) *WebSocket {
	t.Helper()
	ws, err := openWebSocket(url, c, tune)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ws.CloseAndWait()) })
	return ws
}

// webSocketPair returns both ends of an open connection.
func webSocketPair(t testing.TB, tune webSocketTuning) (client, server *WebSocket) {
	t.Helper()
	s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{webSocketTuning: tune})
	client = dialTuned(t, s.url("ws", "/"), nil, tune)
	return client, s.next(client)
}

// next returns the server's end of a connection when both ends are open.
func (s *webSocketServer) next(client *WebSocket) *WebSocket {
	s.t.Helper()
	server := receive(s.t, s.accepted, "client callback")
	s.t.Cleanup(func() { require.NoError(s.t, server.CloseAndWait()) })
	eventually(s.t, "both ends are open", func() bool { return client.IsOpen() && server.IsOpen() })
	return server
}

func TestWebSocketMessages(t *testing.T) {
	client, server := webSocketPair(t, webSocketTuning{})
	for _, c := range []struct{ from, to *WebSocket }{{client, server}, {server, client}} {
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, DefaultMaxMessageSize} {
			for _, isText := range []bool{false, true} {
				data := bytes.Repeat([]byte{'x'}, size)
				if !isText {
					for i := range data {
						data[i] = byte(i * 7)
					}
				}
				m := Message{Data: data, IsText: isText}
				got := exchange(t, c.from, c.to, m)
				require.Equal(t, isText, got.IsText)
				require.True(t, bytes.Equal(data, got.Data), "%d bytes", size)
			}
		}
		require.ErrorIs(t, c.from.Send(make([]byte, DefaultMaxMessageSize+1)), ErrInvalid)
		// RFC 6455, section 8.1: text that is not UTF-8 fails the connection, so it is not sent.
		require.ErrorIs(t, c.from.SendText("\xff"), ErrInvalid)
		require.True(t, c.from.IsOpen())
		require.Equal(t, DefaultMaxMessageSize, c.from.MaxMessageSize())
		require.EqualValues(t, 14, c.from.Stats().MessagesSent)
	}
}

func TestWebSocketSendCopies(t *testing.T) {
	client, server := webSocketPair(t, webSocketTuning{})
	data := []byte("before")
	require.NoError(t, client.Send(data))
	copy(data, "after!")
	require.Equal(t, "before", string(next(t, server).Data))
}

// The client callback of the server is called before the handshake: the remote address is known
// there, and the path from OnOpen on.
func TestWebSocketCallbacksOfALife(t *testing.T) {
	checkLeaks(t)
	var r recorder
	closed := make(chan struct{}, 2)
	s, err := NewWebSocketServer(WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *WebSocket) {
		r.add("client")
		remote, err := ws.RemoteAddr()
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", netip.MustParseAddrPort(remote).Addr().String())
		_, err = ws.Path()
		require.ErrorIs(t, err, ErrNotAvailable)
		require.False(t, ws.IsOpen())
		require.False(t, ws.IsClosed())
		require.ErrorIs(t, ws.SendText("too early"), ErrFailure)
		ws.OnOpen(func() {
			path, err := ws.Path()
			require.NoError(t, err)
			r.add("open " + path)
			require.True(t, ws.IsOpen())
		})
		ws.OnMessage(func(m Message) {
			r.add("message " + string(m.Data))
			require.NoError(t, ws.SendText("re: "+string(m.Data)))
		})
		ws.OnError(func(err error) { r.add("error " + err.Error()) })
		ws.OnClosed(func() { r.add("closed"); closed <- struct{}{} })
	})
	require.NoError(t, err)
	defer s.Close()

	ws := dial(t, fmt.Sprintf("ws://127.0.0.1:%d/chat?room=1", s.Port()), nil)
	var c recorder
	_, err = ws.Path()
	if err == nil {
		eventually(t, "path only once open", func() bool { return ws.IsOpen() || ws.IsClosed() })
	} else {
		require.ErrorIs(t, err, ErrNotAvailable)
	}
	ws.OnError(func(err error) { c.add("error " + err.Error()) })
	ws.OnOpen(func() {
		c.add("open")
		remote, err := ws.RemoteAddr()
		require.NoError(t, err)
		require.Equal(t, s.Addr().String(), remote)
		path, err := ws.Path()
		require.NoError(t, err)
		require.Equal(t, "/chat?room=1", path)
		require.NoError(t, ws.SendText("1"))
		require.NoError(t, ws.SendText("2"))
	})
	ws.OnMessage(func(m Message) {
		c.add("message " + string(m.Data))
		if string(m.Data) == "re: 2" {
			require.NoError(t, ws.Close())
			require.True(t, ws.IsClosed(), "closing is not open")
			require.ErrorIs(t, ws.SendText("too late"), ErrFailure)
		}
	})
	ws.OnClosed(func() { c.add("closed"); closed <- struct{}{} })
	receive(t, closed, "closed callback")
	receive(t, closed, "closed callback")
	require.Equal(t, []string{"open", "message re: 1", "message re: 2", "closed"}, c.all())
	require.Equal(t, []string{"client", "open /chat?room=1", "message 1", "message 2", "closed"}, r.all())
}

func TestWebSocketWhatHappenedBeforeACallbackWasSet(t *testing.T) {
	client, server := webSocketPair(t, webSocketTuning{})
	require.NoError(t, server.SendText("hello"))
	eventually(t, "the message", func() bool { return client.AvailableAmount() == 5 })
	var r recorder
	client.OnAvailable(func() { r.add("available") })
	eventually(t, "available", func() bool { return len(r.all()) == 1 })
	client.OnMessage(func(m Message) { r.add("message " + string(m.Data)) })
	eventually(t, "message", func() bool { return len(r.all()) == 2 })
	require.NoError(t, server.Close())
	eventually(t, "closed", client.IsClosed)
	client.OnOpen(func() { r.add("open") })
	eventually(t, "open", func() bool { return len(r.all()) == 3 })
	client.OnClosed(func() { r.add("closed") })
	eventually(t, "closed", func() bool { return len(r.all()) == 4 })
	require.Equal(t, []string{"available", "message hello", "open", "closed"}, r.all())
}

func TestWebSocketProtocols(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{Protocols: []string{"a", "b"}})
	for _, c := range []struct {
		offered []string
		want    string
	}{{nil, ""}, {[]string{"b", "a"}, "a"}, {[]string{"c", "b"}, "b"}, {[]string{"c"}, ""}} {
		client := dial(t, s.url("ws", "/"), &WebSocketConfiguration{Protocols: c.offered})
		server := s.next(client)
		require.Equal(t, c.want, client.Protocol(), "offered %v", c.offered)
		require.Equal(t, c.want, server.Protocol())
	}
}

func TestWebSocketCompression(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{Compression: &websocket.CompressionOptions{}})
	client := dial(t, s.url("ws", "/"), &WebSocketConfiguration{Compression: &websocket.CompressionOptions{}})
	server := s.next(client)
	text := strings.Repeat("a long text that compresses well. ", 1000)
	for _, c := range []struct{ from, to *WebSocket }{{client, server}, {server, client}} {
		require.Equal(t, text, string(exchange(t, c.from, c.to, Message{Data: []byte(text), IsText: true}).Data))
	}
}

func TestWebSocketOverIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	_ = l.Close()
	s := newTestServer(t, WebSocketServerConfiguration{BindAddress: "::1"})
	client := dial(t, s.url("ws", "/"), nil)
	server := s.next(client)
	remote, err := server.RemoteAddr()
	require.NoError(t, err)
	require.True(t, netip.MustParseAddrPort(remote).Addr().Is6(), remote)
	require.Equal(t, "x", string(exchange(t, client, server, Message{Data: []byte("x")}).Data))
}

func TestWebSocketManyAtOnce(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	const n = 50
	var clients []*WebSocket
	for range n {
		clients = append(clients, dial(t, s.url("ws", "/"), nil))
	}
	for range n {
		server := receive(t, s.accepted, "client callback")
		t.Cleanup(func() { _ = server.CloseAndWait() })
		server.OnMessage(func(m Message) { _ = server.Send(m.Data) })
	}
	for i, c := range clients {
		eventually(t, "open", c.IsOpen)
		require.NoError(t, c.SendText(fmt.Sprint(i)))
	}
	for i, c := range clients {
		require.Equal(t, fmt.Sprint(i), string(next(t, c).Data))
		c.OnMessage(func(Message) {}) // it has been handled
	}
}

// An idle WebSocket has one goroutine, and its queues release their memory.
func TestWebSocketIdle(t *testing.T) {
	client, server := webSocketPair(t, webSocketTuning{trimDelay: 10 * time.Millisecond})
	for i := range 1000 {
		require.NoError(t, client.SendText(fmt.Sprint(i)))
	}
	for i := range 1000 {
		require.Equal(t, fmt.Sprint(i), string(next(t, server).Data))
	}
	eventually(t, "memory is given back", func() bool {
		for _, ws := range []*WebSocket{client, server} {
			ws.mu.Lock()
			trimmed := ws.inbox.queue.Cap() <= maxIdleQueue && ws.outbox.Cap() <= maxIdleQueue && ws.trimming == nil
			ws.mu.Unlock()
			if !trimmed {
				return false
			}
		}
		return true
	})
	eventually(t, "one goroutine for each end, and the server's", func() bool {

		return strings.Count(ownGoroutines(), "created by ") == 3
	})
}
