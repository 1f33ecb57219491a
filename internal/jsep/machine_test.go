package jsep

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOfferAndAnswer(t *testing.T) {
	s := newScript(t)
	require.False(t, s.NegotiationNeeded())
	s.refusedLocal(Offer, LocalInit{}, ErrState, "nothing to describe: there is no data channel")
	s.WantData()
	require.True(t, s.NegotiationNeeded())

	// The offer that is made is the one that is set.
	made, err := s.CreateOffer()
	require.NoError(t, err)
	text := s.local(Auto)
	require.Equal(t, made.SDP, text)
	require.True(t, s.out.StateChanged)
	require.Equal(t, &Gather{Credentials{"m001", "m001/password/of/22/ch"}, true}, s.out.Gather)
	require.Nil(t, s.out.Transport)
	s.want(HaveLocalOffer)
	require.False(t, s.NegotiationNeeded())
	require.Equal(t, "0", s.Mid())
	require.Contains(t, text, "o=- 1000 1 ")
	// RFC 8842, section 5.2: the offerer offers both roles.
	require.Contains(t, text, "a=setup:actpass")

	// Another offer has no effect: the first one is set already.
	before := s.snapshot()
	require.Empty(t, s.local(Offer))
	require.Zero(t, s.out)
	require.Equal(t, before, s.snapshot())

	s.remote(Auto, other.with("passive", "", "").String())
	s.want(Stable)
	require.Equal(t, &Transport{
		Local: Credentials{"m001", "m001/password/of/22/ch"}, Remote: other.credentials(), Controlling: true,
		NewAssociation: true, Client: true, Fingerprints: s.out.Transport.Fingerprints, SCTPPort: 5000, RemoteMaxMessageSize: 65536,
	}, s.out.Transport)
	require.True(t, s.out.Transport.Fingerprints[0].Equal(fingerprint("peer")))

	s = newScript(t)
	s.remote(Auto, other.String())
	s.want(HaveRemoteOffer)
	require.True(t, s.out.StateChanged)
	require.Nil(t, s.out.Transport)
	made, err = s.CreateAnswer()
	require.NoError(t, err)
	text = s.local(Auto)
	require.Equal(t, made, *s.out.Announce)
	s.want(Stable)
	// RFC 8842, section 5.3: the answerer chooses active, so that its ClientHello need not wait.
	require.Contains(t, text, "a=setup:active")
	require.True(t, s.out.Transport.Client)
	require.False(t, s.out.Transport.Controlling)
	require.False(t, s.out.Gather.Controlling)
	current, _ := s.Local()
	require.Equal(t, made, current)
	remote, _ := s.Remote()
	require.Equal(t, Offer, remote.Type)
}

// RFC 8829, section 5.5 and section 5.6: "If the type is not correct for the current state,
// processing MUST stop and an error MUST be returned."
func TestTypesThatDoNotFitTheState(t *testing.T) {
	offer, answer := other.String(), other.with("active", "", "").String()
	reach := map[State]func(s *script){
		Stable:             func(*script) {},
		HaveLocalOffer:     func(s *script) { s.local(Offer) },
		HaveRemoteOffer:    func(s *script) { s.remote(Offer, offer) },
		HaveLocalPranswer:  func(s *script) { s.remote(Offer, offer); s.local(Pranswer) },
		HaveRemotePranswer: func(s *script) { s.local(Offer); s.remote(Pranswer, answer) },
	}
	local := map[State][]Type{
		Stable: {Offer, Rollback}, HaveLocalOffer: {Offer, Rollback}, HaveRemotePranswer: {Rollback},
		HaveRemoteOffer: {Answer, Pranswer, Rollback}, HaveLocalPranswer: {Answer, Pranswer, Rollback},
	}
	remote := map[State][]Type{
		// In have-local-offer, an offer of the peer rolls the local one back.
		Stable: {Offer, Rollback}, HaveLocalOffer: {Offer, Answer, Pranswer, Rollback}, HaveRemotePranswer: {Answer, Pranswer, Rollback},
		HaveRemoteOffer: {Offer, Rollback}, HaveLocalPranswer: {Rollback},
	}
	for state, to := range reach {
		for _, typ := range []Type{Offer, Answer, Pranswer, Rollback, 99} {
			for _, side := range []map[State][]Type{local, remote} {
				isLocal := fmt.Sprint(side) == fmt.Sprint(local)
				s := newScript(t)
				s.WantData()
				to(s)
				s.want(state)
				allowed := false
				for _, a := range side[state] {
					allowed = allowed || a == typ
				}
				text := offer
				if typ != Offer {
					text = answer
				}
				switch reason := fmt.Sprintf("%v in state %v", typ, state); {
				case !allowed && isLocal:
					s.refusedLocal(typ, LocalInit{}, ErrState, reason)
				case !allowed:
					s.refused(typ, text, ErrState, reason)
				case isLocal:
					s.local(typ)
				case typ == Rollback:
					_, err := s.SetRemote(Rollback, nil)
					require.NoError(t, err)
				default:
					s.remote(typ, text)
				}
			}
		}
	}
	s := newScript(t)
	_, err := s.CreateAnswer()
	require.ErrorIs(t, err, ErrState)
	require.EqualError(t, err, "jsep: there is no offer in state stable")
	_, err = s.CreateOffer()
	require.ErrorIs(t, err, ErrState)
	var typed *Error
	require.True(t, errors.As(err, &typed))
	require.Equal(t, "nothing to describe: there is no data channel", typed.Text)
}

