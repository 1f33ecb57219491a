package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/websocket"
)

// closeEvent has the attributes of the browser's CloseEvent.
type closeEvent struct {
	Code     uint16 `json:"code"`
	Reason   string `json:"reason"`
	WasClean bool   `json:"wasClean"`
}

// TestBrowserWebSocket connects Chromium's WebSocket with our servers.
func TestBrowserWebSocket(t *testing.T) {
	b := startBrowser(t, false, chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-back-forward-cache", true)) // pages in that cache keep their connections
	script, err := testdata.ReadFile("testdata/websocket.js")
	require.NoError(t, err)
	p := b.open(t)
	p.run(string(script))
	for _, server := range ourStacks {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", server.name, secure), func(t *testing.T) {
				for _, test := range []struct {
					name string
					run  func(*testing.T, *page, socketStack, socketOptions)
				}{
					{"messages", testBrowserSocketMessages},
					{"compression", testBrowserSocketCompression},
					{"subprotocol", testBrowserSocketSubprotocol},
					{"bufferedAmount", testBrowserSocketBufferedAmount},
					{"closed by the browser", testBrowserClosesSocket},
					{"closed by the server", testServerClosesBrowserSocket},
					{"lost", testBrowserLosesSocket},
					{"pings", testBrowserSocketPings},
				} {
					t.Run(test.name, func(t *testing.T) { test.run(t, p.in(t), server, socketOptions{secure: secure}) })
				}
			})
		}
	}
	t.Run("page left", func(t *testing.T) { testBrowserLeavesSocket(t, b, string(script)) })
	t.Run("origin refused", func(t *testing.T) { testBrowserOriginRefused(t, p.in(t)) })
}

const openSocket = `
	globalThis.socket = new Socket(args[0], args[1] ?? []);
	await socket.opened();
	return socket.ws.extensions;`

func testBrowserSocketMessages(t *testing.T, p *page, server socketStack, o socketOptions) {
	url := server.serve(t, o, echoOrClose)
	require.Empty(t, value[string](p, openSocket, url))
	echoMessages(p)
	p.run(`await socket.echoed([await randomBinary(16 << 20)]);`)
	closeSocket(t, p)
}

// echoMessages sends text and binary messages of many sizes and checks that each is echoed.
func echoMessages(p *page) {
	p.run(`
		const messages = [];
		for (const size of [0, 1, 125, 126, 127, 128, 1000, 65535, 65536, 65537, 1 << 20]) {
			messages.push(randomText(size), await randomBinary(size), 'x'.repeat(size), new ArrayBuffer(size));
		}
		await socket.echoed(messages);
		for (let i = 0; i < 20; i++) await socket.echoed(messages.slice(4, 8));`)
}

// closeSocket closes a connection that has no messages on their way.
func closeSocket(t *testing.T, p *page) {
	t.Helper()
	require.Equal(t, closeEvent{1000, "", true}, value[closeEvent](p, `socket.ws.close(1000); return socket.closed();`))
	require.Equal(t, []string{"open", "close"}, value[[]string](p, `return socket.events;`))
}

