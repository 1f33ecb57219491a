package jsep

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 8839, section 4.4.1.1.1: "To restart ICE, an agent MUST change both the ice-pwd and the
// ice-ufrag for the data stream in an offer."
func TestRestartOffer(t *testing.T) {
	s := newScript(t)
	s.WantData()
	s.WantRestart()
	require.Equal(t, "m001", ufragIn(t, s.local(Offer)), "before there are transports a request has no effect")
	s.remote(Answer, other.with("active", "", "").String())

	s.WantRestart()
	s.WantRestart()
	require.True(t, s.NegotiationNeeded())
	made, err := s.CreateOffer()
	require.NoError(t, err)
	require.Equal(t, made.SDP, s.local(Offer))
	require.Equal(t, "m002", ufragIn(t, made.SDP))
	require.Equal(t, "m002", s.out.Gather.Ufrag)
	require.False(t, s.NegotiationNeeded())

	// RFC 8839, section 4.4.2.1: "it MUST change the SDP ice-pwd and ice-ufrag attribute values."
	for _, typ := range []Type{Answer, Pranswer} {
		s.refused(typ, other.with("active", "", "2").String(), ErrInvalid, "the offer restarts ICE, and the answer does not")
	}
	s.remote(Answer, other.with("active", "new1", "2").String())
	require.True(t, s.out.Transport.Restart)
	require.Equal(t, "m002", s.out.Transport.Local.Ufrag)
	require.Equal(t, "new1", s.out.Transport.Remote.Ufrag)
	require.False(t, s.out.Transport.NewAssociation)
	require.False(t, s.NegotiationNeeded(), "one request causes one restart")
	require.Equal(t, "m002", ufragIn(t, s.local(Offer)))
}

// RFC 8839, section 4.4.2.1: the answerer "MUST change the SDP ice-pwd and ice-ufrag attribute
// values."
func TestRestartAnswer(t *testing.T) {
	s := answering(t)
	s.WantRestart()
	// A requested restart does not change the answer to another offer.
	s.remote(Offer, other.with("", "", "2").String())
	require.Equal(t, "m001", ufragIn(t, s.local(Answer)))
	require.False(t, s.out.Transport.Restart)
	require.True(t, s.NegotiationNeeded())
	// The answer to an offer that restarts ICE also performs the requested restart.
	s.remote(Offer, other.with("", "new1", "3").String())
	require.Equal(t, "m002", ufragIn(t, s.local(Answer)))
	require.True(t, s.out.Transport.Restart)
	require.False(t, s.NegotiationNeeded())
}

// If an answer changes the credentials unnecessarily, the peer uses the new ones, and so does the
// next ICE session.
func TestAnswerThatRestarts(t *testing.T) {
	s := offering(t)
	s.local(Offer)
	s.remote(Answer, other.with("active", "new1", "2").String())
	require.True(t, s.out.Transport.Restart)
	require.Equal(t, "m001", s.out.Transport.Local.Ufrag)
	require.Equal(t, "new1", s.out.Transport.Remote.Ufrag)
}

// glare returns a connected machine that has rolled its own restart back for an offer of the peer.
func glare(t *testing.T, offer peer) *script {
	s := offering(t)
	s.WantRestart()
	require.Equal(t, "m002", ufragIn(t, s.local(Offer)))
	s.remote(Offer, offer.String())
	require.Equal(t, "m002", s.s.next.Ufrag)
	require.Nil(t, s.out.Discarded)
	s.want(HaveRemoteOffer)
	return s
}

// The peer may have accepted the offer that was rolled back: its credentials are in the next
// description that needs new ones.
func TestCredentialsOfAnOfferThatWasRolledBack(t *testing.T) {
	s := glare(t, other.with("", "new1", "2"))
	require.Equal(t, "m002", ufragIn(t, s.local(Answer)))
	require.Nil(t, s.out.Gather, "its candidates are being gathered already")
	require.False(t, s.NegotiationNeeded())

	s = glare(t, other.with("", "", "2"))
	require.Equal(t, "m001", ufragIn(t, s.local(Answer)))
	require.True(t, s.NegotiationNeeded())
	require.Equal(t, "m002", ufragIn(t, s.local(Offer)))
}

// In the stable state there is nothing to roll back, and nothing is discarded.
func TestRollbackAfterAnOfferThatWasRolledBack(t *testing.T) {
	s := glare(t, other.with("", "", "2"))
	s.local(Answer)
	before := s.snapshot()
	s.local(Rollback)
	require.Zero(t, s.out)
	require.Equal(t, before, s.snapshot())
	own := s.local(Offer)
	s.refused(Answer, own, ErrInvalid, "it is this connection's own")
}

