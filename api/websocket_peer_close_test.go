package rtc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

// wirePeer is the other end of a WebSocket. The test writes and reads its frames.
type wirePeer struct {
	t        testing.TB
	stream   halfCloser
	sender   *websocket.Sender
	receiver *websocket.Receiver
	in       []byte
	buf      [64 << 10]byte
}

// halfCloser is a stream that can close one direction.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// wirePeers runs a test against a server and against a client, over TCP.
func wirePeers(t *testing.T, tune webSocketTuning, test func(t *testing.T, ws *WebSocket, peer *wirePeer)) {
	t.Run("server", func(t *testing.T) {
		s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{webSocketTuning: tune})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, err := websocket.Dial(ctx, s.url("ws", "/"), nil)
		require.NoError(t, err)
		defer conn.CloseNow()
		ws := receive(t, s.accepted, "client callback")
		defer ws.CloseAndWait()
		eventually(t, "open", ws.IsOpen)
		test(t, ws, newWirePeer(t, conn.UnderlyingConn(), true))
	})
	t.Run("client", func(t *testing.T) {
		ws, stream := silentPeer(t, tune)
		test(t, ws, newWirePeer(t, stream, false))
	})
}

// wirePeersInMemory is wirePeers in virtual time, over streams without a buffer: a write returns
// when all its bytes are read.
func wirePeersInMemory(t *testing.T, test func(t *testing.T, ws *WebSocket, peer *wirePeer)) {
	t.Run("server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := memoryStreams()
			listener := make(memoryListener, 1)
			listener <- ours
			s := newTunedTestServer(t, WebSocketServerConfiguration{}, webSocketServerTuning{
				listen: func(string, string) (net.Listener, error) { return listener, nil },
			})
			conn, err := websocket.Dial(t.Context(), "ws://server/", &websocket.DialOptions{
				DialContext:  func(context.Context, string, string) (net.Conn, error) { return theirs, nil },
				PingInterval: -1, // the test reads and writes the stream below
			})
			require.NoError(t, err)
			defer conn.CloseNow()
			ws := receive(t, s.accepted, "client callback")
			defer ws.CloseAndWait()
			eventually(t, "open", ws.IsOpen)
			test(t, ws, newWirePeer(t, conn.UnderlyingConn(), true))
		})
	})
	t.Run("client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := memoryStreams()
			ws := dial(t, "ws://server/", &WebSocketConfiguration{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
			})
			conn, _, err := websocket.Handshake(t.Context(), theirs, &websocket.AcceptOptions{PingInterval: -1})
			require.NoError(t, err)
			defer conn.CloseNow()
			eventually(t, "open", ws.IsOpen)
			test(t, ws, newWirePeer(t, conn.UnderlyingConn(), false))
		})
	})
}

// memoryStream is one end of a stream in memory, a pipe for each direction.
type memoryStream struct {
	net.Conn // the direction of the other end's writes
	out      net.Conn
}

func memoryStreams() (a, b *memoryStream) {
	aIn, bOut := net.Pipe()
	bIn, aOut := net.Pipe()
	return &memoryStream{aIn, aOut}, &memoryStream{bIn, bOut}
}

func (s *memoryStream) Write(b []byte) (int, error)        { return s.out.Write(b) }
func (s *memoryStream) CloseWrite() error                  { return s.out.Close() }
func (s *memoryStream) Close() error                       { return errors.Join(s.Conn.Close(), s.out.Close()) }
func (s *memoryStream) SetWriteDeadline(t time.Time) error { _ = s.out.SetWriteDeadline(t); return nil }

// SetReadDeadline is no error on a stream that the other end has closed, as on TCP.
func (s *memoryStream) SetReadDeadline(t time.Time) error { _ = s.Conn.SetReadDeadline(t); return nil }

