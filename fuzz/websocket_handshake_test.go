package fuzz_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/websocket"
)

// handshakeStream is a stream whose other side sends in, or the result of reply for the first bytes
// written, and then closes.
type handshakeStream struct {
	in    io.Reader
	reply func(request []byte) string
	out   bytes.Buffer
}

func (s *handshakeStream) Read(p []byte) (int, error) { return s.in.Read(p) }

func (s *handshakeStream) Write(p []byte) (int, error) {
	if s.in == nil {
		s.in = strings.NewReader(s.reply(p))
	}
	return s.out.Write(p)
}

func (s *handshakeStream) Close() error                     { return nil }
func (s *handshakeStream) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *handshakeStream) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *handshakeStream) SetDeadline(time.Time) error      { return nil }
func (s *handshakeStream) SetReadDeadline(time.Time) error  { return nil }
func (s *handshakeStream) SetWriteDeadline(time.Time) error { return nil }

const websocketRequest = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// websocketAccept is the answer to a key. RFC 6455, section 4.2.2
func websocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A server answers every request that it can parse with a response. net/http parses every accepted
// request, with the same result.
func FuzzWebSocketRequest(f *testing.F) {
	for _, seed := range []string{
		"",
		websocketRequest + "\r\n",
		websocketRequest + "\r\n\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
		websocketRequest + "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nOrigin: http://server.example.com\r\n\r\n",
		strings.Replace(websocketRequest, "/chat", "http://example.org:80?a=b", 1) + "\r\n",
		strings.Replace(websocketRequest, "Connection: Upgrade", "connection:keep-alive,\tUPGRADE", 1) + "Content-Length: 0\r\n\r\n",
		websocketRequest + "A : b\r\n\r\n",
		websocketRequest + "A: b\r\n c\r\n\r\n",
		strings.Replace(websocketRequest, "HTTP/1.1", "HTTP/1.0", 1) + "\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1",
		"GET / HTTP/1.1\nHost: h\n\n",
		"\r\n" + websocketRequest + "\r\n",
		strings.Replace(websocketRequest, "/chat", "://", 1) + "\r\n",
		strings.Replace(websocketRequest, "/chat", "/%", 1) + "\r\n",
		strings.Replace(websocketRequest, "/chat", "http://example.org:hhhh80", 1) + "\r\n",
		websocketRequest + "Sec-WebSocket-Protocol: bearer.YQ==, chat\r\nSec-WebSocket-Extensions: a; b=\"c, d\"\r\n\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		stream := &handshakeStream{in: strings.NewReader(input)}
		c, r, err := websocket.Handshake(context.Background(), stream, &websocket.AcceptOptions{
			Protocols:   []string{"superchat", "chat"},
			Compression: &websocket.CompressionOptions{},
		})
		if err != nil && !errors.Is(err, websocket.ErrBadHandshake) {
			if stream.out.Len() > 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%q: %v after %q", input, err, stream.out.String())
			}
			return
		}
		response, readErr := http.ReadResponse(bufio.NewReader(&stream.out), nil)
		if readErr != nil {
			t.Fatalf("%q: %v", input, readErr)
		}
		if err != nil {
			var refusal *websocket.HandshakeError
			if !errors.As(err, &refusal) || response.StatusCode != refusal.Status || refusal.Status < 400 {
				t.Fatalf("%q: %v, answered with %s", input, err, response.Status)
			}
			return
		}
		c.CloseNow()
		if response.StatusCode != http.StatusSwitchingProtocols ||
			response.Header.Get("Sec-WebSocket-Accept") != websocketAccept(r.Header.Get("Sec-WebSocket-Key")) {
			t.Fatalf("%q: %+v", input, response)
		}
		request := input
		for strings.HasPrefix(request, "\r\n") { // net/http does not skip them
			request = request[2:]
		}
		other, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			t.Fatalf("%q is accepted, but: %v", input, err)
		}
		own := r.Header.Clone()
		own.Del("Host")
		if !sameHeader(own, other.Header) || other.Host != r.Host || other.URL.RequestURI() == "" {
			t.Fatalf("%q: %+v, for net/http %+v", input, r, other)
		}
	})
}

// sameHeader compares two headers, except for the fields that net/http removes.
func sameHeader(a, b http.Header) bool {
	a, b = a.Clone(), b.Clone()
	for _, h := range []http.Header{a, b} {
		for _, name := range []string{"Cache-Control", "Pragma", "Content-Length", "Transfer-Encoding", "Trailer"} {
			h.Del(name)
		}
	}
	return reflect.DeepEqual(a, b)
}

