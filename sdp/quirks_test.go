package sdp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Cameras, recorders and SIP phones write lines that are not of the grammar of RFC 8866. Each is
// kept and written unchanged.
func TestLinesThatAreNotOfTheGrammar(t *testing.T) {
	const video = "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n"
	origin := func(value string) string { return "v=0\r\no=" + value + "\r\ns=-\r\nt=0 0\r\n" + video }
	connection := func(value string) string {
		return "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=" + value + "\r\nt=0 0\r\n" + video
	}
	time := func(lines string) string { return "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\n" + lines + video }
	section := func(lines string) string { return origin("- 1 2 IN IP4 192.0.2.1") + lines }
	for _, test := range []struct {
		name, text string
		want       func(s *Session)
	}{
		{"id negative", origin("- -1962418793961427 -1962418793961418 IN IP4 192.0.2.1"), func(s *Session) {
			require.Equal(t, Origin{"-", "-1962418793961427", "-1962418793961418", "IN", "IP4", "192.0.2.1", ""}, s.Origin)
		}},
		{"id hexadecimal", origin("jdoe 0xAC4EC96E 103bdb6f IN IP4 192.0.2.1"), func(s *Session) {
			require.Equal(t, Origin{"jdoe", "0xAC4EC96E", "103bdb6f", "IN", "IP4", "192.0.2.1", ""}, s.Origin)
		}},
		{"id fractional", origin("- 1698210484.879535 1 IN IP4 192.0.2.1"), func(s *Session) {
			require.Equal(t, "1698210484.879535", s.Origin.SessionID)
		}},
		{"id a UUID", origin("- 3f2a8c1e-aaaa-bbbb-cccc-1234567890ab 1 IN IP6 2001:db8::1"), func(s *Session) {
			require.Equal(t, "3f2a8c1e-aaaa-bbbb-cccc-1234567890ab", s.Origin.SessionID)
		}},
		{"id of more than 64 bits", origin("- 99999999999999999999999999 007 IN IP4 192.0.2.1"), nil},
		{"no address", origin("- 1001 1 IN IP4"), func(s *Session) {
			require.Equal(t, Origin{"-", "1001", "1", "IN", "IP4", "", "- 1001 1 IN IP4"}, s.Origin)
		}},
		{"no address, and a space", origin("RTSP 1 2 IN IP4 "), func(s *Session) {
			require.Equal(t, Origin{"RTSP", "1", "2", "IN", "IP4", "", "RTSP 1 2 IN IP4 "}, s.Origin)
		}},
		{"spaces in the user name", origin("Some Body Somewhere 0 1 IN IP4 192.0.2.1"), func(s *Session) {
			const raw = "Some Body Somewhere 0 1 IN IP4 192.0.2.1"
			require.Equal(t, Origin{"Some Body Somewhere", "0", "1", "IN", "IP4", "192.0.2.1", raw}, s.Origin)
		}},
		{"an id too many", origin("- 14665860 31787219 1 IN IP4 192.0.2.1"), func(s *Session) {
			require.Equal(t, "31787219", s.Origin.SessionID)
			require.Equal(t, "192.0.2.1", s.Origin.Address)
		}},
		{"no ids", origin("- IN IP4 192.0.2.1"), nil},
		{"one word", origin("camera"), func(s *Session) { require.Equal(t, Origin{Raw: "camera"}, s.Origin) }},
		{"address with a port", origin("- 1 2 IN IP4 192.0.2.1:5060"), nil},
		{"host with a port", origin("- 1 2 IN IP4 sip.example:5060"), nil},
		{"IPv6 host", origin("- 1 2 IN IP6 host.example"), nil},
		{"another network", origin("- 1 2 ATM NSAP 47.0091"), nil},

		{"connection without an address", connection("IN IP4"), func(s *Session) {
			require.Equal(t, Connection{"IN", "IP4", "", "IN IP4"}, s.Connection)
		}},
		{"connection without an address type", connection("IN 198.51.100.1"), func(s *Session) {
			require.Equal(t, Connection{"IN", "", "198.51.100.1", "IN 198.51.100.1"}, s.Connection)
		}},
		{"connection within a connection", connection("IN c=IN IP4 0.0.0.0"), func(s *Session) {
			require.Equal(t, Connection{"IN", "IP4", "0.0.0.0", "IN c=IN IP4 0.0.0.0"}, s.Connection)
		}},
		{"connection of one word", connection("192.0.2.1"), nil},
		{"two connections", time("c=IN IP4 192.0.2.1\r\nt=0 0\r\nc=IN IP4 192.0.2.2\r\n"), func(s *Session) {
			require.Equal(t, "192.0.2.1", s.Connection.Address)
			require.Equal(t, []Line{{'c', "IN IP4 192.0.2.2"}}, s.Others)
		}},
		{"connections of a section", section("m=audio 0 RTP/AVP 0\r\nc=IN IP4\r\nc=IN IP4 192.0.2.1\r\na=x\r\nc=\r\n"), func(s *Session) {
			require.Equal(t, []Connection{{"IN", "IP4", "", "IN IP4"}, {"IN", "IP4", "192.0.2.1", ""}}, s.Media[1].Connections)
			require.Equal(t, []Line{{'c', ""}}, s.Media[1].Others)
		}},

		{"now", time("t=now-\r\n"), func(s *Session) { require.Equal(t, []Time{{Raw: "now-"}}, s.Times) }},
		{"one time", time("t=0\r\nt=1 2\r\nr=1 2 3\r\nt=0 0 0\r\n"), func(s *Session) {
			require.Equal(t, []Time{{Raw: "0"}, {Start: 1, Stop: 2, Repeats: []string{"1 2 3"}}, {Raw: "0 0 0"}}, s.Times)
		}},
		{"negative times", time("t=-1 -1\r\n"), nil},

		{"GB/T 28181", section("y=0100000001\r\nf=v/2/5/25/1/4096a/1/8/1\r\nf=\r\n"), func(s *Session) {
			require.Equal(t, []Line{{'y', "0100000001"}, {'f', "v/2/5/25/1/4096a/1/8/1"}, {'f', ""}}, s.Media[0].Others)
		}},
		{"GB/T 28181 in the session part", time("t=0 0\r\ny=1\r\n"), func(s *Session) {
			require.Equal(t, []Line{{'y', "1"}}, s.Others)
		}},
		{"no format", strings.ReplaceAll(section(""), " 96\r", "\r"), func(s *Session) { require.Nil(t, s.Media[0].Formats) }},
		{"an attribute of nothing", section("a=\r\na=x\r\na=\r\n"), func(s *Session) {
			require.Equal(t, Attributes{{}, {Key: "x"}, {}}, s.Media[0].Attributes[1:])
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantKept(t, test.text, test.want)
			_, err := ParseOptions{Strict: true}.ParseDescription(test.text)
			require.Equal(t, strings.Contains(test.name, "IPv6 host") || strings.Contains(test.name, "with a port") ||
				strings.Contains(test.name, "network") || strings.Contains(test.name, "64 bits"), err == nil, "strictly: %v", err)
		})
	}
}

