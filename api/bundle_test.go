package rtc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/rtcstack/rtcstack/stun"
)

const (
	offerHead = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	// transportLines are the attributes of ICE and DTLS of an offer.
	transportLines = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=fingerprint:sha-256 " +
		"AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB\r\n"
)

// audioSection, videoSection and dataSection are sections of an offer with a transport.
func audioSection(mid, more string) string {
	return "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\n" + transportLines +
		"a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:111 evil/1\r\na=rtpmap:96 VP8/90000\r\na=fmtp:111 minptime=10\r\n" + more
}

func videoSection(mid, more string) string {
	return "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\n" + transportLines +
		"a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96;x-invented=1\r\n" + more
}

func dataSection(mid, more string) string {
	return "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\n" + transportLines +
		"a=sctp-port:5000\r\n" + more
}

func bundleLine(mids string) string { return "a=group:BUNDLE " + mids + "\r\n" }

// answerTo returns the answer of a new connection to an offer.
func answerTo(t *testing.T, pc *PeerConnection, offer string) *sdp.Description {
	t.Helper()
	require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionOffer, offer}))
	d := must(pc.LocalDescription())
	require.Equal(t, DescriptionAnswer, d.Type)
	return parsed(t, d)
}

func parsed(t *testing.T, d SessionDescription) *sdp.Description {
	t.Helper()
	p, err := sdp.ParseDescription(d.SDP)
	require.NoError(t, err)
	require.NoError(t, p.Validate(), d.SDP)
	return p
}

