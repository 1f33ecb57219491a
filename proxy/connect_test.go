package proxy

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const plainRequest = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"

func TestConnectRequests(t *testing.T) {
	for name, c := range map[string]struct {
		proxy   Config
		address string
		request string
	}{
		// "CONNECT uses a special form of request target, unique to this method, consisting of only
		// the host and port number of the tunnel destination, separated by a colon. There is no
		// default port"
		"name": {Config{}, "example.org:80", "CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n"},
		"IPv4": {Config{}, "192.0.2.1:443", "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n"},
		"IPv6": {Config{}, "[2001:db8::1]:443", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"},
		// The example of RFC 7617, section 2.
		"credentials": {
			Config{Username: "Aladdin", Password: "open sesame"}, "example.org:443",
			"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
		},
		// The example of RFC 7617, section 2.1, in UTF-8.
		"credentials in UTF-8": {
			Config{Username: "test", Password: "123£"}, "example.org:443",
			"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic dGVzdDoxMjPCow==\r\n\r\n",
		},
		"empty password": {
			Config{Username: "u"}, "example.org:443",
			"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic dTo=\r\n\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			unread, err := play(t, c.proxy, c.address, turn{c.request, "HTTP/1.1 200 OK\r\n\r\n"})
			require.Nil(t, err)
			require.Empty(t, unread)
		})
	}
}

func TestConnectAnswersThatOpenTheTunnel(t *testing.T) {
	for name, answer := range map[string]string{
		"shortest":            "HTTP/1.1 200\n\n",
		"no reason":           "HTTP/1.1 200 \r\n\r\n",
		"no reason, no space": "HTTP/1.1 200\r\n\r\n",
		"HTTP/1.0":            "HTTP/1.0 200 Connection established\r\n\r\n",
		"fields":              "HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nX: \r\n\r\n",
		"LF only":             "HTTP/1.1 200 OK\nVia: 1.1 proxy\n\n",
		"folded field":        "HTTP/1.1 200 OK\r\nVia: 1.1 proxy,\r\n 1.1 other\r\n\r\n",
		"CR in a field":       "HTTP/1.1 200 OK\r\nX: a\r\r\n\r\n",
		// "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will
		// switch to tunnel mode"
		"204": "HTTP/1.1 204 No Content\r\n\r\n",
		"299": "HTTP/1.1 299 x\r\n\r\n",
		// "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a
		// successful response to CONNECT."
		"Content-Length":    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
		"Transfer-Encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		// "A client MUST be able to parse one or more 1xx responses received prior to a final
		// response"
		"100":            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"103 and 102":    "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 \r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"many 1xx":       strings.Repeat("HTTP/1.1 100 \r\n\r\n", maxInformational) + "HTTP/1.1 200 OK\r\n\r\n",
		"longest header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeaderBlock-len("HTTP/1.1 200 OK\r\nX: \r\n\r\n")) + "\r\n\r\n",
	} {
		// The bytes after the answer belong to the tunnel: all of them must remain unread.
		for _, tunnel := range []string{"", "S", "\n", "\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 403 no\r\n\r\n"} {
			t.Run(name, func(t *testing.T) {
				unread, err := play(t, Config{}, "example.org:443", turn{plainRequest, answer + tunnel})
				require.Nil(t, err)
				require.Equal(t, tunnel, unread)
			})
		}
	}
}

func TestConnectRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   Error
	}{
		"403": {
			"HTTP/1.1 403 Forbidden\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nnever",
			Error{Op: OpConnect, Status: 403, StatusLine: "HTTP/1.1 403 Forbidden", Err: ErrRefused},
		},
		"503, with no space": {
			"HTTP/1.0 503\r\n\r\n",
			Error{Op: OpConnect, Status: 503, StatusLine: "HTTP/1.0 503", Err: ErrRefused},
		},
		"redirect": {
			"HTTP/1.1 302 Found\r\nLocation: http://captive.example/\r\n\r\n",
			Error{Op: OpConnect, Status: 302, StatusLine: "HTTP/1.1 302 Found", Err: ErrRefused},
		},
		"407": {
			"HTTP/1.1 407 Proxy Authentication Required\r\nPROXY-authenticate:  Basic realm=\"x\" \r\nProxy-Authenticate: Negotiate\r\n\r\n",
			Error{
				Op: OpConnect, Status: 407, StatusLine: "HTTP/1.1 407 Proxy Authentication Required",
				Challenges: []string{`Basic realm="x"`, "Negotiate"}, Err: ErrAuthenticationRequired,
			},
		},
		"long status line": {
			"HTTP/1.1 500 " + strings.Repeat("x", 1000) + "\r\n\r\n",
			Error{Op: OpConnect, Status: 500, StatusLine: "HTTP/1.1 500 " + strings.Repeat("x", maxQuoted-13), Err: ErrRefused},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := play(t, Config{}, "example.org:443", turn{plainRequest, c.answer})
			require.Equal(t, &c.want, err)
		})
	}

	t.Run("407 in spite of credentials", func(t *testing.T) {
		request := strings.TrimSuffix(plainRequest, "\r\n") + "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n\r\n"
		_, err := play(t, Config{Username: "u", Password: "secret"}, "example.org:443", turn{request, "HTTP/1.1 407 No\r\n\r\n"})
		require.ErrorIs(t, err, ErrAuthenticationFailed)
		require.NotErrorIs(t, err, ErrAuthenticationRequired)
	})
}

func TestConnectAnswersThatAreNone(t *testing.T) {
	for name, answer := range map[string]string{
		"SSH":                 "SSH-2.0-OpenSSH_9.2\r\n",
		"SOCKS5":              "\x05\xff",
		"zeros":               "\x00\x00\x00",
		"HTTP/2":              "HTTP/2 200\r\n\r\n",
		"HTTP/2 frames":       "\x00\x00\x12\x04\x00\x00\x00\x00\x00",
		"HTTP/0.9":            "<html>",
		"empty line first":    "\r\nHTTP/1.1 200 OK\r\n\r\n",
		"lower case":          "http/1.1 200 OK\r\n\r\n",
		"no status":           "HTTP/1.1 \r\n",
		"status of 2 digits":  "HTTP/1.1 20 OK\r\n\r\n",
		"status of 4 digits":  "HTTP/1.1 2000 OK\r\n\r\n",
		"status 099":          "HTTP/1.1 099 OK\r\n\r\n",
		"status not a number": "HTTP/1.1 2x0 OK\r\n\r\n",
		"sign":                "HTTP/1.1 +20 OK\r\n\r\n",
		"minor version":       "HTTP/1.x 200 OK\r\n\r\n",
		"tab":                 "HTTP/1.1\t200 OK\r\n\r\n",
		"field without colon": "HTTP/1.1 200 OK\r\nbogus\r\n\r\n",
		"field without name":  "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		// The request has no Upgrade field, so that 101 is a protocol error.
		"101":                  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"too many 1xx":         strings.Repeat("HTTP/1.1 100 \r\n\r\n", maxInformational+1) + "HTTP/1.1 200 OK\r\n\r\n",
		"too long a header":    "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeaderBlock) + "\r\n\r\n",
		"too many fields":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxHeaderBlock/6) + "\r\n",
		"too long a 1xx":       "HTTP/1.1 100 \r\nX: " + strings.Repeat("x", maxHeaderBlock/2) + "\r\n\r\nHTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeaderBlock/2) + "\r\n\r\n",
		"too long status line": "HTTP/1.1 200 " + strings.Repeat("x", maxHeaderBlock),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := play(t, Config{}, "example.org:443", turn{plainRequest, answer})
			require.ErrorIs(t, err, ErrProtocol)
			require.Equal(t, OpConnect, err.Op)
			require.Less(t, len(err.Error()), 5*maxQuoted)
		})
	}
}

func TestConnectCutShort(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"
	for n := range len(answer) {
		_, err := play(t, Config{}, "example.org:443", turn{plainRequest, answer[:n]})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "after %d bytes", n)
	}
}
