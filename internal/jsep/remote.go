package jsep

import (
	"slices"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
)

// Parse parses a description of the peer, for [Machine.SetRemote]. It drops optional parts that
// would be errors: candidates that are malformed or of an unknown kind, and the mids in groups that
// no section has or that, in BUNDLE, are of rejected sections. For each candidate that it drops, it
// calls dropped with the reason, if dropped is not nil. The errors match [ErrInvalid].
func Parse(text string, dropped func(error)) (*sdp.Description, error) {
	d, err := sdp.ParseDescription(text)
	if err != nil {
		return nil, &Error{Kind: ErrInvalid, Err: err}
	}
	dropUnusable(d, dropped)
	if err := d.Validate(); err != nil {
		return nil, &Error{Kind: ErrInvalid, Err: err}
	}
	return d, nil
}

func dropUnusable(d *sdp.Description, dropped func(error)) {
	sections := make(map[string]*sdp.MediaDescription, len(d.Media))
	for i := range d.Media {
		m := &d.Media[i]
		if sections[m.Mid] == nil {
			sections[m.Mid] = m
		}
		m.Candidates = slices.DeleteFunc(m.Candidates, func(text string) bool {
			_, err := ice.ParseCandidate(text)
			if err != nil && dropped != nil {
				dropped(err)
			}
			return err != nil
		})
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		g.Mids = slices.DeleteFunc(g.Mids, func(mid string) bool {
			m := sections[mid]
			return m == nil || g.Semantics == sdp.SemanticsBundle && m.Rejected
		})
	}
}

// transportSection returns the data section that is in use, nil if there is none.
func transportSection(d *sdp.Description) *sdp.MediaDescription {
	if m := d.Application(); m != nil && !m.Rejected {
		return m
	}
	return nil
}

// SetRemote sets a description of the peer, which [Parse] has returned and which belongs to the
// machine from then on, unless there is an error. Auto is an answer while one is due, else an
// offer. For Rollback, d is ignored; the effect is that of Rollback in [Machine.SetLocal].
//
// An offer in have-local-offer is applied, and the local offer is rolled back. An offer in
// have-remote-offer replaces the previous one. An answer to a local offer that was rolled back is
// ignored, except for the credentials in it, which may make a negotiation needed.
//
// The errors match [ErrState] for a type that does not fit the state, and for an answer of another
// ICE session after [Machine.ICEFailed]; and [ErrInvalid] for a description that cannot be used.
func (m *Machine) SetRemote(t Type, d *sdp.Description) (Outcome, error) {
	tx := m.begin()
	err := tx.setRemote(t, d)
	// This is the only memory of an error: no further answer to this offer is expected.
	m.s.answerRefused = m.s.answerRefused || err != nil && tx.refused
	return m.end(tx, err)
}

func (tx *transition) setRemote(t Type, d *sdp.Description) error {
	if t == Rollback {
		tx.rollback()
		return nil
	}
	if t == Auto {
		t = Offer
		if tx.signaling.awaiting() {
			t = Answer
		}
	}
	state := tx.signaling
	offer := t == Offer && (state == Stable || state == HaveLocalOffer || state == HaveRemoteOffer)
	answer := state.awaiting() && (t == Answer || t == Pranswer)
	if !offer && !answer {
		if tx.strays > 0 && tx.ignoreStray(t, d) {
			return nil
		}
		return statef("%v in state %v", t, state)
	}
	if tx.isOwn(d) {
		return invalidf("it is this connection's own")
	}
	if offer {
		return tx.setRemoteOffer(d)
	}
	accepted := *tx
	err := accepted.setRemoteAnswer(t, d)
	switch {
	case err == nil:
		*tx = accepted
	case tx.strays > 0 && tx.ignoreStray(t, d):
		return nil
	case t == Answer:
		tx.refused = true
	}
	return err
}

// isOwn reports whether a description is one of this side, which the program has passed back by
// mistake.
func (s *state) isOwn(d *sdp.Description) bool {
	return s.local.isIn(d) || s.next != nil && s.next.isIn(d)
}

