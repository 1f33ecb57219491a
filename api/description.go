package rtc

import (
	"slices"
	"strconv"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
)

// parseRemote reads the peer's description. All errors are ErrInvalid.
func (pc *PeerConnection) parseRemote(text string) (*sdp.Description, error) {
	d, err := sdp.ParseDescription(text)
	if err != nil {
		return nil, wrapError(ErrInvalid, err, "set remote description")
	}
	pc.dropUnusable(d)
	if err := d.Validate(); err != nil {
		return nil, wrapError(ErrInvalid, err, "set remote description")
	}
	return d, nil
}

// dropUnusable removes what Validate would refuse in a remote description and what can be ignored: candidates that are malformed or
// of an unknown kind, and the mids that groups have of sections that do not exist or, in BUNDLE, are rejected.
func (pc *PeerConnection) dropUnusable(d *sdp.Description) {
	sections := make(map[string]*sdp.MediaDescription, len(d.Media))
	for i := range d.Media {
		m := &d.Media[i]
		if sections[m.Mid] == nil {
			sections[m.Mid] = m
		}
		m.Candidates = slices.DeleteFunc(m.Candidates, func(text string) bool {
			_, err := ice.ParseCandidate(text)
			if err != nil {
				pc.log.Debug("candidate in the remote description ignored", "error", err)
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

// transportSection returns the section that is in use, that of the data channels, and nil where there is none. Its transport is that
// of sdp.Description.TransportOf, its candidates those of CandidatesOf.
func transportSection(d *sdp.Description) *sdp.MediaDescription {
	if m := d.Application(); m != nil && !m.Rejected {
		return m
	}
	return nil
}

// checkAnswer checks that an answer has the sections of the offer, and DTLS roles that fit
// (https://www.rfc-editor.org/rfc/rfc3264.html#section-6). The errors are ErrInvalid.
func checkAnswer(offer, answer *sdp.Description) error {
	if len(offer.Media) != len(answer.Media) {
		return invalidf("set remote description: the answer has %d media sections, the offer %d",
			len(answer.Media), len(offer.Media))
	}
	for i := range answer.Media {
		if answer.Media[i].Kind != offer.Media[i].Kind {
			return invalidf("set remote description: section %d of the answer is %s, of the offer %s",
				i, answer.Media[i].Kind, offer.Media[i].Kind)
		}
	}
	if m := transportSection(answer); m != nil {
		if _, err := sdp.AnswererIsClient(sdp.SetupActpass, answer.TransportOf(m).Setup); err != nil {
			return wrapError(ErrInvalid, err, "set remote description")
		}
	}
	return nil
}

// describesSomething tells whether an offer would have a section.
func (pc *PeerConnection) describesSomething() bool {
	return pc.channels.any || (pc.session.currentLocal != nil && len(pc.session.currentLocal.Media) > 0)
}

// newDescription gives the session part of what this side sends.
func (pc *PeerConnection) newDescription() *sdp.Description {
	return &sdp.Description{
		SessionID:      pc.session.id,
		SessionVersion: pc.session.version,
	}
}

// transport gives what identifies and secures this side.
func (pc *PeerConnection) transport(setup sdp.Setup) sdp.Transport {
	ufrag, pwd := pc.currentAgent().LocalCredentials()
	return sdp.Transport{
		ICEUfrag:     ufrag,
		ICEPwd:       pwd,
		ICEOptions:   []string{"trickle"},
		Fingerprints: []sdp.Fingerprint{pc.fingerprint},
		Setup:        setup,
	}
}

// application gives a data channel section.
func (pc *PeerConnection) application(mid string, setup sdp.Setup) sdp.MediaDescription {
	return sdp.MediaDescription{
		Kind:              sdp.KindApplication,
		Mid:               mid,
		Direction:         sdp.DirectionSendRecv,
		Transport:         pc.transport(setup),
		SCTPPort:          sdp.DefaultSCTPPort,
		MaxMessageSize:    uint64(pc.settings.MaxMessageSize),
		HasMaxMessageSize: true,
	}
}

// buildOffer makes an offer: the sections that were agreed before stay in their order
// (https://www.rfc-editor.org/rfc/rfc8829.html#section-5.2.2).
func (pc *PeerConnection) buildOffer() *sdp.Description {
	d := pc.newDescription()
	offered := false
	var previous *sdp.Group
	if current := pc.session.currentLocal; current != nil {
		for i := range current.Media {
			m := &current.Media[i]
			switch {
			case m.IsDataChannel() && !offered:
				offered = true
				d.Media = append(d.Media, pc.application(m.Mid, sdp.SetupActpass))
				previous = current.BundleOf(m.Mid)
			case m.IsRTP() && !m.Rejected && !pc.session.rejectedByRemote(i):
				d.Media = append(d.Media, m.Inactive(pc.transport(sdp.SetupActpass)))
			default:
				d.Media = append(d.Media, m.Rejection())
			}
		}
	}
	if !offered && pc.channels.any {
		d.Media = append(d.Media, pc.application(freeMid(d), sdp.SetupActpass))
	}
	bundle(d, previous)
	return d
}

// freeMid returns the first number that is not the mid of a section.
func freeMid(d *sdp.Description) string {
	taken := make(map[string]bool, len(d.Media))
	for i := range d.Media {
		taken[d.Media[i].Mid] = true
	}
	for i := 0; ; i++ {
		if mid := strconv.Itoa(i); !taken[mid] {
			return mid
		}
	}
}

// bundle groups all sections that are not rejected, those of the previous group first and in its order: the first has the transport, and
// which one that is must not change as long as it is there (https://www.rfc-editor.org/rfc/rfc9143.html#section-7.3.2).
func bundle(d *sdp.Description, previous *sdp.Group) {
	left := make(map[string]bool, len(d.Media))
	for i := range d.Media {
		if m := &d.Media[i]; !m.Rejected && m.Mid != "" {
			left[m.Mid] = true
		}
	}
	var mids []string
	take := func(mid string) {
		if left[mid] {
			left[mid] = false
			mids = append(mids, mid)
		}
	}
	if previous != nil {
		for _, mid := range previous.Mids {
			take(mid)
		}
	}
	for i := range d.Media {
		take(d.Media[i].Mid)
	}
	if mids != nil {
		d.Groups = []sdp.Group{{Semantics: sdp.SemanticsBundle, Mids: mids}}
	}
}

// buildAnswer makes the answer to an offer: the data channels are taken, and with them the media that is bundled with them, as inactive
// sections: browsers do not bear it when a section of a BUNDLE group with one transport is rejected. All else is rejected in
// its place (https://www.rfc-editor.org/rfc/rfc8829.html#section-5.3.1). The error is ErrInvalid.
func (pc *PeerConnection) buildAnswer(offer *sdp.Description) (*sdp.Description, error) {
	if pc.agent == nil {
		if err := pc.ensureAgent(LocalDescriptionInit{}); err != nil {
			return nil, err
		}
	}
	d := pc.newDescription()
	taken := transportSection(offer)
	var setup sdp.Setup
	var group *sdp.Group
	bundled := make(map[string]bool)
	if taken != nil {
		var err error
		if setup, err = pc.answerSetup(offer, taken); err != nil {
			return nil, err
		}
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
			answer := pc.application(m.Mid, setup)
			answer.Protocol, answer.Formats = m.Protocol, m.Formats
			d.Media = append(d.Media, answer)
		case m.IsRTP() && !m.Rejected && bundled[m.Mid]:
			d.Media = append(d.Media, m.Inactive(pc.transport(setup)))
		default:
			d.Media = append(d.Media, m.Rejection())
		}
	}
	if group != nil {
		bundle(d, group)
	}
	return d, nil
}

// answerSetup chooses the DTLS role; a role once taken stays
// (https://www.rfc-editor.org/rfc/rfc8842.html#section-5.3).
func (pc *PeerConnection) answerSetup(d *sdp.Description, m *sdp.MediaDescription) (sdp.Setup, error) {
	offer := d.TransportOf(m).Setup
	if free := offer == sdp.SetupActpass || offer == sdp.SetupUnspecified; free && (pc.remote.applied || pc.session.glare) {
		client := pc.remote.client
		if !pc.remote.applied {
			client = pc.session.id < d.SessionID // both sides compare the same two numbers
		}
		if client {
			return sdp.SetupActive, nil
		}
		return sdp.SetupPassive, nil
	}
	setup, err := sdp.AnswerSetup(offer)
	if err == nil {
		_, err = sdp.AnswererIsClient(offer, setup)
	}
	if err != nil {
		return setup, wrapError(ErrInvalid, err, "set remote description")
	}
	return setup, nil
}

// localText writes a local description with the candidates known so far.
func (pc *PeerConnection) localText(d *described) string {
	m := transportSection(d.Description)
	if m == nil {
		return d.String()
	}
	m = d.TaggedOf(m)
	m.Candidates = pc.session.localCandidates
	m.EndOfCandidates = pc.gatheringState == GatheringStateComplete
	return d.String()
}

// LocalDescription gives the local description that was set last, with the candidates found so far. ErrNotAvailable
// while there is none.
func (pc *PeerConnection) LocalDescription() (SessionDescription, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	d := pc.session.local()
	if d == nil {
		return SessionDescription{}, errNoDescription
	}
	return SessionDescription{Type: d.kind, SDP: pc.localText(d)}, nil
}

// RemoteDescription gives the remote description that was set last, with the candidates added since. ErrNotAvailable
// while there is none.
func (pc *PeerConnection) RemoteDescription() (SessionDescription, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	d := pc.session.remote()
	if d == nil {
		return SessionDescription{}, errNoDescription
	}
	return SessionDescription{Type: d.kind, SDP: d.String()}, nil
}

// CreateOffer makes the offer that SetLocalDescription would, and changes nothing. It fails with ErrFailure when there
// is nothing to describe, and on a closed connection.
func (pc *PeerConnection) CreateOffer() (SessionDescription, error) {
	pc.lock()
	defer pc.unlock()
	switch {
	case pc.closing:
		return SessionDescription{}, wrapError(ErrFailure, errClosed, "create offer")
	case !pc.describesSomething():
		return SessionDescription{}, failuref("create offer: nothing to describe: there is no data channel")
	}
	if pc.session.restart && pc.signalingState == SignalingStateStable {
		if err := pc.prepareRestart(LocalDescriptionInit{}); err != nil {
			return SessionDescription{}, err
		}
		defer pc.yieldRestart()
	}
	if err := pc.ensureAgent(LocalDescriptionInit{}); err != nil {
		return SessionDescription{}, err
	}
	return pc.made(DescriptionOffer, pc.buildOffer()), nil
}

// CreateAnswer makes the answer that SetLocalDescription would, and changes nothing. It fails with ErrFailure when
// there is no offer to answer.
func (pc *PeerConnection) CreateAnswer() (SessionDescription, error) {
	pc.lock()
	defer pc.unlock()
	switch {
	case pc.closing:
		return SessionDescription{}, wrapError(ErrFailure, errClosed, "create answer")
	case pc.signalingState != SignalingStateHaveRemoteOffer && pc.signalingState != SignalingStateHaveLocalPranswer:
		return SessionDescription{}, failuref("create answer: there is no offer in state %v", pc.signalingState)
	}
	if !pc.restarting() && pc.restarts(pc.session.pendingRemote.Description) {
		if err := pc.prepareRestart(LocalDescriptionInit{}); err != nil {
			return SessionDescription{}, err
		}
		defer pc.yieldRestart()
	}
	answer, err := pc.buildAnswer(pc.session.pendingRemote.Description)
	if err != nil {
		return SessionDescription{}, err
	}
	return pc.made(DescriptionAnswer, answer), nil
}

// made gives a description that is not set, with the version it would have.
func (pc *PeerConnection) made(t DescriptionType, d *sdp.Description) SessionDescription {
	d.SessionVersion++
	return SessionDescription{Type: t, SDP: pc.localText(&described{t, d})}
}

// MaxDataChannelStream gives the largest stream id a data channel may have: 1023, or less when the peer supports less,
// which is known once connected.
func (pc *PeerConnection) MaxDataChannelStream() (int, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.channels.maxStream, nil
}

// RemoteMaxMessageSize gives the size in bytes of the largest message that can be sent: what the peer's description
// says that it accepts, 65536 when it does not say, but not more than this side is configured for.
func (pc *PeerConnection) RemoteMaxMessageSize() (int, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.maxMessageSize(), nil
}

func (pc *PeerConnection) maxMessageSize() int {
	return int(min(pc.remoteMessageLimit(), uint64(pc.settings.MaxMessageSize)))
}

// remoteMessageLimit is the size in bytes of the largest message that the peer accepts.
func (pc *PeerConnection) remoteMessageLimit() uint64 {
	if remote := pc.session.remote(); remote != nil {
		if m := transportSection(remote.Description); m != nil {
			return m.MessageLimit()
		}
	}
	return defaultRemoteMaxMessageSize
}
