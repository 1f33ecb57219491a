package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

// patience bounds the wait for events that are due at once. A busy machine may take seconds.
const patience = 30 * time.Second

// program is a running instance of the program.
type program struct {
	url    string // of the page
	stop   context.CancelFunc
	status <-chan int
}

// start runs the program until the end of the test, or until stop is called.
func start(t *testing.T) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	status := make(chan int, 1)
	var ended sync.WaitGroup
	ended.Go(func() {
		var errors bytes.Buffer
		got := run(ctx, []string{"-addr", "localhost:0"}, in, &errors)
		_ = in.CloseWithError(io.EOF)
		if got != 0 {
			t.Errorf("status %d: %s", got, errors.String())
		}
		status <- got
	})
	t.Cleanup(func() {
		stop()
		ended.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	require.NotEmpty(t, url, line)
	return &program{url: url, stop: stop, status: status}
}

// dial opens the WebSocket.
func (p *program) dial(t *testing.T, opts *websocket.DialOptions) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, err := websocket.Dial(ctx, strings.Replace(p.url, "http", "ws", 1)+"/signal", opts)
	if err == nil {
		t.Cleanup(func() { _ = ws.CloseNow() })
	}
	return ws, err
}

// ending returns the status code with which the program closes a WebSocket after a message.
func ending(t *testing.T, ws *websocket.Conn, message []byte) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = ws.Write(ctx, websocket.MessageText, message) // the WebSocket may be closed already
	_, _, err := ws.Read(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the WebSocket stays open")
	return websocket.CloseStatus(err)
}

// page implements the page in Go.
type page struct {
	t   *testing.T
	ws  *websocket.Conn
	pc  *rtc.PeerConnection
	err chan error // the error that ended the WebSocket
}

// open opens a page.
func (p *program) open(t *testing.T) *page {
	t.Helper()
	ws, err := p.dial(t, nil)
	require.NoError(t, err)
	pc, err := rtc.NewPeerConnection(rtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.CloseAndWait() })
	g := &page{t: t, ws: ws, pc: pc, err: make(chan error, 1)}
	pc.OnSignal(g.say)
	go func() {
		for {
			_, message, err := ws.Read(context.Background())
			if err != nil {
				g.err <- err
				return
			}
			var s rtc.Signal
			if err := json.Unmarshal(message, &s); err != nil {
				t.Errorf("signal %q: %v", message, err)
			}
			if err := pc.ReceiveSignal(s); err != nil && pc.State() != rtc.StateClosed {
				t.Errorf("signal %q: %v", message, err)
			}
		}
	}()
	return g
}

func (g *page) say(s rtc.Signal) {
	message, err := json.Marshal(s)
	if err != nil {
		g.t.Errorf("signal: %v", err)
	}
	_ = g.ws.Write(context.Background(), websocket.MessageText, message) // the WebSocket may be closing
}

// channel opens a channel, and waits until it is open.
func (g *page) channel(label string) *rtc.DataChannel {
	g.t.Helper()
	dc, err := g.pc.CreateDataChannel(label, nil)
	require.NoError(g.t, err)
	opened := make(chan struct{})
	dc.OnOpen(func() { close(opened) })
	receive(g.t, opened, "open channel")
	return dc
}

// chat opens the channel of the chat, and receives the greeting.
func (g *page) chat() (dc *rtc.DataChannel, name string) {
	g.t.Helper()
	dc = g.channel(chatChannel)
	greeting := nextLine(g.t, dc)
	require.Equal(g.t, programName, greeting.From)
	require.NotEmpty(g.t, greeting.You)
	require.Contains(g.t, greeting.Text, greeting.You)
	return dc, greeting.You
}

// receive receives a value that is expected soon.
func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s after %v", what, patience)
	}
	return v
}

// next waits for the next message.
func next(t *testing.T, dc *rtc.DataChannel) rtc.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := dc.ReadMessage(ctx)
	require.NoError(t, err)
	return m
}

func nextLine(t *testing.T, dc *rtc.DataChannel) (l line) {
	t.Helper()
	require.NoError(t, json.Unmarshal(next(t, dc).Data, &l))
	return l
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "not after %v: %s", patience, what)
	}
}
