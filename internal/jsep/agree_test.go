package jsep

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 8829, section 5.8.3: if the DTLS identity changes, "the DTLS connection is not being
// continued and the remote description MUST be part of an ICE restart, together with new ufrag and
// password values."
func TestNewIdentity(t *testing.T) {
	for name, change := range map[string]func(p *peer){
		"fingerprint": func(p *peer) { p.fingerprint = "another" },
		"tls-id":      func(p *peer) { p.tlsID = "another0another0another0" },
		// RFC 8842, section 5.1: the set of fingerprints counts.
		"fingerprint added": func(p *peer) { p.candidates = "a=fingerprint:" + fingerprint("another").String() + "\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			base := other
			base.tlsID = "first0first0first0first0"
			s := newScript(t)
			s.remote(Offer, base.String())
			s.local(Answer)
			require.True(t, s.out.Transport.Client)

			// In an offer.
			changed := base.with("", "", "2")
			change(&changed)
			s.refused(Offer, changed.String(), ErrInvalid, "the DTLS identity changes, and the ICE credentials do not")
			s.remote(Offer, changed.with("active", "new1", "").String())
			// With a new association the role is negotiated anew.
			require.Contains(t, s.local(Answer), "a=setup:passive")
			require.True(t, s.out.Transport.NewAssociation)
			require.True(t, s.out.Transport.Restart)
			require.False(t, s.out.Transport.Client)
			require.False(t, s.out.Transport.NewSCTP)

			// In an answer: RFC 8829, section 5.11 demands an error, unless the answer indicates an
			// ICE restart.
			s.local(Offer)
			back := base.with("active", "new1", "3")
			s.refused(Answer, back.String(), ErrInvalid, "the DTLS identity changes, and the ICE credentials do not")
			s.local(Rollback)
			s.WantRestart()
			s.local(Offer)
			s.remote(Answer, back.with("passive", "new2", "").String())
			require.True(t, s.out.Transport.NewAssociation && s.out.Transport.Restart && s.out.Transport.Client)
		})
	}
}

// A peer whose later descriptions have no a=tls-id continues the association.
func TestTLSIDThatIsMissing(t *testing.T) {
	s := newScript(t)
	p := other
	for i, id := range []string{"", "first0first0first0first0", "first0first0first0first0", ""} {
		p.version, p.tlsID = string(rune('1'+i)), id
		s.remote(Offer, p.String())
		s.local(Answer)
		require.Equal(t, i == 0, s.out.Transport.NewAssociation)
	}
	p.version, p.tlsID = "5", "other0other0other0other0"
	s.refused(Offer, p.String(), ErrInvalid, "the DTLS identity changes")
}

// RFC 8842, section 5.3: the role does not change as long as the association exists.
func TestRoleStays(t *testing.T) {
	s := answering(t) // as the client
	for i, restart := range []string{"", "new1", "new2", "new2"} {
		p := other.with("", restart, string(rune('2'+i)))
		s.refused(Offer, p.with("active", "", "").String(), ErrInvalid, "the DTLS role changes, and the DTLS identity does not")
		s.remote(Offer, p.with([]string{"actpass", "passive"}[i%2], "", "").String())
		require.Contains(t, s.local(Answer), "a=setup:active")
		require.False(t, s.out.Transport.NewAssociation)
		require.True(t, s.out.Transport.Client)
	}
	s.local(Offer)
	p := other.with("active", "new2", "9").String()
	s.refused(Pranswer, strings.Replace(p, "active", "actpass", 1), ErrInvalid, "setup")
	// An answer without a=setup keeps it.
	s.remote(Answer, strings.Replace(p, "a=setup:active\r\n", "", 1))
	require.True(t, s.out.Transport.Client)
}

// Firefox answers every offer with "active", even if it is the DTLS server and remains it.
func TestAnswerWithTheOtherRole(t *testing.T) {
	s := answering(t) // as the client
	s.WantRestart()
	s.local(Offer)
	s.remote(Answer, other.with("active", "new1", "2").String())
	require.True(t, s.out.Transport.Restart)
	require.False(t, s.out.Transport.NewAssociation)
	require.True(t, s.out.Transport.Client)
	s.remote(Offer, other.with("", "new1", "3").String())
	require.Contains(t, s.local(Answer), "a=setup:active")
}

