package sdp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 9143, section 7.2.1: the first section of the group that is in use has the transport of all. What the others say about theirs is
// for a peer that does not bundle.
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

	// A peer that puts its candidates into the wrong section of the group is understood, if they are of the same transport.
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

// RFC 3264, section 6: an answer has what is understood of the offer. Formats without their mapping would not be understood.
func TestInactive(t *testing.T) {
	d := mustParse(t, chromeVideo)
	transport := Transport{ICEUfrag: "abcd", ICEPwd: "H9gnSA7N/gydRr6CruQSOayu", Fingerprints: []Fingerprint{testFingerprint(t)}, Setup: SetupActive}
	m := &d.Media[0]
	require.True(t, m.IsRTP())
	require.False(t, d.Media[1].IsRTP())
	m.Attributes = append(m.Attributes, Attribute{Key: "rtpmap", Value: "96 other/1"}, Attribute{Key: "rtpmap", Value: "120 not/1"}, Attribute{Key: "x"})
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
a=rtpmap:98 VP9/90000
`), inactive.String())
	require.Equal(t, inactive, inactive.Inactive(transport), "in an offer that follows")
	for protocol, want := range map[string]bool{
		"RTP/AVP": true, "RTP/SAVPF": true, "UDP/TLS/RTP/SAVPF": true, "TCP/DTLS/RTP/SAVPF": true, "UDP/DTLS/SCTP": false, "": false, "udptl": false,
		"TCP/MSRP": false, "XRTP/AVP": false,
	} {
		require.Equal(t, want, (&MediaDescription{Kind: KindApplication, Protocol: protocol}).IsRTP(), protocol)
	}
}
