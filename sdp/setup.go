package sdp

import (
	"fmt"
	"slices"
)

// Setup is the value of a=setup, the DTLS role that an endpoint offers or takes (RFC 4145, section
// 4; RFC 8842, section 5).
type Setup uint8

const (
	SetupUnspecified Setup = iota // no a=setup
	SetupActpass                  // either role; usual in an offer
	SetupActive                   // DTLS client
	SetupPassive                  // DTLS server
	SetupHoldconn                 // no connection for now
)

var setupNames = [...]string{"", "actpass", "active", "passive", "holdconn"}

// String returns the value of the attribute, or "" for SetupUnspecified.
func (s Setup) String() string {
	if int(s) < len(setupNames) {
		return setupNames[s]
	}
	return fmt.Sprintf("Setup(%d)", uint8(s))
}

// parseSetup returns the setup of an attribute value.
func parseSetup(value string) (s Setup, ok bool) {
	i := slices.Index(setupNames[:], value)
	return Setup(max(i, 0)), i > 0
}

// AnswerSetup returns the a=setup of an answer to an offer.
//
// The answer to actpass is active, so that the handshake can begin before the answer arrives (RFC
// 8842, section 5.3); to the other values there is one answer (RFC 4145, section 4.1). An offer
// without the attribute is treated as actpass, as browsers do. For a value that is none of the
// constants, the error matches [ErrSetup].
func AnswerSetup(offer Setup) (Setup, error) {
	switch offer {
	case SetupUnspecified, SetupActpass, SetupPassive:
		return SetupActive, nil
	case SetupActive:
		return SetupPassive, nil
	case SetupHoldconn:
		return SetupHoldconn, nil
	}
	return SetupUnspecified, fmt.Errorf("%w: offer %v", ErrSetup, offer)
}

// AnswererIsClient reports whether the answerer is the DTLS client, given the a=setup of offer and
// answer. Otherwise the offerer is the client.
//
// An answer without the attribute stands for the result of [AnswerSetup]. The error matches
// [ErrSetup] if the values do not make one client and one server: an answer of actpass, which RFC
// 8842, section 5.3 forbids, the same role on both sides, or holdconn on either side.
func AnswererIsClient(offer, answer Setup) (answerer bool, err error) {
	if answer == SetupUnspecified {
		if answer, err = AnswerSetup(offer); err != nil {
			return false, err
		}
	}
	switch {
	case answer == SetupActive && (offer == SetupUnspecified || offer == SetupActpass || offer == SetupPassive):
		return true, nil
	case answer == SetupPassive && (offer == SetupUnspecified || offer == SetupActpass || offer == SetupActive):
		return false, nil
	}
	return false, fmt.Errorf("%w: offer %v, answer %v", ErrSetup, offer, answer)
}
