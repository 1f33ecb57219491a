package rtc

// SessionDescription is an offer or an answer, to be brought to the other side by whatever means the program has. It
// encodes in JSON as browsers do it.
type SessionDescription struct {
	Type DescriptionType `json:"type"`
	SDP  string          `json:"sdp"`
}

// Candidate is an address at which one side may be reached: "candidate:…", and the identification of the media
// section that it belongs to. It encodes in JSON as browsers do it.
type Candidate struct {
	Candidate string `json:"candidate"`
	Mid       string `json:"sdpMid"`
}

var errNoDescription = &classError{class: ErrNotAvailable, text: "no description is set"}
