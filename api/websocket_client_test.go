package rtc

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/proxy"
	"github.com/rtcstack/rtcstack/websocket"
	"github.com/stretchr/testify/require"
)

func TestWebSocketInvalidArguments(t *testing.T) {
	checkLeaks(t)
	for name, c := range map[string]struct {
		url           string
		configuration WebSocketConfiguration
	}{
		"no URL":               {url: ""},
		"no scheme":            {url: "example.org/"},
		"scheme http":          {url: "http://example.org/"},
		"no host":              {url: "ws:///path"},
		"fragment":             {url: "ws://example.org/#x"},
		"port out of range":    {url: "ws://example.org:65536/"},
		"bad IPv6 address":     {url: "ws://[::g]/"},
		"proxy scheme":         {"ws://example.org/", WebSocketConfiguration{ProxyServer: "ftp://proxy"}},
		"proxy port":           {"ws://example.org/", WebSocketConfiguration{ProxyServer: "http://proxy:0"}},
		"protocol with spaces": {"ws://example.org/", WebSocketConfiguration{Protocols: []string{"a b"}}},
		"protocol twice":       {"ws://example.org/", WebSocketConfiguration{Protocols: []string{"a", "a"}}},
		"a field of ours":      {"ws://example.org/", WebSocketConfiguration{Header: http.Header{"Upgrade": {"x"}}}},
		"window":               {"ws://example.org/", WebSocketConfiguration{Compression: &websocket.CompressionOptions{ClientMaxWindowBits: 16}}},
	} {
		_, err := NewWebSocket(c.url, &c.configuration)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestWebSocketMaxMessageSize(t *testing.T) {
	for _, c := range []struct{ configured, want int }{{0, 262144}, {1000, 1000}, {-1, 1<<31 - 1}} {
		s := newTestServer(t, WebSocketServerConfiguration{MaxMessageSize: c.configured})
		client := dial(t, s.url("ws", "/"), &WebSocketConfiguration{MaxMessageSize: c.configured})
		server := s.next(client)
		require.Equal(t, c.want, client.MaxMessageSize())
		require.Equal(t, c.want, server.MaxMessageSize())
		size := min(c.want, 300_000)
		require.Len(t, exchange(t, client, server, Message{Data: make([]byte, size)}).Data, size)
		require.Len(t, exchange(t, server, client, Message{Data: make([]byte, size)}).Data, size)
	}
}

// A failed connection calls OnError and then OnClosed. The error shows the cause.
func TestWebSocketThatCannotConnect(t *testing.T) {
	checkLeaks(t)
	closedPort, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closedPort.Close())
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	webAddress := strings.TrimPrefix(web.URL, "http://")
	proxied := newProxy(t)

	for name, c := range map[string]struct {
		url           string
		configuration WebSocketConfiguration
		check         func(error) bool
	}{
		"closed port": {url: "ws://" + closedPort.Addr().String(), check: func(err error) bool {
			return errors.Is(err, syscall.ECONNREFUSED)
		}},
		"not a WebSocket server": {url: "ws://" + webAddress + "/x", check: func(err error) bool {
			var refusal *websocket.HandshakeError
			return errors.As(err, &refusal) && refusal.Status == http.StatusNotFound && errors.Is(err, websocket.ErrBadHandshake)
		}},
		"no TLS there": {url: "wss://" + webAddress, check: func(err error) bool {
			var record tls.RecordHeaderError
			return errors.As(err, &record)
		}},
		"no answer": {"ws://" + silent.Addr().String(), WebSocketConfiguration{ConnectionTimeout: 50 * time.Millisecond}, func(err error) bool {
			return errors.Is(err, websocket.ErrHandshakeTimeout)
		}},
		"TCP timeout": {"ws://example.org", WebSocketConfiguration{ConnectionTimeout: 50 * time.Millisecond,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}, func(err error) bool {
			return errors.Is(err, websocket.ErrHandshakeTimeout) && errors.Is(err, context.DeadlineExceeded)
		}},
		"no proxy there": {"ws://example.org", WebSocketConfiguration{ProxyServer: closedPort.Addr().String()}, func(err error) bool {
			var failed *proxy.Error
			return errors.As(err, &failed) && failed.Op == proxy.OpDial && errors.Is(err, syscall.ECONNREFUSED)
		}},
		"proxy wants credentials": {"ws://example.org", WebSocketConfiguration{ProxyServer: proxied}, func(err error) bool {
			return errors.Is(err, proxy.ErrAuthenticationRequired)
		}},
		"proxy refuses the credentials": {"ws://example.org", WebSocketConfiguration{ProxyServer: "user:wrong@" + proxied}, func(err error) bool {
			return errors.Is(err, proxy.ErrAuthenticationFailed)
		}},
		"proxy cannot reach the server": {"ws://" + closedPort.Addr().String(), WebSocketConfiguration{ProxyServer: "user:p%40ss@" + proxied}, func(err error) bool {
			return errors.Is(err, proxy.ErrRefused)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ws := dial(t, c.url, &c.configuration)
			err := watch(ws).wait(t)
			require.ErrorIs(t, err, ErrFailure)
			require.True(t, c.check(err), "%v", err)
			require.True(t, ws.IsClosed())
			_, err = ws.Path()
			require.ErrorIs(t, err, ErrNotAvailable)
			code, _, err := ws.CloseStatus()
			require.NoError(t, err)
			require.Equal(t, websocket.StatusAbnormalClosure, code)
		})
	}
}

// newProxy starts an HTTP proxy with the credentials user:p@ss, and returns its address.
func newProxy(t testing.TB) string {
	t.Helper()
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwQHNz" {
			w.Header().Set("Proxy-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		target, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer target.Close()
		client, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(target, bufio.NewReader(buffered))
			_ = target.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, target)
	}
	s := httptest.NewServer(http.HandlerFunc(handler))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestWebSocketThroughAProxy(t *testing.T) {
	through := "http://user:p%40ss@" + newProxy(t)
	s := newTestServer(t, WebSocketServerConfiguration{})
	client := dial(t, s.url("ws", "/x"), &WebSocketConfiguration{ProxyServer: through})
	server := s.next(client)
	require.Equal(t, "hello", string(exchange(t, client, server, Message{Data: []byte("hello")}).Data))
	remote, err := client.RemoteAddr()
	require.NoError(t, err)
	require.Equal(t, s.Addr().String(), remote, "the server's address, not the proxy's")
	require.NoError(t, server.Close())
	eventually(t, "closed", client.IsClosed)
}

func TestWebSocketRequest(t *testing.T) {
	refused := errors.New("no token")
	s := newTestServer(t, WebSocketServerConfiguration{
		OriginPatterns: []string{"*.example.org"},
		CheckRequest: func(r *websocket.Request) error {
			if r.Header.Get("Authorization") != "Bearer token" {
				return refused
			}
			return nil
		},
	})
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, c := range []struct {
		header http.Header
		want   bool
		says   string // the error at the server if it is not accepted
	}{
		{header("Authorization", "Bearer token"), true, ""},
		{header("Authorization", "Bearer other"), false, "no token"},
		{header("Authorization", "Bearer token", "Origin", "https://www.example.org"), true, ""},
		{header("Authorization", "Bearer token", "Origin", "https://www.example.com"), false,
			`the origin "https://www.example.com" is not allowed for the host "` + s.Addr().String() + `"`},
	} {
		client := dial(t, s.url("ws", "/"), &WebSocketConfiguration{Header: c.header})
		server := receive(t, s.accepted, "client callback")
		ends, serverEnds := watch(client), watch(server)
		if c.want {
			eventually(t, "open", server.IsOpen)
		} else {
			var refusal *websocket.HandshakeError
			require.ErrorAs(t, ends.wait(t), &refusal)
			require.Equal(t, http.StatusForbidden, refusal.Status)
			err := serverEnds.wait(t)
			require.ErrorIs(t, err, websocket.ErrBadHandshake)
			require.ErrorContains(t, err, c.says)
		}
		require.NoError(t, server.CloseAndWait())
	}
}

// Without patterns the pages of every origin may connect.
func TestWebSocketServerAllowsEveryOriginByDefault(t *testing.T) {
	s := newTestServer(t, WebSocketServerConfiguration{})
	client := dial(t, s.url("ws", "/"), &WebSocketConfiguration{Header: http.Header{"Origin": {"https://evil.example"}}})
	eventually(t, "open", client.IsOpen)
	require.NoError(t, client.CloseAndWait())
}

// newCertificate makes a certificate for a name, as PEM, and the roots that trust it.
func newCertificate(t testing.TB, name string, notAfter time.Time) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(leaf)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER), roots
}

