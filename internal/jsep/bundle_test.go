package jsep

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/sdp"
)

func bundleLine(mids string) string { return "a=group:BUNDLE " + mids + "\r\n" }

// Media that is bundled with the data channels is answered as inactive, so that it shares their
// transport: browsers fail if it is rejected. Other media is rejected (RFC 8829, section 5.3.1).
func TestAnswerToMedia(t *testing.T) {
	audio, video, data := other.audio("a"), other.video("v"), other.data("d")
	rejected := func(section string) string {
		return strings.NewReplacer("audio 9", "audio 0", "application 9", "application 0").Replace(section)
	}
	for _, c := range []struct{ name, offer, answer string }{
		{"data first", bundleLine("d a") + data + audio, "BUNDLE d a; application d; audio a inactive"},
		{"data last", bundleLine("a v d") + audio + video + data, "BUNDLE a v d; audio a inactive; video v inactive; application d"},
		// RFC 9143, section 7.3.2: the group keeps the order of the offer, whose first section has
		// the transport.
		{"group in another order", bundleLine("d v a") + audio + video + data, "BUNDLE d v a; audio a inactive; video v inactive; application d"},
		{"no group", audio + data, "audio a rejected; application d"},
		{"data alone in the group", bundleLine("d") + audio + data, "BUNDLE d; audio a rejected; application d"},
		{"data outside the group", bundleLine("a v") + audio + video + data, "audio a rejected; video v rejected; application d"},
		{"two groups", bundleLine("a") + bundleLine("v d") + audio + video + data, "BUNDLE v d; audio a rejected; video v inactive; application d"},
		// RFC 3264, section 8.2: "A stream that is offered with a port of zero MUST be marked with
		// port zero in the answer."
		{"rejected in the offer", bundleLine("v d") + rejected(audio) + video + data, "BUNDLE v d; audio a rejected; video v inactive; application d"},
		{"rejected, but in the group", bundleLine("a d") + rejected(audio) + data, "BUNDLE d; audio a rejected; application d"},
		{"a section without format", bundleLine("a d") + strings.Replace(audio, " 111 0\r", "\r", 1) + data, "BUNDLE d; audio a rejected; application d"},
		// RFC 9143, section 6: port zero with bundle-only is not a rejection.
		{"bundle-only", bundleLine("d a") + data + rejected(audio) + "a=bundle-only\r\n", "BUNDLE d a; application d; audio a inactive"},
		{"a mid that is not there", bundleLine("gone a d") + audio + data, "BUNDLE a d; audio a inactive; application d"},
		{"no mids", strings.ReplaceAll(audio+data, "a=mid:", "a=x:"), "audio  rejected; application "},
		{"two data sections", bundleLine("d e") + data + other.data("e"), "BUNDLE d; application d; application e rejected"},
		{"another application", bundleLine("d e") + data + "m=application 9 TCP/TLS/BFCP *\r\na=mid:e\r\n", "BUNDLE d; application d; application e rejected"},
		{"text", bundleLine("d e") + data + "m=text 9 TCP/WSS t140\r\na=mid:e\r\n", "BUNDLE d; application d; text e rejected"},
		{"no data", bundleLine("a v") + audio + video, "audio a rejected; video v rejected"},
		{"data rejected", bundleLine("a") + audio + rejected(data), "audio a rejected; application d rejected"},
		{"the older form", strings.NewReplacer("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000", "a=sctp-port:5000\r\n", "").Replace(data), "application d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t)
			s.remote(Offer, other.head(c.offer))
			text := s.local(Answer)
			answer := s.parse(text)
			require.Equal(t, c.answer, outline(answer))
			section := transportSection(answer)
			require.Equal(t, section != nil, s.out.Transport != nil)
			require.Equal(t, section != nil, s.out.Gather != nil)
			for i := range answer.Media {
				m := &answer.Media[i]
				offered := s.s.currentRemote.Media[i]
				require.Equal(t, []string{offered.Kind, offered.Protocol}, []string{m.Kind, m.Protocol})
				if m.Rejected {
					continue
				}
				require.Equal(t, section.Transport, m.Transport)
				require.Equal(t, offered.Formats, m.Formats)
			}
		})
	}
}

// RFC 8829, section 5.2.2: after an answer with inactive media, either side may offer again, with
// the sections and the group in the same order.
func TestSubsequentOffersWithMedia(t *testing.T) {
	s := newScript(t)
	p := other
	s.remote(Offer, p.head(bundleLine("d a"))+p.data("d")+p.audio("a"))
	s.local(Answer)
	offer := s.parse(s.local(Offer))
	require.Equal(t, "BUNDLE d a; application d; audio a inactive", outline(offer))
	require.Equal(t, sdp.SetupActpass, offer.Media[1].Setup)
	require.Equal(t, []string{"111", "0"}, offer.Media[1].Formats)

	// The peer rejects the media. It is not offered again.
	p = p.with("passive", "", "2")
	s.remote(Answer, p.head(bundleLine("d"))+p.data("d")+strings.Replace(p.audio("a"), "audio 9", "audio 0", 1))
	require.Equal(t, "BUNDLE d; application d; audio a rejected", outline(s.parse(s.local(Offer))))

	// The peer offers meanwhile, and uses the section for another kind.
	p = p.with("actpass", "", "3")
	s.remote(Offer, p.head(bundleLine("d v"))+p.data("d")+p.video("v"))
	require.Equal(t, "BUNDLE d v; application d; video v inactive", outline(s.parse(s.local(Answer))))
}

// A side that was offered media alone adds its data section behind.
func TestDataSectionIsAdded(t *testing.T) {
	s := newScript(t)
	s.remote(Offer, other.head(bundleLine("0"))+other.audio("0"))
	require.Equal(t, "audio 0 rejected", outline(s.parse(s.local(Answer))))
	require.Nil(t, s.out.Transport)
	require.Empty(t, s.Mid())
	s.WantData()
	require.True(t, s.NegotiationNeeded())
	require.Equal(t, "BUNDLE 1; audio 0 rejected; application 1", outline(s.parse(s.local(Offer))))
	require.Equal(t, "1", s.Mid())
	p := other.with("active", "", "2")
	s.remote(Answer, p.head(bundleLine("1"))+"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"+p.data("1"))
	require.True(t, s.out.Transport.NewAssociation)
}
