package websocket

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// maxQuotedOrigin is how much of an Origin or Host field a refusal repeats, in bytes.
const maxQuotedOrigin = 256

// parseOriginPatterns returns the normal form of AcceptOptions.OriginPatterns: in lower case,
// without a slash at the end. A pattern that no origin can match is an error: the pages
// that it is meant for would be refused, or its author believes something that is not so.
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
	// A port is what follows the last colon, unless that is within an IPv6 address.
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

// originAllowed decides by the Origin field whether a page may connect.
//
// RFC 6454, section 7.
func (o *checkedAcceptOptions) originAllowed(r *Request) bool {
	if o.InsecureSkipOriginCheck || r.Header["Origin"] == nil {
		return true
	}
	origin, ok := singleValue(r.Header, "Origin")
	scheme, host, found := strings.Cut(strings.ToLower(origin), "://")
	if !ok || !found || host == "" || strings.ContainsAny(host, "/?#@") {
		return false // "null" among others: a page without an origin of its own
	}
	// What is behind a proxy that ends TLS does not know its own scheme. The page's
	// will do: with another one, it has another port.
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

// originMatches reports whether a pattern matches an origin, or is the origin: the brackets of
// an IPv6 address are no class of characters then.
func originMatches(pattern, origin string) bool {
	matched, _ := path.Match(pattern, origin)
	return matched || pattern == origin
}

// schemePort returns the port that a scheme implies, with its colon, or "".
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

// withoutPort removes the port from a host if it is the one that scheme implies.
func withoutPort(host, scheme string) string {
	return strings.TrimSuffix(host, schemePort(scheme))
}

// withPort adds the port that scheme implies to a host without a port.
func withPort(host, scheme string) string {
	if (&url.URL{Host: host}).Port() != "" {
		return host
	}
	return host + schemePort(scheme)
}

// originRefused returns the reason of a refusal, for the client and its log.
func originRefused(r *Request) string {
	return fmt.Sprintf("the origin %q is not allowed for the host %q",
		shortened(strings.Join(r.Header["Origin"], ", ")), shortened(r.Host))
}

func shortened(s string) string { return s[:min(len(s), maxQuotedOrigin)] }
