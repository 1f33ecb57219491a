package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Strict parsing accepts the grammar of RFC 8866, section 9, and nothing else.
func TestStrict(t *testing.T) {
	strict := ParseOptions{Strict: true}
	for name, text := range map[string]string{
		"RFC 8866": rfcExample, "every line": strings.Replace(everyLine, "a=empty:\n", "", 1), "Chrome": chromeData,
		"keys": strings.Replace(rfcExample, "t=0 0\n", "t=0 0\nk=prompt\n", 1),
	} {
		s, err := strict.Parse(crlf(text))
		require.NoError(t, err, name)
		lenient, err := Parse(crlf(text))
		require.NoError(t, err, name)
		require.Equal(t, lenient, s, name)
		// Section 5: "parsers SHOULD be tolerant and also accept records terminated with a single
		// newline character".
		_, err = strict.ParseDescription(text)
		require.NoError(t, err, name)
	}

	const early = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\n"
	const head = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
	for _, test := range []struct {
		name, text string
		line       int
		field      string
	}{
		{"unknown type in a section", head + "m=audio 9 RTP/AVP 0\ny=1", 6, ""},
		{"origin short", "v=0\no=- 1 2 IN IP4\n", 2, "o="},
		{"origin long", "v=0\no=- 1 2 IN IP4 127.0.0.1 more\n", 2, "o="},
		{"origin id", "v=0\no=- x 2 IN IP4 127.0.0.1\n", 2, "o="},
		{"origin version", "v=0\no=- 1 -2 IN IP4 127.0.0.1\n", 2, "o="},
		{"connection short", early + "c=IN IP4\nt=0 0\n", 4, "c="},
		{"connection long", early + "c=IN IP4 1 2\nt=0 0\n", 4, "c="},
		{"connection twice", early + "c=IN IP4 1\nc=IN IP4 2\nt=0 0\n", 5, "c="},
		{"connection of a section", head + "m=audio 9 RTP/AVP 0\nc=\n", 6, "c="},
		{"time short", early + "t=0\n", 4, "t="},
		{"time long", early + "t=0 0 0\n", 4, "t="},
		{"time not a number", early + "t=now then\n", 4, "t="},
		{"attribute without name", head + "a=\n", 5, "a="},
		{"media without format", head + "m=audio 9 RTP/AVP\n", 5, "m="},
		{"origin missing", "v=0\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\n", 4, "o="},
		{"version missing", strings.TrimPrefix(head, "v=0\n"), 3, "v="},
		{"name missing", strings.Replace(head, "s=-\n", "", 1), 3, "s="},
		{"time missing", strings.Replace(head, "t=0 0\n", "", 1), 3, "t="},
		{"empty line", head + "\n", 5, ""},
		{"empty name", strings.Replace(head, "s=-", "s=", 1), 3, "s="},
		{"another order", "v=0\ns=-\no=- 1 2 IN IP4 127.0.0.1\nt=0 0\n", 3, "o="},
		{"time before name", "v=0\no=- 1 2 IN IP4 127.0.0.1\nt=0 0\ns=-\n", 4, "s="},
		{"attribute before time", "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\na=x\nt=0 0\n", 5, "t="},
		{"attribute before connection", head + "m=audio 9 RTP/AVP 0\na=x\nc=IN IP4 1\n", 7, "c="},
		{"two spaces", head + "m=audio 9  RTP/AVP 0\n", 5, "m="},
		{"space at the end", head + "m=audio 9 RTP/AVP 0 \n", 5, "m="},
		{"attribute without a value", head + "a=x:\n", 5, "a="},
		{"attribute with a space", head + "a=ice-lite \n", 5, "a="},
		{"media type", head + "m=a/b 9 RTP/AVP 0\n", 5, "m="},
		{"keys twice", head + "k=prompt\nk=prompt\n", 6, "k="},
		{"a line of GB/T 28181", head + "m=video 9 RTP/AVP 0\na=x\nf=\n", 7, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := strict.Parse(test.text)
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, test.line, syntax.Line, err)
			require.Equal(t, test.field, syntax.Field, err)
			require.Equal(t, strings.Contains(test.name, "before") || test.name == "another order", syntax.Reason == "not in its place", err)
			_, err = strict.ParseDescription(test.text)
			require.ErrorAs(t, err, &syntax)
			_, err = Parse(test.text)
			require.NoError(t, err, "only strictly")
		})
	}
}
