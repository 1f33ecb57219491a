package websocket

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseHeaderFields(t *testing.T) {
	for _, test := range []struct {
		lines string
		fold  bool
		want  http.Header
		err   error
	}{
		{"", false, http.Header{}, nil},
		{"Host: example.com\r\n", false, http.Header{"Host": {"example.com"}}, nil},
		// RFC 9110, section 5.1: names are case-insensitive.
		{"sec-websocket-KEY:x\r\n", false, http.Header{"Sec-Websocket-Key": {"x"}}, nil},
		{"A: 1\r\nB: 2\r\na: 3\r\n", false, http.Header{"A": {"1", "3"}, "B": {"2"}}, nil},
		{"A:\r\nB: \t \r\n", false, http.Header{"A": {""}, "B": {""}}, nil},
		{"A: \t b\tc  \r\n", false, http.Header{"A": {"b\tc"}}, nil},
		{"A: b: c\r\n", false, http.Header{"A": {"b: c"}}, nil},
		{"A: \xe9\r\n", false, http.Header{"A": {"\xe9"}}, nil},

		// RFC 9112, section 5.1: "No whitespace is allowed between the field name and colon."
		{"A : b\r\n", false, nil, errHeaderName},
		{": b\r\n", false, nil, errHeaderName},
		{"A\r\n", false, nil, errHeaderName},
		{"A b: c\r\n", false, nil, errHeaderName},
		{"Ä: c\r\n", false, nil, errHeaderName},
		{"A: b\rc\r\n", false, nil, errHeaderValue},
		{"A: b\x00\r\n", false, nil, errHeaderValue},
		{"A: b\x7f\r\n", false, nil, errHeaderValue},

		// RFC 9112, section 5.2: a server must reject folded lines or replace them, "a
		// user agent that receives an obs-fold in a response message […] MUST replace
		// each received obs-fold with one or more SP octets".
		{"A: b\r\n c\r\n", false, nil, errHeaderFold},
		{"A: b\r\n c\r\n\td\r\nE: f\r\n", true, http.Header{"A": {"b c d"}, "E": {"f"}}, nil},
		{"A: a\r\nA: b\r\n  c\r\n", true, http.Header{"A": {"a", "b c"}}, nil},
		{"A:\r\n b\r\n", true, http.Header{"A": {"b"}}, nil},
		{"A: b\r\n c\x00\r\n", true, nil, errHeaderValue},
		{" A: b\r\n", true, nil, errHeaderFold},
	} {
		got, err := parseHeaderFields(test.lines, test.fold)
		require.Equal(t, test.err, err, "%q", test.lines)
		require.Equal(t, test.want, got, "%q", test.lines)
	}
}

func TestListContains(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"upgrade"}, true},
		{[]string{"Upgrade"}, true},
		{[]string{"keep-alive, UPGRADE"}, true},
		{[]string{"keep-alive,\tupgrade ,x"}, true},
		{[]string{"keep-alive", "upgrade"}, true},
		{[]string{"upgraded"}, false},
		{[]string{"no upgrade"}, false},
		{[]string{"up grade"}, false},
		{[]string{"upgrade;q=1"}, false},
	} {
		require.Equal(t, test.want, listContains(test.values, "upgrade"), "%q", test.values)
	}
}

// Names that are no tokens come from clients that put a token of their own, or a URL, into a
// subprotocol.
func TestSubprotocolList(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   []string
		ok     bool
	}{
		{nil, nil, true},
		{[]string{"chat, superchat"}, []string{"chat", "superchat"}, true},
		{[]string{"chat", ",, v2.chat"}, []string{"chat", "v2.chat"}, true},
		{[]string{"chat superchat"}, nil, false},
		{[]string{"base64url.bearer.authorization.k8s.io.Zm9v==,v4.channel.k8s.io"}, []string{"base64url.bearer.authorization.k8s.io.Zm9v==", "v4.channel.k8s.io"}, true},
		{[]string{`http://example.org/{a}?b=(c);d`, `"chat"`}, []string{`http://example.org/{a}?b=(c);d`, `"chat"`}, true},
		{[]string{"chat\tsuperchat"}, nil, false},
		{[]string{"ch\x00at"}, nil, false},
		{[]string{"ch\xc3\xa4t"}, nil, false},
	} {
		got, ok := subprotocolList(test.values)
		require.Equal(t, test.ok, ok, "%q", test.values)
		require.Equal(t, test.want, got, "%q", test.values)
	}
}

func TestIsToken(t *testing.T) {
	const delimiters = "\"(),/:;<=>?@[\\]{}" // RFC 9110, section 5.6.2
	for c := range 256 {
		want := c > ' ' && c < 0x7f && !strings.ContainsRune(delimiters, rune(c))
		require.Equal(t, want, isToken(string([]byte{byte(c)})), "%q", rune(c))
	}
	require.False(t, isToken(""))
}