// An answer to an offer that was rolled back is ignored, except that it shows the credentials that
// the peer has in use.
func TestStrayAnswers(t *testing.T) {
	for _, c := range []struct {
		name, offer, stray string
		needed             bool
	}{
		{"both have restarted", "new1", "new1", false},
		{"the peer has chosen others", "new1", "new2", true},
		{"the peer has rolled its restart back", "new1", "peer", false},
		{"the peer has restarted for ours", "peer", "new1", true},
	} {
		for _, early := range []bool{false, true} { // before our own answer
			s := glare(t, other.with("", c.offer, "2"))
			stray := other.with("active", c.stray, "3").String()
			if !early {
				s.local(Answer)
			}
			s.refused(Pranswer, stray, ErrState, "pranswer in state")
			state, remote := s.State(), s.s.lastRemote()
			s.stray(stray)
			require.Equal(t, state, s.State())
			require.Equal(t, remote, s.s.lastRemote())
			s.refused(Answer, stray, ErrState, "answer in state")
			if early {
				s.local(Answer)
			}
			require.Equal(t, c.needed, s.NegotiationNeeded(), "%s, early %v", c.name, early)
		}
	}

	// Older ones and those of connections that never rolled back are no stray answers.
	s := glare(t, other.with("", "new1", "2"))
	s.local(Answer)
	s.refused(Answer, other.with("active", "", "1").String(), ErrState, "answer in state stable")
	s = offering(t)
	s.refused(Answer, other.with("active", "new1", "2").String(), ErrState, "answer in state stable")
	s.local(Offer)
	s.local(Rollback)
	s.refused(Answer, other.with("active", "", "2").String(), ErrState, "answer in state stable")
}

// An answer that does not fit the pending offer belongs to the previous one, if that was rolled
// back.
func TestStrayAnswerToAnEarlierOffer(t *testing.T) {
	s := glare(t, other.with("", "", "2"))
	s.local(Answer)
	s.local(Offer) // the restart again
	s.stray(other.with("active", "", "3").String())
	s.want(HaveLocalOffer)
	s.refused(Answer, other.with("active", "", "4").String(), ErrInvalid, "the offer restarts ICE, and the answer does not")
	s.remote(Answer, other.with("active", "new1", "5").String())
	s.want(Stable)
}

// After an answer to an offer was refused, no other one is expected, even if the offer is rolled
// back.
func TestRefusedAnswerIsNoStrayLater(t *testing.T) {
	s := answering(t)
	s.WantRestart()
	s.local(Offer)
	s.refused(Answer, other.with("active", "", "2").String(), ErrInvalid, "the offer restarts ICE, and the answer does not")
	s.remote(Offer, other.with("", "", "3").String())
	s.local(Answer)
	s.local(Offer) // the restart again
	s.refused(Answer, other.with("active", "", "4").String(), ErrInvalid, "the offer restarts ICE, and the answer does not")
	s.want(HaveLocalOffer)
}

// The refused answer has no effect on the result of any input, and none on the state after it except
// on the number of stray answers that are expected after a rollback for an offer of the peer.
func TestRefusedAnswerHasNoOtherEffect(t *testing.T) {
	answer, offer := other.with("active", "new1", "3").String(), other.with("", "new1", "3").String()
	for name, input := range map[string]func(s *script) (Outcome, error){
		"nothing":             func(s *script) (Outcome, error) { return Outcome{}, nil },
		"answer":              func(s *script) (Outcome, error) { return s.SetRemote(Answer, s.parse(answer)) },
		"provisional answer":  func(s *script) (Outcome, error) { return s.SetRemote(Pranswer, s.parse(answer)) },
		"answer of this side": func(s *script) (Outcome, error) { return s.SetLocal(Answer, LocalInit{}) },
		"same answer": func(s *script) (Outcome, error) {
			return s.SetRemote(Answer, s.parse(other.with("active", "", "2").String()))
		},
		"offer":                func(s *script) (Outcome, error) { return s.SetRemote(Offer, s.parse(offer)) },
		"offer of this side":   func(s *script) (Outcome, error) { return s.SetLocal(Offer, LocalInit{}) },
		"rollback":             func(s *script) (Outcome, error) { return s.SetLocal(Rollback, LocalInit{}) },
		"rollback of the peer": func(s *script) (Outcome, error) { return s.SetRemote(Rollback, nil) },
		"restart":              func(s *script) (Outcome, error) { s.WantRestart(); return Outcome{}, nil },
		"failure":              func(s *script) (Outcome, error) { s.ICEFailed(); return Outcome{}, nil },
	} {
		var outs [2]Outcome
		var errs [2]error
		var snapshots [2]string
		for i := range 2 {
			s := answering(t)
			s.WantRestart()
			s.local(Offer)
			if i == 1 {
				s.refused(Answer, other.with("active", "", "2").String(), ErrInvalid, "the offer restarts ICE, and the answer does not")
				require.True(t, s.s.answerRefused)
			}
			outs[i], errs[i] = input(s)
			require.Equal(t, i == 0 && name == "offer", s.s.strays == 1)
			s.s.strays = 0
			snapshots[i] = s.snapshot()
			if errs[i] == nil && s.State() != HaveLocalOffer && s.State() != HaveRemotePranswer {
				require.False(t, s.s.answerRefused, name)
			}
		}
		require.Equal(t, outs[0], outs[1], name)
		require.Equal(t, errs[0], errs[1], name)
		require.Equal(t, snapshots[0], snapshots[1], name)
	}
}

