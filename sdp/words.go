package sdp

import (
	"strings"
	"unicode"

	"github.com/rtcstack/rtcstack/internal/icechars"
)

// The functions of this file check for Validate that values can be parts of lines.

// writable reports whether the attributes can be written as lines, and otherwise returns the key of
// one that cannot. A value with the end of a line in it would let its author add lines.
func (a Attributes) writable() (key string, ok bool) {
	for i := range a {
		bare := a[i] == Attribute{} // a= with nothing, which some peers write
		if a[i].Key == "" && !bare || strings.IndexByte(a[i].Key, ':') >= 0 || !isText(a[i].Key) || !isText(a[i].Value) {
			return a[i].Key, false
		}
	}
	return "", true
}

func (c Connection) writable() bool {
	for _, w := range [...]string{c.NetworkType, c.AddressType, c.Address} {
		if w != "" && c.Raw == "" && !isWord(w) {
			return false
		}
	}
	return isRaw(c.Raw)
}

// isRaw reports whether s is the value of a line that is kept verbatim, or empty.
func isRaw(s string) bool { return isText(s) && (s == "" || !isBlank(s)) }

// writableOthers reports whether Parse would keep the lines without a field. If connection is
// false, a c= line with a value is not among them.
func writableOthers(lines []Line, connection bool) bool {
	for _, l := range lines {
		switch l.Type {
		case 'y', 'f':
		case 'c':
			if !connection && !isBlank(l.Value) {
				return false
			}
		default:
			return false
		}
		if !isText(l.Value) {
			return false
		}
	}
	return true
}

// checkCandidate returns the defect in the form of a candidate (RFC 8839, section 5.1): foundation,
// component, transport, priority, address, port and type, or "". It does not check the words
// themselves.
func checkCandidate(candidate string) (reason string) {
	text, ok := strings.CutPrefix(candidate, candidatePrefix)
	if !ok || !isText(candidate) {
		return "does not begin with " + candidatePrefix + " or cannot be written"
	}
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	foundation, rest := word(text)
	component, afterComponent := word(rest)
	if strings.HasPrefix(text, " ") && !digits(component) {
		foundation, component, afterComponent = "", foundation, rest // some peers send no foundation
	}
	if foundation == "" && !strings.HasPrefix(text, " ") {
		return "has no foundation"
	}
	transport, rest := word(afterComponent)
	priority, rest := word(rest)
	address, rest := word(rest)
	port, rest := word(rest)
	typ, rest := word(rest)
	kind, _ := word(rest)
	_, portOK := parsePort(port)
	switch {
	case !digits(component):
		return "has no component"
	case !digits(priority):
		return "has no priority"
	case !portOK:
		return "has no port"
	case typ != "typ" || !isWord(kind):
		return "has no type"
	case !isToken(transport) || !isWord(address):
		return "has no transport or address"
	}
	return ""
}

// isText reports whether s is empty or a byte-string (RFC 8866, section 9), without the end of a
// line.
func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 || s[i] == '\r' || s[i] == '\n' {
			return false
		}
	}
	return true
}

// isValue reports whether s, written as the value of an attribute, is parsed as s. The empty value
// is not written.
func isValue(s string) bool { return isText(s) && strings.TrimSpace(s) == s }

// isWord reports whether s can stand between spaces (RFC 8866, section 9: non-ws-string).
func isWord(s string) bool { return s != "" && icechars.Visible(s) }

// isToken reports whether s is a token (RFC 8866, section 9): visible ASCII characters other than
// tspecials, the characters of the string in tokenChars.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChars = func() (table [256]bool) {
	for c := byte('!'); c < 0x7f; c++ {
		table[c] = strings.IndexByte("\"(),/:;<=>?@[\\]", c) < 0
	}
	return table
}()
