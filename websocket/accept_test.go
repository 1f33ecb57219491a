package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipeListener is a network in memory, so that servers of net/http run in virtual time: its
// DialContext opens streams that its Accept returns.
type pipeListener struct {
	streams chan net.Conn
	closed  chan struct{}
}

func newPipeListener(t *testing.T) *pipeListener {
	return &pipeListener{streams: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.streams <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.streams:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// serveHTTP runs an http.Server until the test ends.
func serveHTTP(t *testing.T, l net.Listener, handler http.HandlerFunc) *http.Server {
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() { server.Serve(l); close(done) }()
	t.Cleanup(func() { server.Close(); <-done })
	return server
}

// upgradeRequest returns the example's request as net/http passes it to a handler.
func upgradeRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://server.example.com/chat?room=1", nil)
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {exampleKey}, "Sec-Websocket-Version": {"13"}}
	return r
}

func TestAcceptRefuses(t *testing.T) {
	for _, test := range []struct {
		change func(r *http.Request)
		opts   *AcceptOptions
		status int
		says   string
		err    error
	}{
		{func(r *http.Request) { r.Method = http.MethodPost }, nil, 405, "GET", ErrBadHandshake},
		{func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 1, 0 }, nil, 426, "WebSocket", ErrBadHandshake},
		{func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, nil, 505, "HTTP/1.1", ErrBadHandshake},
		{func(r *http.Request) { r.Header.Del("Upgrade") }, nil, 426, "WebSocket", ErrBadHandshake},
		{func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, nil, 426, "13", ErrBadHandshake},
		{func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "x") }, nil, 400, "Sec-WebSocket-Key", ErrBadHandshake},
		{func(r *http.Request) { r.ContentLength = 5 }, nil, 400, "content", ErrBadHandshake},
		{func(r *http.Request) { r.ContentLength = -1 }, nil, 400, "content", ErrBadHandshake},
		{func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, nil, 403, "origin", ErrBadHandshake},
		{func(r *http.Request) {}, &AcceptOptions{CheckRequest: func(r *Request) error {
			return &HandshakeError{Status: 404, Body: []byte(r.Host + r.Path)}
		}}, 404, "server.example.com/chat?room=1", ErrBadHandshake},
		{func(r *http.Request) {}, &AcceptOptions{Protocols: []string{"a b"}}, 500, "Internal Server Error", ErrInvalidOption},
		// An httptest.ResponseRecorder is no http.Hijacker.
		{func(r *http.Request) {}, nil, 501, "Not Implemented", http.ErrNotSupported},
	} {
		r, w := upgradeRequest(), httptest.NewRecorder()
		r.RequestURI = "/chat?room=1"
		test.change(r)
		_, err := Accept(w, r, test.opts)
		require.ErrorIs(t, err, test.err)
		require.Equal(t, test.status, w.Code)
		require.Contains(t, w.Body.String(), test.says)
		if test.status == http.StatusUpgradeRequired {
			require.Equal(t, "13", w.Header().Get("Sec-WebSocket-Version"))
			require.Equal(t, "websocket", w.Header().Get("Upgrade"))
		}
	}
}

// RFC 9112, section 3.2.2: "a server MUST accept the absolute-form in requests". CheckRequest gets
// the path, whatever the form of the request target.
func TestAcceptAbsoluteForm(t *testing.T) {
	for _, target := range []string{"/chat?room=1", "http://server.example.com/chat?room=1"} {
		r, w := upgradeRequest(), httptest.NewRecorder()
		r.RequestURI = target
		var path string
		_, err := Accept(w, r, &AcceptOptions{CheckRequest: func(r *Request) error {
			path = r.Path
			return errors.New("seen")
		}})
		require.ErrorIs(t, err, ErrBadHandshake)
		require.Equal(t, "/chat?room=1", path)
	}
}

// A pattern that is not refused matches some origin.
func TestOriginPatternsThatMatchNothing(t *testing.T) {
	for _, pattern := range []string{
		"", "/", "https://", "://example.org", "https:///", "example.org//", "https://example.org/app", "example.org/*",
		"user@example.org", "https://example.org#top", "ws://example.org", "WSS://example.org", "null", "Null",
		"bücher.example", "https://bücher.example", "example.org ", "a b", "example.org, example.com",
		"example.org:", "https://example.org:0", "example.org:00443", "example.org:65536", "example.org:https", "[::1]:x",
		"[a", "[]", "a\\",
	} {
		opts := &AcceptOptions{OriginPatterns: []string{"example.com", pattern}}
		require.ErrorIs(t, opts.Validate(), ErrInvalidOption, "%q", pattern)
		require.ErrorContains(t, opts.Validate(), strconv.Quote(pattern))
	}
}

