package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// typicalSDP is an offer of a machine with two addresses and a STUN server.
const typicalSDP = "v=0\r\no=- 1334539305582934615 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 2130706175 192.0.2.2 41447 typ host\r\n" +
	"a=candidate:2 1 udp 2126512127 fd00::2 36895 typ host\r\n" +
	"a=candidate:3 1 udp 1694498815 198.51.100.7 41447 typ srflx raddr 192.0.2.2 rport 41447\r\n" +
	"a=end-of-candidates\r\na=ice-ufrag:99YErs7A\r\na=ice-pwd:G81Sh/t6aadzRObVv82RQgEV\r\na=ice-options:trickle\r\n" +
	"a=fingerprint:sha-256 9D:54:F9:D6:EB:B2:02:2D:51:7D:91:5C:3B:CA:F1:8E:B5:8A:BE:66:B2:31:2B:33:D6:19:F3:71:09:0D:98:37\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

func encode(t *testing.T, d rtc.SessionDescription, offer string) string {
	t.Helper()
	line, err := encodeLine(d, offer)
	require.NoError(t, err)
	return line
}

func TestLineHoldsADescription(t *testing.T) {
	offer := rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: typicalSDP}
	line := encode(t, offer, "")
	require.Regexp(t, `^offer1-[A-Za-z0-9_-]+$`, line, "no character that a chat program or a terminal changes")
	require.Less(t, len(line), 350, "a few lines on a terminal")
	decoded, err := decodeOffer(line)
	require.NoError(t, err)
	require.Equal(t, offer, decoded)

	answer := rtc.SessionDescription{Type: rtc.DescriptionAnswer, SDP: strings.Replace(typicalSDP, "actpass", "active", 1)}
	line = encode(t, answer, offer.SDP)
	require.Regexp(t, `^answer1-[A-Za-z0-9_-]+$`, line)
	decoded, err = decodeAnswer(line, offer.SDP)
	require.NoError(t, err)
	require.Equal(t, answer, decoded)
}

// A machine with many addresses has a long description. A terminal truncates a line of more than
// 1024 or 4096 bytes silently, so the description is several lines.
func TestLongDescriptionIsSeveralLines(t *testing.T) {
	sdp := typicalSDP
	for i := range 60 {
		sdp += "a=candidate:" + strings.Repeat(string(rune('a'+i%26)), i) + "\r\n"
	}
	line := encode(t, rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: sdp + randomText(3000)}, "")
	parts := strings.Split(line, "\n")
	require.Greater(t, len(parts), 2)
	for _, part := range parts {
		require.LessOrEqual(t, len(part), maxLine)
	}
	require.Equal(t, 0, beginning(parts[0]))
	require.Equal(t, -1, beginning(parts[1]))
	decoded, err := decodeOffer(strings.Join(parts, ""))
	require.NoError(t, err)
	require.Equal(t, sdp+randomText(3000), decoded.SDP)

	_, err = encodeLine(rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: strings.Repeat("x", maxSDP+1)}, "")
	require.ErrorContains(t, err, "too long")
}

func randomText(n int) string {
	g := generate(int64(n))
	text := make([]byte, n)
	_, _ = g.Read(text)
	for i := range text {
		text[i] = ' ' + text[i]%90
	}
	return string(text)
}

// A line of which a part is missing, a changed line and a line of another kind each have their own
// error, so that the user knows the remedy.
func TestGarbledLineIsRefused(t *testing.T) {
	offer := encode(t, rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: typicalSDP}, "")
	answer := encode(t, rtc.SessionDescription{Type: rtc.DescriptionAnswer, SDP: typicalSDP}, typicalSDP)
	for _, c := range []struct{ name, line, want string }{
		{"something else", "ls -l", `it does not begin with "offer1-"`},
		{"the other kind", answer, `it is a line of "transfer receive"`},
		{"another version", "offer2-AAAA", `it does not begin with "offer1-"`},
		{"a character that does not belong there", offer[:50] + "%" + offer[51:], "characters that do not belong there"},
		{"more than all", offer + "AA", "2 characters too many"},
		{"twice", offer + offer, "too many"},
	} {
		_, err := decodeOffer(c.line)
		require.ErrorContains(t, err, c.want, c.name)
		require.NotErrorAs(t, err, new(incompleteError), c.name)
	}
	_, err := decodeAnswer(offer, typicalSDP)
	require.ErrorContains(t, err, `it is a line of "transfer send"`)
	_, err = decodeAnswer(answer, typicalSDP+"a=other\r\n")
	require.ErrorContains(t, err, "the answer to another line")

	for i := len(offerPrefix); i < len(offer); i++ {
		_, err := decodeOffer(offer[:i])
		require.ErrorAs(t, err, new(incompleteError), "%d characters", i)
	}
	_, err = decodeOffer(offer[:100])
	require.Equal(t, incompleteError{has: 100, needs: len(offer)}, err)
}

// A line with any one character changed is rejected.
func TestEveryChangedCharacterIsNoticed(t *testing.T) {
	offer := encode(t, rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: typicalSDP}, "")
	for i := len(offerPrefix); i < len(offer); i++ {
		other := byte('A')
		if offer[i] == other {
			other = 'x'
		}
		d, err := decodeOffer(offer[:i] + string(other) + offer[i+1:])
		if err == nil { // only the unused bits at the end may change
			require.Equal(t, len(offer)-1, i)
			require.Equal(t, typicalSDP, d.SDP)
		}
	}
}
