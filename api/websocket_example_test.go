package rtc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	rtc "github.com/rtcstack/rtcstack/api"
)

// A server answers the messages of a client.
func ExampleNewWebSocketServer() {
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *rtc.WebSocket) {
		// The client has connected, and its handshake follows: callbacks that are set here miss
		// nothing.
		ws.OnMessage(func(m rtc.Message) { _ = ws.SendText("hello, " + string(m.Data)) })
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	ws, err := rtc.NewWebSocket(fmt.Sprintf("ws://127.0.0.1:%d/", server.Port()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	closed := make(chan struct{})
	ws.OnOpen(func() { _ = ws.SendText("world") })
	ws.OnMessage(func(m rtc.Message) {
		fmt.Println(string(m.Data))
		_ = ws.Close()
	})
	ws.OnError(func(err error) { fmt.Println(err) })
	ws.OnClosed(func() { close(closed) })
	<-closed
	// Output: hello, world
}

// At the end of a program all clients receive the status code 1001 (going away).
func ExampleWebSocketServer_Shutdown() {
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(*rtc.WebSocket) {})
	if err != nil {
		fmt.Println(err)
		return
	}
	ws, err := rtc.NewWebSocket(fmt.Sprintf("ws://127.0.0.1:%d/", server.Port()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	open, closed := make(chan struct{}), make(chan struct{})
	ws.OnOpen(func() { close(open) })
	ws.OnClosed(func() { close(closed) })
	<-open

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx))
	<-closed
	code, _, _ := ws.CloseStatus()
	fmt.Println(int(code), code)
	// Output:
	// <nil>
	// 1001 going away
}

// run connects to the URL, calls handle with each message, and returns when the WebSocket is
// closed.
func run(ctx context.Context, url string, handle func(rtc.Message)) error {
	ws, err := rtc.NewWebSocket(url, nil)
	if err != nil {
		return err
	}
	defer ws.Close()
	for {
		message, err := ws.ReadMessage(ctx) // waits until the WebSocket is open, too
		if err != nil {
			return err
		}
		handle(message)
	}
}

// A client connects again when its connection has ended. The back-off doubles up to a limit, and
// starts again after each success. The random part prevents that many clients return to a restarted
// server at the same moment.
func ExampleNewWebSocket_reconnect() {
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *rtc.WebSocket) {
		ws.OnOpen(func() {
			_ = ws.SendText("hello")
			_ = ws.Close() // makes the client connect again
		})
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	url := fmt.Sprintf("ws://127.0.0.1:%d/", server.Port())

	const first, limit = 10 * time.Millisecond, time.Minute
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	messages := 0
	for backoff := time.Duration(first); ctx.Err() == nil; backoff = min(2*backoff, limit) {
		err := run(ctx, url, func(m rtc.Message) {
			backoff = first / 2
			fmt.Println(string(m.Data))
			if messages++; messages == 3 {
				stop()
			}
		})
		if errors.Is(err, rtc.ErrInvalid) {
			fmt.Println(err) // the URL will not become valid
			return
		}
		select {
		case <-time.After(backoff/2 + rand.N(backoff/2)):
		case <-ctx.Done():
		}
	}
	// Output:
	// hello
	// hello
	// hello
}