// RFC 8841, section 9.3: another SCTP port begins another SCTP association, in the same DTLS
// association.
func TestSCTPPort(t *testing.T) {
	s := answering(t)
	for i, c := range []struct {
		line        string
		port        uint16
		fresh       bool
		answerLines string
	}{
		{"", 5000, false, "a=sctp-port:5000"},
		{"a=sctp-port:5001\r\n", 5001, true, "a=sctp-port:5000"},
		{"a=sctp-port:5001\r\n", 5001, false, "a=sctp-port:5000"},
		// RFC 8841, section 5.2: port 0 closes the association.
		{"a=sctp-port:0\r\n", 0, true, "a=sctp-port:0"},
		{"a=sctp-port:0\r\n", 0, false, "a=sctp-port:0"},
		{"a=sctp-port:5001\r\n", 5001, true, "a=sctp-port:5000"},
	} {
		p := other.with("", "", string(rune('2'+i)))
		p.sctp = c.line
		s.remote(Offer, p.String())
		require.Contains(t, s.local(Answer), c.answerLines+"\r\n")
		tr := s.out.Transport
		require.Equal(t, c.port, tr.SCTPPort)
		require.Equal(t, c.fresh, tr.NewSCTP)
		require.False(t, tr.NewAssociation || tr.Restart)
	}
	p := other.with("", "new1", "9")
	p.fingerprint, p.sctp = "another", "a=sctp-port:6000\r\n"
	s.remote(Offer, p.String())
	s.local(Answer)
	require.True(t, s.out.Transport.NewAssociation)
	require.False(t, s.out.Transport.NewSCTP)

	// The first answer has port 0, and a later one another.
	s = newScript(t)
	s.WantData()
	for i, port := range []uint16{0, 5000} {
		require.Contains(t, s.local(Offer), "a=sctp-port:5000\r\n")
		p := other.with("active", "", string(rune('1'+i)))
		p.sctp = fmt.Sprintf("a=sctp-port:%d\r\n", port)
		s.remote(Answer, p.String())
		require.Equal(t, port, s.out.Transport.SCTPPort)
		require.Equal(t, port == 0, s.out.Transport.NewAssociation)
		require.Equal(t, port != 0, s.out.Transport.NewSCTP)
	}
}

// RFC 8829, section 5.11, about another DTLS fingerprint: "This includes the case when the
// PeerConnection state is "have-remote-pranswer"."
func TestAnswerOfAnotherPeerThanTheProvisionalOne(t *testing.T) {
	x := other.with("active", "", "")
	y := other.with("passive", "yyyy", "")
	y.session, y.fingerprint = "3000", "y"
	for _, typ := range []Type{Answer, Pranswer} {
		s := newScript(t)
		s.WantData()
		s.local(Offer)
		s.remote(Pranswer, x.String())
		first := s.out.Transport
		require.True(t, first.NewAssociation && !first.Client && !first.Restart)
		require.True(t, s.s.link.provisional)
		s.want(HaveRemotePranswer)

		// "If a DTLS connection needs to be torn down but the answer does not indicate an ICE
		// restart or, in the case of "have-remote-pranswer", new ICE credentials, an error MUST be
		// generated."
		s.refused(typ, y.with("", x.ufrag, "").String(), ErrInvalid, "the DTLS identity changes, and the ICE credentials do not")

		s.remote(typ, y.String())
		second := s.out.Transport
		require.True(t, second.NewAssociation && second.Restart && second.Client)
		require.Equal(t, typ == Pranswer, s.s.link.provisional)
		require.Equal(t, first.Local, second.Local)
		require.Equal(t, y.credentials(), second.Remote)
	}

	// The same peer, with other candidates or none: the association continues.
	s := newScript(t)
	s.WantData()
	s.local(Offer)
	s.remote(Pranswer, x.String())
	s.remote(Answer, x.String())
	require.False(t, s.out.Transport.NewAssociation || s.out.Transport.Restart || s.s.link.provisional)

	// "If an ICE restart is performed without a change in tls-id or fingerprint, then the same DTLS
	// connection is continued over the new ICE channel."
	s = newScript(t)
	s.WantData()
	s.local(Offer)
	s.remote(Pranswer, x.String())
	s.remote(Answer, x.with("", "new1", "2").String())
	require.True(t, s.out.Transport.Restart)
	require.False(t, s.out.Transport.NewAssociation)
}

