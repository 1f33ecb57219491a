package rtc

import (
	"errors"
	"slices"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/sctp"
)

// The events of the parts of a connection. An event of one part that concerns another one goes
// through the connection.

func (pc *PeerConnection) setState(s State) {
	if pc.state != s && pc.state != StateClosed {
		pc.log.Info("connection", "state", s)
		pc.state = s
		pc.channels.setPathLost(s == StateFailed && !pc.ended)
		pc.queue.push(event{target: pc, kind: eventState, value: int(s)})
		pc.notify()
	}
}

func (pc *PeerConnection) setICEState(s ICEState) {
	if pc.iceState != s && pc.iceState != ICEStateClosed {
		pc.log.Debug("ICE", "state", s)
		pc.iceState = s
		pc.queue.push(event{target: pc, kind: eventICEState, value: int(s)})
	}
}

func (pc *PeerConnection) setGatheringState(s GatheringState) {
	if pc.gatheringState != s {
		pc.gatheringState = s
		pc.queue.push(event{target: pc, kind: eventGatheringState, value: int(s)})
		pc.notify()
	}
}

func (pc *PeerConnection) setSignalingState(s SignalingState) {
	if pc.signalingState != s {
		pc.log.Debug("signalling", "state", s)
		pc.signalingState = s
		pc.queue.push(event{target: pc, kind: eventSignalingState, value: int(s)})
		pc.notify()
	}
}

// drainICE handles the events of the agent, and reports whether there were any.
func (pc *PeerConnection) drainICE() (any bool) {
	if pc.transport.ice == nil {
		return false
	}
	for !pc.ended && pc.transport.ice.HasEvent() {
		any = true
		e, _ := pc.transport.ice.Event()
		switch e.Kind {
		case ice.EventState:
			pc.onICEStateChanged(e.State)
		case ice.EventLocalCandidate:
			pc.onLocalCandidate(e)
		case ice.EventGatheringComplete:
			pc.negotiation.machine.LocalComplete(e.Ufrag)
			pc.updateGatheringState()
		case ice.EventSelectedPair:
			pc.transport.pathChanged(*e.Pair)
		}
	}
	return any
}

// onLocalCandidate passes a candidate to the program. It adds the ufrag, so that the peer can tell
// to which generation a late candidate belongs (RFC 8838, section 9).
func (pc *PeerConnection) onLocalCandidate(e ice.Event) {
	c := *e.Candidate
	c.Extensions = append(slices.Clip(c.Extensions), ice.Extension{Key: "ufrag", Value: e.Ufrag})
	text := c.String()
	if pc.negotiation.machine.AddLocalCandidate(e.Ufrag, text) {
		pc.queue.push(event{target: pc, kind: eventCandidate, text: text, text2: pc.negotiation.machine.Mid()})
	}
}

// updateGatheringState sets the gathering state to that of the local description.
func (pc *PeerConnection) updateGatheringState() {
	switch _, begun, complete := pc.negotiation.machine.Gathered(); {
	case complete:
		pc.setGatheringState(GatheringStateComplete)
	case begun:
		pc.setGatheringState(GatheringStateInProgress)
	}
}

func (pc *PeerConnection) onICEStateChanged(s ice.State) {
	was := pc.iceState
	pc.setICEState(iceStates[s])
	if was != ICEStateConnected && was != ICEStateCompleted && pc.pathWorks() {
		pc.transport.pathRestored()
	}
	switch s {
	case ice.StateChecking:
		pc.setState(StateConnecting)
	case ice.StateConnected, ice.StateCompleted:
		if pc.transport.ready() {
			pc.setState(StateConnected)
		} else if pc.state == StateDisconnected {
			pc.setState(StateConnecting)
		}
	case ice.StateDisconnected:
		if pc.state == StateConnected || pc.state == StateConnecting {
			pc.setState(StateDisconnected)
		}
	case ice.StateFailed:
		pc.negotiation.machine.ICEFailed()
		if pc.closing {
			pc.finish(StateClosed, nil)
		} else {
			pc.setState(StateFailed)
		}
	}
}

