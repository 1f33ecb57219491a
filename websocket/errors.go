package websocket

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// The errors of a Conn. Its methods wrap them with the operation that failed.
var (
	// ErrClosed reports that this side has closed the connection: by Close or CloseNow, or because
	// a context ended within a frame. It also matches net.ErrClosed.
	ErrClosed = fmt.Errorf("websocket: %w", net.ErrClosed)
	// ErrMessageTooBig reports that a message is larger than the limit. The connection fails with
	// StatusMessageTooBig.
	ErrMessageTooBig = errors.New("websocket: message too big")
	// ErrPingTimeout reports that the peer left more pings unanswered than MaxOutstandingPings
	// allows.
	ErrPingTimeout = errors.New("websocket: pings unanswered")
	// ErrCloseTimeout reports that the peer did not answer the close frame in time.
	ErrCloseTimeout = errors.New("websocket: close unanswered")
	// ErrStatus reports that a status code must not be sent, see StatusCode.MayBeSent.
	ErrStatus = errors.New("websocket: status code may not be sent")
	// ErrMessageType reports that a message type is neither text nor binary.
	ErrMessageType = errors.New("websocket: invalid message type")
	// ErrUnexpectedMessageType reports that the peer of a NetConn has sent the other type of
	// message.
	ErrUnexpectedMessageType = errors.New("websocket: unexpected message type")
)

// A *ProtocolError wraps ErrMessageTooBig or one of the following: the fault of the peer, for
// errors.Is.
var (
	ErrReservedBits         = errors.New("websocket: reserved bit set that no extension gives a meaning")
	ErrReservedOpcode       = errors.New("websocket: reserved opcode")
	ErrControlFragmented    = errors.New("websocket: fragmented control frame")
	ErrControlTooLong       = errors.New("websocket: control frame of more than 125 bytes")
	ErrLengthEncoding       = errors.New("websocket: length not encoded in the fewest bytes, or beyond 63 bits")
	ErrUnmasked             = errors.New("websocket: unmasked frame from a client")
	ErrMasked               = errors.New("websocket: masked frame from a server")
	ErrContinuation         = errors.New("websocket: continuation frame without a message to continue")
	ErrContinuationExpected = errors.New("websocket: new message before the last one is complete")
	ErrClosePayload         = errors.New("websocket: close frame with half a status code")
	ErrCloseStatus          = errors.New("websocket: close frame with a status code that may not be sent")
	ErrInvalidUTF8          = errors.New("websocket: invalid UTF-8")
	ErrCompressedData       = errors.New("websocket: invalid compressed data")
	ErrEmptyFragments       = errors.New("websocket: too many empty fragments")
)

// The errors of the framing core, allocated once.
var (
	errReservedBits         = &ProtocolError{StatusProtocolError, ErrReservedBits}
	errReservedOpcode       = &ProtocolError{StatusProtocolError, ErrReservedOpcode}
	errControlFragmented    = &ProtocolError{StatusProtocolError, ErrControlFragmented}
	errControlTooLong       = &ProtocolError{StatusProtocolError, ErrControlTooLong}
	errLengthEncoding       = &ProtocolError{StatusProtocolError, ErrLengthEncoding}
	errUnmasked             = &ProtocolError{StatusProtocolError, ErrUnmasked}
	errMasked               = &ProtocolError{StatusProtocolError, ErrMasked}
	errContinuation         = &ProtocolError{StatusProtocolError, ErrContinuation}
	errContinuationExpected = &ProtocolError{StatusProtocolError, ErrContinuationExpected}
	errClosePayload         = &ProtocolError{StatusProtocolError, ErrClosePayload}
	errCloseStatus          = &ProtocolError{StatusProtocolError, ErrCloseStatus}
	errInvalidUTF8          = &ProtocolError{StatusInvalidFramePayloadData, ErrInvalidUTF8}
	errCompressedData       = &ProtocolError{StatusInvalidFramePayloadData, ErrCompressedData}
	errEmptyFragments       = &ProtocolError{StatusPolicyViolation, ErrEmptyFragments}
	errMessageTooBig        = &ProtocolError{StatusMessageTooBig, ErrMessageTooBig}
)

// inflateError translates the error of a decompressor.
func inflateError(err error) *ProtocolError {
	if errors.Is(err, deflate.ErrTooLarge) {
		return errMessageTooBig
	}
	return errCompressedData
}

const errorPrefix = "websocket: "

// unprefixed returns the text of an error without the prefix of this package, wherever in the text
// a wrapped error has put it.
func unprefixed(err error) string { return strings.ReplaceAll(err.Error(), errorPrefix, "") }

// opError is an error together with the operation that failed, such as "read" or "ping". Its text
// has the prefix of this package once, at the front.
type opError struct {
	op  string
	err error
}

func (e *opError) Error() string { return errorPrefix + e.op + ": " + unprefixed(e.err) }
func (e *opError) Unwrap() error { return e.err }

// CloseError is the error of Read after the peer has closed the connection by a close frame. Like
// io.EOF it does not mean that data was lost, except for codes that report a failure.
type CloseError struct {
	Code   StatusCode // StatusNoStatusReceived when the close frame had none
	Reason string     // at most MaxCloseReason bytes of UTF-8, usually empty
}

// Error returns for example `websocket: closed by the peer: 1001 going away: "lunch"`.
func (e *CloseError) Error() string {
	s := "websocket: closed by the peer: " + strconv.Itoa(int(e.Code))
	if name := e.Code.String(); name != strconv.Itoa(int(e.Code)) {
		s += " " + name
	}
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	return s
}

// CloseStatus returns the code of the CloseError that err is or wraps, and 0 if there is none.
func CloseStatus(err error) StatusCode {
	var closed *CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// closingError is an error that has closed the connection: it also matches ErrClosed.
type closingError struct{ error }

func (e closingError) Unwrap() []error { return []error{e.error, ErrClosed} }

// ProtocolError is the error of Read after the peer has broken the protocol, which fails the
// connection.
//
// RFC 6455, section 7.1.7.
type ProtocolError struct {
	Code StatusCode // the status code that the connection is closed with
	Err  error      // the kind of fault: one of the sentinels of this package
}

// Error returns for example "websocket: protocol error: reserved opcode".
func (e *ProtocolError) Error() string {
	s := errorPrefix + e.Code.String()
	if e.Err == nil {
		return s
	}
	if fault := unprefixed(e.Err); fault != e.Code.String() {
		s += ": " + fault
	}
	return s
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }
