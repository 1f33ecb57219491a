package rtc

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// loggerFor returns a logger that writes lines of all levels to the buffer, as text.
func loggerFor(out *lockedBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: LevelVerbose}))
}

// requireLines fails if there is no line, or a line without any of the attributes.
func requireLines(t *testing.T, out *lockedBuffer, attributes ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.NotEmpty(t, lines[0])
	for _, line := range lines {
		found := false
		for _, a := range attributes {
			found = found || strings.Contains(line, " "+a+"=")
		}
		require.True(t, found, "%q has none of %v", line, attributes)
	}
}

func TestConfiguredLoggerOfAConnection(t *testing.T) {
	var all, own lockedBuffer
	SetLogger(loggerFor(&all))
	t.Cleanup(func() { SetLogger(nil) })
	inSimulation(t, 1, place{a: Configuration{Logger: loggerFor(&own)}}, func(t *testing.T, s *simulation) {
		s.connect("x", nil)
	})
	requireLines(t, &own, "pc")
	requireLines(t, &all, "pc")
	id := func(out *lockedBuffer) string {
		_, rest, _ := strings.Cut(out.String(), " pc=")
		return " pc=" + rest[:strings.IndexAny(rest, " \n")]
	}
	require.NotContains(t, all.String(), id(&own)+" ", "the connection with a logger of its own uses the other")
	require.NotContains(t, own.String(), id(&all)+" ")
}

func TestConfiguredLoggerOfWebSockets(t *testing.T) {
	var all, server, client lockedBuffer
	SetLogger(loggerFor(&all))
	t.Cleanup(func() { SetLogger(nil) })
	s, err := NewWebSocketServer(WebSocketServerConfiguration{BindAddress: "127.0.0.1", Logger: loggerFor(&server)},
		func(ws *WebSocket) {
			ws.OnOpen(func() { _ = ws.Close() })
		})
	require.NoError(t, err)
	ws, err := NewWebSocket(fmt.Sprintf("ws://127.0.0.1:%d/", s.Port()), &WebSocketConfiguration{Logger: loggerFor(&client)})
	require.NoError(t, err)
	closed := make(chan struct{})
	ws.OnClosed(func() { close(closed) })
	receive(t, closed, "end of the WebSocket")
	require.NoError(t, s.Shutdown(t.Context()))
	requireLines(t, &client, "ws")
	requireLines(t, &server, "ws", "wsserver")
	require.Contains(t, server.String(), " ws=", "the accepted WebSocket uses the server's logger")
	require.Contains(t, server.String(), " wsserver=")
	require.Empty(t, all.String())
}
