package sdp

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustParse(t *testing.T, text string) *Description {
	t.Helper()
	d, err := ParseDescription(crlf(text))
	require.NoError(t, err)
	return d
}

func testFingerprint(t *testing.T) Fingerprint {
	t.Helper()
	value, err := hex.DecodeString(strings.ReplaceAll(fingerprintText, ":", ""))
	require.NoError(t, err)
	return Fingerprint{Algorithm: SHA256, Value: value}
}

func TestDescriptionOfChrome(t *testing.T) {
	d := mustParse(t, chromeData)
	require.NoError(t, d.Validate())
	require.Equal(t, &Description{
		Username:         "-",
		SessionID:        3299318957091646788,
		SessionVersion:   5,
		Address:          "127.0.0.1",
		Name:             "-",
		Groups:           []Group{{Semantics: SemanticsBundle, Mids: []string{"0"}}},
		ExtmapAllowMixed: true,
		Attributes:       Attributes{{Key: "msid-semantic", Value: " WMS"}},
		Media: []MediaDescription{{
			Kind:        KindApplication,
			Port:        49028,
			Protocol:    ProtocolDataChannel,
			Formats:     []string{FormatDataChannel},
			Connections: []Connection{{NetworkType: "IN", AddressType: "IP4", Address: "198.51.100.77"}},
			Mid:         "0",
			Transport: Transport{
				ICEUfrag:     "+lKv",
				ICEPwd:       "H9gnSA7N/gydRr6CruQSOayu",
				ICEOptions:   []string{"trickle"},
				Fingerprints: []Fingerprint{testFingerprint(t)},
				Setup:        SetupActpass,
			},
			Candidates: []string{
				"candidate:2570622895 1 udp 2113937151 68b118a2-6d46-43fb-a144-aabe6d76f04e.local 62189 typ host generation 0 network-cost 999",
				"candidate:4197075383 1 udp 1677729535 203.0.113.221 25539 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999",
				"candidate:1426892169 1 udp 33562623 198.51.100.77 49028 typ relay raddr 203.0.113.221 rport 25539 generation 0 network-cost 999",
			},
			SCTPPort:          5000,
			MaxMessageSize:    262144,
			HasMaxMessageSize: true,
		}},
	}, d)
	// The written description is that of Chrome, which is the one tested most against other
	// implementations.
	require.Equal(t, crlf(chromeData), d.String())
}

func TestDescriptionOfOldChrome(t *testing.T) {
	d := mustParse(t, oldChromeData)
	m := d.Application()
	require.NotNil(t, m)
	require.EqualValues(t, 5000, m.SCTPPort)
	require.EqualValues(t, 1024, m.SCTPStreams)
	require.EqualValues(t, DefaultMaxMessageSize, m.MessageLimit())
	require.Equal(t, crlf(oldChromeData), d.String())
}

// Writing and parsing a description again does not change it, whatever its original order.
func TestDescriptionIsStable(t *testing.T) {
	for name, text := range descriptions {
		t.Run(name, func(t *testing.T) {
			d := mustParse(t, text)
			require.NoError(t, d.Validate())
			again, err := ParseDescription(d.String())
			require.NoError(t, err)
			require.Equal(t, d, again)
			require.Equal(t, d.String(), again.String())
			m := again.Application()
			require.NotNil(t, m)
			tr := again.TransportOf(m)
			require.Equal(t, []Fingerprint{testFingerprint(t)}, tr.Fingerprints)
			require.GreaterOrEqual(t, len(tr.ICEPwd), 22)
			require.NotEqual(t, SetupUnspecified, tr.Setup)
			require.EqualValues(t, 5000, m.EffectiveSCTPPort())
		})
	}
}

