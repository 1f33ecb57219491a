package rtc

import (
	"math"
	"strings"
)

// missedEvents are the events of a connection that had their turn while no callback was set: of each kind the last value
// of the state. Descriptions and candidates are not kept here; the negotiation has them.
type missedEvents struct {
	kinds      uint8  // a bit for each kind
	candidates uint16 // how many
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

// takeMissed returns the events of a kind to be delivered to a new callback, before all that wait in the queue.
func (pc *PeerConnection) takeMissed(kind eventKind) []event {
	candidates := int(pc.missed.candidates)
	waiting := pc.queue.waiting(pc, kind)
	switch {
	case !pc.missed.forget(kind):
		return nil
	case kind == eventCandidate:
		return pc.missedCandidates(candidates, waiting)
	case waiting > 0: // a newer one
		return nil
	case kind == eventDescription:
		return pc.missedDescription()
	}
	return []event{{target: pc, kind: kind, value: int(pc.missed.values[kind])}}
}

// missedDescription returns the event of the local description, unless it is an offer that the peer has answered.
func (pc *PeerConnection) missedDescription() []event {
	d, err := described(pc.negotiation.machine.Local())
	if err != nil || d.Type == DescriptionOffer && pc.signalingState != SignalingStateHaveLocalOffer {
		return nil
	}
	pc.missed.forget(eventCandidate) // they are in the description
	return []event{{target: pc, kind: eventDescription, value: int(d.Type), text: d.SDP}}
}

// missedCandidates returns the events of the last n candidates of the local description, not counting those whose events
// wait in the queue.
func (pc *PeerConnection) missedCandidates(n, waiting int) (events []event) {
	local, _ := pc.negotiation.machine.Local()
	for line := range strings.Lines(local.SDP) {
		if attribute, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "a="); ok && strings.HasPrefix(attribute, "candidate:") {
			events = append(events, event{target: pc, kind: eventCandidate, text: attribute, text2: pc.negotiation.machine.Mid()})
		}
	}
	events = events[:max(len(events)-waiting, 0)]
	return events[max(len(events)-n, 0):]
}
