package proxy

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts of RFC 1928 that scripts are made of.
const (
	offerNone        = "\x05\x01\x00"
	offerBoth        = "\x05\x02\x00\x02"
	chooseNone       = "\x05\x00"
	choosePassword   = "\x05\x02"
	askExample       = "\x05\x01\x00\x03\x0bexample.org\x01\xbb"
	succeeded        = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	negotiate        = "\x01\x04user\x06secret"
	negotiateSuccess = "\x01\x00"
)

var socksUser = Config{Protocol: SOCKS5, Username: "user", Password: "secret"}

func TestSOCKS5Requests(t *testing.T) {
	long := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	require.Len(t, long, 253)
	for address, request := range map[string]string{
		// "the address field contains a fully-qualified domain name. The first octet of the address
		// field contains the number of octets of name that follow, there is no terminating NUL
		// octet."
		"example.org:443": askExample,
		"a:1":             "\x05\x01\x00\x03\x01a\x00\x01",
		long + ":65535":   "\x05\x01\x00\x03\xfd" + long + "\xff\xff",
		// "the address is a version-4 IP address, with a length of 4 octets"
		"192.0.2.1:443":          "\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb",
		"[::ffff:192.0.2.1]:443": "\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb",
		// "the address is a version-6 IP address, with a length of 16 octets"
		"[2001:db8::1]:443": "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\xbb",
	} {
		unread, err := play(t, Config{Protocol: SOCKS5}, address, turn{offerNone, chooseNone}, turn{request, succeeded + "tunnel"})
		require.Nil(t, err, address)
		require.Equal(t, "tunnel", unread)
	}
}

func TestSOCKS5RepliesThatOpenTheTunnel(t *testing.T) {
	for name, reply := range map[string]string{
		"IPv4":                   "\x05\x00\x00\x01\xc0\x00\x02\x01\x12\x34",
		"IPv6":                   "\x05\x00\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x34",
		"name":                   "\x05\x00\x00\x03\x05proxy\x12\x34",
		"longest name":           "\x05\x00\x00\x03\xff" + strings.Repeat("x", 255) + "\x12\x34",
		"empty name":             "\x05\x00\x00\x03\x00\x12\x34",
		"reserved byte not zero": "\x05\x00\xff\x01\x00\x00\x00\x00\x00\x00",
	} {
		for _, tunnel := range []string{"", "\x05", "SSH-2.0-OpenSSH\r\n"} {
			t.Run(name, func(t *testing.T) {
				unread, err := play(t, Config{Protocol: SOCKS5}, "example.org:443", turn{offerNone, chooseNone}, turn{askExample, reply + tunnel})
				require.Nil(t, err)
				require.Equal(t, tunnel, unread)
			})
		}
	}
}

func TestSOCKS5Authentication(t *testing.T) {
	t.Run("accepted", func(t *testing.T) {
		unread, err := play(t, socksUser, "example.org:443",
			turn{offerBoth, choosePassword}, turn{negotiate, negotiateSuccess}, turn{askExample, succeeded})
		require.Nil(t, err)
		require.Empty(t, unread)
	})
	t.Run("accepted with another version", func(t *testing.T) {
		_, err := play(t, socksUser, "example.org:443",
			turn{offerBoth, choosePassword}, turn{negotiate, "\x05\x00"}, turn{askExample, succeeded})
		require.Nil(t, err)
	})
	t.Run("longest and empty", func(t *testing.T) {
		long := strings.Repeat("u", 255)
		_, err := play(t, Config{Protocol: SOCKS5, Username: long}, "example.org:443",
			turn{offerBoth, choosePassword}, turn{"\x01\xff" + long + "\x00", negotiateSuccess}, turn{askExample, succeeded})
		require.Nil(t, err)
	})
	// The proxy may choose no authentication even if the client offers credentials.
	t.Run("not wanted", func(t *testing.T) {
		_, err := play(t, socksUser, "example.org:443", turn{offerBoth, chooseNone}, turn{askExample, succeeded})
		require.Nil(t, err)
	})
	// "If the server returns a `failure' (STATUS value other than X'00') status, it MUST close the
	// connection."
	for _, status := range []string{"\x01", "\xff"} {
		_, err := play(t, socksUser, "example.org:443", turn{offerBoth, choosePassword}, turn{negotiate, "\x01" + status})
		require.Equal(t, &Error{Op: OpAuthenticate, Err: ErrAuthenticationFailed}, err)
	}
	// "If the selected METHOD is X'FF', none of the methods listed by the client are acceptable,
	// and the client MUST close the connection."
	t.Run("required", func(t *testing.T) {
		_, err := play(t, Config{Protocol: SOCKS5}, "example.org:443", turn{offerNone, "\x05\xff"})
		require.Equal(t, &Error{Op: OpAuthenticate, Err: ErrAuthenticationRequired}, err)
		_, err = play(t, socksUser, "example.org:443", turn{offerBoth, "\x05\xff"})
		require.Equal(t, &Error{Op: OpAuthenticate, Err: ErrAuthenticationRequired}, err)
	})
}

func TestSOCKS5Refusals(t *testing.T) {
	for code, name := range map[byte]string{
		1: "general SOCKS server failure", 2: "connection not allowed by ruleset", 3: "network unreachable",
		4: "host unreachable", 5: "connection refused", 6: "TTL expired", 7: "command not supported",
		8: "address type not supported", 9: "unassigned reply 9", 255: "unassigned reply 255",
	} {
		for _, rest := range []string{"\x00\x01\x00\x00\x00\x00\x00\x00", "\x00\x00", "\x00\x07"} {
			_, err := play(t, Config{Protocol: SOCKS5}, "example.org:443",
				turn{offerNone, chooseNone}, turn{askExample, "\x05" + string([]byte{code}) + rest})
			require.Equal(t, &Error{Op: OpConnect, Reply: Reply(code), Err: ErrRefused}, err)
			require.Equal(t, name, err.Reply.String())
			require.Contains(t, err.Error(), name)
		}
	}
}

func TestSOCKS5AnswersThatAreNone(t *testing.T) {
	for name, turns := range map[string][]turn{
		"HTTP":                           {{offerNone, "HTTP/1.1 400 Bad Request\r\n\r\n"}},
		"SOCKS4":                         {{offerNone, "\x00\x5b"}},
		"method GSSAPI":                  {{offerNone, "\x05\x01"}},
		"password without being offered": {{offerNone, "\x05\x02"}},
		"reply of another version":       {{offerNone, chooseNone}, {askExample, "\x04\x00\x00\x01"}},
		"address type 0":                 {{offerNone, chooseNone}, {askExample, "\x05\x00\x00\x00"}},
		"address type 2":                 {{offerNone, chooseNone}, {askExample, "\x05\x00\x00\x02"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := play(t, Config{Protocol: SOCKS5}, "example.org:443", turns...)
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
}

func TestSOCKS5CutShort(t *testing.T) {
	for n := range len(chooseNone) {
		_, err := play(t, Config{Protocol: SOCKS5}, "example.org:443", turn{offerNone, chooseNone[:n]})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, OpAuthenticate, err.Op)
	}
	for _, reply := range []string{succeeded, "\x05\x00\x00\x03\x05proxy\x12\x34"} {
		for n := range len(reply) {
			_, err := play(t, Config{Protocol: SOCKS5}, "example.org:443", turn{offerNone, chooseNone}, turn{askExample, reply[:n]})
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, OpConnect, err.Op)
		}
	}
}
