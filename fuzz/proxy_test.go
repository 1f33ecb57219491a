package fuzz_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/rtcstack/rtcstack/proxy"
)

// FuzzProxyParse parses any text as the URI of a proxy. If it is valid, the written form must
// describe the same proxy.
func FuzzProxyParse(f *testing.F) {
	for _, seed := range []string{
		"proxy", "http:proxy:1", "http://u:p%40@proxy", "socks5://[::1]:1080", "socks5:a%3Ab:c@192.0.2.1", "[fe80::1%25eth0]", "u:p@", "http://[", "a:b:c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		config, err := proxy.Parse(uri)
		if err != nil {
			if config != nil || !errors.Is(err, proxy.ErrInvalidProxy) {
				t.Fatalf("%q: %v, %v", uri, config, err)
			}
			return
		}
		again, err := proxy.Parse(config.String())
		if err != nil {
			t.Fatalf("%q parses, %q does not: %v", uri, config, err)
		}
		again.Username, again.Password = config.Username, config.Password
		if *again != *config {
			t.Fatalf("%q is %+v, and then %+v", uri, config, again)
		}
	})
}

// proxyConn is a connection to a proxy that sends a fixed answer to every input.
type proxyConn struct {
	net.Conn // nil: nothing else is called
	answer   []byte
	chunk    int
	closed   bool
}

func (c *proxyConn) Read(b []byte) (int, error) {
	if len(c.answer) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.chunk)], c.answer)
	c.answer = c.answer[n:]
	return n, nil
}

func (c *proxyConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *proxyConn) Close() error                { c.closed = true; return nil }

// FuzzProxyAnswer tests a proxy that answers with any bytes. The result, and the bytes left for the
// tunnel, must not depend on the sizes of the pieces in which they arrive.
func FuzzProxyAnswer(f *testing.F) {
	f.Add(false, false, []byte("HTTP/1.1 200 OK\r\nVia: x\r\n\r\ntunnel"))
	f.Add(false, true, []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 407\nProxy-Authenticate: Basic realm=x\n\n"))
	f.Add(false, false, []byte("HTTP/1.1 503 Service Unavailable\r\n\r\n"))
	f.Add(false, false, []byte("SSH-2.0-x\r\n"))
	f.Add(true, false, []byte("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00tunnel"))
	f.Add(true, true, []byte("\x05\x02\x01\x00\x05\x00\x00\x03\x05proxy\x12\x34"))
	f.Add(true, true, []byte("\x05\x02\x01\x01"))
	f.Add(true, false, []byte("\x05\x00\x05\x04\x00\x01"))
	f.Fuzz(func(t *testing.T, socks, credentials bool, answer []byte) {
		config := &proxy.Config{Host: "proxy"}
		if socks {
			config.Protocol = proxy.SOCKS5
		}
		if credentials {
			config.Username, config.Password = "user", "secret"
		}
		dial := func(chunk int) (left string, status int, reply proxy.Reply, opened bool) {
			conn := &proxyConn{answer: answer, chunk: chunk}
			dialer := &proxy.Dialer{
				Proxy: config, Timeout: -1,
				Forward: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			}
			got, err := dialer.DialContext(t.Context(), "tcp", "example.org:443")
			if err == nil {
				if got != conn || conn.closed {
					t.Fatal("not the connection that was opened")
				}
				return string(conn.answer), 0, 0, true
			}
			var e *proxy.Error
			if !errors.As(err, &e) || !conn.closed {
				t.Fatalf("%v; closed: %v", err, conn.closed)
			}
			_ = err.Error()
			return "", e.Status, e.Reply, false
		}
		left, status, reply, opened := dial(1 << 20)
		for _, chunk := range []int{1, 3} {
			if l, s, r, o := dial(chunk); l != left || s != status || r != reply || o != opened {
				t.Fatalf("in pieces of %d: %q, %d, %d, %v instead of %q, %d, %d, %v", chunk, l, s, r, o, left, status, reply, opened)
			}
		}
	})
}
