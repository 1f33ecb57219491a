package rtc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
)

// maxWaitingCandidates bounds the remote candidates that are kept until the answer is known.
const maxWaitingCandidates = 64

// negotiation is the state of offer and answer (https://www.rfc-editor.org/rfc/rfc8829.html#section-3.2): what was
// agreed last, and what is proposed.
type negotiation struct {
	id, version                  uint64 // of the o= line
	mid                          string // of the section that has the transport of the data channels; "" while there is none
	currentLocal, pendingLocal   *described
	currentRemote, pendingRemote *described
	localCandidates              []string        // of the agent that gathers or has, gathering.agent
	other                        gathered        // of the other agent, while there are two
	waiting                      []ice.Candidate // remote ones, until the answer is known

	// Both sides offered at once, and each rolls its offer back for the other's: then two answers cross, and the DTLS
	// roles in them must be different all the same.
	glare bool
	// RestartICE was called: the next offer has new credentials.
	restart bool
	// There is an agent for a restart, and no description has its credentials: its offer was made and not set, or rolled
	// back because the peer's offer crossed it. The peer may have taken that offer before it knew: the agent stays, to
	// answer its checks, and serves the next restart, so that both sides end up with the same generation.
	yielded bool
	// The peer's answer to the local offer has come, and could not be used.
	answerRefused bool
	// The remote ufrag that the last restart replaced.
	replacedUfrag string
	// How many offers were rolled back for one of the peer: their answers are still to come, and mean nothing.
	strayAnswers int
}

// gathered is what an agent has found.
type gathered struct {
	candidates []string
	state      GatheringState
}

// described is a description and what it is.
type described struct {
	kind DescriptionType
	*sdp.Description
}

func (n *negotiation) init() {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, crypto/rand says
	// https://www.rfc-editor.org/rfc/rfc8829.html#section-5.2.1: 64 bits, the highest bit zero.
	n.id = binary.BigEndian.Uint64(b[:]) &^ (1 << 63)
}

// setMid takes over the mid that our candidates have to carry: that of the section that has the transport.
func (n *negotiation) setMid(d *sdp.Description) {
	if m := d.Application(); m != nil {
		if mid := d.TaggedOf(m).Mid; mid != "" {
			n.mid = mid
		}
	}
}

// rejectedByRemote reports whether the peer has rejected section i in what was agreed last.
func (n *negotiation) rejectedByRemote(i int) bool {
	return n.currentRemote != nil && i < len(n.currentRemote.Media) && n.currentRemote.Media[i].Rejected
}

func (n *negotiation) local() *described {
	if n.pendingLocal != nil {
		return n.pendingLocal
	}
	return n.currentLocal
}

func (n *negotiation) remote() *described {
	if n.pendingRemote != nil {
		return n.pendingRemote
	}
	return n.currentRemote
}

// LocalDescriptionInit chooses the ICE credentials of a local description: both or none.
type LocalDescriptionInit struct {
	ICEUfrag, ICEPwd string
}

// SetLocalDescription makes a description and begins gathering; OnLocalDescription is called with it. With
// DescriptionAuto it is an answer when there is an offer to answer, else an offer. A type that does not fit the
// signalling state, and nothing to describe, are ErrFailure; rolling back always succeeds. On a closed connection it
// has no effect.
//
// It is called by the connection itself after CreateDataChannel and SetRemoteDescription, unless
// DisableAutoNegotiation is set.
func (pc *PeerConnection) SetLocalDescription(t DescriptionType) error {
	return pc.SetLocalDescriptionInit(t, LocalDescriptionInit{})
}

// SetLocalDescriptionInit is SetLocalDescription with chosen ICE credentials: letters, digits, '+' and '/', 4 to 256
// of them in the ufrag, 22 to 256 in the password. Other ones are ErrInvalid. They can be chosen in the first
// description only, later it is ErrFailure.
func (pc *PeerConnection) SetLocalDescriptionInit(t DescriptionType, init LocalDescriptionInit) error {
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil
	}
	return pc.setLocal(t, init)
}

func (pc *PeerConnection) setLocal(t DescriptionType, init LocalDescriptionInit) error {
	state := pc.signalingState
	if t == DescriptionRollback {
		switch state {
		case SignalingStateHaveLocalOffer, SignalingStateHaveLocalPranswer, SignalingStateHaveRemotePranswer:
			pc.rollback()
		}
		return nil
	}
	answering := state == SignalingStateHaveRemoteOffer || state == SignalingStateHaveLocalPranswer
	if t == DescriptionAuto {
		t = DescriptionOffer
		if answering {
			t = DescriptionAnswer
		}
	}
	switch {
	case state == SignalingStateHaveLocalOffer && t == DescriptionOffer:
		return nil // it is set already
	case state == SignalingStateStable && t == DescriptionOffer:
		return pc.setLocalOffer(init)
	case answering && (t == DescriptionAnswer || t == DescriptionPranswer):
		return pc.setLocalAnswer(t, init)
	}
	return failuref("set local description: %v in state %v", t, state)
}

