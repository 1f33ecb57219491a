package websocket

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// exampleClient is a client about to send the example's request.
func exampleClient(t *testing.T, url string, opts DialOptions) *clientHandshake {
	t.Helper()
	u, err := ParseURL(url)
	require.NoError(t, err)
	h, err := newClientHandshake(u, exampleKey, &opts)
	require.NoError(t, err)
	return h
}

func TestClientRequest(t *testing.T) {
	for _, test := range []struct {
		url  string
		opts DialOptions
		want string // without the fields that are always the same
	}{
		// The example of RFC 6455, section 1.2.
		{"ws://server.example.com/chat", DialOptions{Origin: "http://example.com", Protocols: []string{"chat", "superchat"}},
			"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n…Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n"},
		{"wss://[::1]:8443?q", DialOptions{Compression: &CompressionOptions{}},
			"GET /?q HTTP/1.1\r\nHost: [::1]:8443\r\n…Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"},
		{"ws://Aladdin:open%20sesame@h/", DialOptions{Header: http.Header{"X-B": {"2", "3"}, "Cookie": {"a=b"}}},
			"GET / HTTP/1.1\r\nHost: h\r\n…Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nCookie: a=b\r\nX-B: 2\r\nX-B: 3\r\n\r\n"},
		{"ws://Aladdin:open%20sesame@h/", DialOptions{Header: http.Header{"authorization": {"Bearer x"}}},
			"GET / HTTP/1.1\r\nHost: h\r\n…authorization: Bearer x\r\n\r\n"},
		{"ws://h/", DialOptions{Header: http.Header{"Origin": {"null"}}}, "GET / HTTP/1.1\r\nHost: h\r\n…Origin: null\r\n\r\n"},
	} {
		got := string(exampleClient(t, test.url, test.opts).appendRequest(nil))
		want := strings.Replace(test.want, "…", "Upgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Key: "+exampleKey+"\r\nSec-WebSocket-Version: 13\r\n", 1)
		require.Equal(t, want, got)
		// The server of this package accepts every request of its client.
		_, _, refusal := parseRequest([]byte(got))
		require.Nil(t, refusal)
	}
}

func TestClientOptions(t *testing.T) {
	for _, opts := range []DialOptions{
		{Header: http.Header{"Host": {"other"}}},
		{Header: http.Header{"host": {"other"}}},
		{Header: http.Header{"Upgrade": {"h2c"}}},
		{Header: http.Header{"Connection": {"close"}}},
		{Header: http.Header{"Sec-WebSocket-Key": {exampleKey}}},
		{Header: http.Header{"sec-websocket-version": {"8"}}},
		{Header: http.Header{"Sec-Websocket-Extensions": {"foo"}}},
		{Header: http.Header{"Sec-Websocket-Protocol": {"foo"}}},
		{Header: http.Header{"Content-Length": {"1"}}},
		{Header: http.Header{"Transfer-Encoding": {"chunked"}}},
		{Header: http.Header{"A": {"b\r\nHost: other"}}},
		{Header: http.Header{"A b": {"c"}}},
		{Header: http.Header{"": {"c"}}},
		{Header: http.Header{"Origin": {"a"}}, Origin: "b"},
		{Origin: "a\nb"},
		{Protocols: []string{""}},
		{Protocols: []string{"a b"}},
		{Protocols: []string{"a,b"}},
		{Protocols: []string{"a", "b", "a"}},
		{Compression: &CompressionOptions{ClientMaxWindowBits: 7}},
	} {
		_, err := Dial(t.Context(), "ws://127.0.0.1:1/", &opts)
		require.ErrorIs(t, err, ErrInvalidOption, "%+v", opts)
		require.ErrorIs(t, opts.Validate(), ErrInvalidOption, "%+v", opts)
	}
}

const (
	switching = "HTTP/1.1 101 Switching Protocols\r\n"
	upgraded  = switching + "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	accepted  = upgraded + "Sec-WebSocket-Accept: " + exampleAccept + "\r\n"
)

func TestClientAcceptsResponse(t *testing.T) {
	offer := DialOptions{Protocols: []string{"chat", "superchat"}, Compression: &CompressionOptions{}}
	for _, test := range []struct {
		response    string
		subprotocol string
		early       string
		compressed  bool
	}{
		{accepted + "\r\n", "", "", false},
		{accepted + "Sec-WebSocket-Protocol: superchat\r\n\r\n", "superchat", "", false},
		{accepted + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "", "", true},
		// RFC 6455, section 4.1: the values "websocket" and "Upgrade" match in any case.
		{switching + "upgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nsec-websocket-accept:  " + exampleAccept + " \r\n\r\n", "", "", false},
		{switching + "Upgrade:\r\n websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", "", "", false},
		// No byte after the response is lost.
		{accepted + "\r\n\x81\x05Hello", "", "\x81\x05Hello", false},
		{accepted + "\r\n\r\n", "", "\r\n", false},
		// RFC 9110, section 15.2: interim responses.
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + accepted + "\r\n\x88\x00", "", "\x88\x00", false},
	} {
		for _, whole := range []bool{true, false} {
			stream := &scriptConn{in: strings.NewReader(test.response)}
			if !whole {
				stream.in = iotest.OneByteReader(stream.in)
			}
			cfg, err := exampleClient(t, "ws://h/", offer).run(stream)
			require.NoError(t, err, "%q", test.response)
			require.True(t, cfg.client)
			require.Equal(t, test.subprotocol, cfg.subprotocol)
			require.Equal(t, test.compressed, cfg.compression != nil)
			rest, err := io.ReadAll(stream)
			require.NoError(t, err)
			require.Equal(t, test.early, string(cfg.early)+string(rest))
		}
	}
}

