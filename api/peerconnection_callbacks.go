package rtc

// OnLocalDescription sets the function that is called with each new local description, to be delivered to the other
// side. It has no candidates the first time; they follow by OnLocalCandidate.
//
// A description that was made while no function was set is delivered when one is set, with the candidates found until
// then; those are not delivered by OnLocalCandidate, too. If there are several, the last one is. None is delivered that
// the other side must already have: an offer that has been answered, or any description after the connection was first
// established.
func (pc *PeerConnection) OnLocalDescription(f func(SessionDescription)) {
	setCallback(pc, &pc.onDescription, f, f == nil, eventDescription)
}

// OnLocalCandidate sets the function that is called with each local candidate, to be delivered to the other side.
// Candidates of the current local description that were found while no function was set are delivered when one is set;
// a program that sets this function late sets OnLocalDescription before it.
func (pc *PeerConnection) OnLocalCandidate(f func(Candidate)) {
	setCallback(pc, &pc.onCandidate, f, f == nil, eventCandidate)
}

// OnStateChange sets the function that is called when the state of the connection changes. If it has changed while no
// function was set, the function is called once with the last state; setting nil forgets that change.
func (pc *PeerConnection) OnStateChange(f func(State)) {
	setCallback(pc, &pc.onState, f, f == nil, eventState)
}

// OnICEStateChange sets the function that is called when the state of the ICE agent changes. Changes without a function
// are delivered as those of OnStateChange.
func (pc *PeerConnection) OnICEStateChange(f func(ICEState)) {
	setCallback(pc, &pc.onICEState, f, f == nil, eventICEState)
}

// OnGatheringStateChange sets the function that is called when gathering begins and when it is complete. Changes
// without a function are delivered as those of OnStateChange.
func (pc *PeerConnection) OnGatheringStateChange(f func(GatheringState)) {
	setCallback(pc, &pc.onGatheringState, f, f == nil, eventGatheringState)
}

// OnSignalingStateChange sets the function that is called when the state of offer and answer changes. Changes without a
// function are delivered as those of OnStateChange.
func (pc *PeerConnection) OnSignalingStateChange(f func(SignalingState)) {
	setCallback(pc, &pc.onSignalingState, f, f == nil, eventSignalingState)
}

// OnDataChannel sets the function that is called with each channel that the peer opens. The channel is open already;
// its own callbacks set there miss nothing. Channels that came before a function was set are kept for it.
func (pc *PeerConnection) OnDataChannel(f func(*DataChannel)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.onDataChannel = f
	if f == nil {
		pc.queue.wait(pc, eventDataChannel)
		return
	}
	for _, dc := range pc.channels.unannounced {
		pc.queue.push(event{target: pc, kind: eventDataChannel, channel: dc})
	}
	pc.channels.unannounced = nil
}

// OnTrack sets the function that is called with each track that the peer adds. There are none yet.
func (pc *PeerConnection) OnTrack(f func(*Track)) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.tracks.onTrack = f
}

func setCallback[F any](pc *PeerConnection, callback *F, f F, isNil bool, kind eventKind) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	*callback = f
	if !isNil {
		pc.queue.pushFront(pc.takeMissed(kind))
		return
	}
	pc.missed.forget(kind)
	pc.queue.cancel(pc, kind)
	pc.queue.wait(pc, kind)
}

// deliver is the turn of one event of the connection itself.
func (pc *PeerConnection) deliver(q *callbackQueue, e event) {
	switch e.kind {
	case eventDescription:
		d := SessionDescription{Type: DescriptionType(e.value), SDP: e.text}
		call(pc, q, &e, pc.onDescription, pc.onDescription == nil, d)
	case eventCandidate:
		call(pc, q, &e, pc.onCandidate, pc.onCandidate == nil, Candidate{Candidate: e.text, Mid: e.text2})
	case eventState:
		call(pc, q, &e, pc.onState, pc.onState == nil, State(e.value))
	case eventICEState:
		call(pc, q, &e, pc.onICEState, pc.onICEState == nil, ICEState(e.value))
	case eventGatheringState:
		call(pc, q, &e, pc.onGatheringState, pc.onGatheringState == nil, GatheringState(e.value))
	case eventSignalingState:
		call(pc, q, &e, pc.onSignalingState, pc.onSignalingState == nil, SignalingState(e.value))
	case eventDataChannel:
		dc := e.channel.(*DataChannel)
		if pc.onDataChannel == nil {
			pc.channels.unannounced = append(pc.channels.unannounced, dc)
			return
		}
		call(pc, q, &e, pc.onDataChannel, false, dc)
		dc.announce()
	}
}

func call[T any](pc *PeerConnection, q *callbackQueue, e *event, f func(T), isNil bool, value T) {
	if isNil {
		pc.missed.record(e)
		return
	}
	q.enter(pc, e.kind)
	f(value)
	q.leave()
}

// State gives the state of the connection.
func (pc *PeerConnection) State() State {
	if pc.isZero() {
		return StateClosed
	}
	return read(pc, &pc.state)
}

// ICEState gives the state of the ICE agent.
func (pc *PeerConnection) ICEState() ICEState {
	if pc.isZero() {
		return ICEStateClosed
	}
	return read(pc, &pc.iceState)
}

// GatheringState gives the state of candidate gathering.
func (pc *PeerConnection) GatheringState() GatheringState { return read(pc, &pc.gatheringState) }

// SignalingState gives the state of offer and answer.
func (pc *PeerConnection) SignalingState() SignalingState { return read(pc, &pc.signalingState) }

func read[T any](pc *PeerConnection, value *T) T {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return *value
}
