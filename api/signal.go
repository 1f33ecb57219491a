package rtc

import (
	"bytes"
	"encoding/json"
)

// Signal is one message of signalling, a description or a candidate. It encodes in JSON as
// RTCSessionDescription and RTCIceCandidate in browsers:
//
//	{"type":"offer","sdp":"v=0\r\n…"}
//	{"candidate":"candidate:1 1 udp …","sdpMid":"0"}
//
// A page sends JSON.stringify(pc.localDescription) and JSON.stringify(event.candidate). Decoding
// also accepts the form in the examples of the W3C API, {"description":{…}} and {"candidate":{…}},
// and ignores unknown members. Browsers report the end of the candidates as a candidate of null:
// {"candidate":null} is decoded as an empty Candidate, which means the same, and null as the zero
// Signal.
type Signal struct {
	// One of the two is not nil. Both are nil in the zero Signal, which has no effect.
	Description *SessionDescription
	Candidate   *Candidate
}

var errTwoSignals = &classError{class: ErrInvalid, text: "signal: both a description and a candidate"}

// MarshalJSON encodes the signal; the zero Signal is null. The error is ErrInvalid if the signal
// has both a description and a candidate.
func (s Signal) MarshalJSON() ([]byte, error) {
	switch {
	case s.Description != nil && s.Candidate != nil:
		return nil, errTwoSignals
	case s.Description != nil:
		return json.Marshal(s.Description)
	case s.Candidate != nil:
		return json.Marshal(s.Candidate)
	}
	return []byte("null"), nil
}

// signalJSON has the members of all forms of a signal.
type signalJSON struct {
	Type        *DescriptionType    `json:"type"`
	SDP         string              `json:"sdp"`
	Candidate   json.RawMessage     `json:"candidate"` // a string, or an object around it, or null
	Mid         string              `json:"sdpMid"`
	Description *SessionDescription `json:"description"`
}

// UnmarshalJSON decodes a signal. The error is ErrInvalid if the text is neither a description nor
// a candidate.
func (s *Signal) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("null")) {
		*s = Signal{}
		return nil
	}
	var all signalJSON
	if err := json.Unmarshal(text, &all); err != nil {
		return wrapError(ErrInvalid, err, "signal")
	}
	if all.Type != nil {
		all.Description = &SessionDescription{Type: *all.Type, SDP: all.SDP}
	}
	none := all.Candidate == nil || bytes.Equal(all.Candidate, []byte("null"))
	switch {
	case all.Description != nil && !none:
		return errTwoSignals
	case all.Description != nil:
		*s = Signal{Description: all.Description}
	case all.Candidate == nil:
		return invalidf("signal: neither a description nor a candidate")
	default:
		candidate := Candidate{Mid: all.Mid}
		var part any = &candidate.Candidate
		if all.Candidate[0] == '{' {
			part = &candidate
		}
		if err := json.Unmarshal(all.Candidate, part); err != nil {
			return wrapError(ErrInvalid, err, "signal: candidate")
		}
		*s = Signal{Candidate: &candidate}
	}
	return nil
}

// OnSignal sets the function that is called with each local description and candidate. The
// application delivers these, in the same order, to the other side, which calls ReceiveSignal with
// them. OnSignal is OnLocalDescription and OnLocalCandidate in one: it replaces the functions that
// these have set, and treats events from before it in the same way.
func (pc *PeerConnection) OnSignal(f func(Signal)) {
	if f == nil {
		pc.OnLocalDescription(nil)
		pc.OnLocalCandidate(nil)
		return
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	pc.onDescription = func(d SessionDescription) { f(Signal{Description: &d}) }
	pc.onCandidate = func(c Candidate) { f(Signal{Candidate: &c}) }
	// The description is first: without it the other side cannot use candidates.
	missed := pc.takeMissed(eventDescription)
	pc.queue.pushFront(append(missed, pc.takeMissed(eventCandidate)...))
}

// ReceiveSignal applies a signal of the other side. It calls SetRemoteDescription, which answers an
// offer unless DisableAutoNegotiation is set, or AddRemoteCandidate, and returns the error of that.
// A signal with both a description and a candidate is ErrInvalid.
func (pc *PeerConnection) ReceiveSignal(s Signal) error {
	switch {
	case s.Description != nil && s.Candidate != nil:
		return errTwoSignals
	case s.Description != nil:
		return pc.SetRemoteDescription(*s.Description)
	case s.Candidate != nil:
		return pc.AddRemoteCandidate(*s.Candidate)
	}
	return nil
}