// Attributes without a field are written unchanged and in their order.
func TestUnknownAttributesSurvive(t *testing.T) {
	others := func(section string) string {
		var kept []string
		for _, line := range strings.Split(section, "\r\n") {
			key, _, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
			switch key {
			case "ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup", "mid", "sendrecv":
			default:
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	text := crlf(chromeVideo)
	sections := strings.Split(text, "m=")
	d := mustParse(t, chromeVideo)
	require.Equal(t, others(sections[1]), others(strings.TrimPrefix(d.Media[0].String(), "m=")))
	require.Equal(t, []Bandwidth{{"AS", 30}}, d.Media[1].Bandwidths)
	require.Equal(t, DirectionSendRecv, d.Media[0].Direction)

	const odd = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=x\na=ice-lite:no flag\na=y:\na=x\na=y: z\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\nc=IN IP4 0.0.0.0\na=sctp-port:x\na=max-message-size:1\na=sendrecv:no flag\na=end-of-candidates:\n"
	require.Equal(t, crlf(odd), mustParse(t, odd).String())
}

func TestAllSessionLinesSurvive(t *testing.T) {
	d := mustParse(t, everyLine)
	require.EqualValues(t, uint64(math.MaxUint64), d.SessionVersion, "numbers beyond 64 bits saturate")
	// The direction has a field and moves; the others keep their order.
	text := strings.Replace(everyLine, "a=recvonly\n", "", 1)
	text = strings.Replace(text, "a=colons:a:b:c\n", "a=colons:a:b:c\na=recvonly\n", 1)
	require.Equal(t, crlf(text), d.String())
}

// RFC 8839, section 5.4, RFC 8122, section 5, and RFC 4145, section 4: the attributes of a section
// precede those of the session part.
func TestTransportOf(t *testing.T) {
	session := Transport{
		ICEUfrag: "sess", ICEPwd: "session-pwd", ICEOptions: []string{"trickle"}, TLSID: "id", Setup: SetupPassive,
		Fingerprints: []Fingerprint{{Algorithm: SHA1}},
	}
	own := Transport{
		ICEUfrag: "own", ICEPwd: "own-pwd", ICEOptions: []string{"ice2"}, TLSID: "own", Setup: SetupActive,
		Fingerprints: []Fingerprint{{Algorithm: SHA256}},
	}
	d := Description{
		Transport: session,
		Media: []MediaDescription{
			{Kind: KindAudio},
			{Kind: KindAudio, Transport: own},
			{Kind: KindAudio, Transport: Transport{ICEUfrag: "own", Setup: SetupActpass}},
		},
	}
	require.Equal(t, session, d.TransportOf(&d.Media[0]))
	require.True(t, session.Trickle())
	require.Equal(t, own, d.TransportOf(&d.Media[1]))
	require.False(t, own.Trickle())
	mixed := session
	mixed.ICEUfrag, mixed.Setup = "own", SetupActpass
	require.Equal(t, mixed, d.TransportOf(&d.Media[2]))

	// RFC 9143, section 7.1.3: of bundled sections, the first in the group carries the transport.
	d = Description{
		Groups: []Group{
			{Semantics: "LS", Mids: []string{"c", "a"}},
			{Semantics: SemanticsBundle, Mids: []string{"b", "a"}},
		},
		Media: []MediaDescription{
			{Mid: "a", BundleOnly: true},
			{Mid: "b", Transport: own},
			{Mid: "c"},
		},
	}
	require.Equal(t, own, d.TransportOf(&d.Media[0]))
	require.Equal(t, Transport{}, d.TransportOf(&d.Media[2]))
	require.Equal(t, &d.Groups[1], d.BundleOf("a"))
	require.Nil(t, d.BundleOf("c"))
	require.Nil(t, d.BundleOf(""))
	require.Equal(t, &d.Media[1], d.MediaByMid("b"))
	require.Nil(t, d.MediaByMid("x"))
	require.Nil(t, d.MediaByMid(""))
}

func TestDirections(t *testing.T) {
	d := mustParse(t, "a=sendonly\nm=audio 9 RTP/AVP 0\nm=audio 9 RTP/AVP 0\na=inactive\na=inactive\n")
	require.Equal(t, DirectionSendOnly, d.DirectionOf(&d.Media[0]))
	require.Equal(t, DirectionInactive, d.DirectionOf(&d.Media[1]))
	d.Direction = DirectionUnspecified
	require.Equal(t, DirectionSendRecv, d.DirectionOf(&d.Media[0]))

	for _, test := range []struct {
		d, reverse      Direction
		sends, receives bool
	}{
		{DirectionUnspecified, DirectionUnspecified, true, true},
		{DirectionSendRecv, DirectionSendRecv, true, true},
		{DirectionSendOnly, DirectionRecvOnly, true, false},
		{DirectionRecvOnly, DirectionSendOnly, false, true},
		{DirectionInactive, DirectionInactive, false, false},
	} {
		require.Equal(t, test.reverse, test.d.Reverse(), test.d)
		require.Equal(t, test.sends, test.d.Sends(), test.d)
		require.Equal(t, test.receives, test.d.Receives(), test.d)
		parsed, ok := parseDirection(test.d.String())
		require.Equal(t, test.d, parsed)
		require.Equal(t, test.d != DirectionUnspecified, ok)
	}
	require.Equal(t, "Direction(9)", Direction(9).String())
}

// RFC 8829, section 5.3.1, and RFC 9143, section 6: port 0 rejects a section, unless it is
// bundle-only.
func TestPortZero(t *testing.T) {
	for _, test := range []struct {
		text                 string
		rejected, bundleOnly bool
	}{
		{"m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", false, false},
		{"m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", true, false},
		{"m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\n", false, true},
		{"m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\n", false, true},
	} {
		m, err := ParseMedia(test.text)
		require.NoError(t, err)
		require.Equal(t, test.rejected, m.Rejected, test.text)
		require.Equal(t, test.bundleOnly, m.BundleOnly, test.text)
		require.Equal(t, test.text, m.String())
	}
}

// RFC 8829, section 5.3.1: an answer has a section for each offered one; the rejected ones have
// port 0.
func TestRejection(t *testing.T) {
	d := mustParse(t, chromeVideo)
	rejection := d.Media[0].Rejection()
	// pion refuses a description whose rejected section lists a payload type without rtpmap, unless
	// it is 0.
	require.Equal(t, "m=video 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n", rejection.String())
	// Firefox refuses a description whose rejected data channel section does not have its format.
	rejection = d.Media[1].Rejection()
	require.Equal(t, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n", rejection.String())
	require.True(t, rejection.IsDataChannel())
}

func TestLiteralsGetDefaults(t *testing.T) {
	d := Description{Media: []MediaDescription{{Kind: KindApplication}, {Kind: KindVideo, Rejected: true, BundleOnly: true}, {Kind: KindAudio, BundleOnly: true, Formats: []string{"0"}}}}
	require.Equal(t, crlf(`v=0
o=- 0 0 IN IP4 0.0.0.0
s=-
t=0 0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
m=video 0 UDP/TLS/RTP/SAVPF 0
c=IN IP4 0.0.0.0
m=audio 0 UDP/TLS/RTP/SAVPF 0
c=IN IP4 0.0.0.0
a=bundle-only
`), d.String())
	require.Equal(t, &d.Media[0], d.Application())
}

func TestTransportLines(t *testing.T) {
	m := MediaDescription{
		Kind: KindApplication,
		Transport: Transport{
			ICEOptions:   []string{"ice2", "trickle"},
			Fingerprints: []Fingerprint{{Algorithm: "x", Value: []byte{0xab}}, {Algorithm: "y", Value: []byte{1, 2}}},
			TLSID:        "abc3de65cddef001be82",
			Setup:        SetupHoldconn,
		},
		EndOfCandidates: true,
		Candidates:      []string{"candidate:1"},
	}
	require.Equal(t, crlf(`m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=candidate:1
a=end-of-candidates
a=ice-options:ice2 trickle
a=fingerprint:x AB
a=fingerprint:y 01:02
a=setup:holdconn
a=tls-id:abc3de65cddef001be82
`), m.String())
}

func TestDescriptionErrorsNameTheLine(t *testing.T) {
	const head = "v=0\n\na=group:BUNDLE 0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:a\n"
	const data = head + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n"
	for _, test := range []struct {
		name, text string
		line       int
		field      string
	}{
		{"the generic layer", "v=1", 1, "v="},
		{"group", head[:len("v=0\n\n")] + "a=group:\n", 3, "a=group"},
		{"session setup", "v=0\na=setup:maybe\n", 2, "a=setup"},
		{"session directions", "a=sendonly\na=recvonly\n", 2, "a=recvonly"},
		{"setup", data + "a=mid:b\na=setup:ACTIVE\n", 8, "a=setup"},
		{"setup twice", data + "a=setup:active\na=setup:passive\n", 8, "a=setup"},
		{"ufrag twice", data + "a=ice-ufrag:abcd\na=ice-ufrag:efgh\n", 8, "a=ice-ufrag"},
		{"pwd empty", data + "a=ice-pwd:\n", 7, "a=ice-pwd"},
		{"mid empty", data + "a=mid\n", 7, "a=mid"},
		{"mid twice", head + "a=mid:b\n", 6, "a=mid"},
		{"directions", head + "a=sendonly\na=inactive\n", 7, "a=inactive"},
		{"fingerprint", head + "a=fingerprint:sha-256\n", 6, "a=fingerprint"},
		{"candidate", head + "a=candidate\n", 6, "a=candidate"},
		{"sctp-port", data + "a=sctp-port:65536\n", 7, "a=sctp-port"},
		{"sctp-port not a number", data + "a=sctp-port:-1\n", 7, "a=sctp-port"},
		{"sctp-port twice", data + "a=sctp-port:5000\na=sctp-port:5001\n", 8, "a=sctp-port"},
		{"sctp-port closed and not", data + "a=sctp-port:0\na=sctp-port:5001\n", 8, "a=sctp-port"},
		{"sctp-port against the old form", head + "m=application 9 DTLS/SCTP 5000\na=sctp-port:5001\n", 7, "a=sctp-port"},
		{"sctpmap twice", data + "a=sctpmap:5000 webrtc-datachannel 1\na=sctpmap:5000 webrtc-datachannel 2\n", 8, "a=sctpmap"},
		{"max-message-size", data + "a=max-message-size:64k\n", 7, "a=max-message-size"},
		{"max-message-size twice", data + "a=max-message-size:0\na=max-message-size:1\n", 8, "a=max-message-size"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, text := range []string{test.text, crlf(test.text)} {
				_, err := ParseDescription(text)
				var syntax *SyntaxError
				require.ErrorAs(t, err, &syntax)
				require.Equal(t, test.line, syntax.Line, err)
				require.Equal(t, test.field, syntax.Field, err)
			}
		})
	}
	_, err := ParseDescription(data + strings.Repeat("a=candidate:1\n", MaxCandidates))
	require.NoError(t, err)
	_, err = ParseDescription(data + strings.Repeat("a=candidate:1\n", MaxCandidates+1))
	require.ErrorIs(t, err, ErrLimit)
	require.ErrorContains(t, err, "line 263: a=candidate: more than 256 candidates")
}

// A repetition of the same value is accepted.
func TestRepeatedValues(t *testing.T) {
	text := strings.ReplaceAll(chromeData, "a=setup:actpass\na=mid:0\na=sctp-port:5000\na=max-message-size:262144\n",
		strings.Repeat("a=setup:actpass\na=mid:0\na=sctp-port:5000\na=max-message-size:262144\n", 2))
	require.NotEqual(t, chromeData, text)
	require.Equal(t, mustParse(t, chromeData), mustParse(t, text))
}

func TestParseMedia(t *testing.T) {
	want := MediaDescription{
		Kind: KindVideo, Port: 9, Protocol: ProtocolMedia, Formats: []string{"96", "97"}, Mid: "video", Direction: DirectionSendOnly,
		Attributes: Attributes{{Key: "rtpmap", Value: "96 H264/90000"}, {Key: "rtpmap", Value: "97 rtx/90000"}},
	}
	const attributes = "\na=mid:video\na=sendonly\na=rtpmap:96 H264/90000\na=rtpmap:97 rtx/90000\n"
	for _, text := range []string{
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97" + attributes,
		"video 9 UDP/TLS/RTP/SAVPF 96 97" + attributes,
		"\r\nm=video 9 UDP/TLS/RTP/SAVPF" + attributes,
		"v=0\nm=video 9 UDP/TLS/RTP/SAVPF " + attributes,
	} {
		m, err := ParseMedia(text)
		require.NoError(t, err, text)
		require.Equal(t, &want, m, text)
	}
	for _, text := range []string{"", "v=0", "m=video 9", "video", "garbage here", "m=a 9 b c\nm=a 9 b c\n", "m=a 9 b c\na=setup:x\n"} {
		_, err := ParseMedia(text)
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax, text)
	}
}
