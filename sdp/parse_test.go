package sdp

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The example of RFC 8866, section 5.
const rfcExample = `v=0
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
s=Call to John Smith
i=SDP Offer #1
u=http://www.jdoe.example.com/home.html
e=Jane Doe <jane@jdoe.example.com>
p=+1 617 555-6011
c=IN IP4 198.51.100.1
t=0 0
m=audio 49170 RTP/AVP 0
m=audio 49180 RTP/AVP 0
m=video 51372 RTP/AVP 99
c=IN IP6 2001:db8::2
a=rtpmap:99 h263-1998/90000
`

// All line types of RFC 8866, in the order of section 5.
const everyLine = `v=0
o=jdoe 3724394400 99999999999999999999999999 IN IP4 198.51.100.1
s= a name with spaces 
i=information
u=https://example.com/
e=j.doe@example.com (Jane Doe)
e=other@example.com
p=+1 617 555-6011
p=+49 30 1
c=IN IP4 233.252.0.1/127
b=X-YZ:128
b=CT:64
t=3724394400 3724398000
r=604800 3600 0 90000
r=7d 1h 0 25h
z=3730928400 -1h 3749680800 0
t=0 0
a=recvonly
a=empty:
a=colons:a:b:c
m=audio 49170/2 RTP/AVP 0 8 97
i=title
c=IN IP4 233.252.0.1/127/3
c=IN IP4 233.252.0.4/127
b=AS:16
b=TIAS:15000
a=rtpmap:97 iLBC/8000
a=rtpmap:97 iLBC/8000
m=message 0 TCP/MSRP *
a=path:msrp://example.com:7394/2s93i93idj;tcp
`

func TestParseExampleOfRFC8866(t *testing.T) {
	s, err := Parse(crlf(rfcExample))
	require.NoError(t, err)
	require.Equal(t, &Session{
		Origin: Origin{
			Username: "jdoe", SessionID: "3724394400", SessionVersion: "3724394405",
			NetworkType: "IN", AddressType: "IP4", Address: "198.51.100.1",
		},
		Name:        "Call to John Smith",
		Information: "SDP Offer #1",
		URI:         "http://www.jdoe.example.com/home.html",
		Emails:      []string{"Jane Doe <jane@jdoe.example.com>"},
		Phones:      []string{"+1 617 555-6011"},
		Connection:  Connection{NetworkType: "IN", AddressType: "IP4", Address: "198.51.100.1"},
		Times:       []Time{{}},
		Media: []Media{
			{Kind: "audio", Port: 49170, Protocol: "RTP/AVP", Formats: []string{"0"}},
			{Kind: "audio", Port: 49180, Protocol: "RTP/AVP", Formats: []string{"0"}},
			{
				Kind: "video", Port: 51372, Protocol: "RTP/AVP", Formats: []string{"99"},
				Connections: []Connection{{NetworkType: "IN", AddressType: "IP6", Address: "2001:db8::2"}},
				Attributes:  Attributes{{Key: "rtpmap", Value: "99 h263-1998/90000"}},
			},
		},
	}, s)
}

func TestSessionSurvivesByteForByte(t *testing.T) {
	texts := map[string]string{"RFC 8866": rfcExample, "every line": everyLine}
	for name, text := range descriptions {
		texts[name] = strings.ReplaceAll(text, "\n\n", "\n")
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(crlf(text))
			require.NoError(t, err)
			require.Equal(t, crlf(text), s.String())
		})
	}
}

