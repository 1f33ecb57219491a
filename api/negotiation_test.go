package rtc

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newConnection creates a connection without signalling.
func newConnection(t testing.TB, c Configuration) *PeerConnection {
	t.Helper()
	c.BindAddress = "127.0.0.1"
	pc, err := NewPeerConnection(c)
	require.NoError(t, err)
	checkLeaks(t)
	t.Cleanup(func() { require.NoError(t, pc.CloseAndWait()) })
	return pc
}

// manual is a configuration without automatic negotiation.
var manual = Configuration{DisableAutoNegotiation: true}

// withChannel creates a connection with a channel, and so with something to describe.
func (n *network) withChannel(c Configuration) *PeerConnection {
	n.t.Helper()
	pc := n.connection(c)
	_, err := pc.CreateDataChannel("x", nil)
	require.NoError(n.t, err)
	return pc
}

// offer returns the offer of a new connection.
func (n *network) offer() SessionDescription {
	n.t.Helper()
	d, err := n.withChannel(manual).CreateOffer()
	require.NoError(n.t, err)
	return d
}

func TestCreateDataChannelOffersOnce(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		require.False(t, pc.NegotiationNeeded())
		_, err := pc.CreateDataChannel("1", nil)
		require.NoError(t, err)
		require.Equal(t, SignalingStateHaveLocalOffer, pc.SignalingState())
		first, err := pc.LocalDescription()
		require.NoError(t, err)
		require.Equal(t, DescriptionOffer, first.Type)
		require.Contains(t, first.SDP, "a=setup:actpass") // RFC 8842, section 5.2
		_, err = pc.CreateDataChannel("2", nil)
		require.NoError(t, err)
		require.Equal(t, version(t, first), version(t, must(pc.LocalDescription())))
		require.False(t, pc.NegotiationNeeded())

		pc = n.withChannel(manual)
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		require.True(t, pc.NegotiationNeeded())
		require.NoError(t, pc.SetLocalDescription(DescriptionAuto))
		require.Equal(t, SignalingStateHaveLocalOffer, pc.SignalingState())
		require.False(t, pc.NegotiationNeeded())
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// version returns the version in the o= line of a description.
func version(t *testing.T, d SessionDescription) string {
	t.Helper()
	_, after, ok := strings.Cut(d.SDP, "o=")
	require.True(t, ok)
	line, _, _ := strings.Cut(after, "\r\n")
	return line
}

func TestNothingToDescribe(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.connection(Configuration{})
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionAuto), ErrFailure)
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionOffer), ErrFailure)
		_, err := pc.CreateOffer()
		require.ErrorIs(t, err, ErrFailure)
		_, err = pc.CreateAnswer()
		require.ErrorIs(t, err, ErrFailure)
		_, err = pc.LocalDescription()
		require.ErrorIs(t, err, ErrNotAvailable)
		_, err = pc.RemoteDescription()
		require.ErrorIs(t, err, ErrNotAvailable)
	})
}

func TestTypesThatDoNotFitTheState(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		offer := n.offer()

		pc := n.withChannel(manual) // stable
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionAnswer), ErrFailure)
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionPranswer), ErrFailure)
		require.ErrorIs(t, pc.SetRemoteDescription(SessionDescription{DescriptionAnswer, offer.SDP}), ErrFailure)
		require.ErrorIs(t, pc.SetRemoteDescription(SessionDescription{DescriptionPranswer, offer.SDP}), ErrFailure)
		require.ErrorIs(t, pc.SetRemoteDescription(SessionDescription{99, offer.SDP}), ErrInvalid)

		require.NoError(t, pc.SetLocalDescription(DescriptionOffer)) // have-local-offer
		require.NoError(t, pc.SetLocalDescription(DescriptionOffer), "a repeated offer is accepted silently")
		require.NoError(t, pc.SetLocalDescription(DescriptionAuto))
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionAnswer), ErrFailure)

		pc = n.connection(manual)
		require.NoError(t, pc.SetRemoteDescription(offer)) // have-remote-offer
		require.Equal(t, SignalingStateHaveRemoteOffer, pc.SignalingState())
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionOffer), ErrFailure)
		require.NoError(t, pc.SetRemoteDescription(offer), "another offer takes the place of the first")
		require.NoError(t, pc.SetLocalDescription(DescriptionPranswer)) // have-local-pranswer
		require.Equal(t, SignalingStateHaveLocalPranswer, pc.SignalingState())
		require.ErrorIs(t, pc.SetLocalDescription(DescriptionOffer), ErrFailure)
		require.NoError(t, pc.SetLocalDescription(DescriptionAuto)) // the answer
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		answer := must(pc.LocalDescription())
		require.Equal(t, DescriptionAnswer, answer.Type)
		require.Contains(t, answer.SDP, "a=setup:active") // RFC 8842, section 5.3
	})
}