// outline returns a description in short form: "BUNDLE a b; audio a inactive; application b".
func outline(d *sdp.Description) string {
	var parts []string
	for _, g := range d.Groups {
		parts = append(parts, strings.Join(append([]string{g.Semantics}, g.Mids...), " "))
	}
	for i := range d.Media {
		m := &d.Media[i]
		part := m.Kind + " " + m.Mid
		switch {
		case m.Rejected:
			part += " rejected"
		case !m.IsDataChannel():
			part += " " + m.Direction.String()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// Media is not supported. A section that is bundled with the data channels is answered as inactive,
// because browsers and pion fail when a section of their transport is rejected. A section that is
// not bundled with them is rejected (RFC 8829, section 5.3.1).
func TestAnswerToMedia(t *testing.T) {
	audio, video, data := audioSection("a", ""), videoSection("v", ""), dataSection("d", "")
	for _, test := range []struct {
		name, offer, answer string
	}{
		{"data first", bundleLine("d a") + data + audio, "BUNDLE d a; application d; audio a inactive"},
		{"data last", bundleLine("a v d") + audio + video + data, "BUNDLE a v d; audio a inactive; video v inactive; application d"},
		// RFC 9143, section 7.3.1: the first section of the offered group has the transport, if the
		// answerer accepts that section.
		{"group in another order", bundleLine("d v a") + audio + video + data, "BUNDLE d v a; audio a inactive; video v inactive; application d"},
		{"no group", audio + data, "audio a rejected; application d"},
		{"data alone in the group", bundleLine("d") + audio + data, "BUNDLE d; audio a rejected; application d"},
		{"data outside the group", bundleLine("a v") + audio + video + data, "audio a rejected; video v rejected; application d"},
		{"two groups", bundleLine("a") + bundleLine("v d") + audio + video + data, "BUNDLE v d; audio a rejected; video v inactive; application d"},
		// RFC 3264, section 8.2: "A stream that is offered with a port of zero MUST be marked with
		// port zero in the answer."
		{"rejected in the offer", bundleLine("v d") + strings.Replace(audio, "audio 9", "audio 0", 1) + video + data, "BUNDLE v d; audio a rejected; video v inactive; application d"},
		{"rejected, but in the group", bundleLine("a d") + strings.Replace(audio, "audio 9", "audio 0", 1) + data, "BUNDLE d; audio a rejected; application d"},
		{"a section without format", bundleLine("a d") + strings.Replace(audio, " 111 0\r", "\r", 1) + data, "BUNDLE d; audio a rejected; application d"},
		// RFC 9143, section 6: port zero with a=bundle-only does not reject the section.
		{"bundle-only", bundleLine("d a") + data + strings.Replace(audio, "audio 9", "audio 0", 1) + "a=bundle-only\r\n", "BUNDLE d a; application d; audio a inactive"},
		{"a mid that is not there", bundleLine("gone a d") + audio + data, "BUNDLE a d; audio a inactive; application d"},
		{"no mids", strings.ReplaceAll(audio+data, "a=mid:", "a=x:"), "audio  rejected; application "},
		{"two data sections", bundleLine("d e") + data + dataSection("e", ""), "BUNDLE d; application d; application e rejected"},
		{"another application", bundleLine("d e") + data + "m=application 9 TCP/TLS/BFCP *\r\na=mid:e\r\n", "BUNDLE d; application d; application e rejected"},
		{"text", bundleLine("d e") + data + "m=text 9 TCP/WSS t140\r\na=mid:e\r\n", "BUNDLE d; application d; text e rejected"},
		{"no data", bundleLine("a v") + audio + video, "audio a rejected; video v rejected"},
		{"data rejected", bundleLine("a") + audio + strings.Replace(data, "application 9", "application 0", 1), "audio a rejected; application d rejected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				pc := n.connection(Configuration{})
				answer := answerTo(t, pc, offerHead+test.offer)
				require.Equal(t, test.answer, outline(answer))
				require.Equal(t, SignalingStateStable, pc.SignalingState())
				data := answer.Application()
				if data == nil || data.Rejected {
					require.Equal(t, StateNew, pc.State(), "there is nothing to connect")
					return
				}
				for i := range answer.Media {
					m := &answer.Media[i]
					if m.Rejected {
						continue
					}
					require.NotZero(t, m.Port)
					require.Equal(t, data.Transport, m.Transport)
					if m.IsDataChannel() {
						continue
					}
					want := sdp.Attributes{{Key: "rtcp-mux"}, {Key: "rtpmap", Value: "111 opus/48000/2"}}
					formats := []string{"111", "0"}
					if m.Kind == sdp.KindVideo {
						want = sdp.Attributes{{Key: "rtcp-mux"}, {Key: "rtpmap", Value: "96 VP8/90000"}, {Key: "rtpmap", Value: "97 rtx/90000"}, {Key: "fmtp", Value: "97 apt=96"}}
						formats = []string{"96", "97"}
					}
					require.Equal(t, want, m.Attributes)
					require.Equal(t, formats, m.Formats)
				}
			})
		})
	}
}

// RFC 5761, section 5.1.1: the answer contains a=rtcp-mux only if the offer does.
func TestAnswerToMediaWithoutMultiplexing(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		audio := strings.Replace(audioSection("a", ""), "a=rtcp-mux\r\n", "", 1)
		answer := answerTo(t, pc, offerHead+bundleLine("a d")+audio+dataSection("d", ""))
		require.Equal(t, sdp.Attributes{{Key: "rtpmap", Value: "111 opus/48000/2"}}, answer.Media[0].Attributes)
	})
}

