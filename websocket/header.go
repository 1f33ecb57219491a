package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// The header fields that this package parses itself must follow the grammar of RFC 9112: lines end
// with CRLF, and no space separates a name from its colon. If two programs on the path of a request
// parsed lax syntax differently, they would see different requests (request smuggling).

var (
	errHeaderName  = errors.New("a header field without a valid name")
	errHeaderValue = errors.New("a control character in a header field")
	errHeaderFold  = errors.New("a folded header field")
)

// parseHeaderFields parses the lines between the start line and the empty line, each ended by CRLF.
// If fold is true, a line that begins with white space continues the previous one, as a user agent
// must read it; otherwise it is an error, as a server must refuse it.
//
// RFC 9112, section 5.2.
func parseHeaderFields(lines string, fold bool) (http.Header, error) {
	h := make(http.Header)
	var name string // of the field before, whose value a folded line continues
	for lines != "" {
		line, rest, _ := strings.Cut(lines, "\r\n")
		lines = rest
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if !fold || name == "" {
				return nil, errHeaderFold
			}
			// All folded lines are collected at once, so that the cost is linear.
			var folded strings.Builder
			values := h[name]
			folded.WriteString(values[len(values)-1])
			for {
				folded.WriteByte(' ')
				folded.WriteString(trimOWS(line))
				if !strings.HasPrefix(lines, " ") && !strings.HasPrefix(lines, "\t") {
					break
				}
				line, lines, _ = strings.Cut(lines, "\r\n")
			}
			if !isFieldValue(folded.String()) {
				return nil, errHeaderValue
			}
			values[len(values)-1] = trimOWS(folded.String())
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(key) {
			return nil, errHeaderName
		}
		if !isFieldValue(value) {
			return nil, errHeaderValue
		}
		name = textproto.CanonicalMIMEHeaderKey(key)
		h[name] = append(h[name], trimOWS(value))
	}
	return h, nil
}

// checkHeader returns an error that matches ErrInvalidOption unless every field of h is valid and
// none is protected. The keys of protected are canonical.
func checkHeader(h http.Header, protected map[string]bool) error {
	for name, values := range h {
		if !isToken(name) {
			return fmt.Errorf("%w: header field name %q", ErrInvalidOption, name)
		}
		if protected[textproto.CanonicalMIMEHeaderKey(name)] {
			return fmt.Errorf("%w: the handshake sets the header field %s itself", ErrInvalidOption, name)
		}
		for _, value := range values {
			if !isFieldValue(value) {
				return fmt.Errorf("%w: value of the header field %s", ErrInvalidOption, name)
			}
		}
	}
	return nil
}

// hasField reports whether h has a field with the given name, in any case.
func hasField(h http.Header, name string) bool {
	for key := range h {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// singleValue returns the value of a field that may occur at most once, "" if it does not occur. If
// it occurs more than once, ok is false. name is canonical.
func singleValue(h http.Header, name string) (value string, ok bool) {
	values := h[name]
	switch len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	default:
		return "", false
	}
}

// listContains reports whether the comma-separated lists of tokens in values contain token, in any
// case.
//
// RFC 9110, section 5.6.1.
func listContains(values []string, token string) bool {
	for _, list := range values {
		for element := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(trimOWS(element), token) {
				return true
			}
		}
	}
	return false
}

// subprotocolList returns the elements of comma-separated lists of subprotocols. It ignores empty
// elements. If another element is not a subprotocol, ok is false.
func subprotocolList(values []string) (names []string, ok bool) {
	for _, list := range values {
		for element := range strings.SplitSeq(list, ",") {
			if element = trimOWS(element); element == "" {
				continue
			}
			if !isSubprotocol(element) {
				return nil, false
			}
			names = append(names, element)
		}
	}
	return names, true
}

// isSubprotocol reports whether s can be an element of a Sec-WebSocket-Protocol field. RFC 6455
// allows tokens only, but some clients send other values, such as a bearer token in padded base64
// or a URL. So all of visible ASCII is allowed, except the comma, which separates the elements.
//
// RFC 6455, section 4.1.
func isSubprotocol(s string) bool { return isRequestTarget(s) && !strings.Contains(s, ",") }

// isHostValue reports whether s has only characters of a host with an optional port. A server must
// refuse other values of a Host field.
//
// RFC 9112, section 3.2.
func isHostValue(s string) bool {
	return isRequestTarget(s) && !strings.ContainsAny(s, `/?#@\"<>^`+"`{|}")
}

// trimOWS removes optional white space: spaces and tabs, nothing else.
//
// RFC 9110, section 5.6.3.
func trimOWS(s string) string { return strings.Trim(s, " \t") }

// isToken reports whether s is a token.
//
// RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
}

// isFieldValue reports whether s has no control characters except tabs. Bytes from 0x80 on are
// opaque data.
//
// RFC 9110, section 5.5.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