func (s *memoryStream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// memoryListener accepts the streams that it is sent.
type memoryListener chan net.Conn

func (l memoryListener) Accept() (net.Conn, error) {
	if stream, ok := <-l; ok {
		return stream, nil
	}
	return nil, net.ErrClosed
}

func (l memoryListener) Close() error   { close(l); return nil }
func (l memoryListener) Addr() net.Addr { return new(net.TCPAddr) }

func newWirePeer(t testing.TB, stream net.Conn, client bool) *wirePeer {
	c := websocket.Config{Client: client}
	return &wirePeer{
		t: t, stream: stream.(halfCloser),
		sender: websocket.NewSender(c, nil), receiver: websocket.NewReceiver(c),
	}
}

// sends sends messages and then an end, all at once.
func (p *wirePeer) sends(messages int, end webSocketEnd) {
	p.t.Helper()
	var out []byte
	for i := range messages {
		out = p.sender.AppendMessage(out, websocket.MessageText, fmt.Appendf(nil, "q%d", i))
	}
	out = end.append(p.sender, out)
	_, err := p.stream.Write(out)
	require.NoError(p.t, err)
	if end.halfClose {
		require.NoError(p.t, p.stream.CloseWrite())
	}
}

// next returns the next message, the close frame, or the end of the stream.
func (p *wirePeer) next() (string, *websocket.CloseError, error) {
	p.t.Helper()
	require.NoError(p.t, p.stream.SetReadDeadline(time.Now().Add(time.Minute)))
	var message []byte
	for {
		for len(p.in) > 0 {
			var n int
			var event websocket.Event
			var err error
			message, n, event, err = p.receiver.Receive(message, p.in)
			require.NoError(p.t, err)
			p.in = p.in[n:]
			switch event {
			case websocket.EventMessage:
				return string(message), nil, nil
			case websocket.EventClose:
				return "", p.receiver.CloseError(), nil
			}
		}
		n, err := p.stream.Read(p.buf[:])
		if err != nil {
			return "", nil, err
		}
		p.in = p.buf[:n]
	}
}

// wants checks that the answers to all messages arrive, in order, and then the answer to the end.
func (p *wirePeer) wants(messages int, end webSocketEnd) {
	p.t.Helper()
	for i := range messages {
		message, closed, err := p.next()
		require.NoError(p.t, err, "message %d", i)
		require.Nil(p.t, closed, "message %d", i)
		require.Equal(p.t, fmt.Sprintf("q%d", i), message)
	}
	p.wantsEnd(end)
}

func (p *wirePeer) wantsEnd(end webSocketEnd) {
	p.t.Helper()
	_, closed, err := p.next()
	if end.code == 0 {
		require.Equal(p.t, io.EOF, err)
		return
	}
	require.NoError(p.t, err)
	require.NotNil(p.t, closed)
	require.Equal(p.t, end.code, closed.Code)
	_ = p.stream.CloseWrite() // a client waits for the server to close first
	_, _, err = p.next()
	require.Equal(p.t, io.EOF, err)
}

// webSocketEnd is a way in which a peer ends a connection.
type webSocketEnd struct {
	name      string
	append    func(s *websocket.Sender, dst []byte) []byte
	halfClose bool
	code      websocket.StatusCode // of the answer; 0: none
	err       error                // of OnError
}

var webSocketEnds = []webSocketEnd{
	{name: "close frame", code: 4001, append: func(s *websocket.Sender, dst []byte) []byte {
		return s.AppendClose(dst, 4001, "bye")
	}},
	{name: "protocol error", code: websocket.StatusProtocolError, err: websocket.ErrContinuation, append: func(s *websocket.Sender, dst []byte) []byte {
		before := len(dst)
		dst = s.AppendMessage(dst, websocket.MessageText, nil)
		dst[before] = 0x80 // a continuation without a first frame
		return dst
	}},
	{name: "half-close", halfClose: true, err: io.ErrUnexpectedEOF, append: func(_ *websocket.Sender, dst []byte) []byte { return dst }},
}

// Messages and the end arrive together. The answers of the program are sent before the end is
// answered, in whatever way the program reads the messages.
func TestWebSocketAnswersLeaveBeforeTheEnd(t *testing.T) {
	for name, echo := range map[string]func(t *testing.T, ws *WebSocket){
		"OnMessage, Send": func(t *testing.T, ws *WebSocket) {
			ws.OnMessage(func(m Message) {
				if err := ws.SendText(string(m.Data)); err != nil {
					t.Error(err)
				}
			})
		},
		"OnMessage, WriteMessage": func(t *testing.T, ws *WebSocket) {
			ws.OnMessage(func(m Message) {
				if err := ws.WriteMessage(context.Background(), m); err != nil {
					t.Error(err)
				}
			})
		},
		"OnAvailable, Receive": func(t *testing.T, ws *WebSocket) {
			ws.OnAvailable(func() {
				for {
					m, err := ws.Receive()
					if errors.Is(err, ErrNotAvailable) {
						return
					}
					if err := ws.Send(m.Data); err != nil {
						t.Error(err)
					}
				}
			})
		},
		"ReadMessage, WriteMessage": func(t *testing.T, ws *WebSocket) {
			go func() {
				for {
					m, err := ws.ReadMessage(context.Background())
					if err != nil {
						return
					}
					if err := ws.WriteMessage(context.Background(), m); err != nil {
						t.Error(err)
					}
				}
			}()
		},
	} {
		for _, end := range webSocketEnds {
			for _, messages := range []int{0, 3, 500} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, end.name, messages), func(t *testing.T) {
					wirePeers(t, webSocketTuning{readGrace: time.Minute}, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
						ended := watch(ws)
						echo(t, ws)
						peer.sends(messages, end)
						peer.wants(messages, end)
						if err := ended.wait(t); end.err != nil {
							require.ErrorIs(t, err, end.err)
						} else {
							require.NoError(t, err)
							code, reason, err := ws.CloseStatus()
							require.NoError(t, err)
							require.Equal(t, "4001 bye", fmt.Sprint(int(code), " ", reason))
						}
						require.ErrorIs(t, ws.Send(nil), ErrFailure)
					})
				})
			}
		}
	}
}

