package sdp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 9143, section 7.2.1: the first section of the group that is in use has the transport of all.
// The attributes of the others are for a peer that does not bundle.
func TestTaggedSection(t *testing.T) {
	first := Transport{ICEUfrag: "first", ICEPwd: "first-pwd", ICEOptions: []string{"trickle"}, Fingerprints: []Fingerprint{{Algorithm: SHA256}}, Setup: SetupActpass}
	second := Transport{ICEUfrag: "second", ICEPwd: "second-pwd", TLSID: "x", Fingerprints: []Fingerprint{{Algorithm: SHA1}}, Setup: SetupActive}
	d := Description{
		Groups: []Group{{Semantics: "LS", Mids: []string{"c", "b"}}, {Semantics: SemanticsBundle, Mids: []string{"gone", "rejected", "b", "a"}}},
		Media: []MediaDescription{
			{Mid: "a", Transport: second, Candidates: []string{"of a"}, EndOfCandidates: true},
			{Mid: "b", Transport: first, Candidates: []string{"of b"}},
			{Mid: "c", Transport: second, Candidates: []string{"of c"}},
			{Mid: "rejected", Rejected: true, Candidates: []string{"of rejected"}},
			{Candidates: []string{"of one without mid"}},
		},
	}
	of := func(i int) (tagged *MediaDescription, ufrag string, candidates []string, complete bool) {
		m := &d.Media[i]
		candidates, complete = d.CandidatesOf(m)
		return d.TaggedOf(m), d.TransportOf(m).ICEUfrag, candidates, complete
	}
	want := func(i int, wantTagged int, wantUfrag string, wantCandidates []string, wantComplete bool) {
		t.Helper()
		tagged, ufrag, candidates, complete := of(i)
		require.Same(t, &d.Media[wantTagged], tagged)
		require.Equal(t, wantUfrag, ufrag)
		require.Equal(t, wantCandidates, candidates)
		require.Equal(t, wantComplete, complete)
	}
	want(0, 1, "first", []string{"of b"}, false)
	want(1, 1, "first", []string{"of b"}, false)
	want(2, 2, "second", []string{"of c"}, false)
	want(3, 3, "", []string{"of rejected"}, false)
	want(4, 4, "", []string{"of one without mid"}, false)
	require.Equal(t, "x", d.TransportOf(&d.Media[0]).TLSID, "what the first lacks")

	// Candidates in another section of the group are used if they are of the same transport.
	d.Media[1].Candidates = nil
	want(0, 1, "first", nil, false)
	d.Media[0].Transport = first
	want(0, 1, "first", []string{"of a"}, true)
	d.Media[0].Transport = Transport{}
	want(0, 1, "first", []string{"of a"}, true)
	d.Media[1].EndOfCandidates, d.Media[0].EndOfCandidates = true, false
	want(0, 1, "first", []string{"of a"}, true)
	d.Media[1].EndOfCandidates, d.EndOfCandidates = false, true
	want(0, 1, "first", []string{"of a"}, true)
	d.Media[1].Rejected = true
	want(0, 0, "", []string{"of a"}, true)
}

// RFC 3264, section 6: an answer repeats the attributes of the offer that it understands. Formats
// without their mapping would be useless.
func TestInactive(t *testing.T) {
	d := mustParse(t, chromeVideo)
	transport := Transport{ICEUfrag: "abcd", ICEPwd: "H9gnSA7N/gydRr6CruQSOayu", Fingerprints: []Fingerprint{testFingerprint(t)}, Setup: SetupActive}
	m := &d.Media[0]
	require.True(t, m.IsRTP())
	require.False(t, d.Media[1].IsRTP())
	m.Attributes = append(m.Attributes, Attribute{Key: "rtpmap", Value: "96 other/1"}, Attribute{Key: "rtpmap", Value: "120 not/1"}, Attribute{Key: "x"},
		Attribute{Key: "fmtp", Value: "96 x=1"}, Attribute{Key: "fmtp", Value: "97 apt=98"}, Attribute{Key: "fmtp", Value: "120 apt=96"})
	inactive := m.Inactive(transport)
	require.Equal(t, crlf(`m=video 9 UDP/TLS/RTP/SAVPF 96 97 98
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:H9gnSA7N/gydRr6CruQSOayu
a=fingerprint:sha-256 `+fingerprintText+`
a=setup:active
a=mid:0
a=inactive
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
`), inactive.String())
	require.Equal(t, inactive, inactive.Inactive(transport), "in an offer that follows")
	for protocol, want := range map[string]bool{
		"RTP/AVP": true, "RTP/SAVPF": true, "UDP/TLS/RTP/SAVPF": true, "TCP/DTLS/RTP/SAVPF": true, "UDP/DTLS/SCTP": false, "": false, "udptl": false,
		"TCP/MSRP": false, "XRTP/AVP": false,
	} {
		require.Equal(t, want, (&MediaDescription{Kind: KindApplication, Protocol: protocol}).IsRTP(), protocol)
	}
}

// Parameters distinguish two formats of one encoding, and apt names the format that is
// retransmitted. Other parameters describe the media, or are unknown here.
func TestInactiveFormatParameters(t *testing.T) {
	for parameters, want := range map[string]string{
		"apt=96":               "apt=96",
		"apt=96;rtx-time=3000": "apt=96",
		"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f":           "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		" profile-level-id=42e01f ; PACKETIZATION-MODE=1; sprop-parameter-sets=Z0IACpZTBY": "profile-level-id=42e01f;PACKETIZATION-MODE=1",
		"level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST":                                "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
		"profile-id=2":                 "profile-id=2",
		"level-idx=5;profile=0;tier=0": "level-idx=5;profile=0;tier=0",
		"minptime=10;useinbandfec=1":   "", "111/111": "", "0-16": "", "x-invented=1": "", "aptitude=1": "", ";;=": "", "": "",
	} {
		m := MediaDescription{Kind: KindVideo, Formats: []string{"97"}, Attributes: Attributes{{Key: "fmtp", Value: "97 " + parameters}}}
		inactive := m.Inactive(Transport{})
		if want == "" {
			require.Empty(t, inactive.Attributes, parameters)
			continue
		}
		require.Equal(t, Attributes{{Key: "fmtp", Value: "97 " + want}}, inactive.Attributes, parameters)
	}
}