func TestParseAcceptsWhatIsMeant(t *testing.T) {
	want, err := Parse(crlf(rfcExample))
	require.NoError(t, err)
	lines := strings.SplitAfter(rfcExample, "\n")
	swapped := slices.Clone(lines)
	swapped[2], swapped[8] = swapped[8], swapped[2]
	for name, text := range map[string]string{
		// RFC 8866, section 5: "parsers SHOULD be tolerant and also accept records terminated with
		// a single newline character".
		"LF":                   rfcExample,
		"CR CR LF":             strings.ReplaceAll(rfcExample, "\n", "\r\r\n"),
		"no end of line":       strings.TrimRight(rfcExample, "\n"),
		"no version":           strings.TrimPrefix(rfcExample, "v=0\n"),
		"empty lines":          "\n\r\n" + strings.ReplaceAll(rfcExample, "\n", "\n\n"),
		"another order":        strings.Join(swapped, ""),
		"more spaces":          strings.ReplaceAll(strings.ReplaceAll(rfcExample, "o=jdoe ", "o=jdoe  "), "RTP/AVP 99", " RTP/AVP  99 "),
		"space behind version": strings.Replace(rfcExample, "v=0", "v=0 ", 1),
		// RFC 8866, section 5.12: k= must be discarded.
		"keys": strings.Replace(rfcExample, "t=0 0\n", "t=0 0\nk=prompt\n", 1) + "k=clear:secret\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(text)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestAppendFillsInWhatIsRequired(t *testing.T) {
	require.Equal(t, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", new(Session).String())
	s := Session{Origin: Origin{Address: "2001:db8::1"}, Connection: Connection{Address: "2001:db8::1"}}
	require.Equal(t, "v=0\r\no=- 0 0 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n", s.String())

	s.Attributes = append(s.Attributes, Attribute{Key: "flag"}, Attribute{Key: "empty", EmptyValue: true}, Attribute{Key: "key", Value: "value"})
	require.True(t, strings.HasSuffix(s.String(), "a=flag\r\na=empty:\r\na=key:value\r\n"), s.String())
}

func TestParseReportsWhereAndWhat(t *testing.T) {
	const head = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
	for _, test := range []struct {
		name, text string
		line       int
		field      string
	}{
		{"nothing", "", 1, ""},
		{"only empty lines", "\r\n\n", 2, ""},
		{"garbage", "hello", 1, ""},
		{"garbage behind", head + "hello\n", 5, ""},
		{"one letter", head + "a", 5, ""},
		{"space before =", head + "a =b", 5, ""},
		{"unknown type", head + "x=1", 5, ""},
		{"upper case type", head + "A=b", 5, ""},
		{"NUL", head + "a=b\x00c", 5, "a="},
		{"CR within", head + "a=b\rc\r\n", 5, "a="},
		{"version 1", "v=1\n", 1, "v="},
		{"version twice", "v=0\nv=0\n", 2, "v="},
		{"origin twice", head + "o=- 1 2 IN IP4 127.0.0.1\n", 5, "o="},
		{"bandwidth without type", head + "b=:1\n", 5, "b="},
		{"bandwidth without value", head + "b=AS\n", 5, "b="},
		{"bandwidth negative", head + "b=AS:-1\n", 5, "b="},
		{"repeat without time", "v=0\nr=1 2 3\n", 2, "r="},
		{"zone without time", "v=0\nz=1 2\n", 2, "z="},
		{"zones twice", head + "z=1 2\nz=1 2\n", 6, "z="},
		{"attribute without name but value", head + "a=:x\n", 5, "a="},
		{"media empty", head + "m=\n", 5, "m="},
		{"media without port", head + "m=audio\n", 5, "m="},
		{"media port too large", head + "m=audio 65536 RTP/AVP 0\n", 5, "m="},
		{"media port huge", head + "m=audio 99999999999999999999 RTP/AVP 0\n", 5, "m="},
		{"media port negative", head + "m=audio -1 RTP/AVP 0\n", 5, "m="},
		{"media port not a number", head + "m=audio x RTP/AVP 0\n", 5, "m="},
		{"media port count zero", head + "m=audio 9/0 RTP/AVP 0\n", 5, "m="},
		{"media port count empty", head + "m=audio 9/ RTP/AVP 0\n", 5, "m="},
		{"session line in a section", head + "m=audio 9 RTP/AVP 0\ns=-\n", 6, "s="},
		{"title twice", head + "m=audio 9 RTP/AVP 0\ni=a\ni=b\n", 7, "i="},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse(test.text)
			require.Nil(t, s)
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, test.line, syntax.Line, err)
			require.Equal(t, test.field, syntax.Field, err)
			require.NotErrorIs(t, err, ErrLimit)
			require.True(t, strings.HasPrefix(err.Error(), "sdp: line "), err)
		})
	}
}

func TestParseLimits(t *testing.T) {
	const media = "m=audio 9 RTP/AVP 0\n"
	atMost := func(text string) {
		t.Helper()
		_, err := Parse(text)
		require.NoError(t, err)
	}
	tooMuch := func(text string, line int) {
		t.Helper()
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrLimit)
		var syntax *SyntaxError
		require.True(t, errors.As(err, &syntax))
		require.Equal(t, line, syntax.Line)
	}
	atMost("s=" + strings.Repeat("x", MaxSize-2))
	tooMuch("s="+strings.Repeat("x", MaxSize-1), 1)
	atMost("s=-" + strings.Repeat("\n", MaxLines))
	tooMuch("s=-"+strings.Repeat("\n", MaxLines+1), MaxLines+1)
	atMost(strings.Repeat(media, MaxMedia))
	tooMuch(strings.Repeat(media, MaxMedia+1), MaxMedia+1)
	atMost(strings.Repeat("a=b\n", MaxAttributes) + media + strings.Repeat("a=b\n", MaxAttributes))
	tooMuch(strings.Repeat("a=b\n", MaxAttributes+1), MaxAttributes+1)
	tooMuch(media+strings.Repeat("a=b\n", MaxAttributes+1), MaxAttributes+2)
	atMost("m=audio 9 RTP/AVP" + strings.Repeat(" 0", MaxFormats))
	tooMuch("m=audio 9 RTP/AVP"+strings.Repeat(" 0", MaxFormats+1), 1)
}

// The sections share arrays: appending to the slices of one must not change those of another.
func TestSectionsAreIndependent(t *testing.T) {
	s, err := Parse("a=1\nm=audio 9 RTP/AVP 0\nc=IN IP4 1\na=2\nm=audio 9 RTP/AVP 8\nc=IN IP4 2\na=3\n")
	require.NoError(t, err)
	s.Attributes = append(s.Attributes, Attribute{Key: "x"})
	m := &s.Media[0]
	m.Attributes = append(m.Attributes, Attribute{Key: "x"})
	m.Connections = append(m.Connections, Connection{Address: "x"})
	m.Formats = append(m.Formats, "x")
	require.Equal(t, Attributes{{Key: "2"}, {Key: "x"}}, m.Attributes)
	require.Equal(t, Attributes{{Key: "3"}}, s.Media[1].Attributes)
	require.Equal(t, []string{"8"}, s.Media[1].Formats)
	require.Equal(t, "2", s.Media[1].Connections[0].Address)
}

func TestAttributes(t *testing.T) {
	a := Attributes{{Key: "rtpmap", Value: "96 VP8/90000"}, {Key: "rtcp-mux"}, {Key: "rtpmap", Value: "97 rtx/90000"}}
	value, ok := a.Get("rtpmap")
	require.True(t, ok)
	require.Equal(t, "96 VP8/90000", value)
	_, ok = a.Get("rtcp-mux")
	require.True(t, ok)
	_, ok = a.Get("rtcp")
	require.False(t, ok)
	require.Equal(t, []string{"96 VP8/90000", "97 rtx/90000"}, slices.Collect(a.All("rtpmap")))
	for value := range a.All("rtpmap") {
		require.Equal(t, "96 VP8/90000", value)
		break
	}
}
