package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
	"github.com/rtcstack/rtcstack/websocket"
)

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// The page uses only files that the program serves, with the media types that browsers require.
func TestFiles(t *testing.T) {
	p := start(t)
	response, html := get(t, p.url)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, response.Header.Get("Content-Type"), "text/html")
	require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'self'")
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		names[m[1]] = true
	}
	_, script := get(t, p.url+"/main.js")
	for _, m := range regexp.MustCompile(`from '\./([^']+)'`).FindAllStringSubmatch(script, -1) {
		names[m[1]] = true
	}
	require.Subset(t, names, map[string]bool{"style.css": true, "main.js": true, "connection.js": true, "icon.svg": true})
	for name := range names {
		response, content := get(t, p.url+"/"+name)
		require.Equal(t, http.StatusOK, response.StatusCode, name)
		require.NotContains(t, strings.ReplaceAll(content, "http://www.w3.org/2000/svg", ""), "://", name)
		if strings.HasSuffix(name, ".js") {
			require.Contains(t, response.Header.Get("Content-Type"), "text/javascript", name)
		}
	}
	response, _ = get(t, p.url+"/none")
	require.Equal(t, http.StatusNotFound, response.StatusCode)
}

func TestThroughput(t *testing.T) {
	g := start(t).open(t)
	bulk, stats := g.channel(bulkChannel), g.channel(statsChannel)

	// To the page, in messages of the size that the page requests.
	for _, size := range []int{1000, maxBulkMessage} {
		require.NoError(t, bulk.SendText(strconv.Itoa(size)))
		for len(next(t, bulk).Data) != size { // skip the messages sent before the request
		}
		for range 20 {
			require.Len(t, next(t, bulk).Data, size)
		}
	}
	require.NoError(t, bulk.SendText("0"))
	bulk.OnMessage(func(rtc.Message) {}) // unread messages could block the other channels

	// To the program, which reports the received bytes.
	const messages, size = 20, 100_000
	for range messages {
		require.NoError(t, bulk.Send(make([]byte, size)))
	}
	var r report
	eventually(t, "report of the received bytes", func() bool {
		require.NoError(t, json.Unmarshal(next(t, stats).Data, &r))
		return r.Received >= messages*size
	})
	require.Positive(t, r.At)
	require.Positive(t, r.RTT)
	require.Positive(t, r.CongestionWindow)
	require.NotZero(t, r.Packets)
	require.NotZero(t, r.Chunks)
	require.EqualValues(t, messages*size, r.Received, "the program counts the traffic, and neither requests nor pings")
	require.Equal(t, 1, r.Pages)
	require.Equal(t, g.pc.Stats().CipherSuite, r.CipherSuite)
	require.Equal(t, g.pc.Stats().Local.Addr.String(), r.Remote.Addr)
	require.Equal(t, g.pc.Stats().Remote.Addr.String(), r.Local.Addr)
	require.NotEmpty(t, r.Local.Type)
}

func TestPing(t *testing.T) {
	g := start(t).open(t)
	dc := g.channel(pingChannel)
	require.NoError(t, dc.Send([]byte("12345678")))
	require.Equal(t, rtc.Message{Data: []byte("12345678")}, next(t, dc))
}

// An invalid request of the page closes only the channel.
func TestChannelsRefused(t *testing.T) {
	g := start(t).open(t)
	for _, size := range []string{"-1", strconv.Itoa(maxBulkMessage + 1), "much", ""} {
		dc := g.channel(bulkChannel)
		require.NoError(t, dc.SendText(size))
		eventually(t, "closed because of "+size, dc.IsClosed)
	}
	eventually(t, "closed because the label is unknown", g.channel("unknown").IsClosed)
	require.Equal(t, rtc.StateConnected, g.pc.State())
}

func TestChat(t *testing.T) {
	p := start(t)
	alice := p.open(t)
	a, aliceName := alice.chat()
	require.NoError(t, a.SendText("Hello!"))
	require.Equal(t, line{From: programName, Text: "Hello, Page 1! Ask me “who”, “time” or “stats”."}, nextLine(t, a))

	bob := p.open(t)
	b, bobName := bob.chat()
	require.NotEqual(t, aliceName, bobName)
	require.Equal(t, line{Text: bobName + " has come."}, nextLine(t, a))
	require.NoError(t, a.SendText("is there <b>anybody</b>?"))
	require.Equal(t, line{From: programName, Text: "I got “is there <b>anybody</b>?”."}, nextLine(t, a))
	require.Equal(t, line{From: aliceName, Text: "is there <b>anybody</b>?"}, nextLine(t, b))
	require.NoError(t, b.SendText("who"))
	require.Equal(t, line{From: programName, Text: "2 connected at the moment; you are " + bobName + "."}, nextLine(t, b))
	require.Equal(t, line{From: bobName, Text: "who"}, nextLine(t, a))
	require.NoError(t, b.SendText("stats"))
	require.Contains(t, nextLine(t, b).Text, "packets in")
	require.Equal(t, "stats", nextLine(t, a).Text)

	// Binary, empty and too long messages are not forwarded.
	require.NoError(t, a.Send([]byte("bytes")))
	require.NoError(t, a.SendText(""))
	require.NoError(t, a.SendText(strings.Repeat("x", maxChatText+1)))
	require.NoError(t, a.SendText("time"))
	require.Contains(t, nextLine(t, a).Text, "Here it is ")
	require.Equal(t, line{From: aliceName, Text: "time"}, nextLine(t, b))

	// A page that is closed is removed from the room.
	require.NoError(t, bob.ws.Close(websocket.StatusGoingAway, ""))
	require.Equal(t, line{Text: bobName + " has left."}, nextLine(t, a))
}

