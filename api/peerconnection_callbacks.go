package rtc

// OnLocalDescription sets the function that is called with each new local description, which the
// application delivers to the other side. The first description has no candidates; OnLocalCandidate
// is called with them.
//
// If a local description was set while no function was, the function is called with the last one.
// It contains the candidates that were found until then, and OnLocalCandidate is not called with
// those. The function is not called with a description that the other side must already have: an
// offer that has been answered, or one that was set before the connection was first established.
func (pc *PeerConnection) OnLocalDescription(f func(SessionDescription)) {
	setCallback(pc, &pc.onDescription, f, f == nil, eventDescription)
}

// OnLocalCandidate sets the function that is called with each local candidate, which the
// application delivers to the other side. If candidates of the current local description were found
// while no function was set, the function is called with them. A program that sets this function
// late sets OnLocalDescription before it; OnSignal sets both.
func (pc *PeerConnection) OnLocalCandidate(f func(Candidate)) {
	setCallback(pc, &pc.onCandidate, f, f == nil, eventCandidate)
}

// OnStateChange sets the function that is called when the state of the connection changes. If the
// state has changed while no function was set, the function is called once with the last state;
// setting nil discards that change.
func (pc *PeerConnection) OnStateChange(f func(State)) {
	setCallback(pc, &pc.onState, f, f == nil, eventState)
}

// OnICEStateChange sets the function that is called when the state of the ICE agent changes.
// Changes while no function was set are delivered as by OnStateChange.
func (pc *PeerConnection) OnICEStateChange(f func(ICEState)) {
	setCallback(pc, &pc.onICEState, f, f == nil, eventICEState)
}

// OnGatheringStateChange sets the function that is called when gathering begins and when it is
// complete. Changes while no function was set are delivered as by OnStateChange.
func (pc *PeerConnection) OnGatheringStateChange(f func(GatheringState)) {
	setCallback(pc, &pc.onGatheringState, f, f == nil, eventGatheringState)
}

// OnSignalingStateChange sets the function that is called when the state of the offer/answer
// exchange changes. Changes while no function was set are delivered as by OnStateChange.
func (pc *PeerConnection) OnSignalingStateChange(f func(SignalingState)) {
	setCallback(pc, &pc.onSignalingState, f, f == nil, eventSignalingState)
}

// OnDataChannel sets the function that is called with each channel that the peer opens. The channel
// is open already; callbacks of the channel that the function sets miss no event. If the peer
// opened channels while no function was set, the function is called with them.
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

// setCallback sets a callback of the connection. isNil is f == nil.
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

// deliver delivers one event of the connection itself.
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

// call calls a callback, or records that there is none.
func call[T any](pc *PeerConnection, q *callbackQueue, e *event, f func(T), isNil bool, value T) {
	if isNil {
		pc.missed.record(e)
		return
	}
	q.enter(pc, e.kind)
	f(value)
	q.leave()
}

// State returns the state of the connection.
func (pc *PeerConnection) State() State {
	if pc.isZero() {
		return StateClosed
	}
	return read(pc, &pc.state)
}

// ICEState returns the state of the ICE agent.
func (pc *PeerConnection) ICEState() ICEState {
	if pc.isZero() {
		return ICEStateClosed
	}
	return read(pc, &pc.iceState)
}

// GatheringState returns the state of candidate gathering.
func (pc *PeerConnection) GatheringState() GatheringState { return read(pc, &pc.gatheringState) }

// SignalingState returns the state of the offer/answer exchange.
func (pc *PeerConnection) SignalingState() SignalingState { return read(pc, &pc.signalingState) }

func read[T any](pc *PeerConnection, value *T) T {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return *value
}
