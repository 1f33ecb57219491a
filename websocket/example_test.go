package websocket_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/rtcstack/rtcstack/websocket"
)

// Both ends over a stream in memory, as if the opening handshake were over.
func ExampleConn() {
	ctx := context.Background()
	a, b := net.Pipe()
	client := websocket.NewConn(a, websocket.Config{Client: true})
	server := websocket.NewConn(b, websocket.Config{})

	go func() { // an echo server
		var buf []byte
		for {
			typ, message, err := server.ReadInto(ctx, buf)
			if err != nil {
				return // a *websocket.CloseError; the handshake is done
			}
			if err := server.Write(ctx, typ, message); err != nil {
				return
			}
			buf = message
		}
	}()

	if err := client.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	typ, message, err := client.Read(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(typ, string(message))
	fmt.Println(client.Close(websocket.StatusNormalClosure, "done"))
	// Output:
	// text hello
	// <nil>
}

// A message too large to be in memory at once is written and read as a stream.
func ExampleConn_Writer() {
	ctx := context.Background()
	a, b := net.Pipe()
	client := websocket.NewConn(a, websocket.Config{Client: true})
	server := websocket.NewConn(b, websocket.Config{MaxMessageSize: -1})
	defer client.CloseNow()
	defer server.CloseNow()

	go func() {
		w, err := client.Writer(ctx, websocket.MessageBinary)
		if err != nil {
			log.Fatal(err)
		}
		for range 100 {
			w.Write(make([]byte, 10_000))
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
	}()

	typ, r, err := server.Reader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(typ, n, err)
	// Output: binary 1000000 <nil>
}

// The framing core in memory: one end builds frames, the other parses them.
func ExampleReceiver() {
	client := websocket.NewSender(websocket.Config{Client: true}, nil)
	stream := client.AppendMessage(nil, websocket.MessageText, []byte("hello"))
	stream = client.AppendPing(stream, nil)
	stream = client.AppendClose(stream, websocket.StatusGoingAway, "bye")

	server := websocket.NewReceiver(websocket.Config{})
	var message []byte
	for len(stream) > 0 {
		var n int
		var event websocket.Event
		var err error
		message, n, event, err = server.Receive(message, stream)
		if err != nil {
			log.Fatal(err)
		}
		stream = stream[n:]
		switch event {
		case websocket.EventMessage:
			fmt.Printf("%v %s\n", server.MessageType(), message)
			message = message[:0]
		case websocket.EventPing:
			fmt.Println("ping")
		case websocket.EventClose:
			fmt.Println(server.CloseError())
		}
	}
	// Output:
	// text hello
	// ping
	// websocket: closed by the peer: 1001 going away: "bye"
}
