package websocket

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

var (
	errNotHTTP       = errors.New("not HTTP")
	errHeadTooLarge  = errors.New("header fields too large")
	errHeadLineBreak = errors.New("a line that does not end with CR LF")
)

// headReader reads the heads of HTTP messages, a head being everything up to and
// with the empty line, from a stream, and keeps what comes after.
type headReader struct {
	stream io.Reader
	prefix string // every head begins with it, so that other protocols are recognised at once; empty: requests

	buf      []byte // received and not consumed
	searched int    // how much of buf has been searched for the end of the head
	line     int    // where in buf the line starts that is being searched
	consumed int    // the size of the heads already returned, in bytes
}

const initialHeadSize = 1 << 10 // bytes; the request of a browser is about half of this

// next returns the next head. The slice is valid until the next call. Besides what
// reading the stream returned, with io.ErrUnexpectedEOF for io.EOF, errors are
// errNotHTTP, errHeadTooLarge and errHeadLineBreak.
func (r *headReader) next() ([]byte, error) {
	for {
		head, err := r.search()
		if head != nil || err != nil {
			return head, err
		}
		if r.consumed+len(r.buf) >= MaxHeaderSize {
			return nil, errHeadTooLarge
		}
		if len(r.buf) == cap(r.buf) {
			// Never in proportion to more than what has arrived.
			r.buf = append(make([]byte, 0, max(initialHeadSize, 2*cap(r.buf))), r.buf...)
		}
		n, err := r.stream.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// search looks at the bytes that have come since the last call: each byte once,
// however small the pieces are in which they come.
func (r *headReader) search() ([]byte, error) {
	for ; r.searched < len(r.buf); r.searched++ {
		c := r.buf[r.searched]
		switch {
		case r.searched < len(r.prefix) && c != r.prefix[r.searched]:
			return nil, errNotHTTP
		case c == '\n':
			if r.searched == r.line || r.buf[r.searched-1] != '\r' {
				return nil, errHeadLineBreak
			}
			if r.searched == 1 && r.prefix == "" {
				// "A server that is expecting to receive and parse a request-line SHOULD ignore at
				// least one empty line (CRLF) received prior to the request-line." They count as
				// parts of the head, so that there is an end to them.
				//
				// RFC 9112, section 2.2, paragraph 6.
				r.buf = r.buf[2:]
				r.consumed += 2
				r.searched = -1
				continue
			}
			if end := r.searched + 1; r.searched == r.line+1 {
				if r.consumed+end > MaxHeaderSize {
					return nil, errHeadTooLarge
				}
				head := r.buf[:end]
				r.buf = r.buf[end:]
				r.consumed += end
				r.searched, r.line = 0, 0
				return head, nil
			}
			r.line = r.searched + 1
		case r.line == 0 && (c < ' ' && c != '\r' || c == 0x7f):
			return nil, errNotHTTP // a TLS record, for instance
		}
	}
	return nil, nil
}

// early returns a copy of what was read beyond the heads, nil if there is none.
func (r *headReader) early() []byte { return append([]byte(nil), r.buf...) }

// requestHead is an HTTP request without its content.
type requestHead struct {
	method string
	target string // as sent
	major  byte
	minor  byte
	header http.Header
}

// parseRequestHead parses a head as headReader returns it.
//
// RFC 9112, section 3.
func parseRequestHead(head []byte) (*requestHead, error) {
	line, fields := cutHead(head)
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !isToken(method) || !isRequestTarget(target) {
		return nil, errNotHTTP
	}
	r := &requestHead{method: method, target: target}
	if r.major, r.minor, ok = parseVersion(version); !ok {
		return nil, errNotHTTP
	}
	var err error
	if r.header, err = parseHeaderFields(fields, false); err != nil {
		return nil, err
	}
	return r, nil
}

// responseHead is an HTTP response without its content.
type responseHead struct {
	major  byte
	minor  byte
	status int // 100 to 999
	header http.Header
}

// parseResponseHead parses a head as headReader returns it.
//
// RFC 9112, section 4.
func parseResponseHead(head []byte) (*responseHead, error) {
	line, fields := cutHead(head)
	version, rest, _ := strings.Cut(line, " ")
	// The reason phrase may be empty, and servers then forget the space before it.
	status, _, _ := strings.Cut(rest, " ")
	r := &responseHead{}
	var ok bool
	if r.major, r.minor, ok = parseVersion(version); !ok || !isFieldValue(rest) {
		return nil, errNotHTTP
	}
	if len(status) != 3 || status[0] < '1' {
		return nil, errNotHTTP
	}
	for i := range len(status) {
		if status[i] < '0' || status[i] > '9' {
			return nil, errNotHTTP
		}
		r.status = 10*r.status + int(status[i]-'0')
	}
	var err error
	if r.header, err = parseHeaderFields(fields, true); err != nil {
		return nil, err
	}
	return r, nil
}

// cutHead splits a head into its start line and the lines of its fields.
func cutHead(head []byte) (start, fields string) {
	start, fields, _ = strings.Cut(string(bytes.TrimSuffix(head, []byte("\r\n"))), "\r\n")
	return start, fields
}

func parseVersion(s string) (major, minor byte, ok bool) {
	if len(s) != len("HTTP/1.1") || s[:5] != "HTTP/" || s[6] != '.' {
		return 0, 0, false
	}
	major, minor = s[5]-'0', s[7]-'0'
	return major, minor, major <= 9 && minor <= 9
}

// isRequestTarget reports whether s can be a request target in a request line:
// visible ASCII only, and not empty. RFC 9112, section 3.2
func isRequestTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