// A provisional answer starts the transports of a new connection, but does not restart ICE of one
// that runs: until the final answer, the restart can be rolled back.
func TestProvisionalAnswers(t *testing.T) {
	s := newScript(t)
	s.remote(Offer, other.String())
	text := s.local(Pranswer)
	s.want(HaveLocalPranswer)
	require.NotNil(t, s.out.Transport)
	require.True(t, s.s.link.provisional)
	require.NotNil(t, s.out.Gather)
	final := s.local(Answer)
	require.Nil(t, s.out.Gather)
	require.False(t, s.out.Transport.NewAssociation || s.out.Transport.Restart)
	require.Equal(t, strings.Replace(text, "o=- 1000 1", "o=- 1000 2", 1), final)

	s.remote(Offer, other.with("", "new1", "2").String())
	s.local(Pranswer)
	require.Nil(t, s.out.Transport)
	require.NotNil(t, s.out.Gather)
	s.local(Answer)
	require.True(t, s.out.Transport.Restart)

	s.WantRestart()
	s.local(Offer)
	s.remote(Pranswer, other.with("passive", "new2", "3").String())
	require.Nil(t, s.out.Transport)
	s.remote(Answer, other.with("passive", "new2", "4").String())
	require.True(t, s.out.Transport.Restart)

	// A rollback does not end the transports of a provisional answer. The next agreement is
	// compared with them.
	for ufrag, restart := range map[string]bool{"peer": false, "new1": true} {
		s = newScript(t)
		s.WantData()
		s.local(Offer)
		s.remote(Pranswer, other.with("active", "", "").String())
		s.local(Rollback)
		require.False(t, s.out.Ended)
		s.remote(Offer, other.with("", ufrag, "2").String())
		s.local(Answer)
		require.Equal(t, restart, s.out.Transport.Restart)
		require.False(t, s.out.Transport.NewAssociation)
	}
}

// The answer rejects the data section, or a later description does.
func TestRejectedData(t *testing.T) {
	reject := func(p peer) string { return strings.Replace(p.String(), "application 9", "application 0", 1) }
	s := newScript(t)
	s.WantData()
	s.local(Offer)
	s.remote(Answer, reject(other))
	s.want(Stable)
	require.True(t, s.out.Rejected)
	require.False(t, s.out.Ended)
	require.Nil(t, s.out.Transport)
	s.WantRestart()
	require.False(t, s.NegotiationNeeded(), "there is nothing to restart")
	// It can be offered again.
	s.local(Offer)
	s.remote(Answer, other.with("active", "", "2").String())
	require.True(t, s.out.Transport.NewAssociation)
	require.False(t, s.out.Transport.Restart)

	// An answer that rejects it ends the transports.
	first := s.out.Transport.Local
	s.local(Offer)
	s.remote(Answer, reject(other.with("", "", "3")))
	require.True(t, s.out.Rejected && s.out.Ended)
	s.local(Offer)
	s.remote(Answer, other.with("active", "", "4").String())
	require.True(t, s.out.Transport.NewAssociation)
	require.False(t, s.out.Transport.Restart)
	require.NotEqual(t, first, s.out.Transport.Local)

	// So does an offer that rejects it, once it is answered.
	s.remote(Offer, reject(other.with("", "", "5")))
	require.False(t, s.out.Ended)
	require.Equal(t, "application 0 rejected", outline(s.parse(s.local(Answer))))
	require.True(t, s.out.Ended)
	require.False(t, s.out.Rejected)
}

// RFC 8445, section 6.1.1: the full implementation controls, even if the lite one has offered.
func TestLite(t *testing.T) {
	for _, c := range []struct{ ours, theirs, offered, controls bool }{
		{false, true, false, true}, {false, true, true, true}, {true, false, true, false}, {true, true, true, true},
		{true, true, false, false}, {false, false, true, true},
	} {
		s := newScript(t)
		s.config.ICELite = c.ours
		text := func(p peer) string {
			if c.theirs {
				return p.head("a=ice-lite\r\na=group:BUNDLE 0\r\n") + p.data("0")
			}
			return p.String()
		}
		s.WantData()
		if c.offered {
			require.Equal(t, c.ours, strings.Contains(s.local(Offer), "a=ice-lite\r\n"))
			require.Equal(t, !c.ours, s.out.Gather.Controlling)
			s.remote(Answer, text(other.with("active", "", "")))
		} else {
			s.remote(Offer, text(other))
			s.local(Answer)
		}
		require.Equal(t, c.theirs, s.out.Transport.RemoteLite)
		require.Equal(t, c.controls, s.out.Transport.Controlling)
	}
}
