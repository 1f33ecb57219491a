package sdp

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Descriptions of random lines are refused, or parsed and written stably: the meaning of attributes
// that affect each other must not depend on their order.
func TestLinesPutTogetherByChance(t *testing.T) {
	const seed = 0x5d9
	random := rand.New(rand.NewPCG(seed, 0))
	lines := []string{
		"a=setup:active", "a=setup:actpass", "a=mid:0", "a=mid:1", "a=ice-ufrag:abcd", "a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu",
		"a=ice-options:trickle", "a=ice-options:ice2,renomination", "a=ice-options: ", "a=tls-id:x", "a=fingerprint:md5 00:01",
		"a=fingerprint:sha-256 " + fingerprintText, "a=candidate:1", "a=candidate: 2", "a=end-of-candidates", "a=bundle-only",
		"a=sendrecv", "a=sendonly", "a=sctp-port:5000", "a=sctp-port:6000", "a=sctp-port:0", "a=sctpmap:5000 webrtc-datachannel 1024",
		"a=sctpmap:6000 webrtc-datachannel 16", "a=sctpmap:5000 webrtc-datachannel", "a=sctpmap:6000 bfcp 2", "a=sctpmap:0 webrtc-datachannel",
		"a=max-message-size:0", "a=max-message-size:1", "a=rtcp-mux", "a=x:", "a=x: y", "c=IN IP4 0.0.0.0", "b=AS:1", "i=z",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=application 0 UDP/DTLS/SCTP 0", "m=application 0 DTLS/SCTP 5000",
		"m=application 9 DTLS/SCTP 5000 6000", "m=application 1 DTLS/SCTP webrtc-datachannel", "m=audio 9/2 RTP/AVP 0", "m=audio 0 RTP/AVP 0",
		"a=group:BUNDLE 0 1", "a=group:LS", "a=ice-lite", "a=extmap-allow-mixed", "t=0 0", "t=1 2", "r=1 2 3", "z=1", "e=x", "u=y", "s=", "s= ", "k=x",
	}
	read := 0
	for range 20000 {
		var text strings.Builder
		for range 1 + random.IntN(12) {
			text.WriteString(lines[random.IntN(len(lines))])
			text.WriteByte('\n')
		}
		d, err := ParseDescription(text.String())
		if err != nil {
			continue
		}
		read++
		written := d.String()
		again, err := ParseDescription(written)
		require.NoError(t, err, "seed %#x: %q written as %q", seed, text.String(), written)
		require.Equal(t, written, again.String(), "seed %#x: %q", seed, text.String())
		require.Equal(t, d.Validate() == nil, again.Validate() == nil, "seed %#x: %q", seed, text.String())
	}
	require.Greater(t, read, 1000, "too few were descriptions at all")
}
