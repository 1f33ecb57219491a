package websocket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// wsURL is the address of a test server as a WebSocket URL.
func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// newTestServer starts a server that sends Hello, in the subprotocol "greeting" if the client
// offers it.
func newTestServer(t *testing.T, start func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, &AcceptOptions{Protocols: []string{"greeting"}, CheckRequest: func(r *Request) error {
			if r.Path != "/hello?to=you" {
				return &HandshakeError{Status: http.StatusNotFound}
			}
			return nil
		}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		if c.Write(context.Background(), MessageText, []byte("Hello")) == nil {
			c.Read(context.Background()) // until the client is gone
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it are expected
	start(s)
	t.Cleanup(s.Close)
	return s
}

func TestDial(t *testing.T) {
	s := newTestServer(t, (*httptest.Server).Start)
	c, err := Dial(t.Context(), wsURL(s)+"/hello?to=you", &DialOptions{Protocols: []string{"other", "greeting"}})
	require.NoError(t, err)
	defer c.CloseNow()
	require.Equal(t, "greeting", c.Protocol())
	require.Equal(t, s.Listener.Addr().String(), c.RemoteAddr().String())
	requireHello(t, c)
	require.NoError(t, c.CloseNow())

	_, err = Dial(t.Context(), wsURL(s)+"/bye", nil)
	var refusal *HandshakeError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusNotFound, refusal.Status)
	require.Equal(t, "Not Found\n", string(refusal.Body))
}

func TestDialIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	s := newTestServer(t, func(s *httptest.Server) { s.Listener.Close(); s.Listener = l; s.Start() })
	c, err := Dial(t.Context(), wsURL(s)+"/hello?to=you", nil)
	require.NoError(t, err)
	defer c.CloseNow()
	requireHello(t, c)
}

func TestDialTLS(t *testing.T) {
	protocols := make(chan string, 1)
	s := newTestServer(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true // a client that offers it gets it
		s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		handler := s.Config.Handler
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protocols <- r.TLS.NegotiatedProtocol
			handler.ServeHTTP(w, r)
		})
		s.StartTLS()
	})
	url := wsURL(s) + "/hello?to=you"
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())

	config := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}
	c, err := Dial(t.Context(), url, &DialOptions{TLSConfig: config})
	require.NoError(t, err)
	defer c.CloseNow()
	requireHello(t, c)
	require.Equal(t, "http/1.1", <-protocols)
	require.IsType(t, &tls.Conn{}, c.UnderlyingConn())
	require.Equal(t, []string{"h2"}, config.NextProtos, "the caller's configuration is left as it was")
	require.Empty(t, config.ServerName)

	// An untrusted certificate, and one for another host.
	var untrusted *tls.CertificateVerificationError
	_, err = Dial(t.Context(), url, nil)
	require.ErrorAs(t, err, &untrusted)
	require.NotErrorIs(t, err, ErrBadHandshake)
	var mismatch x509.HostnameError
	_, err = Dial(t.Context(), url, &DialOptions{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "other.invalid"}})
	require.ErrorAs(t, err, &untrusted)
	require.ErrorAs(t, err, &mismatch)

	c, err = Dial(t.Context(), url, &DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	require.NoError(t, err)
	defer c.CloseNow()
	requireHello(t, c)
	<-protocols

	// TLS with a server that has none.
	plain := newTestServer(t, (*httptest.Server).Start)
	_, err = Dial(t.Context(), "wss"+strings.TrimPrefix(wsURL(plain), "ws"), nil)
	var record tls.RecordHeaderError
	require.ErrorAs(t, err, &record)
}

func TestDialClosedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	_, err = Dial(t.Context(), "ws://"+address+"/", nil)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, "dial", op.Op)
	require.NotErrorIs(t, err, ErrBadHandshake)
	require.ErrorContains(t, err, "connect to "+address)
	if runtime.GOOS != "windows" { // which has a number of its own for it
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
}

// Browsers do not follow redirects either.
// https://websockets.spec.whatwg.org/#concept-websocket-establish
func TestDialFollowsNoRedirect(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("ws://elsewhere.example/", http.StatusFound))
	defer s.Close()
	_, err := Dial(t.Context(), wsURL(s), nil)
	var refusal *HandshakeError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusFound, refusal.Status)
	require.Equal(t, "ws://elsewhere.example/", refusal.Header.Get("Location"))
}

// Names go to DialContext as they are, so that a proxy can resolve them.
func TestDialContextGetsName(t *testing.T) {
	refused := errors.New("refused by the proxy")
	for url, want := range map[string]string{
		"ws://name.invalid/":             "tcp name.invalid:80",
		"wss://name.invalid/":            "tcp name.invalid:443",
		"ws://name.invalid:8080/":        "tcp name.invalid:8080",
		"ws://[2001:db8::1]:8080/":       "tcp [2001:db8::1]:8080",
		"ws://[fe80::1%25eth0]/":         "tcp [fe80::1%eth0]:80",
		"wss://user:pw@192.0.2.1:1234/x": "tcp 192.0.2.1:1234",
	} {
		var got string
		_, err := Dial(t.Context(), url, &DialOptions{DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			got = network + " " + address
			return nil, refused
		}})
		require.ErrorIs(t, err, refused)
		require.NotErrorIs(t, err, ErrBadHandshake)
		require.Equal(t, want, got)
	}
}

// A stream that TLS runs over, and that is closed with it if the handshake fails.
func TestDialClosesStream(t *testing.T) {
	for _, url := range []string{"ws://h/", "wss://h/"} {
		client, server := net.Pipe()
		go func() {
			server.Read(make([]byte, 4096))
			io.WriteString(server, "SSH-2.0-OpenSSH_9.9\r\n")
		}()
		_, err := Dial(t.Context(), url, &DialOptions{DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
		require.Error(t, err)
		_, err = client.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	}
}

// The zone of an address is for this host to connect with; a certificate and a server name have
// none.
func TestDialServerName(t *testing.T) {
	for url, want := range map[string]string{
		"wss://Name.example:8443/":  "Name.example",
		"wss://[fe80::1%25eth0]/":   "", // an address: RFC 6066, section 3
		"wss://user:pw@localhost/x": "localhost",
	} {
		client, server := net.Pipe()
		names, seen := make(chan string, 1), errors.New("seen")
		go func() {
			tls.Server(server, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				names <- hello.ServerName
				return nil, seen
			}}).Handshake()
			server.Close()
		}()
		_, err := Dial(t.Context(), url, &DialOptions{DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
		require.Error(t, err)
		require.Equal(t, want, <-names)
	}
}

// As in the browser's WebSocket constructor, http stands for ws and https for wss.
// https://websockets.spec.whatwg.org/#dom-websocket-websocket
func TestDialTakesHTTPURLs(t *testing.T) {
	for url, address := range map[string]string{
		"http://h/": "h:80", "https://h/": "h:443", "HTTP://h:8080/": "h:8080", "ws://h/": "h:80", "wss://h/": "h:443",
	} {
		unreachable := errors.New("unreachable")
		_, err := Dial(background(), url, &DialOptions{DialContext: func(_ context.Context, _, got string) (net.Conn, error) {
			require.Equal(t, address, got)
			return nil, unreachable
		}})
		require.ErrorIs(t, err, unreachable)
	}
	_, err := Dial(background(), "ftp://h/", nil)
	require.ErrorIs(t, err, ErrInvalidURL)
}
