package websocket

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/rtcstack/rtcstack/internal/deflate"
)

// What the methods of a Conn return, wrapped with what was being done.
var (
	// ErrClosed: this side has closed the connection, by Close, CloseNow or because
	// a context ended within a frame. It matches net.ErrClosed, too.
	ErrClosed = fmt.Errorf("websocket: %w", net.ErrClosed)
	// ErrMessageTooBig: a message is larger than the limit. The connection fails
	// with StatusMessageTooBig.
	ErrMessageTooBig = errors.New("message too big")
	// ErrPingTimeout: the peer left more pings unanswered than allowed.
	ErrPingTimeout = errors.New("websocket: pings unanswered")
	// ErrCloseTimeout: the peer did not answer the close frame in time.
	ErrCloseTimeout = errors.New("websocket: close unanswered")
	// ErrStatus: a close code that may not be sent, see StatusCode.MayBeSent.
	ErrStatus = errors.New("status code may not be sent")
	// ErrMessageType: neither text nor binary.
	ErrMessageType = errors.New("invalid message type")
	// ErrUnexpectedMessageType: a message of another type than a NetConn is for.
	ErrUnexpectedMessageType = errors.New("unexpected message type")
)

// What a *ProtocolError wraps besides ErrMessageTooBig: how the peer broke the
// protocol, for errors.Is.
var (
	ErrReservedBits         = errors.New("reserved bit set that no extension gives a meaning")
	ErrReservedOpcode       = errors.New("reserved opcode")
	ErrControlFragmented    = errors.New("fragmented control frame")
	ErrControlTooLong       = errors.New("control frame of more than 125 bytes")
	ErrLengthEncoding       = errors.New("length not encoded in the fewest bytes, or beyond 63 bits")
	ErrUnmasked             = errors.New("unmasked frame from a client")
	ErrMasked               = errors.New("masked frame from a server")
	ErrContinuation         = errors.New("continuation frame without a message to continue")
	ErrContinuationExpected = errors.New("new message before the last one is complete")
	ErrClosePayload         = errors.New("close frame with half a status code")
	ErrCloseStatus          = errors.New("close frame with a status code that may not be sent")
	ErrInvalidUTF8          = errors.New("invalid UTF-8")
	ErrCompressedData       = errors.New("invalid compressed data")
	ErrEmptyFragments       = errors.New("too many empty fragments")
)

// The errors of the core, allocated once.
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

// inflateError says what an error of a decompressor means.
func inflateError(err error) *ProtocolError {
	if errors.Is(err, deflate.ErrTooLarge) {
		return errMessageTooBig
	}
	return errCompressedData
}

// CloseError is how reading ends when the peer has closed the connection by a
// close frame. It is what io.EOF is to a file: nothing was lost, unless Code says
// that something was wrong.
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

// CloseStatus returns the code of the CloseError that err is or wraps, and 0 if
// there is none.
func CloseStatus(err error) StatusCode {
	var closed *CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// closingError is an error that has closed the connection: it matches ErrClosed as well.
type closingError struct{ error }

func (e closingError) Unwrap() []error { return []error{e.error, ErrClosed} }

// ProtocolError says what the peer did that fails the connection.
// https://www.rfc-editor.org/rfc/rfc6455.html#section-7.1.7
type ProtocolError struct {
	Code StatusCode // what the connection is closed with
	Err  error      // the kind of fault, one of the sentinels of this package
}

// Error returns for example "websocket: protocol error: reserved opcode".
func (e *ProtocolError) Error() string {
	s := "websocket: " + e.Code.String()
	if fault := e.Err.Error(); fault != e.Code.String() {
		s += ": " + fault
	}
	return s
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }
