package websocket

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/authority"
)

// The ports of a URL without a port.
//
// RFC 6455, section 3.
const (
	defaultPort       = "80"  // ws
	defaultSecurePort = "443" // wss
)

// URL is a parsed ws or wss URL: the address to connect to, and the resource to request.
type URL struct {
	Secure   bool   // the scheme is wss
	Hostname string // a name or an IP address, without brackets, with its zone
	Port     string // decimal, never empty
	Host     string // the Host header field: without the default port of the scheme, and without a zone
	Path     string // the path and query to request, such as "/chat?room=1"; never empty

	authorization string // user and password as an Authorization header field, or empty
}

// Address returns the address to dial, such as "example.com:80" or "[::1]:443".
func (u *URL) Address() string { return net.JoinHostPort(u.Hostname, u.Port) }

// ParseURL parses an absolute ws or wss URL. Errors match ErrInvalidURL, and do not contain the
// URL, which may have a password.
//
// RFC 6455, section 3.
func ParseURL(raw string) (*URL, error) { return parseURL(raw, false) }

// parseURL parses a URL as ParseURL does. With allowHTTP, the schemes http and https stand for ws
// and wss, as in the browser's WebSocket constructor
// (https://websockets.spec.whatwg.org/#dom-websocket-websocket).
func parseURL(raw string, allowHTTP bool) (*URL, error) {
	fail := func(format string, args ...any) (*URL, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrInvalidURL}, args...)...)
	}
	// RFC 6455, section 3: "Fragment identifiers are meaningless in the context of WebSocket URIs
	// and MUST NOT be used on these URIs." This includes empty ones.
	if strings.Contains(raw, "#") {
		return fail("has a fragment")
	}
	u, err := url.Parse(raw)
	if err != nil {
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		return fail("%w", err)
	}
	parsed := &URL{}
	switch scheme := u.Scheme; { // in lower case
	case scheme == "ws", scheme == "http" && allowHTTP:
		parsed.Port = defaultPort
	case scheme == "wss", scheme == "https" && allowHTTP:
		parsed.Port, parsed.Secure = defaultSecurePort, true
	default:
		return fail("scheme %q is neither ws nor wss", u.Scheme)
	}
	if u.Opaque != "" || u.Host == "" {
		return fail("no host")
	}

	parsed.Hostname = u.Hostname()
	if parsed.Host, err = hostField(parsed.Hostname, strings.HasPrefix(u.Host, "[")); err != nil {
		return fail("%w", err)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fail("port %q out of range", port)
		}
		if port = strconv.FormatUint(n, 10); port != parsed.Port {
			parsed.Port = port
			parsed.Host += ":" + port
		}
	}

	parsed.Path = encodePath(u)
	if u.User != nil {
		password, _ := u.User.Password()
		// RFC 7617, section 2.
		if strings.Contains(u.User.Username(), ":") {
			return fail("a colon in the user name")
		}
		parsed.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return parsed, nil
}

// hostField returns a host in the form of the Host header field.
func hostField(hostname string, bracketed bool) (string, error) {
	if bracketed {
		ip, err := netip.ParseAddr(hostname)
		if err != nil || !ip.Is6() {
			return "", fmt.Errorf("%q is not an IPv6 address", hostname)
		}
		// RFC 6874, section 4: a zone has a meaning only on this host.
		return "[" + ip.WithZone("").String() + "]", nil
	}
	if hostname == "" {
		return "", errors.New("no host")
	}
	// Names in other scripts must be encoded by the caller (xn--…).
	if !authority.IsHostName(hostname) || !authority.IsASCII(hostname) {
		return "", fmt.Errorf("host %q is not in ASCII letters, digits and hyphens", hostname)
	}
	return hostname, nil
}

// encodePath returns the path and the query as a request target. In the query it encodes only the
// bytes that a request line must not have.
//
// RFC 6455, section 3.
func encodePath(u *url.URL) string {
	var b strings.Builder
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(path)
	if u.ForceQuery || u.RawQuery != "" {
		b.WriteByte('?')
	}
	for i := range len(u.RawQuery) {
		if c := u.RawQuery[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
