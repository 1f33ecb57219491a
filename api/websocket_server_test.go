package rtc

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/certificate"
	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

func TestWebSocketServerInvalidArguments(t *testing.T) {
	checkLeaks(t)
	nobody := func(*WebSocket) {}
	for name, c := range map[string]WebSocketServerConfiguration{
		"certificate, no key": {EnableTLS: true, CertificatePEMFile: "x"},
		"key, no certificate": {EnableTLS: true, KeyPEMFile: "x"},
		"no such file":        {EnableTLS: true, CertificatePEMFile: "/nonexistent/a", KeyPEMFile: "/nonexistent/b"},
		"bad PEM":             {EnableTLS: true, CertificatePEMFile: "-----BEGIN x", KeyPEMFile: "y"},
		"bind address":        {BindAddress: "x"},
		"not ours":            {BindAddress: "192.0.2.1"},
		"protocol":            {Protocols: []string{"a b"}},
		"origin pattern":      {OriginPatterns: []string{"["}},
		"origin with a path":  {OriginPatterns: []string{"https://example.org/app"}},
	} {
		_, err := NewWebSocketServer(c, nobody)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err := NewWebSocketServer(WebSocketServerConfiguration{}, nil)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestWebSocketServerPort(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	require.NotZero(t, s.Port())
	_, err := NewWebSocketServer(WebSocketServerConfiguration{Port: s.Port(), BindAddress: "127.0.0.1"}, func(*WebSocket) {})
	require.ErrorIs(t, err, ErrFailure, "a busy port")
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	port := s.Port()
	require.NoError(t, s.Close())
	again := newTestServer(t, WebSocketServerConfiguration{Port: port})
	require.Equal(t, port, again.Port())

	everywhere, err := NewWebSocketServer(WebSocketServerConfiguration{}, func(*WebSocket) {})
	require.NoError(t, err)
	defer everywhere.Close()
	client := dial(t, "ws://localhost:"+strconv.Itoa(int(everywhere.Port())), nil)
	eventually(t, "open", client.IsOpen)
}

func TestWebSocketServerKeys(t *testing.T) {
	const fixtures = "../internal/certificate/testdata/"
	content := func(name string) string {
		text, err := os.ReadFile(fixtures + name)
		require.NoError(t, err)
		return string(text)
	}
	for name, c := range map[string]struct{ certificate, key, password string }{
		"files":                {fixtures + "cert.pem", fixtures + "ec.pem", ""},
		"texts":                {content("cert.pem"), content("ec.pem"), ""},
		"encrypted":            {fixtures + "cert.pem", fixtures + "enc-aes-256-cbc-hmacWithSHA256.pem", "secret"},
		"encrypted as of old":  {fixtures + "cert.pem", fixtures + "legacy.pem", "secret"},
		"encrypted, as a text": {content("cert.pem"), content("enc-aes-128-cbc-hmacWithSHA1.pem"), "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			configuration := WebSocketServerConfiguration{EnableTLS: true, CertificatePEMFile: c.certificate, KeyPEMFile: c.key, KeyPEMPass: c.password}
			s := newTestServer(t, configuration)
			client := dial(t, s.url("wss", "/"), &WebSocketConfiguration{DisableTLSVerification: true})
			require.Equal(t, "x", string(exchange(t, client, s.next(client), Message{Data: []byte("x")}).Data))
			if c.password != "" {
				configuration.KeyPEMPass = "wrong"
				_, err := NewWebSocketServer(configuration, func(*WebSocket) {})
				require.ErrorIs(t, err, ErrInvalid)
				require.ErrorIs(t, err, certificate.ErrPassword)
			}
		})
	}
	mine, err := tls.X509KeyPair([]byte(content("cert.pem")), []byte(content("ec.pem")))
	require.NoError(t, err)
	s := newTestServer(t, WebSocketServerConfiguration{EnableTLS: true, TLSConfig: &tls.Config{Certificates: []tls.Certificate{mine}}})
	client := dial(t, s.url("wss", "/"), &WebSocketConfiguration{DisableTLSVerification: true})
	s.next(client)
}

// The server drops a client that does not complete its handshake within the connection timeout.
func TestWebSocketServerHandshakeDeadline(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newTestServer(t, WebSocketServerConfiguration{EnableTLS: secure, ConnectionTimeout: 50 * time.Millisecond})
		stream, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		defer stream.Close()
		begins := map[bool]string{false: "GET / HT", true: "\x16\x03\x01\x02\x00\x01"}[secure]
		_, err = io.WriteString(stream, begins)
		require.NoError(t, err)
		ws := receive(t, s.accepted, "client callback")
		err = watch(ws).wait(t)
		require.ErrorIs(t, err, ErrFailure)
		require.ErrorIs(t, err, websocket.ErrHandshakeTimeout)
		_, err = stream.Read(make([]byte, 100))
		require.Error(t, err, "the stream is closed")
		_, err = ws.Path()
		require.ErrorIs(t, err, ErrNotAvailable)
	}
}