// RFC 8866, section 6: attributes that are not understood are ignored. An answer with such an
// attribute would claim that it is understood.
func TestAnswerHasNoForeignAttributes(t *testing.T) {
	const invented = "a=sctp-init:AQAAIGZvbw==\r\na=x-invented:1\r\na=x-flag\r\na=\r\ny=1\r\nb=AS:1\r\n"
	for name, offer := range map[string]string{
		"bundled":     bundleLine("a v d") + audioSection("a", invented) + videoSection("v", invented) + dataSection("d", invented),
		"not bundled": audioSection("a", invented) + dataSection("d", invented),
		"data only":   dataSection("d", invented+"a=sctpmap:6000 x-invented 2\r\na=ice-options:x-invented\r\n"),
		"no data":     audioSection("a", invented),
	} {
		t.Run(name, func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				pc := n.connection(Configuration{})
				answerTo(t, pc, offerHead+invented+"a=extmap-allow-mixed\r\na=msid-semantic: WMS x-invented\r\n"+offer)
				ours := []string{must(pc.LocalDescription()).SDP}
				if strings.Contains(offer, "m=application") {
					require.NoError(t, pc.RestartICE())
					ours = append(ours, must(pc.LocalDescription()).SDP)
				}
				for _, text := range ours {
					for _, word := range []string{"invented", "sctp-init", "x-flag", "a=\r", "y=", "b=", "extmap", "msid", "minptime", "evil"} {
						require.NotContains(t, text, word)
					}
				}
			})
		})
	}
}

// Candidates are in the section with the transport, and are announced with its mid. RFC 9143,
// section 7.1.3: their attributes are of the category TRANSPORT.
func TestCandidatesOfABundle(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		audio, data := audioSection("a", ""), dataSection("d", "")
		for _, test := range []struct{ offer, tagged string }{
			{bundleLine("a d") + audio + data, "a"}, {bundleLine("d a") + audio + data, "d"}, {bundleLine("a") + audio + data, "d"},
			{audio + data, "d"}, {bundleLine("a d") + strings.Replace(audio, "audio 9", "audio 0", 1) + data, "d"},
		} {
			pc := n.connection(manual)
			announced := make(chan Candidate, 10)
			pc.OnLocalCandidate(func(c Candidate) { announced <- c })
			require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionOffer, offerHead + test.offer}))
			require.NoError(t, pc.SetLocalDescription(DescriptionAnswer))
			require.Equal(t, test.tagged, receive(t, announced, "candidate").Mid, test.offer)
			eventually(t, "all candidates", func() bool { return pc.GatheringState() == GatheringStateComplete })
			answer := parsed(t, must(pc.LocalDescription()))
			for i := range answer.Media {
				m := &answer.Media[i]
				require.Equal(t, m.Mid == test.tagged, len(m.Candidates) > 0, m.Mid)
				require.Equal(t, m.Mid == test.tagged, m.EndOfCandidates, m.Mid)
			}
		}
	})
}

// The candidates of a peer apply to the whole group, whichever of its sections they belong to,
// unless that section has a transport with credentials of its own.
func TestRemoteCandidatesOfABundle(t *testing.T) {
	const first, second = "candidate:1 1 UDP 5 127.0.0.1 4001 typ host", "candidate:2 1 UDP 5 127.0.0.1 4002 typ host"
	audio, data := audioSection("a", ""), dataSection("d", "")
	other := strings.NewReplacer("abcd", "efgh").Replace(videoSection("v", ""))
	none := strings.NewReplacer(transportLines, "").Replace(videoSection("v", ""))
	for _, test := range []struct {
		name, offer, mid string
		taken            bool
	}{
		{"the tagged section", bundleLine("a d v") + audio + data + none, "a", true},
		{"the data section", bundleLine("a d v") + audio + data + none, "d", true},
		{"another section", bundleLine("a d v") + audio + data + none, "v", true},
		{"a section with another transport", bundleLine("a d v") + audio + data + other, "v", false},
		{"a section outside the group", bundleLine("a d") + audio + data + other, "v", false},
		{"an unknown section", bundleLine("a d") + audio + data, "x", false},
		{"no section", bundleLine("a d") + audio + data, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				pc := n.connection(manual)
				require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionOffer, offerHead + test.offer}))
				require.NoError(t, pc.AddRemoteCandidate(Candidate{first, test.mid}))
				require.NoError(t, pc.SetLocalDescription(DescriptionAnswer))
				require.NoError(t, pc.AddRemoteCandidate(Candidate{second, test.mid}))
				require.NoError(t, pc.AddRemoteCandidate(Candidate{"end-of-candidates", test.mid}))
				known := 0
				if test.taken {
					known = 2
				}
				d := parsed(t, must(pc.RemoteDescription()))
				candidates, complete := d.CandidatesOf(d.Application())
				require.Len(t, candidates, known)
				require.Equal(t, test.taken, complete)
				require.Equal(t, known, len(d.TaggedOf(d.Application()).Candidates))
			})
		})
	}
}