func TestWebSocketVerifiesTheCertificate(t *testing.T) {
	hour := time.Now().Add(time.Hour)
	certificate, key, roots := newCertificate(t, "127.0.0.1", hour)
	otherCertificate, otherKey, otherRoots := newCertificate(t, "example.org", hour)
	oldCertificate, oldKey, oldRoots := newCertificate(t, "127.0.0.1", time.Now().Add(-time.Hour))
	for name, c := range map[string]struct {
		certificate, key string
		configuration    WebSocketConfiguration
		check            func(error) bool // nil: it opens
	}{
		"trusted":            {certificate, key, WebSocketConfiguration{TLSConfig: &tls.Config{RootCAs: roots}}, nil},
		"not verified":       {oldCertificate, oldKey, WebSocketConfiguration{DisableTLSVerification: true}, nil},
		"made, not verified": {"", "", WebSocketConfiguration{DisableTLSVerification: true}, nil},
		"unknown authority": {certificate, key, WebSocketConfiguration{}, func(err error) bool {
			var e x509.UnknownAuthorityError
			return errors.As(err, &e)
		}},
		"another name": {otherCertificate, otherKey, WebSocketConfiguration{TLSConfig: &tls.Config{RootCAs: otherRoots}}, func(err error) bool {
			var e x509.HostnameError
			return errors.As(err, &e)
		}},
		"expired": {oldCertificate, oldKey, WebSocketConfiguration{TLSConfig: &tls.Config{RootCAs: oldRoots}}, func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, WebSocketServerConfiguration{EnableTLS: true, CertificatePEMFile: c.certificate, KeyPEMFile: c.key})
			client := dial(t, s.url("wss", "/"), &c.configuration)
			if c.check == nil {
				server := s.next(client)
				data := make([]byte, DefaultMaxMessageSize)
				require.Len(t, exchange(t, client, server, Message{Data: data}).Data, len(data))
				require.Len(t, exchange(t, server, client, Message{Data: data}).Data, len(data))
				client.OnMessage(func(Message) {}) // the last message has been handled
				ended := watch(client)
				require.NoError(t, server.Close())
				require.NoError(t, ended.wait(t))
				return
			}
			err := watch(client).wait(t)
			require.ErrorIs(t, err, ErrFailure)
			var verification *tls.CertificateVerificationError
			require.ErrorAs(t, err, &verification)
			require.True(t, c.check(err), "%v", err)
			server := receive(t, s.accepted, "client callback")
			require.ErrorIs(t, watch(server).wait(t), ErrFailure)
		})
	}
}
