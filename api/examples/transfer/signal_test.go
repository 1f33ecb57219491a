package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// newRoom starts a signalling server with one room. It forwards the messages of each of two
// WebSockets to the other one, and queues those that arrive before the other one is open.
func newRoom(t *testing.T) (url string) {
	type message struct {
		from *rtc.WebSocket
		data []byte
	}
	var mu sync.Mutex
	var peers, open []*rtc.WebSocket
	var said []message
	relay := func() {
		if len(open) < 2 {
			return
		}
		for _, m := range said {
			for _, other := range open {
				if other != m.from {
					_ = other.Send(m.data)
				}
			}
		}
		said = nil
	}
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *rtc.WebSocket) {
		mu.Lock()
		defer mu.Unlock()
		peers = append(peers, ws)
		ws.OnOpen(func() {
			mu.Lock()
			defer mu.Unlock()
			open = append(open, ws)
			relay()
		})
		ws.OnMessage(func(m rtc.Message) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, message{from: ws, data: bytes.Clone(m.Data)})
			relay()
		})
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = server.Close()
		mu.Lock()
		all := peers
		mu.Unlock()
		for _, ws := range all {
			_ = ws.CloseAndWait()
		}
	})
	return fmt.Sprintf("ws://%s/room", server.Addr())
}

// With a signalling server nothing has to be pasted, and either side may be started first.
func TestSendAndReceiveBySignalling(t *testing.T) {
	for _, first := range []string{"send", "receive"} {
		t.Run(first+" first", func(t *testing.T) {
			path, sum := tempFile(t, 300_000)
			dir := t.TempDir()
			url := newRoom(t)
			commands := map[string][]string{
				"send":    {"send", "-signal", url, path},
				"receive": {"receive", "-signal", url, dir},
			}
			second := map[string]string{"send": "receive", "receive": "send"}[first]
			one := start(t.Context(), t, commands[first]...)
			one.wait("waiting for the other side")
			other := start(t.Context(), t, commands[second]...)
			sender, receiver := one, other
			if first == "receive" {
				sender, receiver = other, one
			}
			receiver.wait("saved as")
			require.Equal(t, statusOK, sender.end())
			require.Equal(t, statusOK, receiver.end())
			saved, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
			require.NoError(t, err)
			require.Equal(t, sum, fmt.Sprintf("%x", sha256.Sum256(saved)))
		})
	}
}

// The program waits for the other side only after the server has accepted its WebSocket.
func TestSignallingThatFails(t *testing.T) {
	path, _ := tempFile(t, 10)
	for url, want := range map[string]string{
		"http://127.0.0.1/":  "scheme",
		"ws://127.0.0.1:1/x": "signalling",
	} {
		for _, args := range [][]string{{"send", "-signal", url, path}, {"receive", "-signal", url, t.TempDir()}} {
			p := start(t.Context(), t, args...)
			p.wait(want)
			require.Equal(t, statusFailed, p.end())
			require.NotContains(t, strings.Join(p.all, "\n"), "waiting", args)
		}
	}
}

// The program does not count a server as reached that accepts a TCP connection and sends nothing.
// Ctrl-C ends the wait.
func TestSignallingServerThatIsSilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	receiver := start(ctx, t, "receive", "-signal", fmt.Sprintf("ws://%s/room", listener.Addr()), t.TempDir())
	conn, err := listener.Accept()
	require.NoError(t, err)
	defer conn.Close()
	_, err = http.ReadRequest(bufio.NewReader(conn))
	require.NoError(t, err)
	interrupt()
	receiver.wait("interrupted")
	require.Equal(t, statusFailed, receiver.end())
	require.NotContains(t, strings.Join(receiver.all, "\n"), "waiting")
}

// Interrupting one side ends both, even if there is much to send, and the other side prints the
// reason.
func TestInterruptionOfOneSide(t *testing.T) {
	for who, said := range map[string]string{"send": errClosedByPeer.Error(), "receive": "the receiver: "} {
		t.Run(who, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "large")
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			if err := os.Truncate(path, 1<<40); err != nil {
				t.Skip("the file system has no sparse files:", err)
			}
			dir := t.TempDir()
			url := newRoom(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			contexts := map[string]context.Context{"send": t.Context(), "receive": t.Context(), who: ctx}
			sides := map[string]*terminal{
				"send":    start(contexts["send"], t, "send", "-quiet", "-signal", url, path),
				"receive": start(contexts["receive"], t, "receive", "-quiet", "-signal", url, dir),
			}
			sides["receive"].wait("receiving")
			interrupt()
			sides[who].wait("interrupted")
			require.Equal(t, statusFailed, sides[who].end())
			delete(sides, who)
			for _, other := range sides {
				other.wait(said)
				require.Equal(t, statusFailed, other.end())
			}
			require.Empty(t, content(t, dir))
		})
	}
}
