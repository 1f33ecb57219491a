package websocket_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

// room is a handler of net/http that sends each message to all its connections.
type room struct {
	mu    sync.Mutex
	conns map[*websocket.Conn]struct{}
	gone  bool           // no connection is accepted any more
	open  sync.WaitGroup // the connections
}

func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c, err := websocket.Accept(w, req, nil)
	if err != nil {
		return // Accept has responded
	}
	defer c.CloseNow()
	if !r.add(c) {
		c.Close(websocket.StatusGoingAway, "the server is shutting down")
		return
	}
	defer r.remove(c)
	ctx := context.Background()
	for {
		typ, message, err := c.Read(ctx)
		if err != nil {
			return
		}
		r.broadcast(ctx, typ, message)
	}
}

func (r *room) add(c *websocket.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return false
	}
	if r.conns == nil {
		r.conns = make(map[*websocket.Conn]struct{})
	}
	r.conns[c] = struct{}{}
	r.open.Add(1)
	return true
}

func (r *room) remove(c *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	r.open.Done()
}

// broadcast frames the message once for all connections. With slow clients, each needs a goroutine
// and a queue, because a Write waits for its client.
func (r *room) broadcast(ctx context.Context, typ websocket.MessageType, message []byte) {
	m := websocket.NewPreparedMessage(typ, message)
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.WritePrepared(ctx, m) // an error also ends the Read of the connection
	}
}

// shutdown closes all connections with the status code 1001 (going away), and waits for them.
func (r *room) shutdown(ctx context.Context) {
	r.mu.Lock()
	r.gone = true
	for c := range r.conns {
		go c.CloseContext(ctx, websocket.StatusGoingAway, "the server is shutting down")
	}
	r.mu.Unlock()
	r.open.Wait()
}

// The Shutdown of an http.Server stops listening, but neither closes WebSockets nor waits for them:
// the program does. They end with 1001, as they do when a browser leaves a page.
func ExampleAccept_shutdown() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	handler := &room{}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)

	var clients sync.WaitGroup
	for range 3 {
		c, err := websocket.Dial(context.Background(), "ws://"+listener.Addr().String(), nil)
		if err != nil {
			log.Fatal(err)
		}
		defer c.CloseNow()
		clients.Go(func() {
			_, _, err := c.Read(context.Background())
			fmt.Println(err)
		})
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx)) // first, so that no further connection arrives
	handler.shutdown(ctx)
	clients.Wait()
	// Output:
	// <nil>
	// websocket: closed by the peer: 1001 going away: "the server is shutting down"
	// websocket: closed by the peer: 1001 going away: "the server is shutting down"
	// websocket: closed by the peer: 1001 going away: "the server is shutting down"
}

// listen connects, and calls handle with each message until the connection ends.
func listen(ctx context.Context, url string, handle func([]byte)) error {
	c, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		PingInterval: 15 * time.Second, // so that a dead connection is noticed
	})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for {
		_, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		handle(message)
	}
}

// A client that connects again whenever its connection has ended, with a back-off that doubles up
// to a limit and starts anew after each success. The random part keeps many clients from returning
// to a restarted server at the same moment.
func ExampleDial_reconnect() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			c.Write(context.Background(), websocket.MessageText, []byte("hello"))
			c.Close(websocket.StatusServiceRestart, "") // so that the client has to come again
		}
	}))

	const first, limit = 10 * time.Millisecond, time.Minute
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	messages := 0
	for backoff := first; ctx.Err() == nil; backoff = min(2*backoff, limit) {
		err := listen(ctx, "ws://"+listener.Addr().String(), func(message []byte) {
			backoff = first / 2
			fmt.Println(string(message))
			if messages++; messages == 3 {
				stop()
			}
		})
		if websocket.CloseStatus(err) == websocket.StatusPolicyViolation {
			return // the server does not want this client
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

// A server that accepts only small messages until the client has authenticated.
func ExampleConn_SetMaxMessageSize() {
	a, b := net.Pipe()
	client := websocket.NewConn(a, websocket.Config{Client: true})
	server := websocket.NewConn(b, websocket.Config{MaxMessageSize: 100})
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	go func() {
		client.Write(ctx, websocket.MessageText, []byte("the password"))
		client.Write(ctx, websocket.MessageBinary, make([]byte, 100_000))
	}()

	_, message, err := server.Read(ctx)
	if err != nil || string(message) != "the password" {
		log.Fatal(err)
	}
	server.SetMaxMessageSize(1 << 20)
	_, message, err = server.Read(ctx)
	fmt.Println(len(message), err)
	// Output: 100000 <nil>
}
