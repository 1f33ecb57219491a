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

// headReader reads the heads of HTTP messages from a stream: the start line and the header fields,
// up to and including the empty line. It keeps the bytes that it has read beyond them.
type headReader struct {
	stream io.Reader
	prefix string // the prefix of every head, so that other protocols are recognised at once; empty: requests

	buf      []byte // bytes read and not consumed
	searched int    // the number of bytes of buf searched for the end of the head
	line     int    // the start, in buf, of the line being searched
	consumed int    // the size of the heads already returned, in bytes
}

const initialHeadSize = 1 << 10 // bytes; the request of a browser has about half of this

// next returns the next head. The slice is valid until the next call. The error is errNotHTTP,
// errHeadTooLarge, errHeadLineBreak, or that of the stream, with io.ErrUnexpectedEOF instead of
// io.EOF.
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
			// The buffer grows in proportion to the bytes received.
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

// search searches the bytes read since the last call for the end of the head. It examines each byte
// once, however small the pieces are.
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
				// RFC 9112, section 2.2: "a server that is expecting to receive and parse a
				// request-line SHOULD ignore at least one empty line (CRLF) received prior to the
				// request-line." Such lines count towards the size of the head, which bounds their
				// number.
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

// early returns a copy of the bytes read beyond the heads, nil if there are none.
func (r *headReader) early() []byte { return append([]byte(nil), r.buf...) }

// requestHead is an HTTP request without its content.
type requestHead struct {
	method string
	target string // as sent
	major  byte
	minor  byte
	header http.Header
}

// parseRequestHead parses the head of a request.
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

// parseResponseHead parses the head of a response.
//
// RFC 9112, section 4.
func parseResponseHead(head []byte) (*responseHead, error) {
	line, fields := cutHead(head)
	version, rest, _ := strings.Cut(line, " ")
	// The reason phrase may be empty, and some servers then omit the space before it.
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

// cutHead splits a head into its start line and its field lines.
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

// isRequestTarget reports whether s can be a request target in a request line: visible ASCII only,
// and not empty. RFC 9112, section 3.2
func isRequestTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
