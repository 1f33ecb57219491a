package proxy

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for uri, want := range map[string]Config{
		"proxy":                             {Host: "proxy", Port: 3128},
		"proxy.example.org:8080":            {Host: "proxy.example.org", Port: 8080},
		"http:proxy":                        {Host: "proxy", Port: 3128},
		"http://proxy":                      {Host: "proxy", Port: 3128},
		"HTTP://proxy":                      {Host: "proxy", Port: 3128},
		"socks5:proxy":                      {Protocol: SOCKS5, Host: "proxy", Port: 1080},
		"socks5://proxy:9050":               {Protocol: SOCKS5, Host: "proxy", Port: 9050},
		"Socks5:192.0.2.1":                  {Protocol: SOCKS5, Host: "192.0.2.1", Port: 1080},
		"socks5:[::1]":                      {Protocol: SOCKS5, Host: "::1", Port: 1080},
		"[2001:db8::1]:65535":               {Host: "2001:db8::1", Port: 65535},
		"[fe80::1%eth0]:1":                  {Host: "fe80::1%eth0", Port: 1},
		"http://u:p@proxy:8080":             {Host: "proxy", Port: 8080, Username: "u", Password: "p"},
		"u:p@proxy":                         {Host: "proxy", Port: 3128, Username: "u", Password: "p"},
		"u:@proxy":                          {Host: "proxy", Port: 3128, Username: "u"},
		"socks5:u%3Aser:p%40ss%3a%25@[::1]": {Protocol: SOCKS5, Host: "::1", Port: 1080, Username: "u:ser", Password: "p@ss:%"},
		"http:u+v:a b@proxy":                {Host: "proxy", Port: 3128, Username: "u+v", Password: "a b"},
		// As in environment variables.
		"http://proxy:8080/":     {Host: "proxy", Port: 8080},
		"proxy:8080/":            {Host: "proxy", Port: 8080},
		"proxy/":                 {Host: "proxy", Port: 3128},
		"socks5://[::1]:9050/":   {Protocol: SOCKS5, Host: "::1", Port: 9050},
		"http://u@proxy":         {Host: "proxy", Port: 3128, Username: "u"},
		"socks5:u%40v@proxy/":    {Protocol: SOCKS5, Host: "proxy", Port: 1080, Username: "u@v"},
		"http:http@proxy":        {Host: "proxy", Port: 3128, Username: "http"},
		"https:secret@proxy":     {Host: "proxy", Port: 3128, Username: "https", Password: "secret"},
		"socks5h://proxy":        {Protocol: SOCKS5, Host: "proxy", Port: 1080},
		"SOCKS5H:u:p@proxy:1":    {Protocol: SOCKS5, Host: "proxy", Port: 1, Username: "u", Password: "p"},
		" http://proxy:8080\r\n": {Host: "proxy", Port: 8080},
		"\tproxy\n":              {Host: "proxy", Port: 3128},
		// A word alone is a host, even the word of a scheme.
		"socks5":      {Host: "socks5", Port: 3128},
		"http":        {Host: "http", Port: 3128},
		"socks5:http": {Protocol: SOCKS5, Host: "http", Port: 1080},
		"http:8080":   {Host: "8080", Port: 3128},
		"http:_a_:1":  {Host: "_a_", Port: 1},
		"https:443":   {Host: "https", Port: 443},
		"socks4":      {Host: "socks4", Port: 3128},
	} {
		got, err := Parse(uri)
		require.NoError(t, err, uri)
		require.Equal(t, &want, got, uri)

		again, err := Parse(got.String())
		require.NoError(t, err, got)
		want.Username, want.Password = "", ""
		require.Equal(t, &want, again, "by way of %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, uri := range []string{
		"", ":", "http:", "http://", "http:///", "proxy:", "proxy:0", "proxy:65536", "proxy:-1", "proxy:x", "proxy:80:80",
		"//proxy", "//proxy:80", "http://proxy//", "http://proxy/path", "http://proxy:80/?x",
		"http://proxy?x", "http://proxy#x", "pro xy", "a..b", ".a", "-a", " ", "/", "pro\r\nxy", strings.Repeat("a", 254),
		":p@proxy", "@proxy", "a:b:c@proxy", "a:b@c@proxy", "a@b:c@proxy", "%zz:secret@proxy", "a:secret%g0@proxy",
		"[::1", "[proxy]", "[::1]x", "[::1]:", "[::1]80", "[192.0.2.1]", "2001:db8::1", "[]",
		// Credentials that HTTP or SOCKS5 cannot transmit.
		"http:u%3Av:secret@proxy", "http:u:secret%0d%0a@proxy", "http:u%00:secret@proxy",
		"socks5:" + strings.Repeat("u", 256) + ":secret@proxy", "socks5:u:" + strings.Repeat("secret", 43) + "@proxy",
	} {
		_, err := Parse(uri)
		require.ErrorIs(t, err, ErrInvalidProxy, "%q", uri)
		require.NotContains(t, err.Error(), "secret", "%q", uri)
	}
}

