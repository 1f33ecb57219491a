package websocket

import (
	"errors"
	"strconv"
)

// What the methods of a Conn return, wrapped with what was being done.
var (
	// ErrClosed: the connection was closed by this side, by Close, CloseNow or
	// because a context ended in the middle of a frame.
	ErrClosed = errors.New("websocket: connection closed")
	// ErrMessageTooBig: a message is larger than the limit. One that the peer sends
	// fails the connection with StatusMessageTooBig.
	ErrMessageTooBig = errors.New("websocket: message too big")
	// ErrPingTimeout: the peer left more pings unanswered than allowed.
	ErrPingTimeout = errors.New("websocket: pings unanswered")
	// ErrInvalidUTF8: a text message, or the reason of a close, is not UTF-8.
	ErrInvalidUTF8 = errors.New("websocket: invalid UTF-8")
	// ErrInvalidStatus: a close code that may not be sent, see StatusCode.MayBeSent.
	ErrInvalidStatus = errors.New("websocket: status code may not be sent")
)

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

// ProtocolError says what the peer did that fails the connection.
type ProtocolError struct {
	Code StatusCode // what the connection was closed with
	Err  error      // the kind of fault: ErrMessageTooBig, ErrInvalidUTF8 or another sentinel of this package
}

// Error returns for example "websocket: protocol error: reserved bit set".
func (e *ProtocolError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }
