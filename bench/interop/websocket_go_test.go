package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// theirStacks are the other implementations in Go.
var theirStacks = []socketStack{gorillaStack, coderStack, gwsStack}

// withEachStack runs a test with each pair of one of our implementations and another one, in both roles.
func withEachStack(t *testing.T, test func(t *testing.T, client, server socketStack, ourClient bool)) {
	for _, theirs := range theirStacks {
		for _, ours := range ourStacks {
			t.Run(fmt.Sprintf("%s to %s", ours.name, theirs.name), func(t *testing.T) { test(t, ours, theirs, true) })
			t.Run(fmt.Sprintf("%s to %s", theirs.name, ours.name), func(t *testing.T) { test(t, theirs, ours, false) })
		}
	}
}

// messagesOfAllSizes returns messages of the sizes at which the encoding of the length changes, and large messages, each
// whole and in pieces.
func messagesOfAllSizes() (messages []testMessage) {
	for _, size := range []int{0, 1, 2, 124, 125, 126, 127, 128, 1000, 1024, 4095, 4096, 4097, 65535, 65536, 65537, 100000, 1 << 20} {
		words := []byte(compressibleText(size))
		words = words[:len(words):len(words)]
		noise := randomBytes(size)
		messages = append(messages, testMessage{true, words, 0}, testMessage{false, noise, 0})
		messages = append(messages, testMessage{true, words, 3}, testMessage{false, noise, 7})
	}
	return messages
}

func mustConnect(t *testing.T, client, server socketStack, o socketOptions) socketPair {
	t.Helper()
	p, err := connectPair(t, client, server, o, o)
	require.NoError(t, err)
	return p
}

func TestWebSocketMessages(t *testing.T) {
	withEachStack(t, func(t *testing.T, client, server socketStack, _ bool) {
		p := mustConnect(t, client, server, socketOptions{})
		require.Empty(t, p.tap.extensions())
		p.exchange(t, messagesOfAllSizes())
		p.exchange(t, []testMessage{{data: randomBytes(webSocketMessage), pieces: 5}})
	})
}

// The server selects the first of its subprotocols that the client offers.
func TestWebSocketSubprotocols(t *testing.T) {
	withEachStack(t, func(t *testing.T, client, server socketStack, _ bool) {
		p, err := connectPair(t, client, server, socketOptions{subprotocols: []string{"mqtt", "v2.chat", "v1.chat"}},
			socketOptions{subprotocols: []string{"v1.chat"}})
		require.NoError(t, err)
		require.Equal(t, "v1.chat", p.client.subprotocol())
		require.Equal(t, "v1.chat", p.server.subprotocol())
	})
}

func TestWebSocketPings(t *testing.T) {
	withEachStack(t, func(t *testing.T, client, server socketStack, _ bool) {
		p := mustConnect(t, client, server, socketOptions{pingInterval: time.Millisecond})
		var receivers sync.WaitGroup
		for _, s := range []socket{p.client, p.server} {
			receivers.Go(func() {
				isText, _, err := s.receive()
				if err == nil {
					t.Errorf("received a message that was not sent, text: %v", isText)
				}
			})
		}
		for range 20 {
			for _, s := range []socket{p.client, p.server} {
				if err := s.ping(); !errors.Is(err, errNoPing) {
					require.NoError(t, err)
				}
			}
		}
		p.client.drop()
		p.server.drop()
		receivers.Wait()
	})
}

func TestWebSocketClose(t *testing.T) {
	withEachStack(t, func(t *testing.T, client, server socketStack, _ bool) {
		for _, c := range []closedSocket{
			{1000, ""}, {1000, "done"}, {1001, "going away"}, {1011, ""}, {3000, "ünïcödé ☺"}, {4999, strings.Repeat("r", 123)}, {1005, ""},
		} {
			for _, fromClient := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d by the client %v", c.code, fromClient), func(t *testing.T) {
					p := mustConnect(t, client, server, socketOptions{})
					closer, other := p.client, p.server
					if !fromClient {
						closer, other = other, closer
					}
					switch closer.(type) {
					case *gwsSocket, rtcSocket:
						if c.code == 1005 {
							t.Skip("this implementation does not send a close frame without a code")
						}
					}
					closeSent := make(chan struct{})
					var ends sync.WaitGroup
					ends.Go(func() {
						_, _, err := other.receive()
						var closed *closedSocket
						switch {
						case !errors.As(err, &closed):
							t.Errorf("the other end: %v", err)
						case *closed != c:
							t.Errorf("the other end: %v, want %v", closed, &c)
						}
						other.drop() // some implementations leave it to the program to close the stream
					})
					if _, isCoder := closer.(coderSocket); !isCoder { // coder's Close itself receives the close frame
						ends.Go(func() {
							if _, _, err := closer.receive(); err == nil {
								t.Error("received a message after the close")
							}
							<-closeSent
							closer.drop()
						})
					}
					err := closer.close(c.code, c.reason)
					close(closeSent)
					ends.Wait()
					require.NoError(t, err)
				})
			}
		}
	})
}

func TestWebSocketManyConnections(t *testing.T) {
	const connections = 64
	withEachStack(t, func(t *testing.T, client, server socketStack, _ bool) {
		var messages []testMessage
		for i := range 100 {
			messages = append(messages, testMessage{i%2 == 0, []byte(strings.Repeat("many ", i)), i % 3})
		}
		url := server.serve(t, socketOptions{}, func(s socket) {
			for {
				isText, message, err := s.receive()
				if err == nil {
					err = s.send(isText, message)
				}
				if err != nil {
					s.drop()
					return
				}
			}
		})
		var clients sync.WaitGroup
		for i := range connections {
			clients.Go(func() {
				s, err := client.connect(t.Context(), url, socketOptions{}, dialTCP)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				defer s.drop()
				var sender sync.WaitGroup
				sender.Go(func() { sendAll(t, s, messages) })
				receiveAll(t, s, messages)
				sender.Wait()
			})
		}
		clients.Wait()
	})
}

// dialTCP is the dialer of a test that does not inspect the connection.
func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}