func TestRollbackSucceedsInAnyState(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.withChannel(manual)
		require.NoError(t, pc.SetLocalDescription(DescriptionRollback))
		require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
		require.NoError(t, pc.SetLocalDescription(DescriptionRollback))
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		_, err := pc.LocalDescription()
		require.ErrorIs(t, err, ErrNotAvailable)
		require.True(t, pc.NegotiationNeeded())

		require.NoError(t, pc.SetRemoteDescription(n.offer()))
		require.NoError(t, pc.SetRemoteDescription(SessionDescription{Type: DescriptionRollback}))
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		_, err = pc.RemoteDescription()
		require.ErrorIs(t, err, ErrNotAvailable)
	})
}

func TestRemoteDescriptionsThatCannotBeUsed(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.withChannel(manual)
		good := n.offer().SDP
		without := func(prefix string) string {
			var kept []string
			for _, line := range strings.SplitAfter(good, "\r\n") {
				if !strings.HasPrefix(line, prefix) {
					kept = append(kept, line)
				}
			}
			return strings.Join(kept, "")
		}
		for name, text := range map[string]string{
			"empty":              "",
			"garbage":            "garbage",
			"no ufrag":           without("a=ice-ufrag"),
			"no pwd":             without("a=ice-pwd"),
			"no fingerprint":     without("a=fingerprint"),
			"no media":           good[:strings.Index(good, "m=")],
			"holdconn":           strings.Replace(good, "actpass", "holdconn", 1),
			"fingerprint of md5": strings.Replace(good, "sha-256", "md5", 1),
		} {
			require.ErrorIs(t, pc.SetRemoteDescription(SessionDescription{DescriptionOffer, text}), ErrInvalid, name)
		}
		own := must(pc.CreateOffer())
		require.ErrorIs(t, pc.SetRemoteDescription(own), ErrInvalid, "its own")
		require.Equal(t, SignalingStateStable, pc.SignalingState())

		// Lines that end with LF only, and a missing v= line, are accepted.
		lenient := strings.TrimPrefix(strings.ReplaceAll(good, "\r\n", "\n"), "v=0\n")
		require.NoError(t, pc.SetRemoteDescription(SessionDescription{DescriptionAuto, lenient}))
		require.Equal(t, SignalingStateHaveRemoteOffer, pc.SignalingState())
	})
}

func TestAnswersThatDoNotFitTheOffer(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		a, b := n.withChannel(manual), n.connection(manual)
		require.NoError(t, a.SetLocalDescription(DescriptionOffer))
		require.NoError(t, b.SetRemoteDescription(must(a.LocalDescription())))
		require.NoError(t, b.SetLocalDescription(DescriptionAnswer))
		answer := must(b.LocalDescription()).SDP
		for name, text := range map[string]string{
			"another section": answer + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:9\r\n",
			"another kind":    strings.Replace(answer, "m=application", "m=audio", 1),
			"actpass":         strings.Replace(answer, "a=setup:active", "a=setup:actpass", 1),
			"holdconn":        strings.Replace(answer, "a=setup:active", "a=setup:holdconn", 1),
		} {
			require.ErrorIs(t, a.SetRemoteDescription(SessionDescription{DescriptionAnswer, text}), ErrInvalid, name)
			require.Equal(t, SignalingStateHaveLocalOffer, a.SignalingState(), name)
		}
		require.NoError(t, a.SetRemoteDescription(SessionDescription{SDP: answer}))
		require.Equal(t, SignalingStateStable, a.SignalingState())
	})
}

func TestCreateOfferAndAnswerChangeNothing(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.withChannel(manual)
		one, two := must(pc.CreateOffer()), must(pc.CreateOffer())
		require.Equal(t, one, two)
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		require.Equal(t, GatheringStateNew, pc.GatheringState())
		_, err := pc.LocalDescription()
		require.ErrorIs(t, err, ErrNotAvailable)
		require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
		require.Equal(t, version(t, one), version(t, must(pc.LocalDescription())), "it is the one that is set")

		pc = n.connection(manual)
		require.NoError(t, pc.SetRemoteDescription(one))
		answer := must(pc.CreateAnswer())
		require.Equal(t, DescriptionAnswer, answer.Type)
		require.Equal(t, SignalingStateHaveRemoteOffer, pc.SignalingState())
	})
}

