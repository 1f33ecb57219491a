package jsep

import "github.com/rtcstack/rtcstack/sdp"

// answer returns the answer to an offer. It accepts the data section, and as inactive sections the
// media that is bundled with it: browsers fail if a section of a BUNDLE group is rejected. All
// other sections are rejected (RFC 8829, section 5.3.1). The errors match ErrInvalid.
func (tx *transition) answer(offer *sdp.Description) (*sdp.Description, error) {
	d := tx.description()
	taken := transportSection(offer)
	var t sdp.Transport
	var group *sdp.Group
	bundled := make(map[string]bool)
	if taken != nil {
		setup, err := tx.answerSetup(offer, taken)
		if err != nil {
			return nil, err
		}
		t = tx.transport(*tx.answered(offer), setup)
		if group = offer.BundleOf(taken.Mid); group != nil {
			for _, mid := range group.Mids {
				bundled[mid] = true
			}
		}
	}
	for i := range offer.Media {
		m := &offer.Media[i]
		switch {
		case m == taken:
			answer := tx.application(m.Mid, t)
			answer.Protocol, answer.Formats = m.Protocol, m.Formats
			if m.SCTPClosed {
				answer.SCTPPort, answer.SCTPClosed = 0, true
			}
			d.Media = append(d.Media, answer)
		case m.IsRTP() && !m.Rejected && bundled[m.Mid]:
			d.Media = append(d.Media, m.Inactive(t))
		default:
			d.Media = append(d.Media, m.Rejection())
		}
	}
	if group != nil {
		bundle(d, group)
	}
	return d, nil
}

// answerSetup chooses the DTLS role in an answer. RFC 8842, section 5.3: the role does not change
// as long as the DTLS association exists.
func (tx *transition) answerSetup(offer *sdp.Description, m *sdp.MediaDescription) (sdp.Setup, error) {
	theirs := offer.TransportOf(m)
	setup, err := sdp.AnswerSetup(theirs.Setup)
	if err == nil {
		_, err = sdp.AnswererIsClient(theirs.Setup, setup)
	}
	if err != nil {
		return setup, &Error{Kind: ErrInvalid, Err: err}
	}
	free := theirs.Setup == sdp.SetupActpass || theirs.Setup == sdp.SetupUnspecified
	continued := tx.link != nil && tx.link.identifies(theirs)
	switch {
	case free && continued:
		setup = setupOf(tx.link.client)
	case free && tx.voided:
		// Both sides may be answering. They compare the same two numbers.
		setup = setupOf(tx.config.SessionID < offer.SessionID)
	case continued && setup != setupOf(tx.link.client):
		return setup, errRole
	}
	return setup, nil
}

func setupOf(client bool) sdp.Setup {
	if client {
		return sdp.SetupActive
	}
	return sdp.SetupPassive
}