var iceStates = [...]ICEState{
	ice.StateNew: ICEStateNew, ice.StateChecking: ICEStateChecking, ice.StateConnected: ICEStateConnected,
	ice.StateCompleted: ICEStateCompleted, ice.StateDisconnected: ICEStateDisconnected, ice.StateFailed: ICEStateFailed,
	ice.StateClosed: ICEStateClosed,
}

// drainDTLS handles the events of the DTLS association, and reports whether there were any.
func (pc *PeerConnection) drainDTLS() (any bool) {
	for !pc.ended {
		e, ok := pc.transport.dtlsEvent()
		if !ok {
			return any
		}
		any = true
		switch t := &pc.transport; {
		case e.err != nil && !(e.closed && pc.closing):
			pc.finish(StateFailed, wrapError(ErrFailure, e.err, "DTLS"))
		case e.closed:
			t.established = false
			s := t.sctp.State()
			pc.closedByPeer(t.sctpClosed || s == sctp.StateShutdownReceived || s == sctp.StateShutdownAckSent, nil)
		default:
			t.connect()
			pc.connectedWithoutSCTP()
		}
	}
	return any
}

// drainSCTP handles the messages and events of the association, in its order, and reports whether
// there were any.
func (pc *PeerConnection) drainSCTP() (any bool) {
	t := &pc.transport
	if t.sctp == nil {
		return false
	}
	for !pc.ended {
		if !t.up && t.sctp.State() == sctp.StateCookieEchoed {
			any = true
			pc.onAssociationUp()
		}
		if e, ok := t.sctp.Event(); ok {
			any = true
			pc.onAssociationEvent(e)
			continue
		}
		if pc.queue.overloaded() { // the receive window closes then, and the peer stops sending
			break
		}
		m, ok := t.sctp.ReadMessage()
		if !ok {
			break
		}
		any = true
		pc.channels.onMessage(m)
	}
	if !pc.ended && pc.closing {
		any = pc.continueClosing() || any
	}
	return any
}

func (pc *PeerConnection) onAssociationEvent(e sctp.Event) {
	switch e.Kind {
	case sctp.EventConnected:
		pc.onAssociationUp()
	case sctp.EventClosed:
		pc.onAssociationClosed(e.Err)
	case sctp.EventStreamReset:
		pc.channels.onStreamReset(e.Stream)
	case sctp.EventStreamResetComplete:
		pc.channels.onResetComplete(e.Stream, e.Err)
	case sctp.EventBufferedAmountLow:
		pc.channels.onAllAcknowledged(e.Stream)
	case sctp.EventWritable:
		pc.channels.sendBlocked()
	case sctp.EventRestarted:
		pc.finish(StateFailed, failuref("the peer lost its SCTP association"))
	}
}

// onAssociationUp opens the channels that are waiting. It is called when the peer has answered the
// INIT chunk, and does not wait until the association is established: messages leave with the
// COOKIE ECHO chunk, a round trip earlier.
func (pc *PeerConnection) onAssociationUp() {
	if pc.transport.up {
		return
	}
	pc.transport.up = true
	pc.onConnected()
	pc.channels.openWaiting()
}

func (pc *PeerConnection) onConnected() {
	pc.missed.forget(eventDescription) // the peer has it
	pc.setState(StateConnected)
}

// connectedWithoutSCTP makes the state StateConnected if the peer has no SCTP association, and the
// other layers are established.
func (pc *PeerConnection) connectedWithoutSCTP() {
	if pc.transport.sctpClosed && pc.transport.ready() && pc.state == StateConnecting && pc.pathWorks() {
		pc.onConnected()
	}
}

// pathWorks reports whether ICE has a path on which the peer answers.
func (pc *PeerConnection) pathWorks() bool {
	return pc.iceState == ICEStateConnected || pc.iceState == ICEStateCompleted
}

// onAssociationClosed ends the connection, whose association is closed.
func (pc *PeerConnection) onAssociationClosed(err error) {
	pc.channels.takeRest()
	var abort *sctp.AbortError
	switch {
	case err == nil:
		pc.closedByPeer(true, nil)
	case errors.As(err, &abort) && abort.Remote:
		pc.log.Debug("the association was aborted", "reason", err)
		pc.closedByPeer(abort.AfterShutdown, err)
	case pc.closing:
		pc.finish(StateClosed, nil)
	default:
		pc.finish(StateFailed, wrapError(ErrFailure, err, "SCTP"))
	}
}