func TestClientRefusesResponse(t *testing.T) {
	offer := DialOptions{Protocols: []string{"chat"}}
	for _, test := range []struct {
		response string
		status   int
		says     string
	}{
		// RFC 6455, section 4.1: "If the status code received from the server is not 101, the
		// client handles the response per HTTP [RFC2616] procedures."
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 404, "bad handshake: 404 Not Found"},
		{"HTTP/1.0 200 OK\r\n\r\n<html>", 200, "200 OK"},
		{"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n", 302, "302 Found"},
		{"HTTP/1.1 599\r\n\r\n", 599, "bad handshake: 599"},
		// "If the response lacks an |Upgrade| header field or the |Upgrade| header field
		// contains a value that is not an ASCII case-insensitive match for the value
		// "websocket", the client MUST _Fail the WebSocket Connection_."
		{switching + "Connection: Upgrade\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "Upgrade is not websocket"},
		{switching + "Upgrade: websocket/13\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "Upgrade is not websocket"},
		{switching + "Upgrade: websocket, h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "Upgrade is not websocket"},
		// "… lacks a |Connection| header field or … doesn't contain a token …".
		{switching + "Upgrade: websocket\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "no Connection: Upgrade"},
		{switching + "Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "no Connection: Upgrade"},
		// "… lacks a |Sec-WebSocket-Accept| header field or … contains a value other than
		// the base64-encoded SHA-1 …".
		{upgraded + "\r\n", 101, "Sec-WebSocket-Accept"},
		{upgraded + "Sec-WebSocket-Accept: " + strings.ToLower(exampleAccept) + "\r\n\r\n", 101, "Sec-WebSocket-Accept"},
		{upgraded + "Sec-WebSocket-Accept: " + exampleAccept[1:] + "\r\n\r\n", 101, "Sec-WebSocket-Accept"},
		{accepted + "Sec-WebSocket-Accept: " + exampleAccept + "\r\n\r\n", 101, "Sec-WebSocket-Accept"},
		// "… use of an extension that was not present in the client's handshake …".
		{accepted + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 101, "extension permessage-deflate was not offered"},
		{accepted + "Sec-WebSocket-Extensions: x;\r\n\r\n", 101, "malformed Sec-WebSocket-Extensions"},
		// "… use of a subprotocol that was not present in the client's handshake …".
		{accepted + "Sec-WebSocket-Protocol: superchat\r\n\r\n", 101, "Sec-WebSocket-Protocol"},
		{accepted + "Sec-WebSocket-Protocol: Chat\r\n\r\n", 101, "Sec-WebSocket-Protocol"},
		{accepted + "Sec-WebSocket-Protocol: chat, chat\r\n\r\n", 101, "Sec-WebSocket-Protocol"},
		{accepted + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 101, "Sec-WebSocket-Protocol"},
		{strings.Replace(accepted, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n", 101, "not HTTP/1.1"},
		{strings.Replace(accepted, "HTTP/1.1", "HTTP/2.0", 1) + "\r\n", 101, "not HTTP/1.1"},

		{"", 0, "closed"},
		{"HTTP/1.1 101 Switching", 0, "closed"},
		{accepted, 0, "closed"},
		{"SSH-2.0-OpenSSH_9.9\r\n", 0, "not HTTP"},
		{"\x81\x05Hello", 0, "not HTTP"},
		{"HTTP/1.1 abc\r\n\r\n", 0, "not HTTP"},
		{"HTTP/1.1 101\nUpgrade: websocket\n\n", 0, "CR LF"},
		{switching + "A b: c\r\n\r\n", 0, "header field"},
		{switching + "A: \x00\r\n\r\n", 0, "header field"},
		{switching + "A: " + strings.Repeat("b", MaxHeaderSize) + "\r\n\r\n", 0, "too large"},
		{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInterimResponses) + accepted + "\r\n", 0, "interim"},
	} {
		_, err := exampleClient(t, "ws://h/", offer).run(&scriptConn{in: strings.NewReader(test.response)})
		require.ErrorIs(t, err, ErrBadHandshake, "%q", test.response)
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, test.status, refusal.Status, "%q", test.response)
		require.ErrorContains(t, err, test.says, "%q", test.response)
		require.Equal(t, test.says == "closed", errors.Is(err, io.ErrUnexpectedEOF))
	}
}

// The error has the beginning of the body of a refusal.
func TestClientKeepsTheRefusal(t *testing.T) {
	for _, test := range []struct {
		response string
		body     string
	}{
		{"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nlogin and more", "login"},
		{"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlog\r\n2\r\nin\r\n0\r\n\r\n", "login"},
		{"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\nlogin", "login"},
		{"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 10\r\n\r\nlogin", "login"},
		{"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: foo\r\n\r\nlogin", ""},
		{"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n" + strings.Repeat("x", 10*MaxErrorBody), strings.Repeat("x", MaxErrorBody)},
	} {
		_, err := exampleClient(t, "ws://h/", DialOptions{}).run(&scriptConn{in: iotest.HalfReader(strings.NewReader(test.response))})
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 401, refusal.Status)
		require.Equal(t, "Basic", refusal.Header.Get("WWW-Authenticate"))
		require.Equal(t, test.body, string(refusal.Body))
	}
}

// An error of the stream is no bad handshake.
func TestClientStreamError(t *testing.T) {
	broken := errors.New("broken")
	_, err := exampleClient(t, "ws://h/", DialOptions{}).run(&scriptConn{in: iotest.ErrReader(broken)})
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, ErrBadHandshake)
}

func TestAcceptKey(t *testing.T) {
	require.Equal(t, exampleAccept, acceptKey(exampleKey)) // RFC 6455, section 1.3
}
