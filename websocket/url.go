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
)

// The ports of a URL that names none.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-3
const (
	defaultPort       = "80"  // ws
	defaultSecurePort = "443" // wss
)

// target is what a URL says about where to connect and what to ask for.
type target struct {
	secure        bool   // the scheme is wss
	hostname      string // a name or an IP address, without brackets, with its zone
	port          string // decimal, never empty
	host          string // the Host header field: no default port, no zone
	resource      string // path and query: what is requested
	authorization string // credentials for the Authorization header field, or empty
}

// address returns what to dial.
func (t *target) address() string { return net.JoinHostPort(t.hostname, t.port) }

// parseURL parses a ws or wss URL. Errors match ErrInvalidURL, and do not show
// the URL: it may hold a password.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-3
func parseURL(raw string) (*target, error) {
	fail := func(format string, args ...any) (*target, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrInvalidURL}, args...)...)
	}
	// "Fragment identifiers are meaningless in the context of WebSocket URIs and
	// MUST NOT be used on these URIs." An empty one is one, too.
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
	t := &target{}
	switch u.Scheme { // in lower case
	case "ws":
		t.port = defaultPort
	case "wss":
		t.port, t.secure = defaultSecurePort, true
	default:
		return fail("scheme %q is neither ws nor wss", u.Scheme)
	}
	if u.Opaque != "" || u.Host == "" {
		return fail("no host")
	}

	t.hostname = u.Hostname()
	if t.host, err = hostField(t.hostname, strings.HasPrefix(u.Host, "[")); err != nil {
		return fail("%w", err)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fail("port %q out of range", port)
		}
		if port = strconv.FormatUint(n, 10); port != t.port {
			t.port = port
			t.host += ":" + port
		}
	}

	t.resource = encodeResource(u)
	if u.User != nil {
		password, _ := u.User.Password()
		// https://www.rfc-editor.org/rfc/rfc7617.html#section-2
		if strings.Contains(u.User.Username(), ":") {
			return fail("a colon in the user name")
		}
		t.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return t, nil
}

// hostField returns a host as the Host header field names it.
func hostField(hostname string, bracketed bool) (string, error) {
	if bracketed {
		ip, err := netip.ParseAddr(hostname)
		if err != nil || !ip.Is6() {
			return "", fmt.Errorf("%q is not an IPv6 address", hostname)
		}
		// A zone has a meaning on this host only.
		// https://www.rfc-editor.org/rfc/rfc6874.html#section-4
		return "[" + ip.WithZone("").String() + "]", nil
	}
	if hostname == "" {
		return "", errors.New("no host")
	}
	for i := range len(hostname) {
		// reg-name without percent-encoding: https://www.rfc-editor.org/rfc/rfc3986.html#section-3.2.2
		// Names in other scripts are the caller's to encode (xn--…).
		switch c := hostname[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~!$&'()*+,;=", c) >= 0:
		default:
			return "", fmt.Errorf("host %q is not in ASCII letters, digits and hyphens", hostname)
		}
	}
	return hostname, nil
}

// encodeResource returns path and query so that they can stand in a request line.
// The query is sent as it was written, but for bytes that cannot stand there.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-3
func encodeResource(u *url.URL) string {
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
