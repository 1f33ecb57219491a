package rtc

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

func TestWebSocketServerShutdown(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	const n = 5
	for range n {
		client := dial(t, s.url("ws", "/"), nil)
		eventually(t, "open", client.IsOpen)
		ws := receive(t, s.accepted, "client callback")
		eventually(t, "open", ws.IsOpen)
		require.NoError(t, ws.SendText("the last message"))
		ended := watch(client)
		messages := make(chan string, 1)
		client.OnMessage(func(m Message) { messages <- string(m.Data) })
		defer func() {
			require.NoError(t, ended.wait(t))
			code, _, err := client.CloseStatus()
			require.NoError(t, err)
			require.Equal(t, websocket.StatusGoingAway, code)
			require.Equal(t, "the last message", receive(t, messages, "the last message"))
			require.True(t, ws.IsClosed())
		}()
	}
	require.NoError(t, s.Shutdown(t.Context()))
	s.mu.Lock()
	left := len(s.unclosed)
	s.mu.Unlock()
	require.Zero(t, left)

	refused := dial(t, s.url("ws", "/"), nil)
	require.Error(t, watch(refused).wait(t))
	require.NoError(t, s.Shutdown(t.Context()), "a second one")
	require.NoError(t, s.Close())
}

// WebSockets that close in another way are removed from the server's list.
func TestWebSocketServerForgetsClosedWebSockets(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{CheckRequest: func(r *websocket.Request) error {
		if r.Path == "/refused" {
			return errors.New("no")
		}
		return nil
	}})
	refused := dial(t, s.url("ws", "/refused"), nil)
	require.Error(t, watch(refused).wait(t))
	client := dial(t, s.url("ws", "/"), nil)
	eventually(t, "open", client.IsOpen)
	require.NoError(t, client.Close())
	eventually(t, "none left", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.accepted) == 2 && len(s.unclosed) == 0
	})
}

func TestWebSocketServerShutdownReportsWhatIsLeft(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	client := dial(t, s.url("ws", "/"), nil)
	eventually(t, "open", client.IsOpen)
	ws := receive(t, s.accepted, "client callback")
	eventually(t, "open", ws.IsOpen)
	fillSocket(t, ws) // the client neither reads nor answers
	reason := errors.New("the supervisor is impatient")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, reason)
	defer cancel()
	err := s.Shutdown(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, reason)
	require.ErrorIs(t, err, ErrFailure)
	require.EqualError(t, err, "rtc: shutdown with 1 of 1 WebSockets not closed: context deadline exceeded: the supervisor is impatient")
	require.True(t, ws.IsClosed(), "it is closing")
}

// A client that does not complete its handshake never opens.
func TestWebSocketServerShutdownWhileConnecting(t *testing.T) {
	s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{grace: 10 * time.Millisecond})
	stream, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer stream.Close()
	ws := receive(t, s.accepted, "client callback")
	require.NoError(t, s.Shutdown(t.Context()))
	require.True(t, ws.IsClosed())
	_, err = stream.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestZeroWebSocketsAreClosed(t *testing.T) {
	var s WebSocketServer
	require.Zero(t, s.Port())
	require.Nil(t, s.Addr())
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, s.Close())
	var ws WebSocket
	require.NoError(t, ws.Close())
	require.NoError(t, ws.CloseAndWait())
	_, err := ws.RemoteAddr()
	require.ErrorIs(t, err, ErrNotAvailable)
	_, err = ws.Path()
	require.ErrorIs(t, err, ErrNotAvailable)
	require.Empty(t, ws.Protocol())
	require.Zero(t, ws.Stats())
}

// A client whose handshake is in progress opens, and is then closed with 1001.
func TestWebSocketServerShutdownDuringAHandshake(t *testing.T) {
	checking, proceed := make(chan struct{}), make(chan struct{})
	s := newTestServer(t, WebSocketServerConfiguration{CheckRequest: func(*websocket.Request) error {
		close(checking)
		<-proceed
		return nil
	}})
	client := dial(t, s.url("ws", "/"), nil)
	ended := watch(client)
	ws := receive(t, s.accepted, "client callback")
	<-checking
	shutdown := make(chan error, 1)
	go func() { shutdown <- s.Shutdown(t.Context()) }()
	eventually(t, "shutting down", func() bool {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		return ws.closeOnOpen
	})
	close(proceed)
	require.NoError(t, receive(t, shutdown, "the end of Shutdown"))
	require.NoError(t, ended.wait(t))
	code, _, err := client.CloseStatus()
	require.NoError(t, err)
	require.Equal(t, websocket.StatusGoingAway, code)
}
