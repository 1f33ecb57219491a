package proxy

import (
	"bytes"
	"encoding/base64"
	"strings"
)

const (
	// maxHeaderBlock bounds the responses of a proxy, in bytes, including informational ones.
	maxHeaderBlock = 16 << 10
	// maxInformational bounds the number of responses of the class 1xx before the final one (RFC
	// 9110, section 15.2).
	maxInformational = 16
	// maxQuoted bounds the part of a line that an error quotes, in bytes.
	maxQuoted = 256
)

const (
	statusSwitchingProtocols        = 101
	statusProxyAuthenticateRequired = 407
)

// shortestResponse is the shortest header block that ends a handshake. Lines may end in LF alone.
//
// RFC 9112, section 2.2.
const shortestResponse = "HTTP/1.1 200\n\n"

// connectHandshake is the handshake of the CONNECT method of HTTP/1.1.
//
// RFC 9110, section 9.3.6.
type connectHandshake struct {
	target             target
	username, password string

	block         []byte // the part of the response's header block received so far
	line          int    // the start of its last line
	status        int    // its status code, once the first line is complete
	received      int    // the number of bytes of all responses
	informational int    // the number of responses of the class 1xx
	done          bool
}

func (h *connectHandshake) op() Op { return OpConnect }

// start appends the request. It includes the credentials without waiting for a challenge, which
// saves a round trip and, with most proxies, a connection.
//
// RFC 7617, section 2.2.
func (h *connectHandshake) start(dst []byte) []byte {
	to := h.target.String()
	dst = append(dst, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n"...)
	if h.username != "" {
		dst = append(dst, "Proxy-Authorization: Basic "...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(h.username+":"+h.password))
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// need returns the distance to the closest possible end: an empty line after the line being read.
func (h *connectHandshake) need() int {
	switch line := h.block[h.line:]; {
	case h.done:
		return 0
	case len(h.block) <= len(shortestResponse)-2:
		return len(shortestResponse) - len(h.block)
	case len(line) == 0, len(line) == 1 && line[0] == '\r':
		return 1
	default:
		return 2
	}
}

func (h *connectHandshake) receive(dst, answer []byte) ([]byte, error) {
	if h.received += len(answer); h.received > maxHeaderBlock {
		return dst, protocolError(OpConnect, "more than %d bytes of header", maxHeaderBlock)
	}
	for _, c := range answer {
		h.block = append(h.block, c)
		if c != '\n' {
			continue
		}
		line, first := trimLineEnd(h.block[h.line:]), h.line == 0
		h.line = len(h.block)
		var ok bool
		switch {
		case first:
			if h.status, ok = parseStatusLine(line); !ok {
				return dst, protocolError(OpConnect, "status line %q", shorten(line))
			}
		case len(line) == 0:
			if err := h.response(); err != nil {
				return dst, err
			}
		}
	}
	// An answer that is not HTTP may stop anywhere: it is recognised before the end of its first
	// line.
	const version = "HTTP/1."
	if n := min(len(h.block), len(version)); !h.done && string(h.block[:n]) != version[:n] {
		return dst, protocolError(OpConnect, "%q is not HTTP/1", h.block[:n])
	}
	return dst, nil
}

// response handles a complete header block.
func (h *connectHandshake) response() error {
	statusLine, fields, _ := bytes.Cut(h.block, []byte("\n"))
	var challenges []string
	for line := range bytes.Lines(fields) {
		line = trimLineEnd(line)
		if len(line) == 0 || line[0] == ' ' || line[0] == '\t' {
			continue // the empty line, or obsolete line folding
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 {
			return protocolError(OpConnect, "header field %q", shorten(line))
		}
		if h.status == statusProxyAuthenticateRequired && strings.EqualFold(string(name), "Proxy-Authenticate") {
			challenges = append(challenges, string(bytes.TrimSpace(value)))
		}
	}
	switch {
	case h.status == statusSwitchingProtocols:
		return protocolError(OpConnect, "status 101 to a request that asked for no other protocol")
	case h.status < 200:
		if h.informational++; h.informational > maxInformational {
			return protocolError(OpConnect, "more than %d informational responses", maxInformational)
		}
		h.block, h.line = h.block[:0], 0
		return nil
	case h.status < 300:
		// RFC 9110, section 9.3.6: "Any 2xx (Successful) response indicates that the sender (and
		// all inbound proxies) will switch to tunnel mode immediately after the response header
		// section". Content-Length and Transfer-Encoding are ignored.
		h.done = true
		return nil
	}
	e := &Error{
		Op: OpConnect, Err: ErrRefused, Status: h.status, Challenges: challenges,
		StatusLine: string(shorten(trimLineEnd(statusLine))),
	}
	if h.status == statusProxyAuthenticateRequired {
		e.Err = ErrAuthenticationRequired
		if h.username != "" {
			e.Err = ErrAuthenticationFailed
		}
	}
	return e
}

// parseStatusLine parses "HTTP/1." DIGIT SP 3DIGIT [ SP reason-phrase ]. Some proxies omit the
// second space, which the grammar requires.
//
// RFC 9112, section 4.
func parseStatusLine(line []byte) (status int, ok bool) {
	const digits = len("HTTP/1.x ")
	if len(line) < digits+3 || string(line[:7]) != "HTTP/1." || !isDigit(line[7]) || line[8] != ' ' ||
		len(line) > digits+3 && line[digits+3] != ' ' {
		return 0, false
	}
	for _, c := range line[digits : digits+3] {
		if !isDigit(c) {
			return 0, false
		}
		status = 10*status + int(c-'0')
	}
	return status, status >= 100
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// trimLineEnd removes CRLF or LF.
func trimLineEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func shorten(line []byte) []byte { return line[:min(len(line), maxQuoted)] }