// RFC 8829, section 5.7: "A rollback may be performed if the PeerConnection is in any state except
// for "stable". This means that both offers and provisional answers can be rolled back." and "The
// effect of rollback MUST be the same regardless of whether setLocalDescription or
// setRemoteDescription is called."
func TestRollback(t *testing.T) {
	offer, answer := other.with("", "new1", "2").String(), other.with("active", "new1", "2").String()
	for name, reach := range map[string]func(s *script){
		"stable":               func(*script) {},
		"have-local-offer":     func(s *script) { s.local(Offer) },
		"have-remote-offer":    func(s *script) { s.remote(Offer, offer) },
		"have-local-pranswer":  func(s *script) { s.remote(Offer, offer); s.local(Pranswer) },
		"have-remote-pranswer": func(s *script) { s.local(Offer); s.remote(Pranswer, answer) },
	} {
		for _, connected := range []bool{false, true} {
			for _, byRemote := range []bool{false, true} {
				s := newScript(t)
				if connected {
					s = offering(t)
				}
				s.WantData()
				s.WantRestart()
				local, hasLocal := s.Local()
				remote, hasRemote := s.Remote()
				require.Equal(t, connected, hasLocal && hasRemote)
				reach(s)
				require.Equal(t, name, s.State().String())
				shown, _, _ := s.Gathered()
				out, err := s.SetLocal(Rollback, LocalInit{})
				if byRemote {
					out, err = s.SetRemote(Rollback, nil)
				}
				require.NoError(t, err)
				s.want(Stable)
				after, _ := s.Local()
				require.Equal(t, local, after)
				after, _ = s.Remote()
				require.Equal(t, remote, after)
				// "Any resources or candidates that were allocated by the abandoned local
				// description are discarded".
				discards := connected && name != "stable" && name != "have-remote-offer" && !byRemote
				if discards {
					require.Equal(t, &shown, out.Discarded)
				}
				require.True(t, s.NegotiationNeeded(), "the requests remain")
				again := s.local(Offer)
				if connected {
					require.NotEqual(t, ufragIn(t, local.SDP), ufragIn(t, again))
				}
				if discards {
					require.NotEqual(t, shown.Ufrag, ufragIn(t, again))
				}
			}
		}
	}
}

// RFC 8829, section 5.2.2: "in the case where the current version is N, an offer is created and
// applied with version N+1, and then that offer is rolled back so that the current version is again
// N, the next generated offer will still have version N+2."
func TestVersionAfterRollback(t *testing.T) {
	s := newScript(t)
	s.WantData()
	for version := range 3 {
		require.Contains(t, s.local(Offer), fmt.Sprintf("o=- 1000 %d ", version+1))
		s.local(Rollback)
	}
}

// RFC 8829, section 5.6: "If the type is "offer", the PeerConnection state MUST be either "stable"
// or "have-remote-offer"."
func TestSecondRemoteOfferReplacesTheFirst(t *testing.T) {
	s := answering(t)
	first := other.with("", "new1", "2")
	s.remote(Offer, first.head("a=group:BUNDLE 0\r\n")+first.data("0"))
	second := other.with("", "new2", "3")
	s.refused(Offer, strings.Replace(second.String(), "actpass", "holdconn", 1), ErrInvalid, "")
	s.remote(Offer, second.head("a=group:BUNDLE 0 a\r\n")+second.data("0")+second.audio("a"))
	require.False(t, s.out.StateChanged)
	s.want(HaveRemoteOffer)
	s.local(Answer)
	require.Equal(t, second.credentials(), s.out.Transport.Remote)
	require.Equal(t, "BUNDLE 0 a; application 0; audio a inactive", outline(s.s.currentLocal.Description))
	require.True(t, s.out.Transport.Restart)
}

