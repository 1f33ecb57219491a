package sdp

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// videoSection is a section of a browser's offer, shortened.
const videoSection = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 35 116 117\r\n" +
	"a=rtcp-fb:* ccm fir\r\n" +
	"a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n" +
	"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n" +
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" +
	"a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\n" +
	"a=fmtp:102 level-asymmetry-allowed=1; packetization-mode=1;Profile-Level-Id=42e01f\r\n" +
	"a=rtpmap:103 RTX/90000\r\na=fmtp:103 rtx-time=200;apt=102\r\n" +
	"a=rtpmap:116 red/90000\r\na=rtpmap:117 rtx/90000\r\na=fmtp:117 apt=116\r\n" +
	"a=imageattr:102 send * recv *\r\na=rid:1 send pt=102\r\n"

const audioSection = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 64 0 8 111 200 x\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=fmtp:111 useinbandfec\r\n" +
	"a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:64 rtx/48000\r\na=fmtp:64 apt=63\r\n" +
	"a=rtpmap:8 /\r\na=rtpmap:111 given-twice/1\r\n"

func mustParseMedia(t *testing.T, text string) *MediaDescription {
	t.Helper()
	m, err := ParseMedia(text)
	require.NoError(t, err)
	return m
}

func TestCodecs(t *testing.T) {
	fir := "ccm fir"
	require.Equal(t, []Codec{
		{PayloadType: 96, Name: "VP8", ClockRate: 90000, Feedback: []string{fir, "nack", "nack pli"}},
		{PayloadType: 97, Name: "rtx", ClockRate: 90000, Parameters: "apt=96", Feedback: []string{fir}},
		{PayloadType: 102, Name: "H264", ClockRate: 90000, Feedback: []string{fir, "nack"},
			Parameters: "level-asymmetry-allowed=1; packetization-mode=1;Profile-Level-Id=42e01f"},
		{PayloadType: 103, Name: "RTX", ClockRate: 90000, Parameters: "rtx-time=200;apt=102", Feedback: []string{fir}},
		{PayloadType: 35, Feedback: []string{fir}},
		{PayloadType: 116, Name: "red", ClockRate: 90000, Feedback: []string{fir}},
		{PayloadType: 117, Name: "rtx", ClockRate: 90000, Parameters: "apt=116", Feedback: []string{fir}},
	}, mustParseMedia(t, videoSection).Codecs())

	require.Equal(t, []Codec{
		{PayloadType: 111, Name: "opus", ClockRate: 48000, Channels: 2, Parameters: "minptime=10;useinbandfec"},
		{PayloadType: 63, Name: "red", ClockRate: 48000, Channels: 2, Parameters: "111/111"},
		{PayloadType: 64, Name: "rtx", ClockRate: 48000, Parameters: "apt=63"},
		{PayloadType: 0, Name: "PCMU", ClockRate: 8000, Channels: 1},
		{PayloadType: 8, Name: "PCMA", ClockRate: 8000, Channels: 1},
	}, mustParseMedia(t, audioSection).Codecs())

	require.Empty(t, mustParseMedia(t, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n").Codecs())
	require.Empty(t, mustParseMedia(t, "m=application 9 DTLS/SCTP 100\r\n").Codecs())
	require.Empty(t, new(MediaDescription).Codecs())
}

func TestCodecParameters(t *testing.T) {
	codecs := mustParseMedia(t, videoSection).Codecs()
	value, ok := codecs[2].Parameter("profile-level-id")
	require.True(t, ok)
	require.Equal(t, "42e01f", value)
	value, ok = codecs[2].Parameter("packetization-mode")
	require.True(t, ok)
	require.Equal(t, "1", value)
	_, ok = codecs[2].Parameter("apt")
	require.False(t, ok)
	_, ok = codecs[0].Parameter("")
	require.False(t, ok)
	value, ok = Codec{Parameters: "a=1;useinbandfec"}.Parameter("UseInbandFEC")
	require.True(t, ok)
	require.Empty(t, value)

	apt, ok := codecs[3].Retransmits()
	require.True(t, ok)
	require.EqualValues(t, 102, apt)
	for _, c := range []Codec{codecs[0], {Name: "H264", Parameters: "apt=96"}, {Name: "rtx", Parameters: "apt=128"}, {Name: "rtx"}} {
		_, ok = c.Retransmits()
		require.False(t, ok, c)
	}
}

func TestRemoveCodec(t *testing.T) {
	for _, test := range []struct {
		section     string
		payloadType uint8
		formats     string
		gone        []string // all lines that are removed
	}{
		{videoSection, 96, "102 103 35 116 117", []string{"rtpmap:96", "rtcp-fb:96", "rtpmap:97", "fmtp:97"}},
		{videoSection, 102, "96 97 35 116 117", []string{"rtpmap:102", "rtcp-fb:102", "fmtp:102", "rtpmap:103", "fmtp:103", "imageattr:102"}},
		{videoSection, 116, "96 97 102 103 35", []string{"rtpmap:116", "rtpmap:117", "fmtp:117"}},
		{videoSection, 117, "96 97 102 103 35 116", []string{"rtpmap:117", "fmtp:117"}},
		{videoSection, 35, "96 97 102 103 116 117", []string{}},
		{audioSection, 111, "0 8 200 x", []string{"rtpmap:111", "fmtp:111", "rtpmap:63", "fmtp:63", "rtpmap:64", "fmtp:64"}},
	} {
		m := mustParseMedia(t, test.section)
		var want []string
		for line := range strings.Lines(m.String()) {
			isGone := slices.ContainsFunc(test.gone, func(prefix string) bool { return strings.HasPrefix(line, "a="+prefix+" ") })
			if !isGone && !strings.HasPrefix(line, "m=") {
				want = append(want, line)
			}
		}
		require.True(t, m.RemoveCodec(test.payloadType))
		require.Equal(t, test.formats, strings.Join(m.Formats, " "))
		got := slices.Collect(strings.Lines(m.String()))
		require.Equal(t, want, got[1:])
		require.False(t, m.RemoveCodec(test.payloadType))
	}
	m := mustParseMedia(t, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n")
	require.True(t, m.RemoveCodec(0))
	require.True(t, mustParseMedia(t, m.String()).Rejected)
	require.False(t, mustParseMedia(t, "m=application 9 DTLS/SCTP 100\r\n").RemoveCodec(100))
}

func TestAddCodec(t *testing.T) {
	var m MediaDescription
	m.Kind = KindVideo
	codecs := mustParseMedia(t, videoSection).Codecs()[:4]
	for _, c := range append(codecs, Codec{PayloadType: 111, Name: "opus", ClockRate: 48000, Channels: 2}) {
		require.True(t, m.AddCodec(c))
		require.False(t, m.AddCodec(c))
	}
	require.False(t, m.AddCodec(Codec{PayloadType: 128, Name: "x", ClockRate: 1}))
	again := mustParseMedia(t, m.String()).Codecs()
	require.Equal(t, codecs, again[:4])
	require.Equal(t, Codec{PayloadType: 111, Name: "opus", ClockRate: 48000, Channels: 2}, again[4])
	require.Len(t, again, 5)
}

func TestChangeAttributes(t *testing.T) {
	var a Attributes
	require.False(t, a.Delete("x"))
	a.Set("x", "1")
	a.Add("y", "2")
	a.Add("x", "3")
	a.Add("rtcp-mux", "")
	a.Add("x", "4")
	require.Equal(t, []string{"1", "3", "4"}, slices.Collect(a.All("x")))
	a.Set("x", "5")
	require.Equal(t, Attributes{{Key: "x", Value: "5"}, {Key: "y", Value: "2"}, {Key: "rtcp-mux"}}, a)
	require.True(t, a.Has("rtcp-mux"))
	a.Set("y", "")
	require.True(t, a.Delete("x"))
	require.Equal(t, Attributes{{Key: "y"}, {Key: "rtcp-mux"}}, a)
	require.False(t, a.Has("x"))
}