// Some peers use the same version in all their descriptions. A stray answer is then recognized as
// new by its credentials.
func TestStrayAnswersOfTheSameVersion(t *testing.T) {
	s := glare(t, other.with("", "new1", ""))
	s.local(Answer)
	s.refused(Answer, other.with("active", "new1", "").String(), ErrState, "answer in state stable")
	s.stray(other.with("active", "new2", "").String())
	require.True(t, s.NegotiationNeeded())
}

// The second answer to a local offer, if the first belonged to an earlier offer.
func TestStrayAnswerThatWasTakenForAnother(t *testing.T) {
	s := glare(t, other.with("", "new1", "2"))
	s.local(Answer)
	s.local(Offer)
	s.remote(Answer, other.with("active", "", "3").String()) // the peer had rolled its restart back
	require.Equal(t, "peer", s.out.Transport.Remote.Ufrag)
	require.False(t, s.NegotiationNeeded())
	s.stray(other.with("active", "new1", "4").String())
	require.True(t, s.NegotiationNeeded())
}

// An offer restarts ICE if the peer considers its credentials new, which a stray answer shows.
func TestRestartInTheViewOfThePeer(t *testing.T) {
	for _, ufrag := range []string{
		"new1", // agreed here, and new for the peer, which had rolled it back
		"peer", // not agreed here, and in use by the peer
		"new2", // new for both
	} {
		s := glare(t, other.with("", "new1", "2"))
		require.Equal(t, "m002", ufragIn(t, s.local(Answer)))
		s.stray(other.with("active", "", "3").String())
		s.remote(Offer, other.with("", ufrag, "4").String())
		require.Equal(t, "m003", ufragIn(t, s.local(Answer)), ufrag)
		require.True(t, s.out.Transport.Restart)
		require.False(t, s.NegotiationNeeded())
	}
}

// Credentials that were drawn for an answer are not those of an offer without a restart.
func TestOfferAfterTheRestartOfThePeerWasRolledBack(t *testing.T) {
	s := answering(t)
	s.remote(Offer, other.with("", "new1", "2").String())
	answer, err := s.CreateAnswer()
	require.NoError(t, err)
	require.Equal(t, "m002", ufragIn(t, answer.SDP))
	s.local(Rollback)
	require.Equal(t, "m001", ufragIn(t, s.local(Offer)))
}

// When first offers cross, both sides answer. They compare their session ids, for roles that
// differ.
func TestFirstOffersThatCross(t *testing.T) {
	for session, client := range map[string]bool{"2000": true, "500": false} {
		s := newScript(t)
		s.WantData()
		s.local(Offer)
		p := other
		p.session = session
		s.remote(Offer, p.String())
		require.Nil(t, s.s.next, "the credentials are still the first ones")
		s.local(Answer)
		require.Equal(t, client, s.out.Transport.Client)
		require.Equal(t, !client, s.out.Transport.Controlling)
		require.Equal(t, "m001", s.out.Transport.Local.Ufrag)

		// A role that the peer requires is accepted nevertheless.
		s = newScript(t)
		s.WantData()
		s.local(Offer)
		p.setup = "active"
		s.remote(Offer, p.String())
		s.local(Answer)
		require.False(t, s.out.Transport.Client)
	}
}

// Local credentials whose ICE session has failed cannot be combined with new ones of the peer.
func TestAnswerAfterICEHasFailed(t *testing.T) {
	s := newScript(t)
	s.ICEFailed() // there are no transports
	require.Nil(t, s.s.link)
	s = offering(t)
	s.ICEFailed()
	anew := other.with("active", "anew", "2")
	anew.fingerprint = "anew"
	for _, changed := range []peer{other.with("active", "anew", "2"), anew} {
		s.local(Offer)
		s.refused(Answer, changed.String(), ErrState, "ICE has failed")
		s.local(Rollback)
	}
	// The same credentials change nothing, nor does an offer of the same peer.
	s.local(Offer)
	s.remote(Answer, other.with("active", "", "2").String())
	require.False(t, s.out.Transport.Restart)
	s.remote(Offer, other.with("", "", "3").String())
	s.local(Answer)
	s.local(Offer)
	s.refused(Answer, anew.String(), ErrState, "ICE has failed")
	s.local(Rollback)

	s.WantRestart()
	s.local(Offer)
	s.remote(Answer, anew.String())
	require.True(t, s.out.Transport.Restart && s.out.Transport.NewAssociation)
	// The new session has not failed.
	s.local(Offer)
	s.remote(Answer, other.with("active", "third", "5").String())
	require.True(t, s.out.Transport.Restart)

	// An offer with new credentials begins a new session.
	s.ICEFailed()
	s.remote(Offer, anew.with("actpass", "fourth", "6").String())
	s.local(Answer)
	require.True(t, s.out.Transport.Restart)
	s.local(Offer)
	s.remote(Answer, other.with("active", "fifth", "7").String())
	require.True(t, s.out.Transport.Restart)
}