func (pc *PeerConnection) setLocalOffer(init LocalDescriptionInit) error {
	if !pc.describesSomething() {
		return failuref("set local description: nothing to describe: there is no data channel")
	}
	if pc.session.restart {
		if err := pc.prepareRestart(init); err != nil {
			return err
		}
	}
	if err := pc.ensureAgent(init); err != nil {
		return err
	}
	pc.session.version++
	pc.session.pendingLocal = &described{DescriptionOffer, pc.buildOffer()}
	pc.session.answerRefused = false
	pc.session.setMid(pc.session.pendingLocal.Description)
	pc.announceLocal()
	pc.setSignalingState(SignalingStateHaveLocalOffer)
	pc.startGathering()
	return nil
}

func (pc *PeerConnection) setLocalAnswer(t DescriptionType, init LocalDescriptionInit) error {
	if pc.restarts(pc.session.pendingRemote.Description) {
		if err := pc.prepareRestart(init); err != nil {
			return err
		}
	}
	if err := pc.ensureAgent(init); err != nil {
		return err
	}
	answer, err := pc.buildAnswer(pc.session.pendingRemote.Description)
	if err != nil {
		return err
	}
	pc.session.version++
	pc.session.pendingLocal = &described{t, answer}
	pc.session.setMid(answer)
	pc.announceLocal()
	offer := pc.session.pendingRemote.Description
	if t == DescriptionPranswer {
		pc.setSignalingState(SignalingStateHaveLocalPranswer)
	} else {
		pc.commit()
	}
	pc.startGathering()
	if err := pc.applyUnlessProvisional(t, answer, offer, false); err != nil {
		return err
	}
	pc.negotiateIfNeeded()
	return nil
}

// applyUnlessProvisional applies an offer and its answer. A provisional answer starts the transports of a new connection,
// but does not restart ICE: until the final answer, the restart can be rolled back, and the old path is in use.
func (pc *PeerConnection) applyUnlessProvisional(t DescriptionType, local, remote *sdp.Description, offered bool) error {
	if t == DescriptionPranswer && pc.remote.applied {
		return nil
	}
	return pc.apply(local, remote, offered)
}

// announceLocal calls OnLocalDescription with the description that was just made.
func (pc *PeerConnection) announceLocal() {
	d := pc.session.pendingLocal
	pc.queue.push(event{target: pc, kind: eventDescription, value: int(d.kind), text: pc.localText(d)})
}

// commit makes the proposed descriptions the current ones.
func (pc *PeerConnection) commit() {
	n := &pc.session
	n.currentLocal, n.currentRemote = n.pendingLocal, n.pendingRemote
	n.pendingLocal, n.pendingRemote = nil, nil
	pc.setSignalingState(SignalingStateStable)
}

// negotiateIfNeeded makes an offer for a channel that was created while another exchange was under way.
func (pc *PeerConnection) negotiateIfNeeded() {
	if pc.signalingState == SignalingStateStable && !pc.settings.DisableAutoNegotiation && pc.negotiationNeeded() {
		if err := pc.setLocalOffer(LocalDescriptionInit{}); err != nil {
			pc.log.Error("automatic negotiation", "error", err)
		}
	}
}

// rollback forgets the proposed descriptions, and with them the ICE restart that was proposed
// (https://www.rfc-editor.org/rfc/rfc8829.html#section-4.1.10.2). Whether a restart is wanted stays as it was.
func (pc *PeerConnection) rollback() {
	if !pc.session.yielded || pc.session.other.state == GatheringStateNew {
		pc.cancelRestart()
	}
	pc.withdraw()
}

// withdraw forgets the proposed descriptions.
func (pc *PeerConnection) withdraw() {
	pc.session.pendingLocal, pc.session.pendingRemote = nil, nil
	pc.session.waiting = nil
	pc.setSignalingState(SignalingStateStable)
}