// wantKept fails unless text, the lines of a rejected section, is parsed as want checks, and
// written unchanged.
func wantKept(t *testing.T, text string, want func(s *Session)) {
	t.Helper()
	s, err := Parse(text)
	require.NoError(t, err)
	if want != nil {
		want(s)
	}
	require.Equal(t, text, s.String())
	again, err := Parse(s.String())
	require.NoError(t, err)
	require.Equal(t, s, again)

	d, err := ParseDescription(text)
	require.NoError(t, err)
	require.NoError(t, d.Validate(), "the only section is rejected")
	if len(s.Media[0].Formats) > 0 {
		require.Equal(t, text, d.String())
	}
}

// An o= line without words is treated as missing.
func TestEmptyLinesOfTheSessionPart(t *testing.T) {
	const text = "v=0\no=\ns=\nt=\nm=audio 0 RTP/AVP 0\n"
	s, err := Parse(text)
	require.NoError(t, err)
	require.Equal(t, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n", s.String())
	d := mustParse(t, text)
	require.Empty(t, d.OriginText)
	require.Empty(t, d.Times)
}

// A description has the numbers of its origin if they are numbers, whatever else is wrong with the
// line.
func TestOriginOfADescription(t *testing.T) {
	for value, want := range map[string][2]uint64{
		"- 7 8 IN IP4 192.0.2.1":              {7, 8},
		"- 7 8 IN IP4":                        {7, 8},
		"- 7 8 IN IP6 host.example":           {7, 8},
		"- -7 8 IN IP4 192.0.2.1":             {0, 0},
		"- 0x7 8 IN IP4 192.0.2.1":            {0, 0},
		"some one 7 8 IN IP4 192.0.2.1":       {7, 8},
		"- 18446744073709551616 8 IN IP4 a.b": {1<<64 - 1, 8},
	} {
		d := mustParse(t, "o="+value+"\nm=audio 0 RTP/AVP 0\n")
		require.Equal(t, want, [2]uint64{d.SessionID, d.SessionVersion}, value)
		require.Contains(t, d.String(), "o="+value+"\r\n")
	}
	d := Description{Address: "192.0.2.1:5060", Media: []MediaDescription{{Kind: KindApplication}}}
	require.Contains(t, d.String(), "o=- 0 0 IN IP4 192.0.2.1:5060\r\n", "an address with a port")
	d.Address = "2001:db8::1"
	require.Contains(t, d.String(), "o=- 0 0 IN IP6 2001:db8::1\r\n")
	d.OriginText = "camera"
	require.Contains(t, d.String(), "o=camera\r\n")
}

// Spaces at the ends of lines come from copying and pasting. They are not part of the name of an
// attribute.
func TestSpacesAtLineEnds(t *testing.T) {
	for name, text := range descriptions {
		want, got := mustParse(t, text), mustParse(t, strings.ReplaceAll(text, "\n", "  \n"))
		require.NoError(t, got.Validate(), name)
		require.Equal(t, want.Groups, got.Groups, name)
		require.Equal(t, [2]bool{want.ICELite, want.EndOfCandidates}, [2]bool{got.ICELite, got.EndOfCandidates}, name)
		for i := range want.Media {
			w, g := &want.Media[i], &got.Media[i]
			require.Equal(t, want.TransportOf(w), got.TransportOf(g), name)
			require.Equal(t, []any{w.Rejected, w.BundleOnly, w.EndOfCandidates, w.Direction, w.IsDataChannel(), w.SCTPPort},
				[]any{g.Rejected, g.BundleOnly, g.EndOfCandidates, g.Direction, g.IsDataChannel(), g.SCTPPort}, name)
		}
	}
	m := mustParse(t, "m=audio 0 RTP/AVP 0\na=bundle-only \na=inactive \na=end-of-candidates \n").Media[0]
	require.Equal(t, []any{false, true, DirectionInactive, true}, []any{m.Rejected, m.BundleOnly, m.Direction, m.EndOfCandidates})
}

// An RTP section without a format cannot be used. It is written as rejected, instead of with an
// arbitrary format.
func TestSectionWithoutFormats(t *testing.T) {
	for _, m := range []MediaDescription{
		{Kind: KindVideo, Mid: "v"}, {Kind: KindVideo, Mid: "v", Port: 5000}, {Kind: KindAudio, Mid: "v", BundleOnly: true},
	} {
		text := m.String()
		require.True(t, strings.HasPrefix(text, "m="+m.Kind+" 0 UDP/TLS/RTP/SAVPF 0\r\n"), text)
		require.NotContains(t, text, "bundle-only")
		d := mustParse(t, text)
		require.True(t, d.Media[0].Rejected)
		require.Equal(t, text, d.Media[0].String())
	}
	d := mustParse(t, chromeVideo)
	require.NoError(t, d.Validate())
	d.Media[0].Formats = nil // the last codec is removed
	require.Contains(t, d.String(), "m=video 0 ")
	var invalid *ValidationError
	require.ErrorAs(t, d.Validate(), &invalid)
	require.Equal(t, "format", invalid.Field)
	require.True(t, invalid.Missing)

	d = mustParse(t, "m=video 9 UDP/TLS/RTP/SAVPF\na=mid:v\na=bundle-only\n")
	require.True(t, d.Media[0].Rejected)
	require.False(t, d.Media[0].BundleOnly)
	d = mustParse(t, "m=application 9 UDP/DTLS/SCTP\n")
	require.False(t, d.Media[0].Rejected)
	require.True(t, d.Media[0].IsDataChannel())
}
