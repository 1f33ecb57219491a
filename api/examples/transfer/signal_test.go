package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// newRoom is a signalling server with one room: what one of two WebSockets says, the other one hears, and what is said
// before it is there waits.
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

// With a signalling server nobody has to paste, whoever comes first.
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

func TestSignallingThatFails(t *testing.T) {
	path, _ := tempFile(t, 10)
	for url, want := range map[string]string{
		"http://127.0.0.1/":  "scheme",
		"ws://127.0.0.1:1/x": "signalling",
	} {
		sender := start(t.Context(), t, "send", "-signal", url, path)
		sender.wait(want)
		require.Equal(t, statusFailed, sender.end())
	}
}