// SetRemoteDescription sets the description that the other side sent. With DescriptionAuto it is an answer when there
// is a local offer, else an offer. A description that cannot be used is ErrInvalid, a type that does not fit the
// signalling state ErrFailure. An offer that meets a local offer wins: the local one is rolled back. Unless
// DisableAutoNegotiation is set, an offer is answered. On a closed connection it has no effect.
func (pc *PeerConnection) SetRemoteDescription(d SessionDescription) error {
	if d.Type < DescriptionAuto || d.Type > DescriptionRollback {
		return invalidf("set remote description: type %d", int(d.Type))
	}
	if d.Type == DescriptionRollback {
		pc.lock()
		defer pc.unlock()
		if !pc.closing {
			pc.rollbackRemote()
		}
		return nil
	}
	parsed, err := pc.parseRemote(d.SDP)
	if err != nil {
		return err
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil
	}
	return pc.setRemote(d.Type, parsed)
}

func (pc *PeerConnection) rollbackRemote() {
	switch pc.signalingState {
	case SignalingStateHaveRemoteOffer, SignalingStateHaveRemotePranswer, SignalingStateHaveLocalPranswer:
		pc.rollback()
	}
}

func (pc *PeerConnection) setRemote(t DescriptionType, d *sdp.Description) error {
	state := pc.signalingState
	awaiting := state == SignalingStateHaveLocalOffer || state == SignalingStateHaveRemotePranswer
	if t == DescriptionAuto {
		t = DescriptionOffer
		if awaiting {
			t = DescriptionAnswer
		}
	}
	if t == DescriptionAnswer && state == SignalingStateStable && pc.session.strayAnswers > 0 {
		pc.ignoreStrayAnswer(d)
		return nil
	}
	offer := t == DescriptionOffer && (state == SignalingStateStable || state == SignalingStateHaveLocalOffer)
	if !offer && !(awaiting && (t == DescriptionAnswer || t == DescriptionPranswer)) {
		return failuref("set remote description: %v in state %v", t, state)
	}
	if pc.isOwn(d) {
		return invalidf("set remote description: it is this connection's own")
	}
	if offer {
		return pc.setRemoteOffer(d)
	}
	err := pc.setRemoteAnswer(t, d)
	pc.session.answerRefused = err != nil && t == DescriptionAnswer
	return err
}

func (pc *PeerConnection) setRemoteOffer(d *sdp.Description) error {
	glare := pc.signalingState == SignalingStateHaveLocalOffer
	pc.session.glare = glare
	if _, err := pc.buildAnswer(d); err != nil { // so that what cannot be answered is not set
		return err
	}
	if glare && !pc.session.answerRefused {
		pc.session.strayAnswers++
	}
	pc.yieldRestart()
	pc.withdraw()
	pc.session.pendingRemote = &described{DescriptionOffer, d}
	pc.takeCandidates(d)
	pc.setSignalingState(SignalingStateHaveRemoteOffer)
	if pc.settings.DisableAutoNegotiation {
		return nil
	}
	return pc.setLocal(DescriptionAnswer, LocalDescriptionInit{})
}

func (pc *PeerConnection) setRemoteAnswer(t DescriptionType, d *sdp.Description) error {
	offer := pc.session.pendingLocal.Description
	if err := checkAnswer(offer, d); err != nil {
		return err
	}
	if pc.restarting() && transportSection(d) != nil && !pc.restarts(d) {
		if t == DescriptionAnswer && pc.session.strayAnswers > 0 {
			pc.ignoreStrayAnswer(d)
			return nil
		}
		// https://www.rfc-editor.org/rfc/rfc8839.html#section-4.4.2.1: it "MUST change" them
		return invalidf("set remote description: the offer restarts ICE, and the answer does not")
	}
	pc.session.pendingRemote = &described{t, d}
	pc.session.waiting = nil // those of another provisional answer
	pc.session.setMid(d)
	pc.takeCandidates(d)
	if err := pc.applyUnlessProvisional(t, offer, d, true); err != nil {
		return err
	}
	if t == DescriptionPranswer {
		pc.setSignalingState(SignalingStateHaveRemotePranswer)
	} else {
		pc.commit()
		pc.negotiateIfNeeded()
	}
	return nil
}

// isOwn detects a program that hands a connection its own description.
func (pc *PeerConnection) isOwn(d *sdp.Description) bool {
	if pc.currentAgent() == nil {
		return false
	}
	m := transportSection(d)
	if m == nil {
		return false
	}
	t := d.TransportOf(m)
	ufrag, pwd := pc.currentAgent().LocalCredentials()
	return t.ICEUfrag == ufrag && t.ICEPwd == pwd
}

