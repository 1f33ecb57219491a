package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/rtcstack/rtcstack/websocket"
)

// echo sends each message back until the client closes.
func echo(ctx context.Context, c *websocket.Conn) {
	defer c.CloseNow()
	var buf []byte
	for {
		typ, message, err := c.ReadInto(ctx, buf)
		if err != nil {
			return
		}
		if err := c.Write(ctx, typ, message); err != nil {
			return
		}
		buf = message
	}
}

// A server in a handler of net/http, and a client.
func ExampleDial() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has sent an error response
		}
		echo(context.Background(), c)
	}))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := websocket.Dial(ctx, "ws://"+server.Listener.Addr().String()+"/echo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	typ, message, err := c.Read(ctx)
	fmt.Printf("%v %q %v\n", typ, message, err)
	fmt.Println(c.Close(websocket.StatusNormalClosure, ""))
	// Output:
	// text "hello" <nil>
	// <nil>
}

// A server without net/http, which refuses requests for other paths than /echo.
func ExampleHandshake() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	options := &websocket.AcceptOptions{
		CheckRequest: func(r *websocket.Request) error {
			if r.Path != "/echo" {
				return &websocket.HandshakeError{Status: http.StatusNotFound}
			}
			return nil
		},
	}
	go func() {
		for {
			stream, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				c, _, err := websocket.Handshake(context.Background(), stream, options)
				if err == nil {
					echo(context.Background(), c)
				}
			}()
		}
	}()

	_, err = websocket.Dial(context.Background(), "ws://"+listener.Addr().String()+"/other", nil)
	var refusal *websocket.HandshakeError
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status)
	}
	fmt.Println(err)
	// Output:
	// 404
	// websocket: bad handshake: 404 Not Found
}

// Through a proxy: the DialContext of package proxy, or of anything else that dials, goes in
// between.
func ExampleDialOptions_proxy() {
	config, err := proxy.Parse("socks5://proxy.example.org")
	if err != nil {
		fmt.Println(err)
		return
	}
	options := &websocket.DialOptions{DialContext: (&proxy.Dialer{Proxy: config}).DialContext}
	c, err := websocket.Dial(context.Background(), "wss://example.com/chat", options)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
}