func TestRemoteCandidates(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		const good = "candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host"
		pc := n.withChannel(manual)
		require.ErrorIs(t, pc.AddRemoteCandidate(Candidate{good, "0"}), ErrFailure, "before a remote description")
		require.NoError(t, pc.SetRemoteDescription(n.offer()))
		for _, c := range []Candidate{
			{good, "0"}, {good, "0"}, {"a=" + good, "0"}, {good, ""}, {good, "unknown"}, {"", "0"},
			{"candidate:2 1 UDP 2130706430 no-such-name.invalid 9 typ host", "0"}, {"a=end-of-candidates", ""},
			{"candidate:3 1 TCP 1 127.0.0.1 9 typ host tcptype active", "0"}, {"candidate:4 2 UDP 1 127.0.0.1 9 typ host", "0"},
			// RFC 8839, section 5.1: candidates of an unknown kind are ignored.
			{"candidate:6 1 SCTP 1 127.0.0.1 9 typ host", "0"}, {"candidate:6 1 UDP 1 127.0.0.1 9 typ future", "0"},
			{"candidate:6 1 ssltcp 1 127.0.0.1 443 typ host", "0"},
		} {
			require.NoError(t, pc.AddRemoteCandidate(c), "%+v", c)
		}
		for _, text := range []string{"nonsense", "candidate:", "candidate:1 1 UDP x 127.0.0.1 9 typ host", "candidate:1 1 SCTP x 127.0.0.1 9 typ host"} {
			require.ErrorIs(t, pc.AddRemoteCandidate(Candidate{text, "0"}), ErrInvalid, text)
		}
		require.Equal(t, 1, strings.Count(must(pc.RemoteDescription()).SDP, good))
		require.NotContains(t, must(pc.RemoteDescription()).SDP, "candidate:6")
		require.NoError(t, pc.SetLocalDescription(DescriptionAnswer))
		require.NoError(t, pc.AddRemoteCandidate(Candidate{"candidate:5 1 UDP 1 127.0.0.1 99 typ host ufrag other", "0"}))
		require.NotContains(t, must(pc.RemoteDescription()).SDP, "candidate:5")
		require.NoError(t, pc.Close())
		require.ErrorIs(t, pc.AddRemoteCandidate(Candidate{good, "0"}), ErrFailure)
	})
}

func TestDescriptionsOnAClosedConnection(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.withChannel(manual)
		require.NoError(t, pc.Close())
		require.NoError(t, pc.Close())
		require.NoError(t, pc.SetLocalDescription(DescriptionOffer))
		require.NoError(t, pc.SetRemoteDescription(n.offer()))
		require.Equal(t, SignalingStateStable, pc.SignalingState())
		_, err := pc.CreateOffer()
		require.ErrorIs(t, err, ErrFailure)
		_, err = pc.CreateDataChannel("x", nil)
		require.ErrorIs(t, err, ErrFailure)
	})
}

func TestChosenCredentials(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		pc := n.withChannel(manual)
		const ufrag, pwd = "user", "password0123456789012345"
		for _, init := range []LocalDescriptionInit{{ICEUfrag: ufrag}, {ICEPwd: pwd}, {"a b!", pwd}, {ufrag, "short"},
			// RFC 8839, section 5.4: characters outside the grammar are accepted from others, but
			// not sent.
			{"us=er", pwd}, {"us_er", pwd}, {"us-er", pwd}, {"us#er", pwd}, {ufrag, "-" + pwd}, {ufrag, pwd + "="}} {
			require.ErrorIs(t, pc.SetLocalDescriptionInit(DescriptionOffer, init), ErrInvalid, "%+v", init)
		}
		require.NoError(t, pc.SetLocalDescriptionInit(DescriptionOffer, LocalDescriptionInit{ufrag, pwd}))
		text := must(pc.LocalDescription()).SDP
		require.Contains(t, text, "a=ice-ufrag:"+ufrag+"\r\n")
		require.Contains(t, text, "a=ice-pwd:"+pwd+"\r\n")
	})
}

func TestMessageSizesInDescriptions(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		offer := n.offer()
		const line = "a=max-message-size:262144\r\n"
		require.Contains(t, offer.SDP, line)
		for _, c := range []struct {
			line  string
			local int
			want  int
		}{
			{line, 0, 262144},
			{"", 0, 65536}, // RFC 8841, section 6.1: the default
			{"a=max-message-size:0\r\n", 0, 262144},
			{"a=max-message-size:0\r\n", 1 << 20, 1 << 20}, // 0 in the description: unlimited
			{"a=max-message-size:1000\r\n", 0, 1000},
			{line, 500, 500}, // the smaller limit of both sides applies
		} {
			pc := n.withChannel(Configuration{DisableAutoNegotiation: true, MaxMessageSize: c.local})
			require.NoError(t, pc.SetRemoteDescription(SessionDescription{SDP: strings.Replace(offer.SDP, line, c.line, 1)}))
			require.Equal(t, c.want, must(pc.RemoteMaxMessageSize()), "%+v", c)
		}
	})
}