// Useless parts of a description do not make it invalid.
func TestRemoteDescriptionWithUselessParts(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		const good = "a=candidate:1 1 UDP 5 127.0.0.1 4001 typ host\r\n"
		const bad = "a=candidate:nonsense\r\na=candidate:2 1 quic 5 127.0.0.1 9 typ host\r\na=candidate:3 1 UDP 5 127.0.0.1 9 typ future\r\n"
		pc := n.connection(Configuration{})
		answerTo(t, pc, offerHead+bundleLine("x d")+"a=group:LS y d\r\n"+dataSection("d", bad+good))
		d := parsed(t, must(pc.RemoteDescription()))
		require.Equal(t, []string{strings.TrimSpace(good[2:])}, d.Media[0].Candidates)
		require.Equal(t, []sdp.Group{{Semantics: "BUNDLE", Mids: []string{"d"}}, {Semantics: "LS", Mids: []string{"d"}}}, d.Groups)
	})
}

// After an answer with inactive media, either side may offer again: the sections stay in their
// order, and so does the group.
func TestRenegotiationWithInactiveMedia(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		audio, video, data := audioSection("a", ""), videoSection("v", ""), dataSection("d", "")
		pc := n.connection(Configuration{})
		require.Equal(t, "BUNDLE d; application d", outline(answerTo(t, pc, offerHead+bundleLine("d")+data)))
		require.Equal(t, "BUNDLE d a; application d; audio a inactive", outline(answerTo(t, pc, offerHead+bundleLine("d a")+data+audio)))

		// This side offers. The media stays inactive and keeps its formats.
		require.NoError(t, pc.RestartICE())
		offer := must(pc.LocalDescription())
		require.Equal(t, DescriptionOffer, offer.Type)
		ours := parsed(t, offer)
		require.Equal(t, "BUNDLE d a; application d; audio a inactive", outline(ours))
		require.Equal(t, sdp.SetupActpass, ours.Media[1].Setup)
		require.Equal(t, []string{"111", "0"}, ours.Media[1].Formats)
		require.Equal(t, sdp.Attributes{{Key: "rtcp-mux"}, {Key: "rtpmap", Value: "111 opus/48000/2"}}, ours.Media[1].Attributes)
		// The peer answers, and rejects the media.
		answer := strings.NewReplacer("actpass", "passive", "abcd", "efgh").Replace(offerHead + bundleLine("d") + data + strings.Replace(audio, "audio 9", "audio 0", 1))
		require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionAnswer, answer}))
		require.Equal(t, SignalingStateStable, pc.SignalingState())

		// A section that the peer has rejected is not offered again.
		require.NoError(t, pc.RestartICE())
		require.Equal(t, "BUNDLE d; application d; audio a rejected", outline(parsed(t, must(pc.LocalDescription()))))

		// The peer then offers, and uses the section for something else.
		reused := strings.Replace(bundleLine("d v")+data+video, "abcd", "ijkl", 2)
		require.Equal(t, "BUNDLE d v; application d; video v inactive", outline(answerTo(t, pc, offerHead+reused)))
	})
}

// withAudio adds an audio section to an offer that has only data. The audio section is the first
// one, and has the candidates.
func withAudio(text string) string {
	head, data, _ := strings.Cut(text, "m=")
	var candidates, rest []string
	for _, line := range strings.SplitAfter(data, "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") || strings.HasPrefix(line, "a=end-of-candidates") {
			candidates = append(candidates, line)
		} else {
			rest = append(rest, line)
		}
	}
	transport := slices.DeleteFunc(slices.Clone(rest), func(line string) bool {
		return !strings.HasPrefix(line, "a=ice-") && !strings.HasPrefix(line, "a=fingerprint:") && !strings.HasPrefix(line, "a=setup:")
	})
	return strings.Replace(head, "BUNDLE 0", "BUNDLE audio 0", 1) +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:audio\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n" +
		strings.Join(transport, "") + strings.Join(candidates, "") + "m=" + strings.Join(rest, "")
}

