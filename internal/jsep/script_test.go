package jsep

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sdp"
)

// script tests one machine with a peer whose descriptions are text.
type script struct {
	testing.TB
	*Machine
	out Outcome // of the last input
}

func newScript(t testing.TB) *script { return &script{TB: t, Machine: newMachine("m", 1000)} }

// local sets a local description and returns its text.
func (s *script) local(t Type) string {
	s.Helper()
	out, err := s.SetLocal(t, LocalInit{})
	require.NoError(s, err)
	s.out = out
	if out.Announce == nil {
		return ""
	}
	return out.Announce.SDP
}

// remote sets a remote description.
func (s *script) remote(t Type, text string) {
	s.Helper()
	out, err := s.SetRemote(t, s.parse(text))
	require.NoError(s, err)
	s.out = out
}

// stray sets an answer, and checks that it is ignored as an answer to an offer that was rolled back.
func (s *script) stray(text string) {
	s.Helper()
	before := s.s.strays
	s.remote(Answer, text)
	require.Zero(s, s.out)
	require.Equal(s, before-1, s.s.strays)
}

func (s *script) parse(text string) *sdp.Description {
	s.Helper()
	d, err := Parse(text, nil)
	require.NoError(s, err, text)
	return d
}

// refused checks that a remote description is an error, and that it has no effect.
func (s *script) refused(t Type, text string, kind error, reason string) {
	s.Helper()
	before := s.snapshot()
	out, err := s.SetRemote(t, s.parse(text))
	require.ErrorIs(s, err, kind)
	require.ErrorContains(s, err, reason)
	require.Zero(s, out)
	require.Equal(s, before, s.snapshot())
}

// refusedLocal does the same for a local description.
func (s *script) refusedLocal(t Type, init LocalInit, kind error, reason string) {
	s.Helper()
	before := s.snapshot()
	out, err := s.SetLocal(t, init)
	require.ErrorIs(s, err, kind)
	require.ErrorContains(s, err, reason)
	require.Zero(s, out)
	require.Equal(s, before, s.snapshot())
}

func (s *script) want(state State) {
	s.Helper()
	require.Equal(s, state, s.State())
}

// peer writes the descriptions of the other side.
type peer struct {
	session     string
	version     string
	ufrag       string
	setup       string
	fingerprint string // a name
	tlsID       string
	sctp        string // lines about SCTP
	candidates  string
}

// other is the initial state of the peer.
var other = peer{session: "2000", version: "1", ufrag: "peer", setup: "actpass", fingerprint: "peer", sctp: "a=sctp-port:5000\r\n"}

// with returns the peer with another setup, ufrag or version; "" keeps the current one.
func (p peer) with(setup, ufrag, version string) peer {
	for _, f := range []struct {
		field *string
		value string
	}{{&p.setup, setup}, {&p.ufrag, ufrag}, {&p.version, version}} {
		if f.value != "" {
			*f.field = f.value
		}
	}
	return p
}

func (p peer) head(groups string) string {
	return "v=0\r\no=- " + p.session + " " + p.version + " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + groups
}

func (p peer) transport() string {
	text := "a=ice-ufrag:" + p.ufrag + "\r\na=ice-pwd:" + p.ufrag + "0123456789012345678901\r\n" +
		"a=fingerprint:" + fingerprint(p.fingerprint).String() + "\r\n" + p.candidates
	if p.setup != "" {
		text += "a=setup:" + p.setup + "\r\n"
	}
	if p.tlsID != "" {
		text += "a=tls-id:" + p.tlsID + "\r\n"
	}
	return text
}

func (p peer) data(mid string) string {
	return "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:" + mid + "\r\n" + p.transport() + p.sctp
}

func (p peer) audio(mid string) string {
	return "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:" + mid + "\r\n" + p.transport() + "a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
}

func (p peer) video(mid string) string {
	return "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:" + mid + "\r\n" + p.transport() + "a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
}

// String returns a description with only a data section.
func (p peer) String() string { return p.head("a=group:BUNDLE 0\r\n") + p.data("0") }

func (p peer) credentials() Credentials {
	return Credentials{p.ufrag, p.ufrag + "0123456789012345678901"}
}

// ufragIn returns the ICE ufrag in a text.
func ufragIn(t testing.TB, text string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "a=ice-ufrag:")
	require.True(t, ok, text)
	ufrag, _, _ := strings.Cut(after, "\r\n")
	return ufrag
}

// offering returns a machine whose offer the peer has answered.
func offering(t testing.TB) *script {
	s := newScript(t)
	s.WantData()
	s.local(Offer)
	s.remote(Answer, other.with("active", "", "").String())
	return s
}

// answering returns a machine that has answered the peer's offer.
func answering(t testing.TB) *script {
	s := newScript(t)
	s.remote(Offer, other.String())
	s.local(Answer)
	return s
}
