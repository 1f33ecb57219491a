package websocket

import (
	"strconv"
	"unicode/utf8"
)

// MessageType is the type of a message: the opcode of its first frame.
type MessageType int

// The two types of message.
const (
	MessageText   MessageType = 1 // UTF-8 text; the peer fails the connection if it is not UTF-8
	MessageBinary MessageType = 2 // any bytes
)

// String returns "text" or "binary".
func (t MessageType) String() string {
	switch t {
	case MessageText:
		return "text"
	case MessageBinary:
		return "binary"
	}
	return "MessageType(" + strconv.Itoa(int(t)) + ")"
}

// StatusCode is the reason that a connection is closed.
//
// RFC 6455, section 7.4.
type StatusCode uint16

// The codes of the IANA registry of WebSocket close codes. Codes from 3000 to 3999 are registered
// by libraries and applications, those from 4000 to 4999 are for private use.
const (
	StatusNormalClosure           StatusCode = 1000 // the purpose of the connection has been fulfilled
	StatusGoingAway               StatusCode = 1001 // a server shuts down, or a browser leaves the page
	StatusProtocolError           StatusCode = 1002
	StatusUnsupportedData         StatusCode = 1003 // a type of data that the endpoint cannot accept
	StatusNoStatusReceived        StatusCode = 1005 // never on the wire: the close frame had no code
	StatusAbnormalClosure         StatusCode = 1006 // never on the wire: there was no close frame
	StatusInvalidFramePayloadData StatusCode = 1007 // for example text that is not UTF-8
	StatusPolicyViolation         StatusCode = 1008
	StatusMessageTooBig           StatusCode = 1009
	StatusMandatoryExtension      StatusCode = 1010 // the client needs an extension
	StatusInternalError           StatusCode = 1011
	StatusServiceRestart          StatusCode = 1012
	StatusTryAgainLater           StatusCode = 1013
	StatusBadGateway              StatusCode = 1014
	StatusTLSHandshake            StatusCode = 1015 // never on the wire: the TLS handshake failed
)

// MaxCloseReason is the size of the longest reason of a close frame, in bytes: that of a control
// frame's payload without the code.
//
// RFC 6455, section 5.5.
const MaxCloseReason = MaxControlPayload - 2

// String returns the registered name, such as "normal closure", or the number.
func (c StatusCode) String() string {
	switch c {
	case StatusNormalClosure:
		return "normal closure"
	case StatusGoingAway:
		return "going away"
	case StatusProtocolError:
		return "protocol error"
	case StatusUnsupportedData:
		return "unsupported data"
	case StatusNoStatusReceived:
		return "no status received"
	case StatusAbnormalClosure:
		return "abnormal closure"
	case StatusInvalidFramePayloadData:
		return "invalid frame payload data"
	case StatusPolicyViolation:
		return "policy violation"
	case StatusMessageTooBig:
		return "message too big"
	case StatusMandatoryExtension:
		return "mandatory extension"
	case StatusInternalError:
		return "internal error"
	case StatusServiceRestart:
		return "service restart"
	case StatusTryAgainLater:
		return "try again later"
	case StatusBadGateway:
		return "bad gateway"
	case StatusTLSHandshake:
		return "TLS handshake"
	}
	return strconv.Itoa(int(c))
}

// MayBeSent reports whether a close frame may have the code: 1000 to 1003, 1007 to 1014, and 3000
// to 4999.
//
// RFC 6455, section 7.4.2.
func (c StatusCode) MayBeSent() bool {
	switch {
	case c >= 3000 && c <= 4999:
		return true
	case c >= StatusNormalClosure && c <= StatusBadGateway:
		return c != 1004 && c != StatusNoStatusReceived && c != StatusAbnormalClosure
	}
	return false
}

// truncateReason truncates a reason to MaxCloseReason bytes, between two characters.
func truncateReason(reason string) string {
	if len(reason) <= MaxCloseReason {
		return reason
	}
	n := MaxCloseReason
	for n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}
