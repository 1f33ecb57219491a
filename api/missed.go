package rtc

import (
	"math"
	"strings"
)

// missedEvents records the events of a connection that were due while no callback was set: the last
// value of each kind of state. It does not record the text of descriptions and candidates, which is
// in the local description.
type missedEvents struct {
	kinds      uint8  // a bit for each kind
	candidates uint16 // their number
	values     [eventSignalingState + 1]int8
}

// record records an event that had no callback.
func (m *missedEvents) record(e *event) {
	m.kinds |= 1 << e.kind
	if e.kind == eventCandidate {
		m.candidates = min(m.candidates, math.MaxUint16-1) + 1
	} else {
		m.values[e.kind] = int8(e.value)
	}
}

// forget forgets the events of a kind, and reports whether there were any.
func (m *missedEvents) forget(kind eventKind) bool {
	missed := m.kinds&(1<<kind) != 0
	m.kinds &^= 1 << kind
	if kind == eventCandidate {
		m.candidates = 0
	}
	return missed
}

// takeMissed returns the missed events of a kind. They are to be delivered to a new callback before
// all events in the queue.
func (pc *PeerConnection) takeMissed(kind eventKind) []event {
	candidates := int(pc.missed.candidates)
	waiting := pc.queue.waiting(pc, kind)
	switch {
	case !pc.missed.forget(kind):
		return nil
	case kind == eventCandidate:
		return pc.missedCandidates(candidates, waiting)
	case waiting > 0: // a newer event is about to be delivered
		return nil
	case kind == eventDescription:
		return pc.missedDescription()
	}
	return []event{{target: pc, kind: kind, value: int(pc.missed.values[kind])}}
}

// missedDescription returns the event of the local description, unless it is an offer that the peer
// has answered.
func (pc *PeerConnection) missedDescription() []event {
	d, err := described(pc.negotiation.machine.Local())
	if err != nil || d.Type == DescriptionOffer && pc.signalingState != SignalingStateHaveLocalOffer {
		return nil
	}
	pc.missed.forget(eventCandidate) // they are in the description
	return []event{{target: pc, kind: eventDescription, value: int(d.Type), text: d.SDP}}
}

// missedCandidates returns the events of the last n candidates of the local description, not
// counting those whose events wait in the queue.
func (pc *PeerConnection) missedCandidates(n, waiting int) (events []event) {
	machine := pc.negotiation.machine
	local, _ := machine.Local()
	for line := range strings.Lines(local.SDP) {
		if strings.HasPrefix(line, "a=candidate:") {
			text := strings.TrimRight(line[len("a="):], "\r\n")
			events = append(events, event{target: pc, kind: eventCandidate, text: text, text2: machine.Mid()})
		}
	}
	events = events[:max(len(events)-waiting, 0)]
	return events[max(len(events)-n, 0):]
}