// AddRemoteCandidate adds a candidate that the other side sent after its description, with or without "a=". Before
// there is a remote description, and on a closed connection, it is ErrFailure; a malformed candidate is ErrInvalid.
// A candidate that is known already, belongs to no section of the description or to another transport, is of an unknown
// type or transport protocol, has a name that does not resolve, or is empty is ignored.
func (pc *PeerConnection) AddRemoteCandidate(c Candidate) error {
	pc.lock()
	defer pc.unlock()
	remote := pc.session.remote()
	switch {
	case pc.closing:
		return wrapError(ErrFailure, errClosed, "add remote candidate")
	case remote == nil:
		return failuref("add remote candidate: there is no remote description")
	}
	text := strings.TrimPrefix(strings.TrimSpace(c.Candidate), "a=")
	if text == "" {
		return nil
	}
	var parsed ice.Candidate
	end := text == "end-of-candidates"
	if !end {
		var err error
		parsed, err = ice.ParseCandidate(text)
		switch {
		case errors.Is(err, ice.ErrUnsupportedCandidate):
			pc.log.Debug("remote candidate ignored", "error", err)
			return nil
		case err != nil:
			return wrapError(ErrInvalid, err, "add remote candidate")
		}
	}
	m := transportSection(remote.Description)
	if m == nil || !sameTransport(remote.Description, m, c.Mid) {
		pc.log.Debug("remote candidate of another section ignored", "mid", c.Mid)
		return nil
	}
	if !sameGeneration(parsed, remote.TransportOf(m).ICEUfrag) {
		pc.log.Debug("remote candidate of another ICE generation ignored")
		return nil
	}
	tagged := remote.TaggedOf(m)
	if end {
		tagged.EndOfCandidates = true
		pc.remoteCandidatesComplete()
		return nil
	}
	if !slices.Contains(tagged.Candidates, text) && len(tagged.Candidates) < maxWaitingCandidates {
		tagged.Candidates = append(tagged.Candidates, text)
	}
	pc.addCandidate(parsed)
	return nil
}

// sameTransport reports whether a candidate with the mid is of the transport of m. All sections of a BUNDLE group have one; a section
// that has ICE credentials of its own besides was offered with another transport, for a peer that does not bundle.
func sameTransport(d *sdp.Description, m *sdp.MediaDescription, mid string) bool {
	if mid == "" {
		return true
	}
	section := d.MediaByMid(mid)
	return section != nil && (section.ICEUfrag == "" || section.ICEUfrag == d.TransportOf(m).ICEUfrag)
}

// sameGeneration tells whether a candidate is of the ICE session with that ufrag, where it says so
// (https://www.rfc-editor.org/rfc/rfc8838.html#section-9).
func sameGeneration(c ice.Candidate, ufrag string) bool {
	for _, e := range c.Extensions {
		if e.Key == "ufrag" {
			return e.Value == ufrag
		}
	}
	return true
}

// takeCandidates hands the candidates of a remote description to the agent, now or when it knows the peer.
func (pc *PeerConnection) takeCandidates(d *sdp.Description) {
	m := transportSection(d)
	if m == nil {
		return
	}
	candidates, _ := d.CandidatesOf(m)
	for _, text := range candidates {
		c, err := ice.ParseCandidate(text)
		if err != nil {
			pc.log.Debug("candidate in the remote description ignored", "error", err)
			continue
		}
		pc.addCandidate(c)
	}
}

func (pc *PeerConnection) addCandidate(c ice.Candidate) {
	if remote := pc.session.pendingRemote; !pc.remote.applied || (remote != nil && pc.restarts(remote.Description)) {
		if len(pc.session.waiting) < maxWaitingCandidates {
			pc.session.waiting = append(pc.session.waiting, c)
		}
		return
	}
	pc.addCandidateNow(c)
}

func (pc *PeerConnection) addCandidateNow(c ice.Candidate) {
	if c.Host != "" {
		pc.resolveCandidate(c)
		return
	}
	if err := pc.agent.AddRemoteCandidate(pc.now, c); err != nil {
		pc.log.Debug("remote candidate ignored", "error", err)
	}
}

func (pc *PeerConnection) remoteCandidatesComplete() {
	pc.completeAt = time.Time{}
	if pc.remote.applied {
		pc.agent.SetRemoteComplete(pc.now)
	}
}

// NegotiationNeeded tells whether there is a channel that no description mentions yet, or an ICE restart to come.
func (pc *PeerConnection) NegotiationNeeded() bool {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.negotiationNeeded()
}

func (pc *PeerConnection) negotiationNeeded() bool {
	local := pc.session.local()
	return !pc.closing && (pc.session.restart || pc.channels.any && (local == nil || local.Application() == nil))
}
