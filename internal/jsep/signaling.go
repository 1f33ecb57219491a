package jsep

import "fmt"

// State is the state of the offer/answer exchange (RFC 8829, section 3.2).
type State uint8

// The states of the exchange.
const (
	Stable State = iota
	HaveLocalOffer
	HaveRemoteOffer
	HaveLocalPranswer
	HaveRemotePranswer
)

var stateWords = [...]string{"stable", "have-local-offer", "have-remote-offer", "have-local-pranswer", "have-remote-pranswer"}

// String returns the word of RFC 8829.
func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Type is the type of a session description (RFC 8829, section 4.1.8).
type Type uint8

// The types of descriptions. Auto lets the machine choose between Offer and Answer by its state.
const (
	Auto Type = iota
	Offer
	Answer
	Pranswer
	Rollback
)

var typeWords = [...]string{"", "offer", "answer", "pranswer", "rollback"}

// String returns the word of RFC 8829; that of Auto is empty.
func (t Type) String() string {
	if int(t) < len(typeWords) {
		return typeWords[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// answering reports whether a local answer is due.
func (s State) answering() bool { return s == HaveRemoteOffer || s == HaveLocalPranswer }

// awaiting reports whether a remote answer is due.
func (s State) awaiting() bool { return s == HaveLocalOffer || s == HaveRemotePranswer }
