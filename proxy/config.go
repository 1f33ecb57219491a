package proxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/authority"
)

// Protocol is what a proxy speaks.
type Protocol uint8

// The protocols.
const (
	// HTTP is the CONNECT method of HTTP/1.1, RFC 9110, section 9.3.6
	HTTP Protocol = iota
	// SOCKS5 is SOCKS protocol version 5, RFC 1928
	SOCKS5
)

// The ports where a proxy listens unless it is said: where squid does, and the registered one of SOCKS.
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

// Config says where a proxy is, what it speaks and who uses it. It may be used by any number of Dialers at once, as long as
// nobody changes it.
type Config struct {
	Protocol Protocol
	// Host is a name or an IP address, an IPv6 address without brackets.
	Host string
	// Port is 1 to 65535; 0 is the default of the protocol.
	Port uint16
	// Username and Password are sent if there is a Username. HTTP excludes ":" from the first and control characters from
	// both; SOCKS5 allows up to 255 bytes for each.
	Username, Password string
}

// maxSOCKS5Credential is the longest user name and the longest password of SOCKS5, in bytes: their length is one byte,
//
// RFC 1929, section 2.
const maxSOCKS5Credential = 255

// Parse parses the URI of a proxy:
//
//	[("http"|"socks5"|"socks5h") (":"|"://")][username [":" password] "@"]hostname[":" port]["/"]
//
// White space around it is ignored. The scheme is HTTP where there is none, the port 3128 for HTTP and 1080 for SOCKS5;
// socks5h is another word for socks5, as the proxy always resolves the name of the target. User name and password are
// percent-decoded; ":" and "@" in them must be encoded. An IPv6 address stands in brackets. The result has its Port set.
//
// An error matches [ErrInvalidProxy], names a scheme that is not supported, and does not contain the credentials.
func Parse(uri string) (*Config, error) {
	uri = strings.TrimSpace(uri)
	c := &Config{}
	rest, err := c.cutScheme(uri)
	if err != nil {
		return nil, err
	}
	a, err := authority.Parse(strings.TrimSuffix(rest, "/"))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w: %q: %w", ErrInvalidProxy, authority.Redact(uri), err)
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

// Address returns host and port of the proxy, as [net.Dial] wants them.
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

// cutScheme sets the protocol and returns the part of the URI behind the scheme. "host:port" has no scheme, nor has
// "user:password@host".
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
		return "", fmt.Errorf("proxy: %w: the scheme %q is not supported, only http, socks5 and socks5h", ErrInvalidProxy, scheme)
	default:
		return uri, nil
	}
	return rest, nil
}

// otherSchemes are those of proxies that are not supported, for what would otherwise be a host of that name with a wrong
// port.
var otherSchemes = map[string]bool{"https": true, "socks": true, "socks4": true, "socks4a": true, "quic": true}

// isScheme reports whether s, in lower case, is a scheme by RFC 3986, section 3.1
func isScheme(s string) bool {
	for i, c := range s {
		if !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || strings.ContainsRune("+-.", c))) {
			return false
		}
	}
	return s != ""
}

// isPort reports whether s is a port, perhaps with a slash behind it.
func isPort(s string) bool {
	_, err := strconv.ParseUint(strings.TrimSuffix(s, "/"), 10, 16)
	return err == nil
}

// reason is what is wrong with an address or a URI; a sentinel goes with it.
type reason string

func (r reason) Error() string { return string(r) }

// check finds what no proxy could be asked with.
func (c *Config) check() error {
	switch {
	case c == nil:
		return fmt.Errorf("proxy: %w: none given", ErrInvalidProxy)
	case c.Protocol > SOCKS5:
		return fmt.Errorf("proxy: %w: unknown protocol %v", ErrInvalidProxy, c.Protocol)
	case c.Host == "":
		return fmt.Errorf("proxy: %w: no host", ErrInvalidProxy)
	case c.Username == "" && c.Password != "":
		return fmt.Errorf("proxy: %w: a password without a user name", ErrInvalidProxy)
	case c.Protocol == SOCKS5 && max(len(c.Username), len(c.Password)) > maxSOCKS5Credential:
		return fmt.Errorf("proxy: %w: SOCKS5 credentials of more than %d bytes", ErrInvalidProxy, maxSOCKS5Credential)
	case c.Protocol == HTTP && strings.Contains(c.Username, ":"):
		// "a user-id containing a colon character is invalid": RFC 7617, section 2
		return fmt.Errorf(`proxy: %w: a user name with ":" cannot be sent to an HTTP proxy`, ErrInvalidProxy)
	case c.Protocol == HTTP && strings.ContainsFunc(c.Username+c.Password, isControl):
		// "The user-id and password MUST NOT contain any control characters", same section.
		return fmt.Errorf("proxy: %w: control characters in HTTP credentials", ErrInvalidProxy)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