// Clients beyond the limit wait; those with the oldest incomplete handshakes are dropped for them.
func TestWebSocketServerUnfinishedHandshakes(t *testing.T) {
	s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{maxUnfinished: 3, grace: 20 * time.Millisecond})
	var idle []*ending
	for range 3 {
		stream, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		defer stream.Close()
		idle = append(idle, watch(receive(t, s.accepted, "client callback")))
	}
	for range 10 {
		client := dial(t, s.url("ws", "/"), nil)
		s.next(client)
	}
	require.ErrorIs(t, idle[0].wait(t), errTooManyUnfinished)
}

// A burst of more clients than the limit is served, if each handshake is quick.
func TestWebSocketServerBurst(t *testing.T) {
	s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{maxUnfinished: 2, grace: time.Hour})
	var clients []*WebSocket
	for range 40 {
		clients = append(clients, dial(t, s.url("ws", "/"), nil))
	}
	for _, c := range clients {
		eventually(t, "open", c.IsOpen)
	}
}

// failingListener fails a number of times before it accepts.
type failingListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestWebSocketServerSurvivesFailedAccepts(t *testing.T) {
	s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{
		listen: func(network, address string) (net.Listener, error) {
			inner, err := net.Listen(network, address)
			l := &failingListener{Listener: inner}
			l.failures.Store(4)
			return l, err
		},
	})
	client := dial(t, s.url("ws", "/"), nil)
	s.next(client)
}

func TestWebSocketServerSurvivesNonsense(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	for _, request := range []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 100_000)} {
		stream, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		_, _ = io.WriteString(stream, request)
		_ = stream.(*net.TCPConn).CloseWrite()
		require.ErrorIs(t, watch(receive(t, s.accepted, "client callback")).wait(t), ErrFailure)
		_ = stream.Close()
	}
	client := dial(t, s.url("ws", "/"), nil)
	s.next(client)
}

// After Close no callback is called, and the WebSockets stay open.
func TestWebSocketServerClose(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	client := dial(t, s.url("ws", "/"), nil)
	server := s.next(client)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close succeeds")
	require.Equal(t, "x", string(exchange(t, client, server, Message{Data: []byte("x")}).Data))
	late := dial(t, s.url("ws", "/"), nil)
	require.ErrorIs(t, watch(late).wait(t), syscall.ECONNREFUSED)
	require.Empty(t, s.accepted)
}

func TestWebSocketServerCloseWaitsForTheCallback(t *testing.T) {
	checkLeaks(t)
	entered, leave := make(chan *WebSocket, 10), make(chan struct{})
	var calls, left atomic.Int32
	s, err := NewWebSocketServer(WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *WebSocket) {
		calls.Add(1)
		entered <- ws
		<-leave
		left.Store(1)
	})
	require.NoError(t, err)
	url := "ws://" + s.Addr().String()
	first, second := dial(t, url, nil), dial(t, url, nil)
	ws := receive(t, entered, "client callback")
	eventually(t, "both are there", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.clients) == 1
	})
	closed := make(chan int32)
	go func() {
		_ = s.Close()
		closed <- left.Load()
	}()
	// The client that the program has not received yet is dropped.
	var served, dropped *WebSocket
	eventually(t, "one is dropped", func() bool {
		served, dropped = first, second
		if first.IsClosed() {
			served, dropped = second, first
		}
		return dropped.IsClosed()
	})
	select {
	case <-closed:
		t.Fatal("did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(leave)
	require.EqualValues(t, 1, receive(t, closed, "return of Close"))
	eventually(t, "the other one opens", func() bool { return served.IsOpen() && ws.IsOpen() })
	require.EqualValues(t, 1, calls.Load())
	require.NoError(t, ws.CloseAndWait())
}

func TestWebSocketServerCloseInsideTheCallback(t *testing.T) {
	checkLeaks(t)
	var s *WebSocketServer
	ready, done := make(chan struct{}), make(chan *WebSocket, 1)
	s, err := NewWebSocketServer(WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *WebSocket) {
		<-ready
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		done <- ws
	})
	require.NoError(t, err)
	close(ready)
	client := dial(t, "ws://"+s.Addr().String(), nil)
	ws := receive(t, done, "return of Close")
	eventually(t, "open", func() bool { return client.IsOpen() && ws.IsOpen() })
	require.NoError(t, ws.CloseAndWait())
}

func TestWebSocketServerClientRefusedInTheCallback(t *testing.T) {
	for _, wait := range []bool{false, true} {
		checkLeaks(t)
		closed := make(chan *WebSocket, 1)
		s, err := NewWebSocketServer(WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *WebSocket) {
			if wait {
				_ = ws.CloseAndWait()
			} else {
				_ = ws.Close()
			}
			closed <- ws
		})
		require.NoError(t, err)
		client := dial(t, "ws://"+s.Addr().String(), nil)
		require.ErrorIs(t, watch(client).wait(t), ErrFailure)
		ws := receive(t, closed, "client callback")
		eventually(t, "closed", func() bool {
			_, _, err := ws.CloseStatus()
			return !errors.Is(err, ErrNotAvailable)
		})
		require.NoError(t, s.Close())
	}
}
