package rtc_test

import (
	"fmt"

	rtc "github.com/rtcstack/rtcstack/api"
)

// A server that answers, and a client that asks.
func ExampleNewWebSocketServer() {
	server, err := rtc.NewWebSocketServer(rtc.WebSocketServerConfiguration{BindAddress: "127.0.0.1"}, func(ws *rtc.WebSocket) {
		// The client has connected, and its handshake is still to come: what is set here misses nothing.
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