// The program closes the WebSocket of a page that closes only its peer connection.
func TestPageCloses(t *testing.T) {
	p := start(t)
	g := p.open(t)
	g.channel(pingChannel)
	require.NoError(t, g.pc.CloseAndWait())
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(receive(t, g.err, "end of the WebSocket")))
}

func TestProgramEnds(t *testing.T) {
	t.Parallel() // it mostly waits
	p := start(t)
	g := p.open(t)
	bulk := g.channel(bulkChannel)
	require.NoError(t, bulk.SendText("65536")) // and does not read
	eventually(t, "traffic", func() bool { return bulk.AvailableAmount() > 1<<20 })
	p.stop()
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(receive(t, g.err, "end of the WebSocket")))
	require.Equal(t, 0, receive(t, p.status, "end of the program"))
}

func TestSignalsRefused(t *testing.T) {
	p := start(t)
	for _, message := range []string{"{", `{"type": "offer", "sdp": "v=1"}`, `{"type": "best"}`, `{}`} {
		ws, err := p.dial(t, nil)
		require.NoError(t, err)
		require.Equal(t, websocket.StatusPolicyViolation, ending(t, ws, []byte(message)), message)
	}
	ws, err := p.dial(t, nil)
	require.NoError(t, err)
	require.Equal(t, websocket.StatusMessageTooBig, ending(t, ws, make([]byte, maxSignal+1)))
}

// A page of another origin cannot connect.
func TestOrigin(t *testing.T) {
	p := start(t)
	_, err := p.dial(t, &websocket.DialOptions{Header: http.Header{"Origin": {"https://example.com"}}})
	var refused *websocket.HandshakeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.Status)
	ws, err := p.dial(t, &websocket.DialOptions{Header: http.Header{"Origin": {p.url}}})
	require.NoError(t, err)
	require.NoError(t, ws.Close(websocket.StatusNormalClosure, ""))
}

func TestTooManyPages(t *testing.T) {
	p := start(t)
	var all []*websocket.Conn
	for range maxVisitors {
		ws, err := p.dial(t, nil)
		require.NoError(t, err)
		all = append(all, ws)
	}
	ws, err := p.dial(t, nil)
	require.NoError(t, err)
	require.Equal(t, websocket.StatusTryAgainLater, ending(t, ws, []byte("{}")))
	// Another page can connect after one has disconnected.
	require.NoError(t, all[0].Close(websocket.StatusNormalClosure, ""))
	eventually(t, "another page is accepted", func() bool {
		ws, err := p.dial(t, nil)
		require.NoError(t, err)
		return ending(t, ws, []byte("{")) == websocket.StatusPolicyViolation // the program has read the signal
	})
}

func TestCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string // on standard error
	}{
		{"help", []string{"-h"}, 0, "-addr host:port"},
		{"unknown flag", []string{"-x"}, 2, "-x"},
		{"argument", []string{"8080"}, 2, `unknown argument "8080"`},
		{"no address", []string{"-addr", "here"}, 1, "missing port"},
		{"taken", []string{"-addr", taken.Addr().String()}, 1, "With -addr localhost:0 it takes a port that is free."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var errors bytes.Buffer
			require.Equal(t, c.status, run(t.Context(), c.args, io.Discard, &errors))
			require.Contains(t, errors.String(), c.want)
		})
	}
}

func TestURLs(t *testing.T) {
	for listening, want := range map[string]string{
		"127.0.0.1:80":  "http://localhost:80",
		"192.0.2.1:80":  "http://192.0.2.1:80",
		"[::1]:80":      "http://[::1]:80",
		"0.0.0.0:8080":  "http://localhost:8080",
		"[::]:8080":     "http://localhost:8080",
		"127.0.0.2:123": "http://127.0.0.2:123",
	} {
		addr, err := net.ResolveTCPAddr("tcp", listening)
		require.NoError(t, err)
		all := urls(addr)
		require.Equal(t, want, all[0], listening)
		if !addr.IP.IsUnspecified() {
			require.Len(t, all, 1)
		}
		for _, url := range all {
			require.False(t, addr.IP.To4() != nil && strings.Contains(url, "["), "IPv6 where only IPv4 is listened on: %s", url)
		}
	}
}
