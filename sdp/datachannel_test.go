package sdp

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDataChannelSection(t *testing.T) {
	const sctpmap = "a=sctpmap:5000 webrtc-datachannel 1024\n"
	for _, test := range []struct {
		name, text string
		is, closed bool
		port       uint16
		streams    uint16
	}{
		{"RFC 8841", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5001\n", true, false, 5001, 0},
		{"over TCP", "m=application 9 TCP/DTLS/SCTP webrtc-datachannel\na=sctp-port:5001\n", true, false, 5001, 0},
		{"draft between", "m=application 9 DTLS/SCTP webrtc-datachannel\na=sctp-port:5001\n", true, false, 5001, 0},
		{"without port", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n", true, false, 0, 0},
		// RFC 8841, section 5.2: port 0 ends the association.
		{"closed", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctp-port:0\n", true, true, 0, 0},
		{"draft 05", "m=application 9 DTLS/SCTP 5000\n" + sctpmap, true, false, 5000, 1024},
		{"draft 05 without map", "m=application 9 DTLS/SCTP 5000\n", true, false, 5000, 0},
		{"draft 05 without streams", "m=application 9 DTLS/SCTP 5000\na=sctpmap:5000 webrtc-datachannel\n", true, false, 5000, 0},
		{"draft 05, three associations", "m=application 9 DTLS/SCTP 5000 5001 5002\na=sctpmap:5001 bfcp 2\n" +
			"a=sctpmap:5000 webrtc-datachannel 16\na=sctpmap:5002 t38 1\n", true, false, 5000, 16},
		{"both forms", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n" + sctpmap + "a=sctp-port:5000\n", true, false, 5000, 1024},
		{"new protocol, old attribute", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n" + sctpmap, true, false, 5000, 1024},
		{"map of another port", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n" + sctpmap + "a=sctp-port:6000\n", true, false, 6000, 0},
		{"map of nothing", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=sctpmap:x\na=sctp-port:6000\n", true, false, 6000, 0},
		{"rejected", "m=application 0 UDP/DTLS/SCTP 0\n", true, false, 0, 0},
		{"another application", "m=application 9 UDP/DTLS/SCTP bfcp\na=sctp-port:x\n", false, false, 0, 0},
		{"another protocol", "m=application 9 TCP/BFCP *\n", false, false, 0, 0},
		{"old form with the new protocol", "m=application 9 UDP/DTLS/SCTP 5000\n", false, false, 0, 0},
		{"old form, port too large", "m=application 9 DTLS/SCTP 65536\n", false, false, 0, 0},
		{"audio", "m=audio 9 UDP/DTLS/SCTP webrtc-datachannel\n", false, false, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := mustParse(t, test.text)
			m := &d.Media[0]
			require.Equal(t, test.is, m.IsDataChannel())
			require.Equal(t, test.is, d.Application() != nil)
			require.Equal(t, test.closed, m.SCTPClosed)
			require.Equal(t, test.port, m.SCTPPort)
			require.Equal(t, test.streams, m.SCTPStreams)
			again := mustParse(t, strings.ReplaceAll(d.String(), "\r\n", "\n"))
			require.Equal(t, d.String(), again.String())
			require.Equal(t, m.SCTPPort, again.Media[0].SCTPPort)
			require.Equal(t, m.SCTPClosed, again.Media[0].SCTPClosed)
		})
	}
	require.EqualValues(t, 5000, (&MediaDescription{}).EffectiveSCTPPort())
	require.EqualValues(t, 7, (&MediaDescription{SCTPPort: 7}).EffectiveSCTPPort())
}

// RFC 8841, section 6.1: the limit is 64 KiB without the attribute, and none with the value 0.
func TestMessageLimit(t *testing.T) {
	const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n"
	for text, want := range map[string]uint64{
		data:                                 65536,
		data + "a=max-message-size:0":        math.MaxUint64,
		data + "a=max-message-size:1":        1,
		data + "a=max-message-size:262144\n": 262144,
		data + "a=max-message-size:99999999999999999999999999": math.MaxUint64,
	} {
		require.Equal(t, want, mustParse(t, text).Application().MessageLimit(), text)
	}
}

// After its data channels were removed and added again, a connection has two sections; Application
// returns the one in use.
func TestApplicationPrefersTheSectionInUse(t *testing.T) {
	const refused, used = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\n", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n"
	d := mustParse(t, refused+used)
	require.Same(t, &d.Media[1], d.Application())
	d = mustParse(t, "m=audio 9 RTP/AVP 0\n"+refused+refused)
	require.Same(t, &d.Media[1], d.Application())
	require.Nil(t, mustParse(t, "m=audio 9 RTP/AVP 0\n").Application())
}
