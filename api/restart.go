package rtc

import (
	"net/netip"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sdp"
	"github.com/rtcstack/rtcstack/stun"
)

// RestartICE looks for a new path to the peer, over all networks there are now, while the old one is used as long as it
// works (https://www.rfc-editor.org/rfc/rfc8445.html#section-9). It makes an offer with new ICE credentials, at once if
// the signalling state is stable and DisableAutoNegotiation is not set, else with the next SetLocalDescription. DTLS and
// the data channels are not touched: a connection in StateDisconnected, or in StateFailed because no path was left,
// goes on. Before the first answer it has no effect; ErrFailure on a closed connection, and when something else than
// the path has failed.
func (pc *PeerConnection) RestartICE() error {
	pc.lock()
	defer pc.unlock()
	if pc.closing {
		return wrapError(ErrFailure, errClosed, "restart ICE")
	}
	if !pc.remote.applied {
		return nil
	}
	pc.session.restart = true
	if pc.session.yielded && pc.signalingState == SignalingStateStable {
		pc.cancelRestart()
	}
	if pc.signalingState != SignalingStateStable || pc.settings.DisableAutoNegotiation {
		return nil
	}
	return pc.setLocalOffer(LocalDescriptionInit{})
}

// restarting reports whether the descriptions are those of a restart.
func (pc *PeerConnection) restarting() bool { return pc.next != nil && !pc.session.yielded }

// currentAgent returns the agent whose credentials a local description has.
func (pc *PeerConnection) currentAgent() *ice.Agent {
	if pc.restarting() {
		return pc.next
	}
	return pc.agent
}

// agents calls f with the agent, and with the one that is to replace it.
func (pc *PeerConnection) agents(f func(*ice.Agent)) {
	if pc.agent != nil {
		f(pc.agent)
	}
	if pc.next != nil {
		f(pc.next)
	}
}

// prepareRestart makes the agent of a restart, with new credentials, unless there is one.
func (pc *PeerConnection) prepareRestart(init LocalDescriptionInit) error {
	if pc.next != nil {
		ufrag, pwd := pc.next.LocalCredentials()
		switch {
		case init == LocalDescriptionInit{} || init == LocalDescriptionInit{ICEUfrag: ufrag, ICEPwd: pwd}:
			pc.resumeRestart()
			return nil
		case pc.gather.agent == pc.next:
			return failuref("the ICE credentials cannot change after gathering has begun")
		}
		pc.cancelRestart() // made by CreateOffer, or rolled back
	}
	agent, err := pc.newAgent(init)
	if err != nil {
		return err
	}
	pc.next = agent
	return nil
}

// cancelRestart discards the agent of a restart that was rolled back.
func (pc *PeerConnection) cancelRestart() {
	if pc.next == nil {
		return
	}
	pc.yieldRestart()
	pc.session.yielded, pc.session.other = false, gathered{}
	pc.retire(pc.next)
	pc.next = nil
	pc.releaseAt = pc.now.Add(pc.tuning.releaseDelay) // of the sockets that only it had
}

// yieldRestart makes the agent in use the current one again, with what it has gathered, before a rollback in favour of
// the peer's offer.
func (pc *PeerConnection) yieldRestart() {
	if pc.next == nil {
		return
	}
	pc.session.yielded = true
	if pc.gather.agent == pc.next {
		pc.swapGathered(pc.agent)
	}
}

// resumeRestart is the reverse of yieldRestart.
func (pc *PeerConnection) resumeRestart() {
	if !pc.session.yielded {
		return
	}
	pc.session.yielded = false
	if pc.session.other.state != GatheringStateNew {
		pc.swapGathered(pc.next)
	}
}

// swapGathered makes agent the one whose candidates are described.
func (pc *PeerConnection) swapGathered(agent *ice.Agent) {
	n := &pc.session
	before := gathered{n.localCandidates, pc.gatheringState}
	pc.gather.agent, n.localCandidates = agent, n.other.candidates
	pc.setGatheringState(n.other.state)
	n.other = before
}

// ignoreStrayAnswer handles the peer's answer to an offer of ours that was rolled back. If it has ICE credentials that we
// never knew, the peer has restarted ICE with an offer that is void here: only another restart brings both sides
// together again.
func (pc *PeerConnection) ignoreStrayAnswer(d *sdp.Description) {
	pc.session.strayAnswers--
	m := transportSection(d)
	if m == nil || !pc.restarts(d) || d.TransportOf(m).ICEUfrag == pc.session.replacedUfrag {
		return
	}
	pc.session.restart = true
	pc.negotiateIfNeeded()
}

// restarted replaces the agent when both sides have new credentials. The path stays until the new agent has one.
func (pc *PeerConnection) restarted() {
	pc.log.Info("ICE restart")
	pc.next.SetControlling(pc.agent.Controlling())
	pc.retire(pc.agent)
	pc.agent, pc.next = pc.next, nil
	pc.session.restart = false
	pc.session.other = gathered{}
	pc.session.replacedUfrag = pc.remote.ufrag
}

// restarts tells whether a remote description has other ICE credentials than the ones in use
// (https://www.rfc-editor.org/rfc/rfc8839.html#section-4.4.1.1.1).
func (pc *PeerConnection) restarts(d *sdp.Description) bool {
	m := transportSection(d)
	if m == nil || !pc.remote.applied {
		return false
	}
	t := d.TransportOf(m)
	return t.ICEUfrag != pc.remote.ufrag || t.ICEPwd != pc.remote.pwd
}

// receiveSTUN gives a STUN datagram to the agent that it is for. While there are two, a request names it, and what is
// not a request is an answer that only the agent that asked for it takes.
func (pc *PeerConnection) receiveSTUN(local, remote netip.AddrPort, datagram []byte) {
	if pc.next == nil {
		pc.agent.Receive(pc.now, local, remote, datagram)
		return
	}
	m, err := stun.Parse(datagram)
	if err != nil || m.Type().Class() != stun.ClassRequest {
		pc.agent.Receive(pc.now, local, remote, datagram)
		pc.next.Receive(pc.now, local, remote, datagram)
		return
	}
	ufrag, _ := pc.next.LocalCredentials()
	username, _ := m.Username()
	if len(username) > len(ufrag) && string(username[:len(ufrag)]) == ufrag && username[len(ufrag)] == ':' {
		pc.next.Receive(pc.now, local, remote, datagram)
		return
	}
	pc.agent.Receive(pc.now, local, remote, datagram)
}
