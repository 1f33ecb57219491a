package rtc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/rtcstack/rtcstack/internal/icechars"
	"github.com/rtcstack/rtcstack/internal/jsep"
	"github.com/rtcstack/rtcstack/sdp"
)

// negotiation is offer and answer: the state machine of package jsep, which decides, and knows no transport. Its decisions are
// carried out by the connection.
type negotiation struct {
	machine *jsep.Machine
}

func (n *negotiation) init(c *core, fingerprint sdp.Fingerprint) {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, crypto/rand says
	n.machine = jsep.New(jsep.Config{
		// RFC 8829, section 5.2.1: 64 bits, the highest bit zero.
		SessionID:      binary.BigEndian.Uint64(id[:]) &^ (1 << 63),
		Credentials:    randomCredentials,
		Fingerprints:   []sdp.Fingerprint{fingerprint},
		ICEOptions:     []string{"trickle"},
		MaxMessageSize: uint64(c.settings.MaxMessageSize),
	})
}

// randomCredentials returns new ICE credentials.
func randomCredentials() (ufrag, pwd string) {
	var random [icechars.RandomSize]byte
	_, _ = rand.Read(random[:])
	return icechars.Credentials(random)
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
// description and in an ICE restart, later it is ErrFailure.
func (pc *PeerConnection) SetLocalDescriptionInit(t DescriptionType, init LocalDescriptionInit) error {
	if t < DescriptionAuto || t > DescriptionRollback {
		return invalidf("set local description: type %d", int(t))
	}
	if pc.isZero() {
		return errZero
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil
	}
	return pc.setLocal(t, init)
}

func (pc *PeerConnection) setLocal(t DescriptionType, init LocalDescriptionInit) error {
	outcome, err := pc.negotiation.machine.SetLocal(jsepTypes[t], jsep.LocalInit{Ufrag: init.ICEUfrag, Pwd: init.ICEPwd})
	if err != nil {
		return describeError(err, "set local description")
	}
	if err := pc.carryOut(outcome); err != nil {
		return err
	}
	if t != DescriptionRollback {
		pc.negotiateIfNeeded()
	}
	return nil
}

// SetRemoteDescription sets the description that the other side sent. With DescriptionAuto it is an answer when there
// is a local offer, else an offer. A description that cannot be used is ErrInvalid, a type that does not fit the
// signalling state ErrFailure; then nothing has changed. An offer that meets a local offer wins: the local one is rolled back. Unless
// DisableAutoNegotiation is set, an offer is answered. On a closed connection it has no effect.
//
// A description with another certificate than before is from another program, or from one that has started anew: then the
// data channels close, and new ones can be opened to it.
func (pc *PeerConnection) SetRemoteDescription(d SessionDescription) error {
	if d.Type < DescriptionAuto || d.Type > DescriptionRollback {
		return invalidf("set remote description: type %d", int(d.Type))
	}
	if pc.isZero() {
		return errZero
	}
	var parsed *sdp.Description
	if d.Type != DescriptionRollback {
		var err error
		parsed, err = jsep.Parse(d.SDP, func(err error) { pc.log.Debug("candidate in the remote description ignored", "error", err) })
		if err != nil {
			return describeError(err, "set remote description")
		}
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return nil
	}
	outcome, err := pc.negotiation.machine.SetRemote(jsepTypes[d.Type], parsed)
	if err != nil {
		return describeError(err, "set remote description")
	}
	if err := pc.carryOut(outcome); err != nil {
		return err
	}
	if pc.signalingState == SignalingStateHaveRemoteOffer && !pc.settings.DisableAutoNegotiation {
		return pc.setLocal(DescriptionAnswer, LocalDescriptionInit{})
	}
	if d.Type != DescriptionRollback {
		pc.negotiateIfNeeded()
	}
	return nil
}

var jsepTypes = [...]jsep.Type{
	DescriptionAuto: jsep.Auto, DescriptionOffer: jsep.Offer, DescriptionAnswer: jsep.Answer,
	DescriptionPranswer: jsep.Pranswer, DescriptionRollback: jsep.Rollback,
}

var descriptionTypes = [...]DescriptionType{
	jsep.Auto: DescriptionAuto, jsep.Offer: DescriptionOffer, jsep.Answer: DescriptionAnswer,
	jsep.Pranswer: DescriptionPranswer, jsep.Rollback: DescriptionRollback,
}

var signalingStates = [...]SignalingState{
	jsep.Stable: SignalingStateStable, jsep.HaveLocalOffer: SignalingStateHaveLocalOffer,
	jsep.HaveRemoteOffer: SignalingStateHaveRemoteOffer, jsep.HaveLocalPranswer: SignalingStateHaveLocalPranswer,
	jsep.HaveRemotePranswer: SignalingStateHaveRemotePranswer,
}

// describeError puts an error of the machine into its class.
func describeError(err error, doing string) error {
	class := ErrInvalid
	if errors.Is(err, jsep.ErrState) {
		class = ErrFailure
	}
	return wrapError(class, err, "%s", doing)
}

// carryOut does what the machine has decided.
func (pc *PeerConnection) carryOut(o jsep.Outcome) error {
	if d := o.Announce; d != nil {
		pc.queue.push(event{target: pc, kind: eventDescription, value: int(descriptionTypes[d.Type]), text: d.SDP})
	}
	if o.StateChanged {
		pc.setSignalingState(signalingStates[pc.negotiation.machine.State()])
	}
	t := &pc.transport
	t.remoteMessageLimit = pc.negotiation.machine.RemoteMaxMessageSize()
	if o.Discarded != nil {
		t.discard(*o.Discarded)
	}
	if o.Gather != nil {
		if err := t.gather(*o.Gather); err != nil {
			return pc.transportFailed(err)
		}
	}
	pc.updateGatheringState()
	if n := o.Transport; n != nil {
		if err := pc.applyTransport(n); err != nil {
			return pc.transportFailed(err)
		}
	}
	switch {
	case o.Ended:
		pc.closedByPeer(false, errRejected)
	case o.Rejected:
		pc.channels.end(errRejected, errRejected)
	}
	return nil
}

// errRejected: the peer does without data channels.
var errRejected = failuref("the peer rejected data channels")

// errReplaced: the peer has another certificate, and with it another association.
var errReplaced = failuref("the peer has begun a new association")

func (pc *PeerConnection) applyTransport(n *jsep.Transport) error {
	t := &pc.transport
	if t.sctp != nil && (n.NewAssociation || n.NewSCTP) {
		pc.log.Info("the peer has begun a new association")
		pc.channels.takeRest()
		pc.counters.undelivered += pc.unsent()
		pc.channels.replaced(errReplaced)
	}
	if err := t.apply(n); err != nil {
		return err
	}
	if n.NewAssociation && pc.state == StateConnected {
		pc.setState(StateConnecting)
	}
	return nil
}

// transportFailed ends a connection whose transport does not take what was negotiated, which is an error of this package.
func (pc *PeerConnection) transportFailed(err error) error {
	err = wrapError(ErrFailure, err, "transport")
	pc.finish(StateFailed, err)
	return err
}

// negotiateIfNeeded makes an offer for what was wished for while another exchange was under way.
func (pc *PeerConnection) negotiateIfNeeded() {
	if pc.signalingState == SignalingStateStable && !pc.settings.DisableAutoNegotiation && pc.negotiationNeeded() {
		if err := pc.setLocal(DescriptionOffer, LocalDescriptionInit{}); err != nil {
			pc.log.Error("automatic negotiation", "error", err)
		}
	}
}

// NegotiationNeeded reports whether there is a channel that no description mentions yet, or an ICE restart to come.
func (pc *PeerConnection) NegotiationNeeded() bool {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.negotiationNeeded()
}

func (pc *PeerConnection) negotiationNeeded() bool {
	return !pc.isZero() && !pc.closing && pc.negotiation.machine.NegotiationNeeded()
}

// RestartICE looks for a new path to the peer, over all networks there are now, while the old one is used as long as it
// works (https://www.rfc-editor.org/rfc/rfc8445.html#section-9). It makes an offer with new ICE credentials, at once if
// the signalling state is stable and DisableAutoNegotiation is not set, else with the next SetLocalDescription. DTLS and
// the data channels are not touched: a connection in StateDisconnected, or in StateFailed because no path was left,
// goes on. Before the first answer it has no effect; ErrFailure on a closed connection, and when something else than
// the path has failed.
func (pc *PeerConnection) RestartICE() error {
	if pc.isZero() {
		return errZero
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return wrapError(ErrFailure, errClosed, "restart ICE")
	}
	pc.negotiation.machine.WantRestart()
	if pc.signalingState != SignalingStateStable || pc.settings.DisableAutoNegotiation || !pc.negotiationNeeded() {
		return nil
	}
	return pc.setLocal(DescriptionOffer, LocalDescriptionInit{})
}

// AddRemoteCandidate adds a candidate that the other side sent after its description, with or without "a=". Before
// there is a remote description, and on a closed connection, it is ErrFailure; a malformed candidate is ErrInvalid.
// A candidate that is known already, belongs to no section of the description or to another transport, is of an unknown
// type or transport protocol, has a name that does not resolve, or is empty is ignored.
func (pc *PeerConnection) AddRemoteCandidate(c Candidate) error {
	if pc.isZero() {
		return errZero
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return wrapError(ErrFailure, errClosed, "add remote candidate")
	}
	use, candidate, err := pc.negotiation.machine.AddRemoteCandidate(c.Candidate, c.Mid)
	switch {
	case err != nil:
		return describeError(err, "add remote candidate")
	case use == jsep.CandidateReady:
		pc.transport.addRemoteCandidate(candidate)
	case use == jsep.CandidatesComplete:
		pc.transport.remoteComplete()
	case use == jsep.CandidateIgnored:
		pc.log.Debug("remote candidate ignored", "candidate", c.Candidate, "mid", c.Mid)
	}
	return nil
}

// LocalDescription returns the local description that was set last, with the candidates found so far. ErrNotAvailable
// while there is none.
func (pc *PeerConnection) LocalDescription() (SessionDescription, error) {
	if pc.isZero() {
		return SessionDescription{}, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return described(pc.negotiation.machine.Local())
}

// RemoteDescription returns the remote description that was set last, with the candidates added since. ErrNotAvailable
// while there is none.
func (pc *PeerConnection) RemoteDescription() (SessionDescription, error) {
	if pc.isZero() {
		return SessionDescription{}, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return described(pc.negotiation.machine.Remote())
}

func described(d jsep.Description, ok bool) (SessionDescription, error) {
	if !ok {
		return SessionDescription{}, errNoDescription
	}
	return SessionDescription{Type: descriptionTypes[d.Type], SDP: d.SDP}, nil
}

// CreateOffer makes the offer that SetLocalDescription would, and changes nothing. It fails with ErrFailure when there
// is nothing to describe, and on a closed connection.
func (pc *PeerConnection) CreateOffer() (SessionDescription, error) {
	return pc.create("create offer", (*jsep.Machine).CreateOffer)
}

// CreateAnswer makes the answer that SetLocalDescription would, and changes nothing. It fails with ErrFailure when
// there is no offer to answer.
func (pc *PeerConnection) CreateAnswer() (SessionDescription, error) {
	return pc.create("create answer", (*jsep.Machine).CreateAnswer)
}

func (pc *PeerConnection) create(doing string, create func(*jsep.Machine) (jsep.Description, error)) (SessionDescription, error) {
	if pc.isZero() {
		return SessionDescription{}, errZero
	}
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return SessionDescription{}, wrapError(ErrFailure, errClosed, "%s", doing)
	}
	d, err := create(pc.negotiation.machine)
	if err != nil {
		return SessionDescription{}, describeError(err, doing)
	}
	return described(d, true)
}

// MaxDataChannelStream returns the largest stream id a data channel may have: 1023, or less when the peer supports less,
// which is known once connected.
func (pc *PeerConnection) MaxDataChannelStream() (int, error) {
	if pc.isZero() {
		return 0, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.channels.maxStream, nil
}

// RemoteMaxMessageSize returns the size in bytes of the largest message that can be sent: what the peer's description
// says that it accepts, 65536 when it does not say, but not more than this side is configured for.
func (pc *PeerConnection) RemoteMaxMessageSize() (int, error) {
	if pc.isZero() {
		return 0, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.transport.maxMessageSize(), nil
}
