package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseURL(t *testing.T) {
	for _, test := range []struct {
		url                         string
		secure                      bool
		address, host, path, author string
	}{
		// RFC 6455, section 3: "The port component is OPTIONAL; the default for "ws" is
		// port 80, while the default for "wss" is port 443."
		{"ws://example.com", false, "example.com:80", "example.com", "/", ""},
		{"wss://example.com/", true, "example.com:443", "example.com", "/", ""},
		{"WSS://Example.COM/Chat", true, "Example.COM:443", "Example.COM", "/Chat", ""},
		{"ws://example.com:80/", false, "example.com:80", "example.com", "/", ""},
		{"ws://example.com:443/", false, "example.com:443", "example.com:443", "/", ""},
		{"wss://example.com:80/", true, "example.com:80", "example.com:80", "/", ""},
		{"wss://example.com:443/", true, "example.com:443", "example.com", "/", ""},
		{"ws://example.com:/", false, "example.com:80", "example.com", "/", ""},
		{"ws://example.com:0080/", false, "example.com:80", "example.com", "/", ""},
		{"ws://example.com:65535/", false, "example.com:65535", "example.com:65535", "/", ""},

		{"ws://192.0.2.1:8080/", false, "192.0.2.1:8080", "192.0.2.1:8080", "/", ""},
		{"ws://[2001:db8::1]/", false, "[2001:db8::1]:80", "[2001:db8::1]", "/", ""},
		{"ws://[2001:db8::1]:8080/", false, "[2001:db8::1]:8080", "[2001:db8::1]:8080", "/", ""},
		// RFC 6874, section 4: a zone identifier does not leave the host.
		{"ws://[fe80::1%25eth0]:8080/", false, "[fe80::1%eth0]:8080", "[fe80::1]:8080", "/", ""},

		// RFC 6455, section 3: the resource name consists of the path and the query.
		{"ws://h/a/b%2Fc", false, "h:80", "h", "/a/b%2Fc", ""},
		{"ws://h/a b\"ö", false, "h:80", "h", "/a%20b%22%C3%B6", ""},
		{"ws://h?q", false, "h:80", "h", "/?q", ""},
		{"ws://h/?", false, "h:80", "h", "/?", ""},
		{"ws://h/p?a=1&b=%20+&c=[x]?/", false, "h:80", "h", "/p?a=1&b=%20+&c=[x]?/", ""},
		{"ws://h/p?a b=ö\"<>", false, "h:80", "h", "/p?a%20b=%C3%B6%22%3C%3E", ""},
		{"ws://h/%23", false, "h:80", "h", "/%23", ""},
		{"ws://h//double", false, "h:80", "h", "//double", ""},

		// RFC 7617, section 2.
		{"ws://Aladdin:open%20sesame@h/", false, "h:80", "h", "/", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		{"ws://user@h:1/", false, "h:1", "h:1", "/", "Basic dXNlcjo="},
		{"ws://u:p%3A%40@h/", false, "h:80", "h", "/", "Basic dTpwOkA="},
	} {
		got, err := ParseURL(test.url)
		require.NoError(t, err, test.url)
		require.Equal(t, test.secure, got.Secure, test.url)
		require.Equal(t, test.address, got.Address(), test.url)
		require.Equal(t, test.host, got.Host, test.url)
		require.Equal(t, test.path, got.Path, test.url)
		require.Equal(t, test.author, got.authorization, test.url)
		require.True(t, isRequestTarget(got.Path), test.url)
	}
}

func TestParseInvalidURL(t *testing.T) {
	for _, url := range []string{
		"", "example.com", "//example.com/", "/path", "ws:", "ws:/", "ws://", "ws:///path", "ws:example.com",
		"http://example.com/", "https://example.com/", "wsx://example.com/",
		// RFC 6455, section 3: "Fragment identifiers […] MUST NOT be used on these URIs."
		"ws://h/#", "ws://h/#part", "ws://h/?q#part", "ws://h#",
		"ws://h:0/", "ws://h:65536/", "ws://h:-1/", "ws://h:http/", "ws://h:99999999999999999999/",
		"ws://[::1/", "ws://::1/", "ws://[1.2.3.4]/", "ws://[::g]/", "ws://[]/", "ws://[::1]x/", "ws://:80/",
		"ws://a b/", "ws://a%20b/", "ws://a\r\nb/", "ws://h/\r\n", "ws://h/?\x00", "ws://ho\"st/", "ws://bücher.example/", "ws://h<>/",
		"ws://a%3Ab:c@h/", // RFC 7617, section 2: no colon in the user-id
	} {
		_, err := ParseURL(url)
		require.ErrorIs(t, err, ErrInvalidURL, url)
	}
}

// An error ends up in logs, a password must not.
func TestInvalidURLHidesPassword(t *testing.T) {
	for _, url := range []string{
		"ws://user:geheim@h:99999/", "ws://user:geheim@h/#f", "ws://user:geheim@[::1/", "http://user:geheim@h/", "ws://user:geheim@h\x00/",
		"ws://user:geheim@h:geh/", "ws://user:geheim@",
	} {
		_, err := ParseURL(url)
		require.ErrorIs(t, err, ErrInvalidURL)
		require.NotContains(t, err.Error(), "geheim", url)
	}
}
