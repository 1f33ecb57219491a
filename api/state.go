package rtc

import (
	"slices"
	"strconv"
)

// The enumerations have the values of the C API and the words of the W3C API
// (https://www.w3.org/TR/webrtc/#state-definitions).

// State is the state of a PeerConnection: of ICE, DTLS and SCTP together.
type State int

// The states of a PeerConnection. From StateDisconnected the connection may return to
// StateConnected; from StateFailed it returns only by RestartICE, and only if it failed because no
// path was left. StateClosed is final.
const (
	StateNew State = iota
	StateConnecting
	StateConnected
	StateDisconnected
	StateFailed
	StateClosed
)

// String returns the word of the W3C API.
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

// String returns the word of the W3C API.
func (s ICEState) String() string {
	return word(int(s), "new", "checking", "connected", "completed", "failed", "disconnected", "closed")
}

// GatheringState is the state of the gathering of local candidates.
type GatheringState int

// The states of candidate gathering.
const (
	GatheringStateNew GatheringState = iota
	GatheringStateInProgress
	GatheringStateComplete
)

// String returns the word of the W3C API.
func (s GatheringState) String() string {
	return word(int(s), "new", "gathering", "complete")
}

// SignalingState is the state of the offer/answer exchange (RFC 8829, section 3.2).
type SignalingState int

// The states of the offer/answer exchange.
const (
	SignalingStateStable SignalingState = iota
	SignalingStateHaveLocalOffer
	SignalingStateHaveRemoteOffer
	SignalingStateHaveLocalPranswer
	SignalingStateHaveRemotePranswer
)

// String returns the word of the W3C API.
func (s SignalingState) String() string {
	return word(int(s), "stable", "have-local-offer", "have-remote-offer", "have-local-pranswer",
		"have-remote-pranswer")
}

// DescriptionType is the type of a session description.
type DescriptionType int

// The types of descriptions. DescriptionAuto, the zero value, is the type that fits the signalling
// state of the connection.
const (
	DescriptionAuto DescriptionType = iota
	DescriptionOffer
	DescriptionAnswer
	DescriptionPranswer
	DescriptionRollback
)

// descriptionWords are the words of RTCSdpType; the automatic type has none.
var descriptionWords = [...]string{"", "offer", "answer", "pranswer", "rollback"}

// String returns the word of the W3C API; that of DescriptionAuto is empty.
func (t DescriptionType) String() string { return word(int(t), descriptionWords[:]...) }

// ParseDescriptionType returns the type with the word s, which is empty for DescriptionAuto. An
// unknown word is ErrInvalid.
func ParseDescriptionType(s string) (DescriptionType, error) {
	i := slices.Index(descriptionWords[:], s)
	if i < 0 {
		return DescriptionAuto, invalidf("unknown description type %q", s)
	}
	return DescriptionType(i), nil
}

// MarshalText returns the word of the W3C API, so that a SessionDescription encodes in JSON as in
// browsers.
func (t DescriptionType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is the reverse of MarshalText. An unknown word is ErrInvalid.
func (t *DescriptionType) UnmarshalText(text []byte) error {
	parsed, err := ParseDescriptionType(string(text))
	if err == nil {
		*t = parsed
	}
	return err
}

// CertificateType is the type of the key of the DTLS certificate that a connection generates.
type CertificateType int

// The certificate types; the default is ECDSA (P-256).
const (
	CertificateTypeDefault CertificateType = iota
	CertificateTypeECDSA
	CertificateTypeRSA
)

// String returns the type in lower case.
func (t CertificateType) String() string { return word(int(t), "default", "ecdsa", "rsa") }

// TransportPolicy restricts the candidates that a connection gathers.
type TransportPolicy int

// The transport policies.
const (
	TransportPolicyAll TransportPolicy = iota
	TransportPolicyRelay
)

// String returns the word of the W3C API.
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

// String returns the word of the W3C API; that of DirectionUnknown is "unknown".
func (d Direction) String() string {
	return word(int(d), "unknown", "sendonly", "recvonly", "sendrecv", "inactive")
}

func word(i int, words ...string) string {
	if i < 0 || i >= len(words) {
		return "unknown(" + strconv.Itoa(i) + ")"
	}
	return words[i]
}
