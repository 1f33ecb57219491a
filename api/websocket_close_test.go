package rtc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

// ending records how a WebSocket ends.
type ending struct {
	err    error
	closed chan struct{}
	closes atomic.Int32
}

func watch(ws *WebSocket) *ending {
	e := &ending{closed: make(chan struct{})}
	ws.OnError(func(err error) { e.err = err })
	ws.OnClosed(func() {
		if e.closes.Add(1) == 1 {
			close(e.closed)
		}
	})
	return e
}

// wait waits for OnClosed and returns the error of OnError before it.
func (e *ending) wait(t testing.TB) error {
	t.Helper()
	receive(t, e.closed, "closed callback")
	return e.err
}

func TestWebSocketEitherSideCloses(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			a, b := webSocketPair(t, webSocketTuning{readGrace: 10 * time.Millisecond}) // the program does not read the messages
			if who == "server" {
				a, b = b, a
			}
			endA, endB := watch(a), watch(b)
			require.NoError(t, a.Send(make([]byte, DefaultMaxMessageSize))) // buffered: sent before the close frame
			require.NoError(t, a.SendText("last"))
			require.NoError(t, a.CloseWithStatus(4001, "lunch"))
			require.NoError(t, a.Close(), "a second Close succeeds")
			require.True(t, a.IsClosed())
			require.ErrorIs(t, a.SendText("x"), ErrFailure)
			require.NoError(t, endA.wait(t))
			require.NoError(t, endB.wait(t))
			require.Len(t, next(t, b).Data, DefaultMaxMessageSize, "messages can be received after the end")
			require.Equal(t, "last", string(next(t, b).Data))
			code, reason, err := b.CloseStatus()
			require.NoError(t, err)
			require.EqualValues(t, 4001, code)
			require.Equal(t, "lunch", reason)
			// RFC 6455, section 5.5.1: the answer to a close frame usually has the same status
			// code.
			code, _, err = a.CloseStatus()
			require.NoError(t, err)
			require.EqualValues(t, 4001, code)
			_, err = b.ReadMessage(context.Background())
			require.ErrorIs(t, err, io.EOF)
			require.ErrorIs(t, err, ErrFailure)
		})
	}
}

func TestWebSocketBothSidesClose(t *testing.T) {
	for range 20 {
		a, b := webSocketPair(t, webSocketTuning{})
		endA, endB := watch(a), watch(b)
		go func() { _ = a.Close() }()
		require.NoError(t, b.Close())
		require.NoError(t, endA.wait(t))
		require.NoError(t, endB.wait(t))
	}
}

func TestWebSocketCloseStatusThatMayNotBeSent(t *testing.T) {
	a, _ := webSocketPair(t, webSocketTuning{})
	for _, code := range []websocket.StatusCode{0, 999, 1004, 1005, 1006, 1015, 2000, 5000} {
		require.ErrorIs(t, a.CloseWithStatus(code, ""), ErrInvalid, "%d", code)
	}
	require.ErrorIs(t, a.CloseWithStatus(1000, string(make([]byte, 124))), ErrInvalid)
	require.ErrorIs(t, a.CloseWithStatus(1000, "\xff"), ErrInvalid)
	_, _, err := a.CloseStatus()
	require.ErrorIs(t, err, ErrNotAvailable)
	require.True(t, a.IsOpen())
}

// cut closes the TCP connection below a WebSocket.
func cut(t testing.TB, ws *WebSocket, reset bool) {
	ws.mu.Lock()
	stream := ws.conn.UnderlyingConn()
	ws.mu.Unlock()
	if reset {
		require.NoError(t, stream.(*net.TCPConn).SetLinger(0))
	}
	require.NoError(t, stream.Close())
}

