package rtc

import (
	"strings"

	"github.com/rtcstack/rtcstack/internal/authority"
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
	transport          string // udp, tcp or tls
}

// parseICEServer parses [("stun"|"turn"|"turns") (":"|"://")][username ":" password
// "@"]hostname[":" port]["?transport=" ("udp"|"tcp"|"tls")]. User name and password are
// percent-decoded, IPv6 addresses stand in brackets.
func parseICEServer(s string) (serverURI, error) {
	var u serverURI
	rest := u.cutScheme(s, "stun", "turns", "turn")
	u.transport = "udp"
	if rest, query, found := strings.Cut(rest, "?"); found {
		value, ok := strings.CutPrefix(query, "transport=")
		if !ok || (value != "udp" && value != "tcp" && value != "tls") {
			return u, invalidf("ICE server %q: want ?transport= with udp, tcp or tls", authority.Redact(s))
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
	a, err := authority.Parse(rest)
	if err != nil {
		return u, wrapError(ErrInvalid, err, "ICE server %q", authority.Redact(s))
	}
	if a.HasCredentials && !a.HasPassword {
		return u, invalidf("ICE server %q: a user name without a password", authority.Redact(s))
	}
	u.username, u.password, u.hasCredentials, u.host = a.Username, a.Password, a.HasCredentials, a.Host
	if a.Port != 0 {
		u.port = a.Port
	}
	return u, nil
}

// cutScheme sets the scheme, which is the first one if the URI has none, and returns the rest of
// the URI.
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
