package jsep

import "github.com/rtcstack/rtcstack/sdp"

// SetLocal creates a local description and sets it; it is in [Outcome.Announce]. Auto is an answer
// while one is due, else an offer. In have-local-offer another offer has no effect: RFC 8829,
// section 5.5, permits it, but the peer may be about to answer the first one. Later requests are
// offered after the answer, when [Machine.NegotiationNeeded] still reports them.
//
// Rollback abandons the pending descriptions, local and remote, and always succeeds. The errors
// match [ErrState] for a type that does not fit the state, and if there is nothing to describe; and
// [ErrInvalid] for chosen credentials that cannot be used.
func (m *Machine) SetLocal(t Type, init LocalInit) (Outcome, error) {
	tx := m.begin()
	return m.end(tx, tx.setLocal(t, init))
}

func (tx *transition) setLocal(t Type, init LocalInit) error {
	if t == Rollback {
		tx.rollback()
		return nil
	}
	if t == Auto {
		t = Offer
		if tx.signaling.answering() {
			t = Answer
		}
	}
	switch {
	case tx.signaling == HaveLocalOffer && t == Offer:
		return nil
	case tx.signaling == Stable && t == Offer:
		return tx.setLocalOffer(init)
	case tx.signaling.answering() && (t == Answer || t == Pranswer):
		return tx.setLocalAnswer(t, init)
	}
	return statef("%v in state %v", t, tx.signaling)
}

func (tx *transition) setLocalOffer(init LocalInit) error {
	if err := tx.checkOffer(); err != nil {
		return err
	}
	if err := init.choose(tx.offered()); err != nil {
		return err
	}
	offer := &described{Offer, tx.offer()}
	tx.version = offer.SessionVersion
	tx.pendingLocal = offer
	tx.signaling = HaveLocalOffer
	tx.gather(offer)
	tx.announce(offer)
	return nil
}

func (tx *transition) setLocalAnswer(t Type, init LocalInit) error {
	offer := tx.pendingRemote.Description
	if err := init.choose(tx.answered(offer)); err != nil {
		return err
	}
	text, err := tx.answer(offer)
	if err != nil {
		return err
	}
	answer := &described{t, text}
	tx.version = answer.SessionVersion
	tx.pendingLocal = answer
	tx.gather(answer)
	tx.announce(answer)
	if err := tx.agree(false); err != nil {
		return err
	}
	if t == Pranswer {
		tx.signaling = HaveLocalPranswer
		return nil
	}
	tx.commit()
	return nil
}

func (tx *transition) announce(d *described) {
	text := tx.text(d)
	tx.out.Announce = &text
}

// CreateOffer returns the offer that SetLocal would set in the stable state, without setting it.
// The error matches [ErrState] if there is nothing to describe.
func (m *Machine) CreateOffer() (Description, error) {
	tx := m.begin()
	if err := tx.checkOffer(); err != nil {
		return Description{}, err
	}
	return tx.text(&described{Offer, tx.offer()}), nil
}

// CreateAnswer returns the answer that SetLocal would set, without setting it. The error matches
// [ErrState] if no answer is due.
func (m *Machine) CreateAnswer() (Description, error) {
	tx := m.begin()
	if !tx.signaling.answering() {
		return Description{}, statef("there is no offer in state %v", tx.signaling)
	}
	answer, err := tx.answer(tx.pendingRemote.Description)
	if err != nil {
		return Description{}, err
	}
	return tx.text(&described{Answer, answer}), nil
}

// offered returns the generation for an offer: the next one if a restart is requested.
func (s *state) offered() **generation {
	if s.wantRestart {
		return &s.next
	}
	return &s.local
}

// answered returns the generation for the answer to an offer. RFC 8839, section 4.4.2.1: "it
// MUST change the SDP ice-pwd and ice-ufrag attribute values" in the answer to an offer that
// restarts ICE.
func (s *state) answered(offer *sdp.Description) **generation {
	if s.restarts(offer) {
		return &s.next
	}
	return &s.local
}

// transport returns the description of this side's transport.
func (tx *transition) transport(g *generation, setup sdp.Setup) sdp.Transport {
	return sdp.Transport{
		ICEUfrag:     g.Ufrag,
		ICEPwd:       g.Pwd,
		ICEOptions:   tx.config.ICEOptions,
		Fingerprints: tx.config.Fingerprints,
		Setup:        setup,
	}
}

// application returns a data section.
func (tx *transition) application(mid string, t sdp.Transport) sdp.MediaDescription {
	port := tx.config.SCTPPort
	if port == 0 {
		port = sdp.DefaultSCTPPort
	}
	return sdp.MediaDescription{
		Kind:              sdp.KindApplication,
		Mid:               mid,
		Direction:         sdp.DirectionSendRecv,
		Transport:         t,
		SCTPPort:          port,
		MaxMessageSize:    tx.config.MaxMessageSize,
		HasMaxMessageSize: true,
	}
}

// description returns the session part of the next local description.
func (tx *transition) description() *sdp.Description {
	return &sdp.Description{
		SessionID:      tx.config.SessionID,
		SessionVersion: tx.version + 1,
		ICELite:        tx.config.ICELite,
	}
}
