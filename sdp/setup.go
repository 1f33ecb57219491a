package sdp

import "fmt"

// Setup is the DTLS role that an endpoint offers or takes, the value of a=setup (RFC 4145, section
// 4; RFC 8842, section 5).
type Setup uint8

const (
	SetupUnspecified Setup = iota // no a=setup
	SetupActpass                  // will do either: what an offer says
	SetupActive                   // is the DTLS client
	SetupPassive                  // is the DTLS server
	SetupHoldconn                 // no connection for now
)

var setupNames = [...]string{"", "actpass", "active", "passive", "holdconn"}

// String returns the word of SDP, "" for SetupUnspecified.
func (s Setup) String() string {
	if int(s) < len(setupNames) {
		return setupNames[s]
	}
	return fmt.Sprintf("Setup(%d)", uint8(s))
}

func parseSetup(word string) (Setup, bool) {
	switch word {
	case "actpass":
		return SetupActpass, true
	case "active":
		return SetupActive, true
	case "passive":
		return SetupPassive, true
	case "holdconn":
		return SetupHoldconn, true
	}
	return SetupUnspecified, false
}

// AnswerSetup returns the a=setup of an answer to an offer.
//
// The answerer of an actpass offer chooses active, because its ClientHello then need not wait for
// the answer to arrive (RFC 8842, section 5.3); the other values have one possible answer (RFC
// 4145, section 4.1). An offer without the attribute is taken for actpass, as browsers do for peers
// that are older than the attribute. The error is [ErrSetup], for a value that is none of the
// constants.
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

// AnswererIsClient reports, when offer and answer are known, whether the answerer is the DTLS
// client; otherwise the offerer is.
//
// An answer without the attribute means what [AnswerSetup] chooses. The error is [ErrSetup] where
// the two do not make one client and one server: an answer of actpass, which RFC 8842, section 5.3
// does not allow, the same role on both sides, or holdconn on either, which makes no connection.
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