// A URI of some other kind of proxy is not called one with a wrong port.
func TestParseNamesUnsupportedSchemes(t *testing.T) {
	for uri, scheme := range map[string]string{
		"https://proxy": "https", "HTTPS://u:secret@proxy:443/": "https", "https:proxy": "https", "https:proxy:443": "https",
		"socks4://127.0.0.1": "socks4", "socks4:proxy": "socks4", "socks4a://proxy:1": "socks4a", "socks:proxy": "socks",
		"socks://proxy": "socks", "quic:proxy": "quic", "ftp://x": "ftp", "ss+v2.ray://secret@x": "ss+v2.ray", " wss://x ": "wss",
	} {
		_, err := Parse(uri)
		require.ErrorIs(t, err, ErrInvalidProxy, "%q", uri)
		require.ErrorContains(t, err, `the scheme "`+scheme+`" is not supported`, "%q", uri)
		require.NotContains(t, err.Error(), "secret", "%q", uri)
	}
}

func TestConfigsThatCannotBe(t *testing.T) {
	for name, c := range map[string]*Config{
		"none":                 nil,
		"empty":                {},
		"protocol":             {Protocol: 2, Host: "proxy"},
		"password alone":       {Host: "proxy", Password: "secret"},
		"colon":                {Host: "proxy", Username: "a:b"},
		"line end":             {Host: "proxy", Username: "a", Password: "b\r\nX: y"},
		"SOCKS5 password long": {Protocol: SOCKS5, Host: "proxy", Username: "a", Password: strings.Repeat("x", 256)},
	} {
		conn, err := (&Dialer{Proxy: c, Forward: noForward(t)}).DialContext(t.Context(), "tcp", "example.org:1")
		require.ErrorIs(t, err, ErrInvalidProxy, name)
		require.Nil(t, conn)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ network, address, want string }{
		{"tcp", "example.org:443", "example.org:443"},
		{"tcp", "example.org:https", "example.org:443"},
		{"tcp4", "example.org:443", "example.org:443"},
		{"tcp6", "example.org:443", "example.org:443"},
		{"tcp4", "192.0.2.1:1", "192.0.2.1:1"},
		{"tcp6", "[::1]:1", "[::1]:1"},
		{"tcp", "[::ffff:192.0.2.1]:1", "192.0.2.1:1"},
		{"tcp", "xn--bcher-kva.example:1", "xn--bcher-kva.example:1"},
		{"tcp", "example.org.:1", "example.org.:1"},
	} {
		got, err := parseTarget(t.Context(), c.network, c.address)
		require.NoError(t, err)
		require.Equal(t, c.want, got.String())
	}
	for _, c := range []struct{ network, address string }{
		{"udp", "example.org:443"},
		{"", "example.org:443"},
		{"unix", "/tmp/x"},
		{"tcp", "example.org"},
		{"tcp", "example.org:"},
		{"tcp", "example.org:0"},
		{"tcp", "example.org:65536"},
		{"tcp", "example.org:no-such-service"},
		{"tcp", ":443"},
		{"tcp", "[fe80::1%eth0]:443"},
		{"tcp4", "[::1]:443"},
		{"tcp6", "192.0.2.1:443"},
		{"tcp", "bücher.example:443"},
		// Addresses that would inject more into a request.
		{"tcp", "a\r\nX: y:443"},
		{"tcp", "a b:443"},
		{"tcp", "user@a:443"},
		{"tcp", "a/b:443"},
	} {
		conn, err := (&Dialer{Proxy: &Config{Host: "proxy"}, Forward: noForward(t)}).DialContext(t.Context(), c.network, c.address)
		require.ErrorIs(t, err, ErrInvalidTarget, "%q", c)
		require.Nil(t, conn)
	}
}

// noForward fails the test when a proxy is dialled.
func noForward(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		t.Error("the proxy was dialled")
		return nil, net.ErrClosed
	}
}
