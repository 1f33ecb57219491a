package rtc

// SessionDescription is an offer or an answer, which the application delivers to the other side. It
// encodes in JSON as RTCSessionDescription in browsers.
type SessionDescription struct {
	Type DescriptionType `json:"type"`
	SDP  string          `json:"sdp"`
}

// Candidate is an ICE candidate, an address at which one side may be reachable. It encodes in JSON
// as RTCIceCandidate in browsers.
type Candidate struct {
	// Candidate is the candidate attribute of RFC 8839, section 5.1, "candidate:" included. An
	// empty one means the end of the candidates.
	Candidate string `json:"candidate"`
	// Mid is the identification of the media section that the candidate belongs to.
	Mid string `json:"sdpMid"`
}

var errNoDescription = &classError{class: ErrNotAvailable, text: "no description is set"}
