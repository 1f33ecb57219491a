package websocket

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestHeadReader(t *testing.T) {
	const first, second, rest = "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "\x81\x05Hello"
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"at once":       func(r io.Reader) io.Reader { return r },
		"a byte a time": iotest.OneByteReader,
		"with the end":  iotest.DataErrReader,
	} {
		r := headReader{stream: reader(strings.NewReader(first + second + rest)), prefix: "HTTP/"}
		head, err := r.next()
		require.NoError(t, err, name)
		require.Equal(t, first, string(head))
		head, err = r.next()
		require.NoError(t, err, name)
		require.Equal(t, second, string(head))
		// The bytes read beyond the heads are kept, and no byte was read twice.
		remaining, err := io.ReadAll(r.stream)
		require.NoError(t, err)
		require.Equal(t, rest, string(r.early())+string(remaining), name)
	}
}

// RFC 9112, section 2.2: a server "SHOULD ignore at least one empty line (CRLF) received prior
// to the request-line". A response begins at once.
func TestHeadReaderSkipsEmptyLines(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nA: b\r\n\r\n"
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"at once":       func(r io.Reader) io.Reader { return r },
		"a byte a time": iotest.OneByteReader,
	} {
		for empty := range 4 {
			r := headReader{stream: reader(strings.NewReader(strings.Repeat("\r\n", empty) + head + "x"))}
			got, err := r.next()
			require.NoError(t, err, name)
			require.Equal(t, head, string(got))
			remaining, err := io.ReadAll(r.stream)
			require.NoError(t, err)
			require.Equal(t, "x", string(r.early())+string(remaining), name)
		}
		r := headReader{stream: reader(strings.NewReader("\r\nHTTP/1.1 200\r\n\r\n")), prefix: "HTTP/"}
		_, err := r.next()
		require.Equal(t, errNotHTTP, err)
	}
	// Their number is bounded.
	stream := &endless{line: "\r\n"}
	_, err := (&headReader{stream: stream}).next()
	require.Equal(t, errHeadTooLarge, err)
	require.LessOrEqual(t, stream.read, 2*MaxHeaderSize)
}

// endless is a stream of the same line again and again.
type endless struct {
	line string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.line[e.read%len(e.line)]
		e.read++
	}
	return len(p), nil
}

func TestHeadReaderErrors(t *testing.T) {
	long := strings.Repeat("x", MaxHeaderSize)
	for _, test := range []struct {
		stream, prefix string
		err            error
	}{
		{"", "", io.ErrUnexpectedEOF},
		{"GET / HTTP/1.1\r\n", "", io.ErrUnexpectedEOF},
		{"GET / HTTP/1.1\nHost: x\n\n", "", errHeadLineBreak},
		{"GET / HTTP/1.1\r\nHost: x\n\r\n", "", errHeadLineBreak},
		{"\n", "", errHeadLineBreak},
		{"SSH-2.0-OpenSSH_9.9\r\n", "HTTP/", errNotHTTP},
		{"\x15\x03\x03\x00\x02\x02\x0a", "HTTP/", errNotHTTP}, // a TLS alert
		{"\x16\x03\x01\x02\x00\x01\x00", "", errNotHTTP},      // a ClientHello
		{"GET / HTTP/1.1\r\nA: " + long, "", errHeadTooLarge},
		{long, "", errHeadTooLarge},
		{"GET /" + long[:MaxHeaderSize-17] + " HTTP/1.1\r\n\r\n", "", errHeadTooLarge},
	} {
		r := headReader{stream: strings.NewReader(test.stream), prefix: test.prefix}
		head, err := r.next()
		require.Equal(t, test.err, err, "%.40q", test.stream)
		require.Nil(t, head)
	}
	// One that is as large as allowed.
	r := headReader{stream: strings.NewReader("GET /" + long[:MaxHeaderSize-18] + " HTTP/1.1\r\n\r\n\x81")}
	head, err := r.next()
	require.NoError(t, err)
	require.Len(t, head, MaxHeaderSize)
	// Several heads share the limit.
	r = headReader{stream: strings.NewReader("HTTP/1.1 100\r\nA: " + long[:MaxHeaderSize/2] + "\r\n\r\nHTTP/1.1 200\r\nA: " + long[:MaxHeaderSize/2] + "\r\n\r\n")}
	_, err = r.next()
	require.NoError(t, err)
	_, err = r.next()
	require.Equal(t, errHeadTooLarge, err)
}

func TestParseRequestHead(t *testing.T) {
	for _, test := range []struct {
		line           string
		method, target string
		minor          int // -1: refused
	}{
		{"GET /chat?x=1 HTTP/1.1", "GET", "/chat?x=1", 1},
		{"OPTIONS * HTTP/1.0", "OPTIONS", "*", 0},
		{"get / HTTP/1.1", "get", "/", 1},
		{"GET / HTTP/1.1 ", "", "", -1},
		{"GET  / HTTP/1.1", "", "", -1},
		{"GET / HTTP/1", "", "", -1},
		{"GET / HTTP/1.10", "", "", -1},
		{"GET / http/1.1", "", "", -1},
		{"GET / HTTP/1.x", "", "", -1},
		{"GET /", "", "", -1},
		{"GET", "", "", -1},
		{"", "", "", -1},
		{"GET / b HTTP/1.1", "", "", -1},
		{"GET /\xff HTTP/1.1", "", "", -1},
		{"G(T / HTTP/1.1", "", "", -1},
		{" / HTTP/1.1", "", "", -1},
	} {
		got, err := parseRequestHead([]byte(test.line + "\r\nA: b\r\n\r\n"))
		if test.minor < 0 {
			require.Error(t, err, test.line)
			continue
		}
		require.NoError(t, err, test.line)
		require.Equal(t, &requestHead{method: test.method, target: test.target, major: 1, minor: byte(test.minor), header: http.Header{"A": {"b"}}}, got)
	}
}

func TestParseResponseHead(t *testing.T) {
	for line, status := range map[string]int{
		"HTTP/1.1 101 Switching Protocols": 101,
		"HTTP/1.1 404 ":                    404,
		"HTTP/1.1 404":                     404, // without the space before an empty reason phrase
		"HTTP/1.0 999 a b c":               999,
		"HTTP/1.1":                         0,
		"HTTP/1.1 ":                        0,
		"HTTP/1.1 20 OK":                   0,
		"HTTP/1.1 099 OK":                  0,
		"HTTP/1.1 1000 OK":                 0,
		"HTTP/1.1 2x0 OK":                  0,
		"HTTP/1.1  200 OK":                 0,
		"HTTP/11 200 OK":                   0,
		"HTTP/1.1 200 \x00":                0,
		"ICY 200 OK":                       0,
	} {
		got, err := parseResponseHead([]byte(line + "\r\n\r\n"))
		if status == 0 {
			require.Error(t, err, line)
		} else {
			require.NoError(t, err, line)
			require.Equal(t, status, got.status)
		}
	}
}
