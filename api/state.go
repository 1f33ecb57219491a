package rtc

import (
	"slices"
	"strconv"
)

// The enumerations have the values of the C API and the words of the W3C API
// (https://www.w3.org/TR/webrtc/#state-definitions).

// State is the state of a PeerConnection: of ICE, DTLS and SCTP together.
type State int

// The states of a PeerConnection. StateDisconnected may return to StateConnected; StateFailed stays until the
// connection is closed; StateClosed is final.
const (
	StateNew State = iota
	StateConnecting
	StateConnected
	StateDisconnected
	StateFailed
	StateClosed
)

func (s State) String() string {
	return word(int(s), "new", "connecting", "connected", "disconnected", "failed", "closed")
}

// ICEState is the state of the ICE agent alone.
type ICEState int

// The states of the ICE agent (RFC 8445 with the words of the W3C API).
const (
	ICEStateNew ICEState = iota
	ICEStateChecking
	ICEStateConnected
	ICEStateCompleted
	ICEStateFailed
	ICEStateDisconnected
	ICEStateClosed
)

func (s ICEState) String() string {
	return word(int(s), "new", "checking", "connected", "completed", "failed", "disconnected", "closed")
}

// GatheringState tells how far the gathering of local candidates is.
type GatheringState int

// The states of candidate gathering.
const (
	GatheringStateNew GatheringState = iota
	GatheringStateInProgress
	GatheringStateComplete
)

func (s GatheringState) String() string {
	return word(int(s), "new", "gathering", "complete")
}

// SignalingState is the state of the offer/answer exchange (RFC 8829 section 3.2).
type SignalingState int

// The states of the offer/answer exchange.
const (
	SignalingStateStable SignalingState = iota
	SignalingStateHaveLocalOffer
	SignalingStateHaveRemoteOffer
	SignalingStateHaveLocalPranswer
	SignalingStateHaveRemotePranswer
)

func (s SignalingState) String() string {
	return word(int(s), "stable", "have-local-offer", "have-remote-offer", "have-local-pranswer",
		"have-remote-pranswer")
}

// DescriptionType tells what a session description is.
type DescriptionType int

// The types of descriptions. DescriptionAuto, the zero value, lets the connection choose what fits its signalling
// state.
const (
	DescriptionAuto DescriptionType = iota
	DescriptionOffer
	DescriptionAnswer
	DescriptionPranswer
	DescriptionRollback
)

// descriptionWords are the words of RTCSdpType; the automatic type has none.
var descriptionWords = [...]string{"", "offer", "answer", "pranswer", "rollback"}

// String gives the word of the W3C API; DescriptionAuto is the empty string.
func (t DescriptionType) String() string { return word(int(t), descriptionWords[:]...) }

// ParseDescriptionType returns the type that String returns s for. For an unknown word it is ErrInvalid.
func ParseDescriptionType(s string) (DescriptionType, error) {
	i := slices.Index(descriptionWords[:], s)
	if i < 0 {
		return DescriptionAuto, invalidf("unknown description type %q", s)
	}
	return DescriptionType(i), nil
}

// MarshalText makes a SessionDescription encode in JSON as browsers do it.
func (t DescriptionType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is the reverse of MarshalText. An unknown word is ErrInvalid.
func (t *DescriptionType) UnmarshalText(text []byte) error {
	parsed, err := ParseDescriptionType(string(text))
	if err == nil {
		*t = parsed
	}
	return err
}

// CertificateType selects the key of the DTLS certificate that a connection makes for itself.
type CertificateType int

// The certificate types; the default is ECDSA (P-256).
const (
	CertificateTypeDefault CertificateType = iota
	CertificateTypeECDSA
	CertificateTypeRSA
)

func (t CertificateType) String() string { return word(int(t), "default", "ecdsa", "rsa") }

// TransportPolicy limits the candidates that a connection gathers.
type TransportPolicy int

// The transport policies.
const (
	TransportPolicyAll TransportPolicy = iota
	TransportPolicyRelay
)

func (p TransportPolicy) String() string { return word(int(p), "all", "relay") }

// Direction is the direction of a media track.
type Direction int

// The directions of a media track.
const (
	DirectionUnknown Direction = iota
	DirectionSendOnly
	DirectionRecvOnly
	DirectionSendRecv
	DirectionInactive
)

func (d Direction) String() string {
	return word(int(d), "unknown", "sendonly", "recvonly", "sendrecv", "inactive")
}

func word(i int, words ...string) string {
	if i < 0 || i >= len(words) {
		return "unknown(" + strconv.Itoa(i) + ")"
	}
	return words[i]
}