// A client accepts only a response that net/http accepts as well, that answers its request, and that
// contains only offered extensions.
func FuzzWebSocketResponse(f *testing.F) {
	const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
	for _, seed := range []string{
		"",
		accepted + "\r\n",
		accepted + "\r\n\x81\x05Hello",
		accepted + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n",
		accepted + "Sec-WebSocket-Protocol: other\r\n\r\n",
		accepted + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + accepted + "A: b\r\n c\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
		"HTTP/1.0 200\r\n\r\n<html>",
		"SSH-2.0-OpenSSH_9.9\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		var sent string // the response, as the client receives it
		stream := &handshakeStream{reply: func(request []byte) string {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
			if err != nil {
				t.Fatalf("%q: %v", request, err)
			}
			sent = strings.ReplaceAll(input, "{accept}", websocketAccept(r.Header.Get("Sec-WebSocket-Key")))
			return sent
		}}
		offered := []string{"chat", "superchat"}
		c, err := websocket.Dial(context.Background(), "ws://h/", &websocket.DialOptions{
			Protocols:   offered,
			Compression: &websocket.CompressionOptions{},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return stream, nil },
		})
		if err != nil {
			var refusal *websocket.HandshakeError
			if !errors.As(err, &refusal) || len(refusal.Body) > websocket.MaxErrorBody {
				t.Fatalf("%q: %v", input, err)
			}
			return
		}
		c.CloseNow()
		if p := c.Protocol(); p != "" && !slices.Contains(offered, p) {
			t.Fatalf("%q: subprotocol %q", input, p)
		}
		reader := bufio.NewReader(strings.NewReader(sent))
		for {
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatalf("%q is accepted, but: %v", input, err)
			}
			if response.StatusCode == http.StatusSwitchingProtocols {
				return
			}
			if response.StatusCode/100 != 1 {
				t.Fatalf("%q is accepted, with status %d", input, response.StatusCode)
			}
		}
	})
}

// With any offer of a client, the server agrees to permessage-deflate or to no extension, to
// windows no larger than configured, and to client_max_window_bits only if the client supports it.
func FuzzWebSocketExtensions(f *testing.F) {
	for _, seed := range []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate",
		`foo; a="b\"c", , permessage-deflate; server_no_context_takeover; client_max_window_bits="12"`,
		"permessage-deflate; server_max_window_bits=08",
		"permessage-deflate; client_no_context_takeover; client_no_context_takeover",
		"permessage-deflate;",
	} {
		f.Add(seed, uint8(0), uint8(0))
		f.Add(seed, uint8(10), uint8(15))
	}
	f.Fuzz(func(t *testing.T, offer string, serverBits, clientBits uint8) {
		options := &websocket.AcceptOptions{Compression: &websocket.CompressionOptions{
			ServerMaxWindowBits: int(serverBits), ClientMaxWindowBits: int(clientBits),
		}}
		if options.Validate() != nil || strings.ContainsAny(offer, "\r\n") {
			return
		}
		stream := &handshakeStream{in: strings.NewReader(websocketRequest + "Sec-WebSocket-Extensions: " + offer + "\r\n\r\n")}
		c, _, err := websocket.Handshake(context.Background(), stream, options)
		if err != nil {
			if !errors.Is(err, websocket.ErrBadHandshake) {
				t.Fatalf("%q: %v", offer, err)
			}
			return
		}
		c.CloseNow()
		response, err := http.ReadResponse(bufio.NewReader(&stream.out), nil)
		if err != nil {
			t.Fatalf("%q: %v", offer, err)
		}
		answer := response.Header.Get("Sec-WebSocket-Extensions")
		if answer == "" {
			return
		}
		name, parameters, _ := strings.Cut(answer, "; ")
		if name != "permessage-deflate" || !strings.Contains(offer, name) {
			t.Fatalf("%q was answered by %q", offer, answer)
		}
		for parameter := range strings.SplitSeq(parameters, "; ") {
			name, value, hasValue := strings.Cut(parameter, "=")
			if !hasValue {
				continue
			}
			limit := serverBits
			if name == "client_max_window_bits" {
				limit = clientBits
			}
			bits, err := strconv.Atoi(value)
			if err != nil || bits < 8 || bits > 15 || limit != 0 && bits > int(limit) {
				t.Fatalf("%q was answered by %q, with limits of %d and %d", offer, answer, serverBits, clientBits)
			}
			if name == "client_max_window_bits" && !strings.Contains(offer, name) {
				t.Fatalf("%q was answered by %q", offer, answer)
			}
		}
	})
}