// RFC 3264, section 6: "For each "m=" line in the offer, there MUST be a corresponding "m=" line in
// the answer."
func TestAnswersThatDoNotFitTheOffer(t *testing.T) {
	s := newScript(t)
	s.WantData()
	own := s.local(Offer)
	answer := other.with("active", "", "").String()
	for _, typ := range []Type{Answer, Pranswer} {
		s.refused(typ, answer+"m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:9\r\n", ErrInvalid, "the answer has 2 media sections, the offer 1")
		s.refused(typ, strings.Replace(answer, "m=application", "m=audio", 1), ErrInvalid, "section 0 of the answer is audio, of the offer application")
		s.refused(typ, strings.Replace(answer, "active", "actpass", 1), ErrInvalid, "setup")
		s.refused(typ, strings.Replace(answer, "active", "holdconn", 1), ErrInvalid, "setup")
		s.refused(typ, own, ErrInvalid, "it is this connection's own")
	}
	s.remote(Answer, answer)

	// RFC 3264, section 8.2: "A stream that is offered with a port of zero MUST be marked with port
	// zero in the answer."
	s = newScript(t)
	s.remote(Offer, other.head("")+other.audio("a")+other.data("d"))
	s.local(Answer)
	s.local(Offer)
	p := other.with("passive", "", "2")
	s.refused(Answer, p.head("")+p.audio("a")+p.data("d"), ErrInvalid, "section 0 of the answer is in use, and the offer rejects it")
	s.remote(Answer, p.head("")+strings.Replace(p.audio("a"), "audio 9", "audio 0", 1)+p.data("d"))
}

func TestParse(t *testing.T) {
	good := other.String()
	for name, text := range map[string]string{
		"empty": "", "garbage": "garbage", "no media": good[:strings.Index(good, "m=")],
		"no ufrag": strings.Replace(good, "ice-ufrag", "x", 1), "md5": strings.Replace(good, "sha-256", "md5", 1),
	} {
		_, err := Parse(text, nil)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	p := other
	p.candidates = "a=candidate:nonsense\r\na=candidate:2 1 quic 5 127.0.0.1 9 typ host\r\na=candidate:1 1 UDP 5 127.0.0.1 4001 typ host\r\n"
	var dropped []error
	d, err := Parse(p.head("a=group:BUNDLE x 0\r\na=group:LS y 0\r\n")+p.data("0"), func(err error) { dropped = append(dropped, err) })
	require.NoError(t, err)
	require.Len(t, dropped, 2)
	require.Equal(t, []string{"candidate:1 1 UDP 5 127.0.0.1 4001 typ host"}, d.Media[0].Candidates)
	require.Equal(t, []string{"0"}, d.Groups[0].Mids)
	require.Equal(t, []string{"0"}, d.Groups[1].Mids)
}

func TestChosenCredentials(t *testing.T) {
	chosen := LocalInit{"user", "password0123456789012345"}
	s := newScript(t)
	s.WantData()
	for _, init := range []LocalInit{{Ufrag: "user"}, {Pwd: chosen.Pwd}, {"a b!", chosen.Pwd}, {"usr", chosen.Pwd}, {"user", "short"},
		{strings.Repeat("u", 257), chosen.Pwd}, {"us_er", chosen.Pwd}, {"user", chosen.Pwd + "="}} {
		s.refusedLocal(Offer, init, ErrInvalid, "ICE credentials")
	}
	out, err := s.SetLocal(Offer, chosen)
	require.NoError(t, err)
	require.Equal(t, Credentials(chosen), out.Gather.Credentials)
	s.remote(Answer, other.with("active", "", "").String())
	s.refusedLocal(Offer, LocalInit{"other", chosen.Pwd}, ErrState, "the ICE credentials cannot change after gathering has begun, except in a restart")
	s.WantRestart()
	_, err = s.CreateOffer()
	require.NoError(t, err)
	out, err = s.SetLocal(Offer, LocalInit{"other", chosen.Pwd})
	require.NoError(t, err)
	require.Equal(t, "other", ufragIn(t, out.Announce.SDP))

	s = answering(t)
	s.remote(Offer, other.with("", "new1", "2").String())
	s.local(Pranswer)
	s.refusedLocal(Answer, chosen, ErrState, "the ICE credentials cannot change")
}

// RFC 8841, section 6.1: 65536 bytes are meant where there is no a=max-message-size; 0 means any
// size.
func TestMessageSizes(t *testing.T) {
	s := newScript(t)
	require.EqualValues(t, 65536, s.RemoteMaxMessageSize())
	for i, c := range []struct {
		line string
		want uint64
	}{{"", 65536}, {"a=max-message-size:0\r\n", math.MaxUint64}, {"a=max-message-size:1000\r\n", 1000}} {
		p := other.with("", "", fmt.Sprint(i+1))
		p.sctp += c.line
		s.remote(Offer, p.String())
		require.Equal(t, c.want, s.RemoteMaxMessageSize())
		require.Contains(t, s.local(Answer), "a=max-message-size:262144")
		require.Equal(t, c.want, s.out.Transport.RemoteMaxMessageSize)
		require.Equal(t, i == 0, s.out.Transport.NewAssociation, "the size may change at any time")
		require.False(t, s.out.Transport.NewSCTP || s.out.Transport.Restart)
	}
}
