package websocket

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// maxQuotedOrigin bounds the part of an Origin or Host field that a refusal quotes, in bytes.
const maxQuotedOrigin = 256

// parseOriginPatterns returns the normal form of AcceptOptions.OriginPatterns: in lower case,
// without a final slash. A pattern that no origin can match is an error, because its author has
// made a mistake.
func parseOriginPatterns(patterns []string) (normal []string, err error) {
	for _, pattern := range patterns {
		p := strings.TrimSuffix(strings.ToLower(pattern), "/")
		if err := checkOriginPattern(p); err != nil {
			return nil, fmt.Errorf("%w: origin pattern %q: %w", ErrInvalidOption, pattern, err)
		}
		normal = append(normal, p)
	}
	return normal, nil
}

func checkOriginPattern(p string) error {
	if _, err := path.Match(p, ""); err != nil {
		return err
	}
	scheme, host, hasScheme := strings.Cut(p, "://")
	if !hasScheme {
		scheme, host = "*", p
	}
	switch {
	case scheme == "" || host == "":
		return errors.New("no scheme, or no host")
	case scheme == "ws" || scheme == "wss":
		return errors.New("the scheme of a page is http or https")
	case p == "null":
		return errors.New("pages without an origin of their own cannot be told apart")
	case strings.Contains(host, "/"):
		return errors.New("an origin has no path")
	case strings.ContainsAny(host, "@#"):
		return errors.New("an origin has a host and a port only")
	}
	for i := range len(p) {
		if p[i] <= ' ' || p[i] >= 0x7f {
			return errors.New("a browser sends visible ASCII: give the A-labels of a host name (RFC 5890)")
		}
	}
	// The port follows the last colon, unless that is within an IPv6 address.
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.ContainsAny(host[colon:], `]*?\`) {
		return nil
	}
	n, err := strconv.ParseUint(host[colon+1:], 10, 16)
	if err != nil || n == 0 || host[colon+1] == '0' {
		return fmt.Errorf("%q is not a port", host[colon+1:])
	}
	return nil
}

// originAllowed reports whether a page with the Origin field of the request may connect.
//
// RFC 6454, section 7.
func (o *checkedAcceptOptions) originAllowed(r *Request) bool {
	if o.InsecureSkipOriginCheck || r.Header["Origin"] == nil {
		return true
	}
	origin, ok := singleValue(r.Header, "Origin")
	scheme, host, found := strings.Cut(strings.ToLower(origin), "://")
	if !ok || !found || host == "" || strings.ContainsAny(host, "/?#@") {
		return false // for example "null", of a page without an origin of its own
	}
	// A server behind a proxy that ends TLS does not know its own scheme. The scheme of the page is
	// used instead: if the server had another one, it would have another port.
	host, withPort := withoutPort(host, scheme), withPort(host, scheme)
	if host == withoutPort(strings.ToLower(r.Host), scheme) {
		return true
	}
	for _, pattern := range o.origins {
		prefix := ""
		if strings.Contains(pattern, "://") {
			prefix = scheme + "://"
		}
		if originMatches(pattern, prefix+host) || originMatches(pattern, prefix+withPort) {
			return true
		}
	}
	return false
}

// originMatches reports whether a pattern matches an origin or equals it. Equality is for IPv6
// addresses, whose brackets are a character class in a pattern.
func originMatches(pattern, origin string) bool {
	matched, _ := path.Match(pattern, origin)
	return matched || pattern == origin
}

// schemePort returns the default port of a scheme, with a colon in front, or "".
func schemePort(scheme string) string {
	switch scheme {
	case "http":
		return ":" + defaultPort
	case "https":
		return ":" + defaultSecurePort
	default:
		return ""
	}
}

// withoutPort removes the port from a host if it is the default port of the scheme.
func withoutPort(host, scheme string) string {
	return strings.TrimSuffix(host, schemePort(scheme))
}

// withPort adds the default port of the scheme to a host without a port.
func withPort(host, scheme string) string {
	if (&url.URL{Host: host}).Port() != "" {
		return host
	}
	return host + schemePort(scheme)
}

// originRefused returns the reason of a refusal.
func originRefused(r *Request) string {
	return fmt.Sprintf("the origin %q is not allowed for the host %q",
		shortened(strings.Join(r.Header["Origin"], ", ")), shortened(r.Host))
}

func shortened(s string) string { return s[:min(len(s), maxQuotedOrigin)] }
