package websocket

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkedCompression returns the options as the handshake uses them.
func checkedCompression(t *testing.T, o CompressionOptions) CompressionOptions {
	t.Helper()
	checked, err := o.check()
	require.NoError(t, err)
	return checked
}

func TestParseExtensions(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   string // name(parameter=value ...) ...; "malformed"
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"foo"}, "foo()"},
		// RFC 6455, section 9.1: the examples of the text.
		{[]string{"foo", "bar; baz=2"}, "foo() bar(baz=2)"},
		{[]string{"foo, bar; baz=2"}, "foo() bar(baz=2)"},
		{[]string{"deflate-stream"}, "deflate-stream()"},
		{[]string{"mux; max-channels=4; flow-control, deflate-stream"}, "mux(max-channels=4 flow-control) deflate-stream()"},
		{[]string{"private-extension"}, "private-extension()"},
		// RFC 7692, section 7.1.3.
		{[]string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits"},
			"permessage-deflate(client_max_window_bits server_max_window_bits=10) permessage-deflate(client_max_window_bits)"},
		// White space, and list elements without anything.
		{[]string{" \tfoo\t;\ta = 1 ; b , bar "}, "foo(a=1 b) bar()"},
		{[]string{", ,foo,, bar,"}, "foo() bar()"},
		{[]string{"foo", ",", "", "bar"}, "foo() bar()"},
		// A quoted string may hold anything.
		{[]string{`foo; a="10"; b="x\"`}, "malformed"},
		{[]string{`foo; a="1\0"; b=2`}, "foo(a=10 b=2)"},
		{[]string{`foo; a="10"`}, "foo(a=10)"},
		{[]string{`foo; a=""`}, "foo(a=)"},
		{[]string{`foo; a="1 2"`}, "foo(a=1 2)"},
		{[]string{`foo; a="1,2;b", bar; c="="`}, "foo(a=1,2;b) bar(c==)"},
		{[]string{`foo; a="\"1"`}, `foo(a="1)`},
		{[]string{`foo; a="10`}, "malformed"},
		{[]string{`foo; a="10"x`}, "malformed"},
		{[]string{`foo; a="`}, "malformed"},
		{[]string{`foo; a="\`}, "malformed"},
		{[]string{`"foo"`}, "malformed"},
		{[]string{"foo;"}, "malformed"},
		{[]string{"foo; "}, "malformed"},
		{[]string{"foo;;a"}, "malformed"},
		{[]string{"foo; =1"}, "malformed"},
		{[]string{"foo; a="}, "malformed"},
		{[]string{"foo; a=, bar"}, "malformed"},
		{[]string{"foo; a=1=2"}, "malformed"},
		{[]string{"foo bar"}, "malformed"},
		{[]string{"foo; a b"}, "malformed"},
		{[]string{"=1"}, "malformed"},
		{[]string{";a"}, "malformed"},
		{[]string{"foo/1"}, "malformed"},
		{[]string{"foo", "bar baz"}, "malformed"},
		{[]string{"f\x00o"}, "malformed"},
		{[]string{"f\xc3\xb6o"}, "malformed"},
	} {
		extensions, ok := parseExtensions(test.values)
		var elements []string
		for _, e := range extensions {
			var parameters []string
			for _, p := range e.parameters {
				if p.hasValue {
					p.name += "=" + p.value
				}
				parameters = append(parameters, p.name)
			}
			elements = append(elements, e.name+"("+strings.Join(parameters, " ")+")")
		}
		got := strings.Join(elements, " ")
		if !ok {
			got = "malformed"
		}
		require.Equal(t, test.want, got, "%q", test.values)
	}
}

func TestServerAcceptsDeflate(t *testing.T) {
	var (
		standard  CompressionOptions
		forgetful = CompressionOptions{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
		small     = CompressionOptions{ServerMaxWindowBits: 10, ClientMaxWindowBits: 11}
	)
	for _, test := range []struct {
		options CompressionOptions
		offers  string
		want    string // the answer without its name; "-": none
	}{
		{standard, "permessage-deflate", ""},
		{standard, "", "-"},
		{standard, "foo", "-"},
		{standard, "x-webkit-deflate-frame", "-"},
		{standard, "foo, permessage-deflate", ""},
		{standard, "PERMESSAGE-DEFLATE", "-"},

		// Section 7.1.1: the parameters have no value.
		{standard, "permessage-deflate; server_no_context_takeover", "server_no_context_takeover"},
		{standard, "permessage-deflate; client_no_context_takeover", "client_no_context_takeover"},
		{standard, "permessage-deflate; client_no_context_takeover; server_no_context_takeover", "server_no_context_takeover; client_no_context_takeover"},
		{standard, "permessage-deflate; server_no_context_takeover=1", "-"},
		{standard, "permessage-deflate; client_no_context_takeover=true", "-"},
		{forgetful, "permessage-deflate", "server_no_context_takeover; client_no_context_takeover"},
		{forgetful, "permessage-deflate; server_no_context_takeover", "server_no_context_takeover; client_no_context_takeover"},

		// Section 7.1.2.1: a decimal integer without leading zeroes from 8 to 15, which
		// the server keeps to or declines.
		{standard, "permessage-deflate; server_max_window_bits=8", "server_max_window_bits=8"},
		{standard, "permessage-deflate; server_max_window_bits=9", "server_max_window_bits=9"},
		{standard, `permessage-deflate; server_max_window_bits="10"`, "server_max_window_bits=10"},
		{standard, "permessage-deflate; server_max_window_bits=15", "server_max_window_bits=15"},
		{standard, "permessage-deflate; server_max_window_bits=7", "-"},
		{standard, "permessage-deflate; server_max_window_bits=16", "-"},
		{standard, "permessage-deflate; server_max_window_bits=08", "-"},
		{standard, "permessage-deflate; server_max_window_bits=010", "-"},
		{standard, "permessage-deflate; server_max_window_bits=+9", "-"},
		{standard, "permessage-deflate; server_max_window_bits=0x9", "-"},
		{standard, "permessage-deflate; server_max_window_bits=ten", "-"},
		{standard, "permessage-deflate; server_max_window_bits=18446744073709551625", "-"},
		{standard, "permessage-deflate; server_max_window_bits", "-"},
		{small, "permessage-deflate; client_max_window_bits", "server_max_window_bits=10; client_max_window_bits=11"},
		{small, "permessage-deflate; client_max_window_bits; server_max_window_bits=9", "server_max_window_bits=9; client_max_window_bits=11"},
		{small, "permessage-deflate; client_max_window_bits; server_max_window_bits=12", "server_max_window_bits=10; client_max_window_bits=11"},

		// Section 7.1.2.2: the value is optional in an offer.
		{standard, "permessage-deflate; client_max_window_bits", ""},
		{standard, "permessage-deflate; client_max_window_bits=8", "client_max_window_bits=8"},
		{standard, "permessage-deflate; client_max_window_bits=15", "client_max_window_bits=15"},
		{standard, "permessage-deflate; client_max_window_bits=7", "-"},
		{standard, "permessage-deflate; client_max_window_bits=16", "-"},
		{standard, "permessage-deflate; client_max_window_bits=09", "-"},
		{small, "permessage-deflate; client_max_window_bits=9", "server_max_window_bits=10; client_max_window_bits=9"},
		{small, "permessage-deflate; client_max_window_bits=15", "server_max_window_bits=10; client_max_window_bits=11"},
		// "If a received extension negotiation offer doesn't have the "client_max_window_bits"
		// extension parameter, the corresponding extension negotiation response to the offer MUST
		// NOT include [it]."
		{small, "permessage-deflate", "-"},

		// RFC 7692, section 7.1: a server declines invalid offers.
		{standard, "permessage-deflate; unknown", "-"},
		{standard, "permessage-deflate; Server_no_context_takeover", "-"},
		{standard, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "-"},
		{standard, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "-"},
		{standard, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "-"},
		{standard, "permessage-deflate; client_max_window_bits; client_max_window_bits", "-"},
		{standard, "permessage-deflate; client_max_window_bits; client_max_window_bits=9", "-"},

		// Several offers, in order of preference: the first that can be accepted.
		{standard, "permessage-deflate; server_max_window_bits=10, permessage-deflate", "server_max_window_bits=10"},
		{standard, "permessage-deflate, permessage-deflate; server_max_window_bits=10", ""},
		{standard, "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=16, permessage-deflate; client_max_window_bits=12", "client_max_window_bits=12"},
		{small, "permessage-deflate, permessage-deflate; client_max_window_bits", "server_max_window_bits=10; client_max_window_bits=11"},
	} {
		offers, ok := parseExtensions([]string{test.offers})
		require.True(t, ok, test.offers)
		got := "-"
		answer, ok := acceptDeflate(offers, checkedCompression(t, test.options))
		if ok {
			got = strings.TrimPrefix(strings.TrimPrefix(answer.String(), permessageDeflate), "; ")
			// The client of this package can parse every answer of its server.
			again, ok := parseExtensions([]string{answer.String()})
			require.True(t, ok)
			parsed, ok := parseDeflateParameters(again[0])
			require.True(t, ok)
			require.Equal(t, answer, parsed)
		}
		require.Equal(t, test.want, got, "%+v: %s", test.options, test.offers)
	}
}

func TestClientOffersDeflate(t *testing.T) {
	for _, test := range []struct {
		options CompressionOptions
		want    string
	}{
		{CompressionOptions{}, "permessage-deflate; client_max_window_bits"},
		{CompressionOptions{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}, "permessage-deflate; client_max_window_bits"},
		{CompressionOptions{ServerNoContextTakeover: true}, "permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		{CompressionOptions{ClientNoContextTakeover: true}, "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		{CompressionOptions{ServerMaxWindowBits: 9, ClientMaxWindowBits: 8}, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8"},
	} {
		require.Equal(t, test.want, offerDeflate(checkedCompression(t, test.options)).String())
	}
}

func TestClientChecksTheAnswer(t *testing.T) {
	const fails = "fails"
	params := func(c *compressionParams) string {
		if c == nil {
			return ""
		}
		p := deflateParameters{c.serverNoContextTakeover, c.clientNoContextTakeover, c.serverMaxWindowBits, c.clientMaxWindowBits}
		return strings.NewReplacer("permessage-deflate; ", "", "_max_window_bits", "", "_no_context_takeover", " forgets").Replace(p.String())
	}
	var (
		standard  = &CompressionOptions{}
		forgetful = &CompressionOptions{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
		small     = &CompressionOptions{ServerMaxWindowBits: 10, ClientMaxWindowBits: 11}
	)
	for _, test := range []struct {
		options *CompressionOptions // nil: nothing was offered
		answer  string
		want    string
	}{
		{nil, "", ""},
		{standard, "", ""},
		{nil, "permessage-deflate", fails}, // RFC 6455, section 4.1: not present in the client's handshake
		{standard, "foo", fails},
		{standard, "permessage-deflate, foo", fails},
		{standard, "permessage-deflate, permessage-deflate", fails},
		{standard, "permessage-deflate;", fails}, // malformed: RFC 6455, section 9.1

		{standard, "permessage-deflate", "server=15; client=15"},
		{standard, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=9", "server=8; client=9"},
		{standard, `permessage-deflate; client_max_window_bits="12"`, "server=15; client=12"},
		{standard, "permessage-deflate; server_no_context_takeover", "server forgets; server=15; client=15"},
		{standard, "permessage-deflate; client_no_context_takeover", "client forgets; server=15; client=15"},

		// RFC 7692, section 7.1: "The client MUST _Fail the WebSocket Connection_ if
		// […] the negotiation response contains an extension parameter not defined for
		// use in a response", one "with an invalid value", "multiple extension parameters
		// with the same name".
		{standard, "permessage-deflate; unknown", fails},
		{standard, "permessage-deflate; server_no_context_takeover=1", fails},
		{standard, "permessage-deflate; server_max_window_bits", fails},
		{standard, "permessage-deflate; server_max_window_bits=7", fails},
		{standard, "permessage-deflate; server_max_window_bits=16", fails},
		{standard, "permessage-deflate; client_max_window_bits", fails},
		{standard, "permessage-deflate; client_max_window_bits=08", fails},
		{standard, "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", fails},

		{forgetful, "permessage-deflate", fails},
		{forgetful, "permessage-deflate; server_no_context_takeover", "server forgets; client forgets; server=15; client=15"},
		{small, "permessage-deflate", fails},
		{small, "permessage-deflate; server_max_window_bits=11", fails},
		{small, "permessage-deflate; server_max_window_bits=10", "server=10; client=11"},
		{small, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=11", "server=9; client=11"},
		{small, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=8", "server=10; client=8"},
		{small, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12", fails},
	} {
		var offer *deflateParameters
		if test.options != nil {
			o := offerDeflate(checkedCompression(t, *test.options))
			offer = &o
		}
		c, reason := checkAnswer([]string{test.answer}, offer)
		got := params(c)
		if reason != "" {
			got = fails
			require.Nil(t, c)
		}
		require.Equal(t, test.want, got, "%+v: %s (%s)", test.options, test.answer, reason)
	}
}

// With any options on both sides, client and server agree on the same parameters.
func TestDeflateRoundTrip(t *testing.T) {
	var all []CompressionOptions
	for flags := range 4 {
		for _, server := range []int{8, 12, 15} {
			for _, client := range []int{8, 12, 15} {
				all = append(all, CompressionOptions{
					ServerNoContextTakeover: flags&1 != 0, ClientNoContextTakeover: flags&2 != 0,
					ServerMaxWindowBits: server, ClientMaxWindowBits: client,
				})
			}
		}
	}
	for _, client := range all {
		for _, server := range all {
			offer := offerDeflate(client)
			offers, ok := parseExtensions([]string{offer.String()})
			require.True(t, ok)
			answer, ok := acceptDeflate(offers, server)
			require.True(t, ok, "%+v %+v", client, server)
			got, reason := checkAnswer([]string{answer.String()}, &offer)
			require.Empty(t, reason, "%+v %+v", client, server)
			require.Equal(t, answer.agreed(), got)
			require.Equal(t, &compressionParams{
				serverNoContextTakeover: client.ServerNoContextTakeover || server.ServerNoContextTakeover,
				clientNoContextTakeover: client.ClientNoContextTakeover || server.ClientNoContextTakeover,
				serverMaxWindowBits:     min(client.ServerMaxWindowBits, server.ServerMaxWindowBits),
				clientMaxWindowBits:     min(client.ClientMaxWindowBits, server.ClientMaxWindowBits),
			}, got)
		}
	}
}

func TestCompressionOptions(t *testing.T) {
	for _, bits := range []int{-1, 1, 7, 16} {
		_, err := CompressionOptions{ServerMaxWindowBits: bits}.check()
		require.ErrorIs(t, err, ErrInvalidOption)
		_, err = CompressionOptions{ClientMaxWindowBits: bits}.check()
		require.ErrorIs(t, err, ErrInvalidOption)
	}
}
