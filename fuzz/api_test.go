package fuzz_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	rtc "github.com/rtcstack/rtcstack/api"
)

// classed fails for an error that has not exactly one of the documented classes.
func classed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	n := 0
	for _, class := range []error{rtc.ErrInvalid, rtc.ErrFailure, rtc.ErrNotAvailable, rtc.ErrTooSmall} {
		if errors.Is(err, class) {
			n++
		}
	}
	require.Equal(t, 1, n, "%v", err)
}

func FuzzConfigurationURIs(f *testing.F) {
	for _, uri := range []string{"", "stun.example.org", "stun:h:1", "turn:u:p@h?transport=tcp", "turns://[2001:db8::1]:5349",
		"turn:a%3Ab:c%40d@h", "http://u:p@proxy:8080", "socks5:[::1]:1080"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		for _, c := range []rtc.Configuration{{ICEServers: []string{uri}}, {ProxyServer: uri}} {
			pc, err := rtc.NewPeerConnection(c)
			classed(t, err)
			if err != nil {
				require.ErrorIs(t, err, rtc.ErrInvalid)
				continue
			}
			require.NoError(t, pc.CloseAndWait())
		}
	})
}

// FuzzSignalling passes descriptions, candidates and types to a connection in any order. Every
// error must have a class, the connection must not panic, and it can always be closed.
func FuzzSignalling(f *testing.F) {
	const transport = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=fingerprint:sha-256 "
	fingerprint := strings.TrimSuffix(strings.Repeat("AB:", 32), ":") + "\r\n"
	const application = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sctp-port:5000\r\n"
	offer := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" + application + transport + fingerprint
	const candidate = "candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host"
	f.Add(offer, candidate, uint8(1), uint8(0))
	f.Add(offer, "a="+candidate, uint8(0), uint8(2))
	f.Add(strings.Replace(offer, "actpass", "active", 1), "", uint8(2), uint8(3))
	f.Add(offer+"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n", "nonsense", uint8(4), uint8(4))
	f.Add("", "end-of-candidates", uint8(9), uint8(1))
	f.Fuzz(func(t *testing.T, sdp, candidate string, remote, local uint8) {
		pc, err := rtc.NewPeerConnection(rtc.Configuration{BindAddress: "127.0.0.1", DisableAutoNegotiation: local%2 == 0})
		require.NoError(t, err)
		defer func() { require.NoError(t, pc.CloseAndWait()) }()
		if remote%3 == 0 {
			_, err := pc.CreateDataChannel(candidate, nil)
			classed(t, err)
		}
		classed(t, pc.SetRemoteDescription(rtc.SessionDescription{Type: rtc.DescriptionType(remote % 6), SDP: sdp}))
		// A fuzzer must neither resolve names nor send to arbitrary addresses.
		if !strings.Contains(sdp, "candidate:") && (!strings.Contains(candidate, "candidate:") || strings.Contains(candidate, " 127.0.0.1 9 ")) {
			classed(t, pc.AddRemoteCandidate(rtc.Candidate{Candidate: candidate, Mid: "0"}))
		}
		classed(t, pc.SetLocalDescription(rtc.DescriptionType(local%5)))
		_, err = pc.CreateAnswer()
		classed(t, err)
		d, err := pc.RemoteDescription()
		classed(t, err)
		if err == nil {
			// An accepted description is accepted again.
			other, err := rtc.NewPeerConnection(rtc.Configuration{BindAddress: "127.0.0.1", DisableAutoNegotiation: true})
			require.NoError(t, err)
			defer func() { require.NoError(t, other.CloseAndWait()) }()
			if !strings.Contains(d.SDP, "candidate:") {
				require.NoError(t, other.SetRemoteDescription(rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: d.SDP}))
			}
		}
	})
}