func testBrowserSocketCompression(t *testing.T, p *page, server socketStack, o socketOptions) {
	for _, c := range []struct {
		options websocket.CompressionOptions
		agreed  string
	}{
		{websocket.CompressionOptions{}, "permessage-deflate"},
		{websocket.CompressionOptions{ServerNoContextTakeover: true, ClientNoContextTakeover: true, Threshold: -1},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{websocket.CompressionOptions{ServerMaxWindowBits: 9, ClientMaxWindowBits: 9, Threshold: -1},
			"permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"},
	} {
		o.compression = &c.options
		url := server.serve(t, o, echoOrClose)
		require.Equal(t, c.agreed, value[string](p, openSocket, url))
		echoMessages(p)
		closeSocket(t, p)
	}
}

func testBrowserSocketSubprotocol(t *testing.T, p *page, server socketStack, o socketOptions) {
	o.subprotocols = []string{"v2.chat", "v1.chat"}
	url := server.serve(t, o, echoOrClose)
	value[string](p, openSocket, url, []string{"mqtt", "v1.chat", "v2.chat"})
	require.Equal(t, "v2.chat", value[string](p, `return socket.ws.protocol;`))
	closeSocket(t, p)
	value[string](p, openSocket, url)
	require.Empty(t, value[string](p, `return socket.ws.protocol;`))
	closeSocket(t, p)
}

// While we do not read, the browser's bufferedAmount is positive. It becomes 0 when we read.
func testBrowserSocketBufferedAmount(t *testing.T, p *page, server socketStack, o socketOptions) {
	const messages, size = 32, 1 << 20
	read, result := make(chan struct{}), make(chan error, 1)
	url := server.serve(t, o, func(s socket) {
		defer s.drop()
		<-read
		for i := range messages {
			_, message, err := s.receive()
			if err == nil && len(message) != size {
				err = fmt.Errorf("message %d has %d octets", i, len(message))
			}
			if err != nil {
				result <- err
				return
			}
		}
		result <- nil
		_, _, _ = s.receive() // the close frame
	})
	value[string](p, openSocket, url)
	buffered := value[int](p, `
		for (let i = 0; i < args[0]; i++) socket.ws.send(new ArrayBuffer(args[1]));
		return socket.ws.bufferedAmount;`, messages, size)
	require.Positive(t, buffered)
	require.LessOrEqual(t, buffered, messages*size)
	close(read)
	p.run(`await socket.drained();`)
	require.NoError(t, await(t, result, "messages"))
	closeSocket(t, p)
}

func testBrowserClosesSocket(t *testing.T, p *page, server socketStack, o socketOptions) {
	result := make(chan error, 1)
	url := server.serve(t, o, func(s socket) {
		defer s.drop()
		_, _, err := s.receive()
		result <- err
	})
	for _, c := range []closedSocket{
		{1000, ""}, {1000, "done"}, {3000, "ünïcödé ☺"}, {4999, strings.Repeat("r", 123)}, {1005, ""},
	} {
		value[string](p, openSocket, url)
		var got closeEvent
		if c.code == 1005 {
			got = value[closeEvent](p, `socket.ws.close(); return socket.closed();`)
		} else {
			got = value[closeEvent](p, `socket.ws.close(args[0], args[1]); return socket.closed();`, c.code, c.reason)
		}
		require.Equal(t, c.code, got.Code)
		require.True(t, got.WasClean)
		require.Equal(t, &c, await(t, result, "close"))
	}
}

func testServerClosesBrowserSocket(t *testing.T, p *page, server socketStack, o socketOptions) {
	url := server.serve(t, o, echoOrClose)
	for _, c := range []closedSocket{
		{1000, ""}, {1000, "done"}, {1001, "leaving"}, {1011, ""}, {3000, "ünïcödé ☺"}, {4999, strings.Repeat("r", 123)},
	} {
		value[string](p, openSocket, url)
		got := value[closeEvent](p, `socket.ws.send('close ' + args[0] + ' ' + args[1]); return socket.closed();`, c.code, c.reason)
		require.Equal(t, closeEvent{c.code, c.reason, true}, got)
		require.Equal(t, []string{"open", "close"}, value[[]string](p, `return socket.events;`), "code %d", c.code)
	}
}

// Without a closing handshake the close event has wasClean false.
func testBrowserLosesSocket(t *testing.T, p *page, server socketStack, o socketOptions) {
	if server.name == "rtc" {
		t.Skip("package rtc always closes with a closing handshake")
	}
	url := server.serve(t, o, func(s socket) {
		_, _, _ = s.receive()
		s.drop()
	})
	value[string](p, openSocket, url)
	require.Equal(t, closeEvent{1006, "", false}, value[closeEvent](p, `socket.ws.send('go'); return socket.closed();`))
}

func testBrowserSocketPings(t *testing.T, p *page, server socketStack, o socketOptions) {
	result := make(chan error, 1)
	url := server.serve(t, o, func(s socket) {
		defer s.drop()
		go func() {
			err := s.ping()
			if errors.Is(err, errNoPing) {
				err = nil
			}
			result <- err
		}()
		_, _, _ = s.receive() // the pong, and the close frame
	})
	value[string](p, openSocket, url)
	require.NoError(t, await(t, result, "pong"))
	closeSocket(t, p)
}

// When the browser leaves a page, it closes the page's connections with code 1001.
func testBrowserLeavesSocket(t *testing.T, b *browser, script string) {
	result := make(chan error, 1)
	url := serveWebsocket(t, socketOptions{}, func(s socket) {
		defer s.drop()
		_, _, err := s.receive()
		result <- err
	})
	p := b.open(t)
	p.run(script)
	value[string](p, openSocket, url)
	p.within(scriptTime, "leave the page", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.Navigate("about:blank"))
	})
	require.Equal(t, &closedSocket{1001, ""}, await(t, result, "close"))
}

// The page has another origin than the server, and the server does not permit other origins.
func testBrowserOriginRefused(t *testing.T, p *page) {
	refused := make(chan error, 1)
	url := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := websocket.Accept(w, r, nil)
		refused <- err
	})
	got := value[closeEvent](p, `globalThis.socket = new Socket(args[0]); return socket.closed();`, url)
	require.Equal(t, closeEvent{1006, "", false}, got)
	require.Equal(t, []string{"error", "close"}, value[[]string](p, `return socket.events;`))
	var e *websocket.HandshakeError
	require.ErrorAs(t, await(t, refused, "refusal"), &e)
	require.Equal(t, http.StatusForbidden, e.Status)
}