func TestOriginAllowed(t *testing.T) {
	for _, test := range []struct {
		host, origin string
		patterns     []string
		want         bool
	}{
		{"example.com", "http://example.com", nil, true},
		{"example.com", "https://EXAMPLE.com", nil, true},
		{"Example.com", "https://example.com", nil, true},
		{"example.com:8080", "http://example.com:8080", nil, true},
		{"[::1]:8080", "http://[::1]:8080", nil, true},
		// The port that the scheme implies may be named or not.
		{"example.com:443", "https://example.com", nil, true},
		{"example.com", "https://example.com:443", nil, true},
		{"example.com:80", "http://example.com", nil, true},
		{"[::1]:80", "http://[::1]", nil, true},
		{"example.com:443", "http://example.com", nil, false},
		{"example.com:8080", "http://example.com", nil, false},
		{"example.com", "http://example.com:8080", nil, false},
		{"example.com", "https://example.com:80", nil, false},
		{"example.com", "http://example.org", nil, false},
		{"example.com", "http://www.example.com", nil, false},
		{"example.com", "http://example.com.evil.org", nil, false},
		{"example.com", "http://evilexample.com", nil, false},
		{"example.com", "http://evil.org/example.com", nil, false},
		{"example.com", "http://evil.org@example.com", nil, false},
		{"example.com", "http://example.com/", nil, false}, // no Origin is written so
		{"example.com", "null", nil, false},
		{"example.com", "example.com", nil, false},
		{"example.com", "http://", nil, false},
		{"example.com", "", nil, false},
		{"null", "null", []string{"*"}, false},

		{"example.com", "https://app.example.com", []string{"*.example.com"}, true},
		{"example.com", "https://APP.example.com", []string{"*.Example.com"}, true},
		{"example.com", "https://example.com.evil.org", []string{"*.example.com"}, false},
		{"example.com", "https://evilexample.com", []string{"*.example.com"}, false},
		{"example.com", "https://app.example.com:8443", []string{"*.example.com"}, false},
		{"example.com", "https://app.example.com:8443", []string{"*.example.com:*"}, true},
		{"example.com", "https://example.org:443", []string{"https://example.org"}, true},
		{"example.com", "http://example.org", []string{"https://example.org"}, false},
		{"example.com", "https://example.org", []string{"other.org", "*.org"}, true},
		{"example.com", "http://[::1]:8080", []string{"[::1]:8080"}, true},
		{"example.com", "https://example.org", []string{"HTTPS://Example.ORG/"}, true},
		{"example.com", "https://example.org", []string{"example.org/"}, true},
		// A pattern may name the port that the scheme implies.
		{"example.com", "https://example.org", []string{"https://example.org:443"}, true},
		{"example.com", "https://example.org:443", []string{"https://example.org:443/"}, true},
		{"example.com", "https://example.org", []string{"example.org:443"}, true},
		{"example.com", "http://example.org", []string{"http://*:80"}, true},
		{"example.com", "https://example.org", []string{"example.org:*"}, true},
		{"example.com", "https://[::1]", []string{"https://[::1]:443"}, true},
		{"example.com", "http://example.org", []string{"example.org:443"}, false},
		{"example.com", "https://example.org", []string{"https://example.org:80"}, false},
		{"example.com", "https://example.org:8443", []string{"https://example.org:443"}, false},
		{"example.com", "capacitor://localhost", []string{"capacitor://localhost"}, true},
		{"example.com", "http://evil.org", []string{"*"}, true},
		{"example.com", "http://evil.org/", []string{"*"}, false},
	} {
		checked, err := (&AcceptOptions{OriginPatterns: test.patterns}).check()
		require.NoError(t, err)
		r := &Request{Host: test.host, Header: http.Header{"Origin": {test.origin}}}
		require.Equal(t, test.want, checked.originAllowed(r), "%s from %s, %q", test.host, test.origin, test.patterns)
		checked.InsecureSkipOriginCheck = true
		require.True(t, checked.originAllowed(r))
	}
	checked, err := (*AcceptOptions)(nil).check()
	require.NoError(t, err)
	require.True(t, checked.originAllowed(&Request{Host: "example.com", Header: http.Header{}}), "not a browser")
	require.False(t, checked.originAllowed(&Request{Host: "a", Header: http.Header{"Origin": {"http://a", "http://a"}}}))
}

// The header fields that a handler or middleware has set are sent, except for those of the
// handshake.
func TestAcceptSendsHeader(t *testing.T) {
	l := newPipeListener(t)
	serveHTTP(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Middleware", "a\r\nInjected: b")
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Sec-Websocket-Accept", "wrong")
		if c, err := Accept(w, r, &AcceptOptions{Header: http.Header{"Set-Cookie": {"c=d"}}}); err == nil {
			c.CloseNow()
		}
	})
	stream, err := l.DialContext(t.Context(), "tcp", "")
	require.NoError(t, err)
	defer stream.Close()
	_, err = io.WriteString(stream, request+"\r\n")
	require.NoError(t, err)
	response, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.Equal(t, accepted+"X-Middleware: a  Injected: b\r\nSet-Cookie: c=d\r\n\r\n", string(response))
}

// The timeouts of an http.Server do not apply to the WebSocket connection.
func TestAcceptClearsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener(t)
		conns := make(chan *Conn, 1)
		server := &http.Server{
			ReadTimeout:  time.Second,
			WriteTimeout: time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, nil)
				if err == nil {
					conns <- c
				}
			}),
		}
		go server.Serve(l)
		defer server.Close()
		client, err := Dial(t.Context(), "ws://server.example.com/", &DialOptions{DialContext: l.DialContext})
		require.NoError(t, err)
		defer client.CloseNow()
		c := <-conns
		defer c.CloseNow()
		time.Sleep(time.Hour)
		go client.Write(context.Background(), MessageText, []byte(strings.Repeat("x", 1000)))
		_, message, err := c.Read(t.Context())
		require.NoError(t, err)
		require.Len(t, message, 1000)
	})
}
