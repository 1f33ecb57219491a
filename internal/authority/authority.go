// Package authority parses the common part of the URIs of ICE servers and of proxies, [username
// [":" password] "@"]hostname[":" port], and checks host names.
package authority

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Authority is the parsed form.
type Authority struct {
	Username, Password string // percent-decoded
	HasCredentials     bool   // there is a user name
	HasPassword        bool   // there is a password, which may be empty
	Host               string // a name or an IP address, an IPv6 address without its brackets
	Port               uint16 // 0: none
}

// Error is the error of Parse. It never contains credentials.
type Error string

func (e Error) Error() string { return string(e) }

// Parse parses an authority. Its errors are of type Error.
func Parse(s string) (a Authority, err error) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		if err := a.parseUserinfo(s[:at]); err != nil {
			return a, err
		}
		s = s[at+1:]
	}
	host, port, hasPort := strings.Cut(s, ":")
	if strings.HasPrefix(s, "[") {
		var found bool
		if host, port, found = strings.Cut(s[1:], "]"); !found {
			return a, Error("missing ] after the IPv6 address")
		}
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() {
			return a, Error("not an IPv6 address in the brackets")
		}
		if hasPort = port != ""; hasPort && port[0] != ':' {
			return a, Error("unexpected characters after the IPv6 address")
		}
		port = strings.TrimPrefix(port, ":")
	} else if !IsHostName(host) {
		return a, Error("not a host name")
	}
	a.Host = host
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return a, Error("not a port: " + strconv.Quote(port))
		}
		a.Port = uint16(n)
	}
	return a, nil
}

func (a *Authority) parseUserinfo(s string) error {
	username, password, found := strings.Cut(s, ":")
	if username == "" || strings.ContainsAny(password, ":@") || strings.Contains(username, "@") {
		return Error(`credentials are not username [":" password], percent-encoded`)
	}
	var errUsername, errPassword error
	a.Username, errUsername = url.PathUnescape(username)
	a.Password, errPassword = url.PathUnescape(password)
	if errUsername != nil || errPassword != nil {
		return Error("credentials with a wrong percent-encoding") // the errors quote the credentials
	}
	a.HasCredentials, a.HasPassword = true, found
	return nil
}

// IsHostName reports whether s is a host name of at most 253 characters: labels of letters, digits
// and hyphens (RFC 1123, section 2.1), of underscores, which are common in practice, and of
// characters outside of ASCII.
func IsHostName(s string) bool {
	if s == "" || len(s) > 253 || s[0] == '-' || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c >= 0x80:
		default:
			return false
		}
	}
	return !strings.Contains(s, "..")
}

// Redact returns a URI without its credentials, for errors and logs.
func Redact(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return "…@" + s[at+1:]
	}
	return s
}

// IsASCII reports whether s has ASCII characters only, as required of a host name in a request.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