// The same for a NetConn.
func TestWebSocketNetConnAnswersLeaveBeforeTheEnd(t *testing.T) {
	for _, end := range webSocketEnds {
		t.Run(end.name, func(t *testing.T) {
			wirePeers(t, webSocketTuning{readGrace: time.Minute}, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
				copied := make(chan error, 1)
				conn := ws.NetConn()
				go func() {
					_, err := io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, 1))
					copied <- err
				}()
				peer.sends(20, end)
				var want, got string
				for i := range 20 {
					want += fmt.Sprintf("q%d", i)
				}
				for len(got) < len(want) {
					message, closed, err := peer.next()
					require.NoError(t, err)
					require.Nil(t, closed)
					got += message
				}
				require.Equal(t, want, got)
				peer.wantsEnd(end)
				require.ErrorIs(t, receive(t, copied, "end of the copy"), end.err)
			})
		})
	}
}

// The time for the program's answers is limited. A later Send fails, and loses nothing.
func TestWebSocketProgramThatHoldsUpTheEnd(t *testing.T) {
	for _, end := range webSocketEnds {
		t.Run(end.name, func(t *testing.T) {
			t.Run("never reads", func(t *testing.T) {
				wirePeersInMemory(t, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
					ended := watch(ws)
					began := time.Now()
					peer.sends(3, end)
					peer.wants(0, end)
					require.ErrorIs(t, ended.wait(t), end.err)
					require.Equal(t, webSocketReadGrace, time.Since(began))
					// Receive also works after the channel has closed.
					for i := range 3 {
						m, err := ws.Receive()
						require.NoError(t, err)
						require.Equal(t, fmt.Sprintf("q%d", i), string(m.Data))
					}
					_, err := ws.ReadMessage(context.Background())
					require.ErrorIs(t, err, cmp.Or(end.err, io.EOF))
				})
			})
			t.Run("does not come back from OnMessage", func(t *testing.T) {
				wirePeersInMemory(t, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
					late := make(chan error, 1)
					ws.OnMessage(func(m Message) {
						if string(m.Data) == "q0" {
							if err := ws.SendText("q0"); err != nil {
								t.Error(err)
							}
							<-ws.ended
							late <- ws.SendText("late")
						}
					})
					began := time.Now()
					peer.sends(2, end)
					peer.wants(1, end)
					require.ErrorIs(t, receive(t, late, "the end"), ErrFailure)
					require.Equal(t, webSocketCloseTimeout, time.Since(began))
				})
			})
			t.Run("sends and sends", func(t *testing.T) {
				wirePeersInMemory(t, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
					stuck := make(chan struct{})
					defer close(stuck)
					ws.OnMessage(func(Message) { <-stuck })
					sent := make(chan int, 1)
					go func() {
						n := 0
						for ws.WriteMessage(context.Background(), Message{Data: make([]byte, 1000)}) == nil {
							n++
						}
						sent <- n
					}()
					began := time.Now()
					peer.sends(1, end)
					got := 0
					for {
						_, closed, err := peer.next()
						if closed != nil || err != nil {
							break
						}
						if got++; got%10 == 0 {
							time.Sleep(200 * time.Millisecond) // each pause is within the limit without progress, all together are not
						}
					}
					require.Equal(t, receive(t, sent, "the end of sending"), got, "what Send has taken is sent")
					require.GreaterOrEqual(t, time.Since(began), webSocketCloseTimeout)
				})
			})
			t.Run("and a peer that does not take the answers", func(t *testing.T) {
				wirePeersInMemory(t, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
					ended := watch(ws)
					fillSocket(t, ws)
					began := time.Now()
					peer.sends(0, end)
					require.ErrorIs(t, ended.wait(t), end.err)
					require.Equal(t, webSocketCloseTimeout, time.Since(began))
				})
			})
		})
	}
}

// A program that closes when it receives the last message need not wait; the peer has closed first.
func TestWebSocketProgramClosesAtTheEnd(t *testing.T) {
	for _, end := range webSocketEnds {
		t.Run(end.name, func(t *testing.T) {
			wirePeers(t, webSocketTuning{}, func(t *testing.T, ws *WebSocket, peer *wirePeer) {
				ended := watch(ws)
				ws.OnMessage(func(m Message) {
					_ = ws.SendText(string(m.Data))
					if string(m.Data) == "q2" {
						_ = ws.CloseWithStatus(4002, "mine")
					}
				})
				peer.sends(3, end)
				for i := range 3 {
					message, _, err := peer.next()
					require.NoError(t, err)
					require.Equal(t, fmt.Sprintf("q%d", i), message)
				}
				_ = peer.stream.CloseWrite()
				_, closed, err := peer.next() // the program's own close frame may be first, also after a half-close
				if end.code != 0 {
					require.NotNil(t, closed, "%v", err)
				}
				if closed != nil {
					require.Contains(t, []websocket.StatusCode{end.code, 4002}, closed.Code)
				}
				if err := ended.wait(t); err != nil {
					require.ErrorIs(t, err, end.err)
				}
			})
		})
	}
}
