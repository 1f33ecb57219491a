package websocket

import (
	"fmt"
	"strings"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// CompressionOptions enables permessage-deflate (RFC 7692). The zero value is a good choice: full
// windows, and context takeover from message to message.
//
// Context takeover costs memory while the connection lives: about the size of the window on the
// receiving side, and several times as much on the sending side. Small messages, and compressed or
// encrypted ones, gain nothing. Compressing secrets together with text that an attacker chooses
// reveals the secrets by their size (RFC 7692, section 8).
type CompressionOptions struct {
	// Threshold is the size of the smallest message that is sent compressed, in bytes. 0 is 128, or
	// 512 without context takeover; a negative threshold compresses every message.
	Threshold int

	// ServerNoContextTakeover and ClientNoContextTakeover make the server, or the client, compress
	// each message without the context of the messages before: it takes less memory, and compresses
	// less.
	//
	// RFC 7692, section 7.1.1.
	ServerNoContextTakeover bool
	ClientNoContextTakeover bool

	// ServerMaxWindowBits and ClientMaxWindowBits bound the window of the server's, or the
	// client's, compressor to 2 to this power of bytes, from 8 to 15. 0 is 15. With a client that
	// cannot respect the bound, the connection has no compression. A server that accepts the offer
	// and omits the bound, as some do, fails the handshake.
	//
	// RFC 7692, section 7.1.2.
	ServerMaxWindowBits int
	ClientMaxWindowBits int
}

// check returns the options with defaults instead of zeros, and an error that matches
// ErrInvalidOption if they are out of range.
func (o CompressionOptions) check() (CompressionOptions, error) {
	for _, bits := range []*int{&o.ServerMaxWindowBits, &o.ClientMaxWindowBits} {
		*bits = windowBits(*bits)
		if *bits < deflate.MinWindowBits || *bits > deflate.MaxWindowBits {
			return o, fmt.Errorf("%w: window of %d bits, not 8 to 15", ErrInvalidOption, *bits)
		}
	}
	return o, nil
}

// extension is one element of a Sec-WebSocket-Extensions header field.
//
// RFC 6455, section 9.1.
type extension struct {
	name       string
	parameters []extensionParameter
}

type extensionParameter struct {
	name     string
	value    string // without quotes
	hasValue bool
}

// The names of permessage-deflate.
const (
	permessageDeflate       = "permessage-deflate"
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// parseExtensions parses the values of all Sec-WebSocket-Extensions fields of a message, which are
// equivalent to one value with commas in between. If they do not follow the grammar, ok is false,
// and the handshake must fail.
//
// RFC 6455, section 9.1.
func parseExtensions(values []string) (extensions []extension, ok bool) {
	for _, value := range values {
		s := extensionScanner(value)
		for {
			for s.skip(',') { // empty elements: RFC 9110, section 5.6.1.2
			}
			if s == "" {
				break
			}
			e := extension{}
			if e.name, ok = s.token(); !ok {
				return nil, false
			}
			for s.skip(';') {
				p := extensionParameter{}
				if p.name, ok = s.token(); !ok {
					return nil, false
				}
				if p.hasValue = s.skip('='); p.hasValue {
					if p.value, ok = s.value(); !ok {
						return nil, false
					}
				}
				e.parameters = append(e.parameters, p)
			}
			extensions = append(extensions, e)
			if s != "" && !s.skip(',') {
				return nil, false
			}
		}
	}
	return extensions, true
}

// extensionScanner is the unparsed rest of a header field value.
type extensionScanner string

// skip removes c, and white space around it, from the front. It reports whether c was there.
func (s *extensionScanner) skip(c byte) bool {
	rest := strings.TrimLeft(string(*s), " \t")
	found := rest != "" && rest[0] == c
	if found {
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	*s = extensionScanner(rest)
	return found
}

func (s *extensionScanner) token() (string, bool) {
	n := 0
	for n < len(*s) && isTokenByte((*s)[n]) {
		n++
	}
	token := string((*s)[:n])
	*s = (*s)[n:]
	return token, n > 0
}

// value removes a token or a quoted string from the front and returns it.
//
// RFC 6455, section 9.1: "When using the quoted-string syntax variant, the value after
// quoted-string unescaping MUST conform to the 'token' ABNF." That is left to the extension: an
// unknown one is declined anyway.
func (s *extensionScanner) value() (string, bool) {
	if *s == "" || (*s)[0] != '"' {
		return s.token()
	}
	var value []byte
	for i := 1; i < len(*s); i++ {
		switch c := (*s)[i]; c {
		case '"':
			*s = (*s)[i+1:]
			return string(value), true
		case '\\':
			if i++; i == len(*s) {
				return "", false
			}
			value = append(value, (*s)[i])
		default:
			value = append(value, c)
		}
	}
	return "", false
}

// deflateParameters are the parameters of one permessage-deflate offer or response.
type deflateParameters struct {
	serverNoContextTakeover bool
	clientNoContextTakeover bool
	serverMaxWindowBits     int // 0: absent
	clientMaxWindowBits     int // 0: absent, anyWindowBits: present without a value
}

const anyWindowBits = -1

// parseDeflateParameters parses the parameters of permessage-deflate. For a parameter that is not
// defined, has an invalid value, or occurs more than once, ok is false: a server then declines the
// offer, and a client fails the connection.
//
// RFC 7692, section 7.1.
func parseDeflateParameters(e extension) (p deflateParameters, ok bool) {
	for _, parameter := range e.parameters {
		// Parameter names are compared exactly: no specification permits to ignore case, and all
		// examples are in lower case.
		switch parameter.name {
		case serverNoContextTakeover:
			ok = !p.serverNoContextTakeover && !parameter.hasValue
			p.serverNoContextTakeover = true
		case clientNoContextTakeover:
			ok = !p.clientNoContextTakeover && !parameter.hasValue
			p.clientNoContextTakeover = true
		case serverMaxWindowBits:
			ok = p.serverMaxWindowBits == 0
			p.serverMaxWindowBits = parseWindowBits(parameter.value)
			ok = ok && p.serverMaxWindowBits != 0
		case clientMaxWindowBits:
			ok = p.clientMaxWindowBits == 0
			p.clientMaxWindowBits = anyWindowBits
			if parameter.hasValue {
				p.clientMaxWindowBits = parseWindowBits(parameter.value)
			}
			ok = ok && p.clientMaxWindowBits != 0
		default:
			ok = false
		}
		if !ok {
			return deflateParameters{}, false
		}
	}
	return p, true
}

// parseWindowBits parses "a decimal integer value without leading zeroes between 8 to 15,
// inclusive". It returns 0 for anything else.
//
// RFC 7692, section 7.1.2.1.
func parseWindowBits(s string) int {
	switch {
	case len(s) == 1 && '8' <= s[0] && s[0] <= '9':
		return int(s[0] - '0')
	case len(s) == 2 && s[0] == '1' && '0' <= s[1] && s[1] <= '5':
		return 10 + int(s[1]-'0')
	default:
		return 0
	}
}

// String returns the extension in the form of a header field.
func (p deflateParameters) String() string {
	var b strings.Builder
	b.WriteString(permessageDeflate)
	if p.serverNoContextTakeover {
		b.WriteString("; " + serverNoContextTakeover)
	}
	if p.clientNoContextTakeover {
		b.WriteString("; " + clientNoContextTakeover)
	}
	if p.serverMaxWindowBits != 0 {
		fmt.Fprintf(&b, "; %s=%d", serverMaxWindowBits, p.serverMaxWindowBits)
	}
	if p.clientMaxWindowBits == anyWindowBits {
		b.WriteString("; " + clientMaxWindowBits)
	} else if p.clientMaxWindowBits != 0 {
		fmt.Fprintf(&b, "; %s=%d", clientMaxWindowBits, p.clientMaxWindowBits)
	}
	return b.String()
}