func TestWebSocketPeerVanishes(t *testing.T) {
	for _, c := range []struct {
		name  string
		reset bool
		cause error
	}{{"end of the stream", false, io.ErrUnexpectedEOF}, {"reset", true, syscall.ECONNRESET}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := webSocketPair(t, webSocketTuning{readGrace: 10 * time.Millisecond})
			end := watch(a)
			require.NoError(t, b.SendText("last"))
			eventually(t, "the message", func() bool { return a.AvailableAmount() > 0 })
			cut(t, b, c.reset)
			err := end.wait(t)
			require.ErrorIs(t, err, ErrFailure)
			require.ErrorIs(t, err, c.cause)
			code, _, err := a.CloseStatus()
			require.NoError(t, err)
			require.Equal(t, websocket.StatusAbnormalClosure, code)
			require.Equal(t, "last", string(next(t, a).Data))
			require.ErrorIs(t, a.Send(nil), ErrFailure)
		})
	}
}

// A WebSocket closes even if the peer neither reads nor answers.
func TestWebSocketCloseWithoutThePeer(t *testing.T) {
	for _, backlog := range []bool{false, true} {
		client, peer := silentPeer(t, webSocketTuning{closeTimeout: 100 * time.Millisecond})
		if backlog {
			fillSocket(t, client)
		}
		end := watch(client)
		require.NoError(t, client.Close())
		require.NoError(t, end.wait(t), "what was wanted is no error")
		require.Zero(t, client.BufferedAmount())
		_ = peer.Close()
	}
}

// silentPeer returns a client whose server completes the opening handshake and then neither reads
// nor writes.
func silentPeer(t testing.TB, tune webSocketTuning) (client *WebSocket, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	streams := make(chan net.Conn, 1)
	go func() {
		stream, err := l.Accept()
		if err != nil {
			return
		}
		conn, _, err := websocket.Handshake(context.Background(), stream, nil)
		if err == nil {
			streams <- conn.UnderlyingConn()
		}
	}()
	checkLeaks(t)
	client = dialTuned(t, "ws://"+l.Addr().String(), nil, tune)
	peer = receive(t, streams, "connection")
	t.Cleanup(func() { _ = peer.Close(); _ = l.Close() })
	eventually(t, "open", client.IsOpen)
	return client, peer
}

// fillSocket sends more than any system buffers for a peer that does not read.
func fillSocket(t testing.TB, ws *WebSocket) {
	t.Helper()
	message := make([]byte, 250_000)
	for range 150 {
		require.NoError(t, ws.Send(message))
	}
}