func (tx *transition) setRemoteOffer(d *sdp.Description) error {
	if tx.signaling == HaveLocalOffer && !tx.answerRefused {
		tx.strays++
	}
	tx.withdraw()
	if m := transportSection(d); m != nil && tx.link != nil {
		// RFC 8829, section 5.8.3: with another DTLS identity, "the remote description MUST be part
		// of an ICE restart, together with new ufrag and password values."
		if !tx.link.identifies(d.TransportOf(m)) && credentialsOf(d, m) == tx.link.remote {
			return errIdentity
		}
	}
	if tx.restarts(d) {
		tx.prepareNext(tx.config)
	}
	if _, err := tx.answer(d); err != nil {
		return err
	}
	tx.see(d)
	tx.pendingRemote = &described{Offer, d}
	tx.signaling = HaveRemoteOffer
	return nil
}

// restarts reports whether an offer of the peer restarts ICE: its credentials are not those that
// the peer has in use, or not those that were passed to the transports here (RFC 8839, section
// 4.4.1.1.1).
func (s *state) restarts(offer *sdp.Description) bool {
	m := transportSection(offer)
	if m == nil || s.link == nil {
		return false
	}
	c := credentialsOf(offer, m)
	return c != s.link.remote || s.peer != (Credentials{}) && c != s.peer
}

func (tx *transition) setRemoteAnswer(t Type, d *sdp.Description) error {
	offer := tx.pendingLocal.Description
	if err := checkSections(offer, d); err != nil {
		return err
	}
	if err := tx.checkRestart(offer, d); err != nil {
		return err
	}
	tx.see(d)
	tx.pendingRemote = &described{t, d}
	if err := tx.agree(true); err != nil {
		return err
	}
	if t == Pranswer {
		tx.signaling = HaveRemotePranswer
		return nil
	}
	tx.commit()
	return nil
}

// checkSections checks that an answer has the sections of the offer (RFC 3264, section 6), and a
// DTLS role that fits.
func checkSections(offer, answer *sdp.Description) error {
	if len(offer.Media) != len(answer.Media) {
		return invalidf("the answer has %d media sections, the offer %d", len(answer.Media), len(offer.Media))
	}
	for i := range answer.Media {
		if answer.Media[i].Kind != offer.Media[i].Kind {
			return invalidf("section %d of the answer is %s, of the offer %s",
				i, answer.Media[i].Kind, offer.Media[i].Kind)
		}
		// RFC 3264, section 8.2: "A stream that is offered with a port of zero MUST be marked with
		// port zero in the answer."
		if offer.Media[i].Rejected && !answer.Media[i].Rejected {
			return invalidf("section %d of the answer is in use, and the offer rejects it", i)
		}
	}
	if m := transportSection(answer); m != nil {
		if _, err := sdp.AnswererIsClient(sdp.SetupActpass, answer.TransportOf(m).Setup); err != nil {
			return &Error{Kind: ErrInvalid, Err: err}
		}
	}
	return nil
}

// checkRestart checks that an answer changes the ICE credentials if the offer has. The reverse is
// not an error: RFC 8829, section 5.11, has answers that indicate a restart, and the credentials in
// an answer are those that its sender has in use from then on. But while an answer to an offer that
// was rolled back may still arrive, such an answer is considered to be that one.
func (tx *transition) checkRestart(offer, answer *sdp.Description) error {
	own, m := transportSection(offer), transportSection(answer)
	if own == nil || m == nil || tx.link == nil || tx.link.provisional {
		return nil
	}
	restart := credentialsOf(offer, own) != tx.link.local
	c := credentialsOf(answer, m)
	switch {
	case restart && c == tx.link.remote && c == tx.peer:
		// RFC 8839, section 4.4.2.1: "it MUST change the SDP ice-pwd and ice-ufrag attribute
		// values." A peer that has accepted the same credentials before, in an offer that was
		// rolled back here, need not change its own again: then a stray answer has shown them.
		return invalidf("the offer restarts ICE, and the answer does not")
	}
	return nil
}
