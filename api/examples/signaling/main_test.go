package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

// patience bounds the wait for events that are due at once. A busy machine may take seconds.
const patience = 20 * time.Second

// start runs the program, and returns its URL.
func start(t *testing.T) (url string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	status := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		status <- run(ctx, []string{"-port", "0", "-bind", "127.0.0.1"}, stdout, &stderr)
		_ = stdout.Close()
	}()
	t.Cleanup(func() {
		stop()
		require.Zero(t, <-status, stderr.String())
	})
	var scheme string
	_, err := fmt.Fscanf(out, "listening on %s\n", &scheme)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(scheme, "ws://127.0.0.1:"), scheme)
	return scheme
}

// join opens a WebSocket in a room.
func join(t *testing.T, url string) *rtc.WebSocket {
	t.Helper()
	ws, err := rtc.NewWebSocket(url, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ws.CloseAndWait()) })
	return ws
}

func say(t *testing.T, ws *rtc.WebSocket, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, ws.WriteMessage(ctx, rtc.Message{Data: []byte(text), IsText: true}))
}

func wantToHear(t *testing.T, ws *rtc.WebSocket, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := ws.ReadMessage(ctx)
	require.NoError(t, err)
	require.True(t, m.IsText)
	require.Equal(t, text, string(m.Data))
}

// wantToBeClosed waits until the server closes a WebSocket, with that code.
func wantToBeClosed(t *testing.T, ws *rtc.WebSocket, want websocket.StatusCode) {
	t.Helper()
	closed := make(chan struct{})
	ws.OnClosed(func() { close(closed) })
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("not closed")
	}
	code, _, err := ws.CloseStatus()
	require.NoError(t, err)
	require.Equal(t, want, code)
}

func TestTwoPeersMeet(t *testing.T) {
	url := start(t)
	a := join(t, url+"/room")
	say(t, a, "anybody there?") // waits for the other one
	stranger := join(t, url+"/other")
	b := join(t, url+"/room")
	wantToHear(t, b, "anybody there?")
	say(t, b, "yes")
	wantToHear(t, a, "yes")
	say(t, a, strings.Repeat("x", maxMessage))
	wantToHear(t, b, strings.Repeat("x", maxMessage))

	wantToBeClosed(t, join(t, url+"/room"), websocket.StatusPolicyViolation) // the third
	require.Zero(t, stranger.AvailableAmount())

	require.NoError(t, a.Close())
	wantToBeClosed(t, b, websocket.StatusNormalClosure)
	// The next peers begin a new room.
	c, d := join(t, url+"/room"), join(t, url+"/room")
	say(t, c, "hello")
	wantToHear(t, d, "hello")
}

func TestTooMuchSaidToNobody(t *testing.T) {
	a := join(t, start(t)+"/room")
	for range maxWaiting {
		say(t, a, "hello")
	}
	require.NoError(t, a.SendText("and once more"))
	wantToBeClosed(t, a, websocket.StatusPolicyViolation)
}

func TestWrongArguments(t *testing.T) {
	for _, args := range []string{"-port 65536", "x", "-nonsense"} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), strings.Fields(args), io.Discard, &stderr), args)
		require.NotEmpty(t, stderr.String())
	}
	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-bind", "192.0.2.1"}, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "bind address")
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Empty(t, stderr.String())
	for _, want := range []string{"a room", "-port", "-bind", "-tls", "-cert", "-key", "-pass"} {
		require.Contains(t, stdout.String(), want)
	}
}