func TestWebSocketCloseWhileConnecting(t *testing.T) {
	for _, wait := range []bool{false, true} {
		checkLeaks(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		ws, err := NewWebSocket("ws://"+l.Addr().String(), nil)
		require.NoError(t, err)
		end := watch(ws)
		stream, err := l.Accept() // and no answer
		require.NoError(t, err)
		if wait {
			require.NoError(t, ws.CloseAndWait())
			eventually(t, "the connection is gone", func() bool { _, err := stream.Read(make([]byte, 1000)); return err != nil })
			require.Zero(t, end.closes.Load())
		} else {
			require.NoError(t, ws.Close())
			require.True(t, ws.IsClosed())
			require.NoError(t, end.wait(t))
		}
		_ = stream.Close()
	}
}

// CloseAndWait closes an open WebSocket, and no callback is called afterwards.
func TestWebSocketCloseAndWait(t *testing.T) {
	for _, inside := range []bool{false, true} {
		a, b := webSocketPair(t, webSocketTuning{readGrace: 10 * time.Millisecond})
		end := watch(b)
		var after atomic.Bool
		a.OnClosed(func() { t.Error("called after CloseAndWait") })
		require.NoError(t, a.SendText("last"))
		if inside {
			done := make(chan struct{})
			a.OnMessage(func(Message) {
				if after.Load() {
					t.Error("called after CloseAndWait")
				}
				_ = a.CloseAndWait()
				after.Store(true)
				close(done)
			})
			require.NoError(t, b.SendText("1"))
			require.NoError(t, b.SendText("2"))
			receive(t, done, "return of CloseAndWait")
		}
		require.NoError(t, a.CloseAndWait())
		require.NoError(t, end.wait(t), "the peer sees a clean end")
		require.Equal(t, "last", string(next(t, b).Data))
	}
}

// CloseAndWait inside any callback returns, and no callback is called after it.
func TestWebSocketCloseAndWaitInsideCallbacks(t *testing.T) {
	for _, inside := range []string{"open", "error", "closed", "client callback"} {
		t.Run(inside, func(t *testing.T) {
			checkLeaks(t)
			returned := make(chan struct{})
			var waited atomic.Bool
			leave := func(ws *WebSocket) {
				if !waited.CompareAndSwap(false, true) {
					t.Error("called after CloseAndWait")
					return
				}
				_ = ws.CloseAndWait()
				close(returned)
			}
			s, err := NewWebSocketServer(WebSocketServerConfiguration{
				BindAddress: "127.0.0.1",
				CheckRequest: func(*websocket.Request) error {
					if inside == "error" {
						return errors.New("refused")
					}
					return nil
				},
			}, func(ws *WebSocket) {
				ws.OnOpen(func() {
					if inside == "closed" {
						_ = ws.Close()
					}
				})
				if inside == "client callback" {
					leave(ws)
				}
			})
			require.NoError(t, err)
			defer s.Close()
			client, err := NewWebSocket(fmt.Sprintf("ws://127.0.0.1:%d/", s.Port()), nil)
			require.NoError(t, err)
			defer client.CloseAndWait()
			switch inside {
			case "open":
				client.OnOpen(func() { leave(client) })
				client.OnClosed(func() { leave(client) })
			case "error":
				client.OnError(func(error) { leave(client) })
				client.OnClosed(func() { leave(client) })
			case "closed":
				client.OnClosed(func() { leave(client) })
			}
			receive(t, returned, "return of CloseAndWait")
			eventually(t, "the client is closed", client.IsClosed)
		})
	}
}

// A protocol error of the peer ends the connection, with the error of package websocket.
func TestWebSocketPeerBreaksTheRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		code  websocket.StatusCode
		check func(error) bool
	}{
		{"masked frame", "\x82\x81\x00\x00\x00\x00x", websocket.StatusProtocolError, func(err error) bool {
			var e *websocket.ProtocolError
			return errors.As(err, &e) && e.Code == websocket.StatusProtocolError
		}},
		{"text that is not UTF-8", "\x81\x01\xff", websocket.StatusInvalidFramePayloadData, func(err error) bool { return errors.Is(err, websocket.ErrInvalidUTF8) }},
		{"message that is too large", "\x82\x7f\x00\x00\x00\x00\x00\x04\x00\x01", websocket.StatusMessageTooBig, func(err error) bool {
			return errors.Is(err, websocket.ErrMessageTooBig)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, peer := silentPeer(t, webSocketTuning{closeTimeout: 100 * time.Millisecond})
			end := watch(client)
			_, err := io.WriteString(peer, c.bytes)
			require.NoError(t, err)
			// The peer receives a masked close frame with the code.
			frame := make([]byte, 8)
			_, err = io.ReadFull(peer, frame)
			require.NoError(t, err)
			require.Equal(t, []byte{0x88, 0x82}, frame[:2])
			require.EqualValues(t, c.code, binary.BigEndian.Uint16(frame[6:])^binary.BigEndian.Uint16(frame[2:]))
			require.NoError(t, peer.Close())
			err = end.wait(t)
			require.ErrorIs(t, err, ErrFailure)
			require.True(t, c.check(err), "%v", err)
		})
	}
}

// The connection fails after MaxOutstandingPings unanswered pings.
func TestWebSocketOutstandingPings(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if stream, err := l.Accept(); err == nil {
			_, _, _ = websocket.Handshake(context.Background(), stream, nil) // and never reads
		}
	}()
	checkLeaks(t)
	client := dial(t, "ws://"+l.Addr().String(), &WebSocketConfiguration{PingInterval: time.Millisecond, MaxOutstandingPings: 3})
	err = watch(client).wait(t)
	require.ErrorIs(t, err, websocket.ErrPingTimeout)
	require.ErrorIs(t, err, ErrFailure)
}
