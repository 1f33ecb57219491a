package websocket

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The client's side of the example in RFC 6455, section 1.2, in parts that a test replaces.
const (
	requestLine  = "GET /chat HTTP/1.1\r\n"
	hostLine     = "Host: server.example.com\r\n"
	upgradeLines = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	keyLine      = "Sec-WebSocket-Key: " + exampleKey + "\r\n"
	versionLine  = "Sec-WebSocket-Version: 13\r\n"
	request      = requestLine + hostLine + upgradeLines + keyLine + versionLine
)

// serve passes the request to a server and returns the result.
func serve(t *testing.T, request string, opts *AcceptOptions) (*Conn, *Request, *scriptConn, error) {
	t.Helper()
	stream := &scriptConn{in: strings.NewReader(request)}
	c, r, err := Handshake(t.Context(), stream, opts)
	require.Equal(t, err != nil, stream.closed, "the stream is closed if and only if there is an error")
	return c, r, stream, err
}

func TestServerAcceptsRequest(t *testing.T) {
	compressing := &AcceptOptions{Compression: &CompressionOptions{}}
	for _, test := range []struct {
		request string
		opts    *AcceptOptions
		fields  string // of the response, besides those that are always there
	}{
		{request, nil, ""},
		// Section 4.2.1: the values of Upgrade and Connection are matched as case-insensitive
		// tokens, in lists.
		{requestLine + hostLine + "upgrade: foo, WebSocket\r\nCONNECTION: keep-alive\r\nConnection: x,UPGRADE\r\n" + keyLine + versionLine, nil, ""},
		{request + "Content-Length: 0\r\n", nil, ""},
		// "Optionally, a |Sec-WebSocket-Protocol| header field, with a list of values indicating
		// which protocols the client would like to speak".
		{request + "Sec-WebSocket-Protocol: chat, superchat\r\n", nil, ""},
		{request + "Sec-WebSocket-Protocol: chat, superchat\r\n", &AcceptOptions{Protocols: []string{"other", "superchat", "chat"}}, "Sec-WebSocket-Protocol: superchat\r\n"},
		{request + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: superchat\r\n", &AcceptOptions{Protocols: []string{"superchat"}}, "Sec-WebSocket-Protocol: superchat\r\n"},
		{request + "Sec-WebSocket-Protocol: Chat\r\n", &AcceptOptions{Protocols: []string{"chat"}}, ""},
		{request, &AcceptOptions{Protocols: []string{"chat"}}, ""},
		{request + "Sec-WebSocket-Extensions: permessage-deflate\r\n", nil, ""},
		// Clients are laxer than the grammar.
		{"\r\n" + request, nil, ""},
		{request + "Sec-WebSocket-Protocol: bearer.YQ==, chat\r\n", &AcceptOptions{Protocols: []string{"chat"}}, "Sec-WebSocket-Protocol: chat\r\n"},
		{request + "Sec-WebSocket-Protocol: a=b\r\n", &AcceptOptions{Protocols: []string{"a=b"}}, "Sec-WebSocket-Protocol: a=b\r\n"},
		{request + "Sec-WebSocket-Extensions: foo; a=\"b, c; d\", permessage-deflate; client_max_window_bits=\"15\"\r\n", compressing, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n"},
		{request + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\"1 5\"\r\n", compressing, ""},
		{request + "Sec-WebSocket-Extensions: foo, permessage-deflate; server_max_window_bits=10\r\n", compressing, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"},
		{request + "Sec-WebSocket-Extensions: permessage-deflate; x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", compressing, "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
		{request, compressing, ""},
		{request, &AcceptOptions{Header: http.Header{"Set-Cookie": {"a=b", "c=d"}}}, "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n"},
		{request + "Origin: http://server.example.com\r\n", nil, ""},
	} {
		_, r, stream, err := serve(t, test.request+"\r\n", test.opts)
		require.NoError(t, err, "%q", test.request)
		require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+exampleAccept+"\r\n"+test.fields+"\r\n", stream.out.String(), "%q", test.request)
		require.Equal(t, "/chat", r.Path)
		require.Equal(t, "server.example.com", r.Host)
		require.Equal(t, exampleKey, r.Header.Get("Sec-WebSocket-Key"))
	}
}

func TestServerRefusesRequest(t *testing.T) {
	rest := upgradeLines + keyLine + versionLine
	for _, test := range []struct {
		request string
		status  int
		says    string
	}{
		// "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1."
		{"POST / HTTP/1.1\r\n" + hostLine + rest, 405, "GET"},
		{"get / HTTP/1.1\r\n" + hostLine + rest, 405, "GET"},
		{"GET / HTTP/1.0\r\n" + hostLine + rest, 426, "version 13"},
		{"GET / HTTP/2.0\r\n" + hostLine + rest, 505, "HTTP/1.1"},
		{"GET /\r\n", 400, "HTTP"},
		{"GET chat HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET * HTTP/1.1\r\n" + hostLine + rest, 400, "path"},
		{"GET ?q HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		// An accepted request target can be parsed, and the request has a host.
		{"GET :// HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET ://h/ HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET 1://h/ HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET /%zz HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET /% HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET http:// HTTP/1.1\r\n" + hostLine + rest, 400, "host"},
		{"GET http:///a HTTP/1.1\r\n" + hostLine + rest, 400, "host"},
		{"GET http:a HTTP/1.1\r\n" + hostLine + rest, 400, "host"},
		{"GET http:/a HTTP/1.1\r\n" + hostLine + rest, 400, "host"},
		{"GET http://a:b@h/ HTTP/1.1\r\n" + hostLine + rest, 400, "host"},
		{"GET http://h:x/ HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{"GET http://[::1/ HTTP/1.1\r\n" + hostLine + rest, 400, "parse"},
		{requestLine + "Host: a b\r\n" + rest, 400, "Host"},
		{requestLine + "Host: a/b\r\n" + rest, 400, "Host"},
		{requestLine + "Host: u@a\r\n" + rest, 400, "Host"},
		// "The request MUST contain a |Host| header field".
		{requestLine + rest, 400, "Host"},
		{requestLine + "Host:\r\n" + rest, 400, "Host"},
		{requestLine + hostLine + hostLine + rest, 400, "Host"},
		// "… an |Upgrade| header field whose value MUST include the "websocket" keyword."
		{requestLine + hostLine + "Connection: Upgrade\r\n" + keyLine + versionLine, 426, "version 13"},
		{requestLine + hostLine + "Upgrade: h2c\r\nConnection: Upgrade\r\n" + keyLine + versionLine, 426, "version 13"},
		// "… a |Connection| header field whose value MUST include the "Upgrade" token."
		{requestLine + hostLine + "Upgrade: websocket\r\n" + keyLine + versionLine, 426, "version 13"},
		{requestLine + hostLine + "Upgrade: websocket\r\nConnection: close\r\n" + keyLine + versionLine, 426, "version 13"},
		// "… |Sec-WebSocket-Version|. The value of this header field MUST be 13."
		{requestLine + hostLine + upgradeLines + keyLine + "Sec-WebSocket-Version: 8\r\n", 426, "version 13"},
		{requestLine + hostLine + upgradeLines + keyLine + "Sec-WebSocket-Version: 13, 8\r\n", 426, "version 13"},
		{requestLine + hostLine + upgradeLines + keyLine, 400, "Version"},
		{requestLine + hostLine + upgradeLines + keyLine + versionLine + versionLine, 400, "Version"},
		// "… |Sec-WebSocket-Key| […] that, when decoded, is 16 bytes in length."
		{requestLine + hostLine + upgradeLines + versionLine, 400, "Key"},
		{requestLine + hostLine + upgradeLines + versionLine + "Sec-WebSocket-Key: AAAA\r\n", 400, "Key"},
		{requestLine + hostLine + upgradeLines + versionLine + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", 400, "Key"},
		{requestLine + hostLine + upgradeLines + versionLine + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXM=\r\n", 400, "Key"},
		{requestLine + hostLine + upgradeLines + versionLine + "Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ==\r\n", 400, "Key"},
		{request + keyLine, 400, "Key"},
		{request + "Sec-WebSocket-Extensions: foo;\r\n", 400, "Extensions"},
		{request + "Sec-WebSocket-Protocol: a b\r\n", 400, "Protocol"},
		{request + "Content-Length: 1\r\n", 400, "content"},
		{request + "Content-Length: 0\r\nContent-Length: 0\r\n", 400, "content"},
		{request + "Transfer-Encoding: chunked\r\n", 400, "content"},
		{request + "Origin: http://evil.example\r\n", 403, `the origin "http://evil.example" is not allowed for the host "server.example.com"`},
		{request + "Origin: http://a\r\nOrigin: http://b\r\n", 403, `"http://a, http://b"`},
		{request + "Origin: http://" + strings.Repeat("a", 1000) + "\r\n", 403, `"http://` + strings.Repeat("a", 249) + `"`},
		{request + "Origin: \xff\"<p>\r\n", 403, `"\xff\"<p>"`},
		{request + "A : b\r\n", 400, "name"},
		{request + " folded\r\n", 400, "folded"},
		{request + "A: \x01\r\n", 400, "control"},
		{request + "A: b\n", 400, "CR LF"},
		{"\x16\x03\x01\x02\x00", 400, "not HTTP"},
		{request + "A: " + strings.Repeat("b", MaxHeaderSize), 431, "16384"},
		{"GET /" + strings.Repeat("b", 10*MaxHeaderSize), 431, "16384"},
	} {
		_, _, stream, err := serve(t, test.request+"\r\n", nil)
		require.ErrorIs(t, err, ErrBadHandshake, "%q", test.request)
		var refusal *HandshakeError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, test.status, refusal.Status, "%q", test.request)
		require.Contains(t, refusal.Reason, test.says)

		response, err := http.ReadResponse(bufio.NewReader(&stream.out), nil)
		require.NoError(t, err)
		require.Equal(t, test.status, response.StatusCode)
		require.True(t, response.Close)
		require.Equal(t, "text/plain; charset=utf-8", response.Header.Get("Content-Type"))
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusText(test.status)+": "+refusal.Reason+"\n", string(body))
		switch test.status {
		case 405:
			require.Equal(t, "GET", response.Header.Get("Allow"))
		case 426:
			// RFC 6455, section 4.4, and RFC 9110, section 15.5.22.
			require.Equal(t, "13", response.Header.Get("Sec-WebSocket-Version"))
			require.Equal(t, "websocket", response.Header.Get("Upgrade"))
		}
	}
}

// RFC 9112, section 3.2.2: "a server MUST accept the absolute-form in requests", and its host
// counts, not the one of the field.
func TestServerRequestTarget(t *testing.T) {
	for target, want := range map[string]Request{
		"/":                        {Path: "/", Host: "server.example.com"},
		"/a/b?c=d&e=%20":           {Path: "/a/b?c=d&e=%20", Host: "server.example.com"},
		"//a":                      {Path: "//a", Host: "server.example.com"},
		"/r?to=http://x/":          {Path: "/r?to=http://x/", Host: "server.example.com"},
		"http://example.org/a?b":   {Path: "/a?b", Host: "example.org"},
		"ws://example.org:8080":    {Path: "/", Host: "example.org:8080"},
		"https://example.org?b=/c": {Path: "/?b=/c", Host: "example.org"},
	} {
		_, r, _, err := serve(t, strings.Replace(request, "/chat", target, 1)+"\r\n", nil)
		require.NoError(t, err, target)
		require.Equal(t, want.Path, r.Path)
		require.Equal(t, want.Host, r.Host)
	}
}

func TestServerCheckRequest(t *testing.T) {
	secret := errors.New("the database says no")
	for _, test := range []struct {
		err      error
		response string
	}{
		{nil, "HTTP/1.1 101 Switching Protocols\r\n"},
		{secret, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 10\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nForbidden\n"},
		{&HandshakeError{Status: 404, Err: secret}, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 10\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nNot Found\n"},
		{&HandshakeError{Status: 200, Err: secret}, "HTTP/1.1 403 Forbidden\r\n"},
		{&HandshakeError{Status: 401, Reason: "who are you?", Header: http.Header{"Www-Authenticate": {"Basic"}, "Content-Length": {"99"}}, Err: secret},
			"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 27\r\nContent-Type: text/plain; charset=utf-8\r\nWww-Authenticate: Basic\r\n\r\nUnauthorized: who are you?\n"},
		{&HandshakeError{Status: 503, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<p>"), Err: secret},
			"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\r\n<p>"},
	} {
		var asked *Request
		_, r, stream, err := serve(t, request+"\r\n", &AcceptOptions{CheckRequest: func(r *Request) error { asked = r; return test.err }})
		require.Same(t, r, asked)
		require.True(t, strings.HasPrefix(stream.out.String(), test.response), stream.out.String())
		if test.err == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrBadHandshake)
			require.ErrorIs(t, err, secret)
			require.NotContains(t, stream.out.String(), secret.Error())
		}
	}
	// A request that is refused anyway is not shown to the program.
	_, _, _, err := serve(t, requestLine+hostLine+"\r\n", &AcceptOptions{CheckRequest: func(*Request) error { panic("called") }})
	require.ErrorIs(t, err, ErrBadHandshake)
}

// A client that disconnects is sent no response, and the error does not match ErrBadHandshake.
func TestServerStreamError(t *testing.T) {
	for request, want := range map[string]error{
		"":                    io.ErrUnexpectedEOF,
		requestLine:           io.ErrUnexpectedEOF,
		requestLine + "Host:": io.ErrUnexpectedEOF,
	} {
		_, r, stream, err := serve(t, request, nil)
		require.ErrorIs(t, err, want)
		require.NotErrorIs(t, err, ErrBadHandshake)
		require.ErrorContains(t, err, "192.0.2.1:4321")
		require.Nil(t, r)
		require.Empty(t, stream.out.String())
	}
}

func TestAcceptOptions(t *testing.T) {
	for _, opts := range []*AcceptOptions{
		{Header: http.Header{"Upgrade": {"h2c"}}},
		{Header: http.Header{"connection": {"close"}}},
		{Header: http.Header{"Sec-WebSocket-Accept": {"x"}}},
		{Header: http.Header{"Sec-WebSocket-Protocol": {"x"}}},
		{Header: http.Header{"A": {"b\r\n\r\nc"}}},
		{Protocols: []string{"a b"}},
		{OriginPatterns: []string{"a", "[a"}},
		{Compression: &CompressionOptions{ServerMaxWindowBits: 20}},
	} {
		_, _, stream, err := serve(t, request+"\r\n", opts)
		require.ErrorIs(t, err, ErrInvalidOption)
		require.ErrorIs(t, opts.Validate(), ErrInvalidOption)
		require.Empty(t, stream.out.String())
	}
}
