package rtc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"github.com/rtcstack/rtcstack/internal/icechars"
	"github.com/rtcstack/rtcstack/internal/jsep"
	"github.com/rtcstack/rtcstack/sdp"
)

// negotiation is the offer/answer exchange (RFC 8829). The state machine of package jsep decides,
// and the connection applies its decisions to the transport and the channels.
type negotiation struct {
	machine *jsep.Machine
}

func (n *negotiation) init(c *core, fingerprint sdp.Fingerprint) {
	var id [8]byte
	_, _ = rand.Read(id[:]) // crypto/rand never fails
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

// SetLocalDescription creates a description, starts gathering candidates, and passes the
// description to OnLocalDescription. DescriptionAuto creates an answer if there is a remote offer,
// and an offer otherwise. The error is ErrFailure if the type does not fit the signalling state, or
// if there is nothing to describe; a rollback always succeeds. On a closed connection it has no
// effect.
//
// The connection itself calls it after CreateDataChannel and SetRemoteDescription, unless
// DisableAutoNegotiation is set.
func (pc *PeerConnection) SetLocalDescription(t DescriptionType) error {
	return pc.SetLocalDescriptionInit(t, LocalDescriptionInit{})
}

// SetLocalDescriptionInit is SetLocalDescription with chosen ICE credentials. They consist of
// letters, digits, '+' and '/': 4 to 256 characters in the ufrag, 22 to 256 in the password; others
// are ErrInvalid. They can be chosen in the first description and in an ICE restart; otherwise the
// error is ErrFailure.
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
	outcome, err := pc.negotiation.machine.SetLocal(jsepTypes[t],
		jsep.LocalInit{Ufrag: init.ICEUfrag, Pwd: init.ICEPwd})
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

// SetRemoteDescription sets the description that the other side sent. DescriptionAuto takes it for
// an answer if there is a local offer, and for an offer otherwise. The error is ErrInvalid if the
// description cannot be used, and ErrFailure if it does not fit the signalling state or, in
// StateFailed, needs an ICE restart; then nothing has changed. A remote offer replaces a pending
// local offer, which is rolled back. Unless DisableAutoNegotiation is set, the connection answers an
// offer. On a closed connection it has no effect.
//
// A description with another certificate than before comes from another program, or from one that
// was started again. The data channels close then, and new ones can be opened. In StateFailed, an
// answer with other ICE credentials than before is ErrFailure unless the offer has restarted ICE:
// the connection then needs a rollback and RestartICE.
//
// The data channels also close if a description has another SCTP port than before. With port 0 the
// peer has no association: StateConnected is the state of ICE and DTLS then, and channels that are
// created later open after a description with a port.
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
		parsed, err = jsep.Parse(d.SDP, func(err error) {
			pc.log.Debug("candidate in the remote description ignored", "error", err)
		})
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

// describeError wraps an error of the machine in the class that it belongs to.
func describeError(err error, doing string) error {
	class := ErrInvalid
	if errors.Is(err, jsep.ErrState) {
		class = ErrFailure
	}
	return wrapError(class, err, "%s", doing)
}

// carryOut applies a decision of the machine.
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

// errRejected is the reason for the end of channels whose media section the peer has rejected.
var errRejected = failuref("the peer rejected data channels")

// errReplaced is the reason for the end of channels whose peer has another certificate, or another
// SCTP port, and so another association.
var errReplaced = failuref("the peer has begun a new association")

// errNoAssociation is the reason for the end of channels whose peer has no SCTP association.
var errNoAssociation = failuref("the peer has closed its SCTP association")

func (pc *PeerConnection) applyTransport(n *jsep.Transport) error {
	if n.NewAssociation || n.NewSCTP {
		pc.endChannels(n.SCTPPort == 0)
	}
	if err := pc.transport.apply(n); err != nil {
		return err
	}
	if n.NewAssociation && pc.state == StateConnected {
		pc.setState(StateConnecting)
	}
	pc.connectedWithoutSCTP()
	return nil
}

// endChannels ends the channels of the association, if there is one, because another one follows or
// none does. If none does, it also ends the channels that wait for one.
func (pc *PeerConnection) endChannels(none bool) {
	reason := errReplaced
	if none {
		reason = errNoAssociation
	}
	if t := &pc.transport; t.sctp != nil && !t.sctpClosed {
		pc.log.Info("the association has ended", "reason", reason)
		pc.channels.takeRest()
		pc.counters.undelivered += t.unacknowledged()
		pc.channels.replaced(reason) // counts the buffered messages
	}
	for none && len(pc.channels.waiting) > 0 {
		dc := pc.channels.waiting[0]
		pc.channels.remove(dc)
		dc.end(reason, reason)
	}
}

// transportFailed ends a connection whose transport refuses the negotiated parameters, which is an
// error of this package.
func (pc *PeerConnection) transportFailed(err error) error {
	err = wrapError(ErrFailure, err, "transport")
	pc.finish(StateFailed, err)
	return err
}

// negotiateIfNeeded creates an offer for the channels and restarts that no description contains
// yet.
func (pc *PeerConnection) negotiateIfNeeded() {
	if pc.signalingState == SignalingStateStable && !pc.settings.DisableAutoNegotiation && pc.negotiationNeeded() {
		if err := pc.setLocal(DescriptionOffer, LocalDescriptionInit{}); err != nil {
			pc.log.Error("automatic negotiation", "error", err)
		}
	}
}

// NegotiationNeeded reports whether there is a data channel or an ICE restart that no description
// contains yet.
func (pc *PeerConnection) NegotiationNeeded() bool {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.negotiationNeeded()
}

func (pc *PeerConnection) negotiationNeeded() bool {
	return !pc.isZero() && !pc.closing && pc.negotiation.machine.NegotiationNeeded()
}

// RestartICE looks for a new path to the peer, over all present networks; the connection uses the
// old path meanwhile, as long as it works (RFC 8445, section 9). RestartICE creates an offer with
// new ICE credentials: at once if the signalling state is stable and DisableAutoNegotiation is not
// set, otherwise with the next SetLocalDescription. DTLS and the data channels are not affected: a
// connection in StateDisconnected continues, and so does one in StateFailed if only its path was
// lost.
//
// Before the first answer RestartICE has no effect. The error is ErrFailure if the connection is
// closed, or has failed for another reason than a lost path.
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

// AddRemoteCandidate adds a candidate that the other side sent after its description, with or
// without "a=". The error is ErrFailure before there is a remote description, and on a closed
// connection; it is ErrInvalid if the candidate is malformed. A candidate is ignored if it is known
// already, is empty, belongs to no section of the description or to another transport, is of an
// unknown type or transport protocol, or has a name that does not resolve.
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

// LocalDescription returns the local description that was set last, with the candidates found so
// far. ErrNotAvailable while there is none.
func (pc *PeerConnection) LocalDescription() (SessionDescription, error) {
	if pc.isZero() {
		return SessionDescription{}, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return described(pc.negotiation.machine.Local())
}

// RemoteDescription returns the remote description that was set last, with the candidates added
// since. ErrNotAvailable while there is none.
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

// CreateOffer returns the offer that SetLocalDescription would create, and changes nothing. The
// error is ErrFailure if there is nothing to describe, and on a closed connection.
func (pc *PeerConnection) CreateOffer() (SessionDescription, error) {
	return pc.create("create offer", (*jsep.Machine).CreateOffer)
}

// CreateAnswer returns the answer that SetLocalDescription would create, and changes nothing. The
// error is ErrFailure if there is no remote offer, and on a closed connection.
func (pc *PeerConnection) CreateAnswer() (SessionDescription, error) {
	return pc.create("create answer", (*jsep.Machine).CreateAnswer)
}

func (pc *PeerConnection) create(
	doing string, create func(*jsep.Machine) (jsep.Description, error),
) (SessionDescription, error) {
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

// MaxDataChannelStream returns the largest stream id that a data channel may have: 1023, or less if
// the peer supports less. The limit of the peer is known when the connection is established.
func (pc *PeerConnection) MaxDataChannelStream() (int, error) {
	if pc.isZero() {
		return 0, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.channels.maxStream, nil
}

// RemoteMaxMessageSize returns the size in bytes of the largest message that can be sent. It is the
// limit in the peer's description, 65536 if that has none, but not more than
// Configuration.MaxMessageSize.
func (pc *PeerConnection) RemoteMaxMessageSize() (int, error) {
	if pc.isZero() {
		return 0, errZero
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.transport.maxMessageSize(), nil
}
