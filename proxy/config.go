package proxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/authority"
)

// Protocol is the protocol of a proxy.
type Protocol uint8

// The protocols.
const (
	HTTP   Protocol = iota // the CONNECT method of HTTP/1.1 (RFC 9110, section 9.3.6)
	SOCKS5                 // SOCKS protocol version 5 (RFC 1928)
)

// The default ports of proxies: that of Squid for HTTP, and the registered one for SOCKS.
const (
	DefaultPortHTTP   = 3128
	DefaultPortSOCKS5 = 1080
)

// String returns the scheme of the protocol's URI: "http" or "socks5".
func (p Protocol) String() string {
	switch p {
	case HTTP:
		return "http"
	case SOCKS5:
		return "socks5"
	}
	return "Protocol(" + strconv.Itoa(int(p)) + ")"
}

// Config is the address of a proxy, its protocol, and the user's credentials. It may be used by any
// number of Dialers at once, as long as it is not changed.
type Config struct {
	Protocol Protocol
	// Host is a name or an IP address, an IPv6 address without brackets.
	Host string
	// Port is 1 to 65535; 0 is the default of the protocol.
	Port uint16
	// Username and Password are sent if Username is not empty. With HTTP, Username must not contain
	// ":", and neither may contain control characters; with SOCKS5, neither may exceed 255 bytes.
	Username, Password string
}

// maxSOCKS5Credential is the size of the longest user name or password of SOCKS5, in bytes.
//
// RFC 1929, section 2.
const maxSOCKS5Credential = 255

// Parse parses the URI of a proxy:
//
//	[("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"]
//
// White space around it is ignored. The default scheme is http, the default port 3128 for http and
// 1080 for socks5. socks5h is the same as socks5, because the proxy always resolves the name of the
// target. User name and password are percent-decoded; ":" and "@" in them must be encoded. An IPv6
// address is enclosed in brackets. The result has its Port set.
//
// An error matches [ErrInvalidProxy], names an unsupported scheme, and does not contain the
// credentials.
func Parse(uri string) (*Config, error) {
	uri = strings.TrimSpace(uri)
	c := &Config{}
	rest, err := c.cutScheme(uri)
	if err != nil {
		return nil, err
	}
	a, err := authority.Parse(strings.TrimSuffix(rest, "/"))
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrInvalidProxy, authority.Redact(uri), err)
	}
	c.Username, c.Password, c.Host, c.Port = a.Username, a.Password, a.Host, a.Port
	if c.Port == 0 {
		c.Port = c.Protocol.defaultPort()
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// Address returns the host and the port of the proxy, as for [net.Dial].
func (c *Config) Address() string {
	port := c.Port
	if port == 0 {
		port = c.Protocol.defaultPort()
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(port)))
}

// String returns the URI of the proxy without the credentials.
func (c *Config) String() string { return c.Protocol.String() + "://" + c.Address() }

func (p Protocol) defaultPort() uint16 {
	if p == SOCKS5 {
		return DefaultPortSOCKS5
	}
	return DefaultPortHTTP
}

// cutScheme sets the protocol and returns the part of the URI after the scheme. "host:port" has no
// scheme, nor has "user:password@host".
func (c *Config) cutScheme(uri string) (rest string, err error) {
	scheme, rest, found := strings.Cut(uri, ":")
	if !found {
		return uri, nil
	}
	scheme = strings.ToLower(scheme)
	rest, slashes := strings.CutPrefix(rest, "//")
	switch {
	case scheme == "http":
		c.Protocol = HTTP
	case scheme == "socks5", scheme == "socks5h":
		c.Protocol = SOCKS5
	case slashes && isScheme(scheme), otherSchemes[scheme] && !isPort(rest) && !strings.Contains(rest, "@"):
		return "", fmt.Errorf("%w: the scheme %q is not supported, only http, socks5 and socks5h", ErrInvalidProxy, scheme)
	default:
		return uri, nil
	}
	return rest, nil
}

// otherSchemes are the schemes of unsupported proxies. Without them, "socks4:proxy" would be
// reported as a host with an invalid port.
var otherSchemes = map[string]bool{"https": true, "socks": true, "socks4": true, "socks4a": true, "quic": true}

// isScheme reports whether s, in lower case, is a scheme.
//
// RFC 3986, section 3.1.
func isScheme(s string) bool {
	for i, c := range s {
		if !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || strings.ContainsRune("+-.", c))) {
			return false
		}
	}
	return s != ""
}

// isPort reports whether s is a port, optionally followed by a slash.
func isPort(s string) bool {
	_, err := strconv.ParseUint(strings.TrimSuffix(s, "/"), 10, 16)
	return err == nil
}

// check returns an error that matches ErrInvalidProxy if c cannot describe a proxy.
func (c *Config) check() error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: none given", ErrInvalidProxy)
	case c.Protocol > SOCKS5:
		return fmt.Errorf("%w: unknown protocol %v", ErrInvalidProxy, c.Protocol)
	case c.Host == "":
		return fmt.Errorf("%w: no host", ErrInvalidProxy)
	case c.Username == "" && c.Password != "":
		return fmt.Errorf("%w: a password without a user name", ErrInvalidProxy)
	case c.Protocol == SOCKS5 && max(len(c.Username), len(c.Password)) > maxSOCKS5Credential:
		return fmt.Errorf("%w: SOCKS5 credentials of more than %d bytes", ErrInvalidProxy, maxSOCKS5Credential)
	case c.Protocol == HTTP && strings.Contains(c.Username, ":"):
		// RFC 7617, section 2: "a user-id containing a colon character is invalid".
		return fmt.Errorf(`%w: a user name with ":" cannot be sent to an HTTP proxy`, ErrInvalidProxy)
	case c.Protocol == HTTP && strings.ContainsFunc(c.Username+c.Password, isControl):
		// RFC 7617, section 2: "The user-id and password MUST NOT contain any control characters".
		return fmt.Errorf("%w: control characters in HTTP credentials", ErrInvalidProxy)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
