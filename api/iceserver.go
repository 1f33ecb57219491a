package rtc

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The default ports of RFC 7064 and RFC 7065.
const (
	portSTUN  = 3478
	portTURNS = 5349
)

// serverURI is a parsed ICE server URI.
type serverURI struct {
	scheme             string // stun, turn, turns
	username, password string
	hasCredentials     bool
	host               string // a name or an IP address without brackets
	port               uint16
	transport          string // udp, tcp, tls
}

// parseICEServer parses
// [("stun"|"turn"|"turns") (":"|"://")][username ":" password "@"]hostname[":" port]["?transport=" ("udp"|"tcp"|"tls")].
// User name and password are percent-decoded, IPv6 addresses stand in brackets.
func parseICEServer(s string) (serverURI, error) {
	var u serverURI
	rest := u.cutScheme(s, "stun", "turns", "turn")
	u.transport = "udp"
	if rest, query, found := strings.Cut(rest, "?"); found {
		value, ok := strings.CutPrefix(query, "transport=")
		if !ok || (value != "udp" && value != "tcp" && value != "tls") {
			return u, invalidf("ICE server %q: want ?transport= with udp, tcp or tls", redact(s))
		}
		u.transport = value
		return u.finishICE(s, rest)
	}
	if u.scheme == "turns" {
		u.transport = "tls" // RFC 7065: turns is TURN over TLS unless the URI says otherwise
	}
	return u.finishICE(s, rest)
}

func (u serverURI) finishICE(s, rest string) (serverURI, error) {
	u.port = portSTUN
	if u.scheme == "turns" || u.transport == "tls" {
		u.port = portTURNS
	}
	if u.scheme == "turns" && u.transport == "tcp" {
		u.transport = "tls"
	}
	if err := u.parseAuthority(rest); err != nil {
		return u, wrapError(ErrInvalid, err, "ICE server %q", redact(s))
	}
	return u, nil
}

// cutScheme sets the scheme, the first one where the URI has none, and returns what follows it.
func (u *serverURI) cutScheme(s string, schemes ...string) string {
	for _, scheme := range schemes {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) && s[len(scheme)] == ':' {
			u.scheme = scheme
			return strings.TrimPrefix(s[len(scheme)+1:], "//")
		}
	}
	u.scheme = schemes[0]
	return s
}

// uriError says what is wrong with a URI. It is always the cause of an ErrInvalid.
type uriError string

func (e uriError) Error() string { return string(e) }

func (u *serverURI) parseAuthority(s string) error {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		username, password, ok := strings.Cut(s[:at], ":")
		if !ok || username == "" || strings.ContainsAny(password, ":@") || strings.Contains(username, "@") {
			return uriError(`credentials are not username ":" password, percent-encoded`)
		}
		var err error
		if u.username, err = url.PathUnescape(username); err != nil {
			return err
		}
		if u.password, err = url.PathUnescape(password); err != nil {
			return err
		}
		u.hasCredentials = true
		s = s[at+1:]
	}
	host, port := s, ""
	hasPort := false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return uriError("missing ] after the IPv6 address")
		}
		host, port = s[1:end], s[end+1:]
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return uriError("not an IPv6 address in the brackets")
		}
		if port != "" {
			if port[0] != ':' {
				return uriError("unexpected characters after the IPv6 address")
			}
			port, hasPort = port[1:], true
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		if !isHostName(host) {
			return uriError("not a host name")
		}
	}
	u.host = host
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return uriError("not a port: " + strconv.Quote(port))
		}
		u.port = uint16(n)
	}
	return nil
}

// isHostName accepts what RFC 1123 and the underscores of the real world allow, at most 253 characters.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 || s[0] == '-' || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c >= 0x80:
		default:
			return false
		}
	}
	return !strings.Contains(s, "..")
}

// redact removes the credentials of a URI, so that errors and logs do not spread them.
func redact(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return "…@" + s[at+1:]
	}
	return s
}