// withoutAudio removes the audio section from an answer to such an offer.
func withoutAudio(text string) string {
	head, rest, _ := strings.Cut(text, "m=audio")
	audio, data, _ := strings.Cut(rest, "m=")
	data = "m=" + data
	for _, line := range strings.SplitAfter(audio, "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") || strings.HasPrefix(line, "a=end-of-candidates") {
			data += line
		}
	}
	return strings.Replace(head, "BUNDLE audio 0", "BUNDLE 0", 1) + data
}

// An endpoint with audio and data in one BUNDLE group has its candidates in the audio section only,
// and finds those of this side in the audio section of the answer.
func TestConnectByTheCandidatesOfTheTaggedSection(t *testing.T) {
	for _, trickle := range []bool{false, true} {
		t.Run(fmt.Sprintf("trickle %v", trickle), func(t *testing.T) {
			inNetwork(t, 1, func(t *testing.T, n *network) {
				media, pc := n.connection(manual), n.connection(manual)
				if trickle {
					toPC, toMedia := newWire(10*time.Millisecond), newWire(10*time.Millisecond)
					media.OnLocalCandidate(func(c Candidate) {
						toPC.send(func() { _ = pc.AddRemoteCandidate(Candidate{c.Candidate, "audio"}) })
					})
					pc.OnLocalCandidate(func(c Candidate) {
						if c.Mid != "audio" {
							t.Errorf("a candidate of section %q", c.Mid)
						}
						toMedia.send(func() { _ = media.AddRemoteCandidate(Candidate{c.Candidate, "0"}) })
					})
				}
				dc, err := media.CreateDataChannel("x", nil)
				require.NoError(t, err)
				opened := make(chan struct{})
				dc.OnOpen(func() { close(opened) })
				require.NoError(t, media.SetLocalDescription(DescriptionOffer))
				if !trickle {
					eventually(t, "candidates", func() bool { return media.GatheringState() == GatheringStateComplete })
				}
				offer := withAudio(must(media.LocalDescription()).SDP)
				require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionOffer, offer}))
				require.NoError(t, pc.SetLocalDescription(DescriptionAnswer))
				if !trickle {
					eventually(t, "candidates", func() bool { return pc.GatheringState() == GatheringStateComplete })
				}
				answer := withoutAudio(must(pc.LocalDescription()).SDP)
				require.NoError(t, media.SetRemoteDescription(SessionDescription{DescriptionAnswer, answer}))
				receive(t, opened, "open callback")
			})
		})
	}
}

// An ICE-lite endpoint sends no checks. With its candidates in the tagged section alone, the checks
// of this side reach it.
func TestChecksGoToTheCandidatesOfTheTaggedSection(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		lite := netip.AddrPortFrom(address(7), 4000)
		checks := 0
		n.Network.Attach(&netsim.Responder{Reply: func(_ []byte, local, _ netip.AddrPort, packet []byte) []byte {
			if local == lite && stun.Is(packet) {
				checks++
			}
			return nil
		}}, netsim.Interface{Addr: lite.Addr()})
		candidate := fmt.Sprintf("a=candidate:1 1 udp 2130706431 %v %d typ host\r\na=end-of-candidates\r\n", lite.Addr(), lite.Port())
		pc := n.connection(Configuration{})
		answerTo(t, pc, offerHead+"a=ice-lite\r\n"+bundleLine("a d")+audioSection("a", candidate)+dataSection("d", ""))
		pause(time.Second)
		require.NotZero(t, checks)
	})
}
