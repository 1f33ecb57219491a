package sdp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const mixedOffer = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=1 2\r\na=group:BUNDLE a d v gone\r\na=group:LS a v\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000\r\n" +
	"m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=bundle-only\r\na=mid:v\r\n" +
	"m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:gone\r\n" +
	"m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"

func TestAnswer(t *testing.T) {
	offer, err := ParseDescription(mixedOffer)
	require.NoError(t, err)
	before := offer.String()
	asked := []string{}
	answer := offer.Answer(func(offered *MediaDescription) (MediaDescription, bool) {
		asked = append(asked, offered.Mid)
		switch offered.Mid {
		case "a":
			return MediaDescription{Kind: "x", Mid: "y", Formats: []string{"111", "112"}}, true
		case "d":
			return MediaDescription{SCTPPort: 5001, Direction: DirectionSendRecv}, true
		case "v":
			return MediaDescription{Rejected: true}, true
		}
		return MediaDescription{Title: "not used"}, false
	})
	// RFC 3264, section 8.2: "A stream that is offered with a port of zero MUST be marked with port
	// zero in the answer." The function accept is not called for it.
	require.Equal(t, []string{"a", "d", "v", ""}, asked)
	require.Equal(t, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=1 2\r\na=group:BUNDLE a d\r\n"+
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 112\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=recvonly\r\n"+
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sendrecv\r\na=sctp-port:5001\r\n"+
		"m=video 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\n"+
		"m=video 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:gone\r\n"+
		"m=audio 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", answer.String())
	require.Equal(t, before, offer.String())
	answer.Media[1].Formats[0], answer.Groups[0].Mids[0] = "", ""
	require.Equal(t, before, offer.String())

	declined := offer.Answer(nil)
	require.Empty(t, declined.Groups)
	require.Len(t, declined.Media, len(offer.Media))
	for i := range declined.Media {
		require.True(t, declined.Media[i].Rejected)
		require.Equal(t, offer.Media[i].Mid, declined.Media[i].Mid)
	}
	require.Equal(t, &Description{}, new(Description).Answer(nil))
}
