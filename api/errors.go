package rtc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// Every error returned by this package matches exactly one of these four classes with errors.Is,
// and wraps its cause if there is one. They are the error codes of the C API; see ErrorCode.
var (
	// ErrInvalid is the class of invalid arguments: a malformed URI, description or candidate, a
	// message above the maximum size, a stream id in use.
	ErrInvalid = errors.New("invalid argument")
	// ErrFailure is the class of operations that failed: because of the state, a closed channel, or
	// the network.
	ErrFailure = errors.New("operation failed")
	// ErrNotAvailable is the class of values that do not exist yet: no description, no selected
	// pair, no pending message.
	ErrNotAvailable = errors.New("not available")
	// ErrTooSmall is the class of buffers of the caller that are too small for the value.
	ErrTooSmall = errors.New("buffer too small")
)

// The codes that ErrorCode returns, those of the C API.
const (
	CodeSuccess      = 0
	CodeInvalid      = -1
	CodeFailure      = -2
	CodeNotAvailable = -3
	CodeTooSmall     = -4
)

// ErrorCode returns the code of an error in the C API: 0 for nil, -1 for ErrInvalid, -2 for
// ErrFailure and for errors of other packages, -3 for ErrNotAvailable, -4 for ErrTooSmall.
func ErrorCode(err error) int {
	switch {
	case err == nil:
		return CodeSuccess
	case errors.Is(err, ErrInvalid):
		return CodeInvalid
	case errors.Is(err, ErrNotAvailable):
		return CodeNotAvailable
	case errors.Is(err, ErrTooSmall):
		return CodeTooSmall
	default:
		return CodeFailure
	}
}

// ErrPathLost is matched, in addition to ErrFailure, by the errors of a connection that is in
// StateFailed because no path to the peer was left. The connection and its channels are not closed:
// RestartICE may find another path.
var ErrPathLost error = &classError{class: ErrFailure, text: "the path to the peer is lost"}

// classError is an error of one of the four classes: the operation, and the reason that it failed.
type classError struct {
	class error
	text  string
	cause error   // its text follows
	alike []error // errors of the standard library that it matches, without their text
}

// Error returns the text after the prefix of the package. Parts that a cause repeats are left out,
// such as the prefix or the name of a protocol: "rtc: SCTP: peer is unreachable", not "rtc: SCTP:
// sctp: peer is unreachable".
func (e *classError) Error() string {
	text := "rtc: " + e.text
	if e.cause == nil {
		return text
	}
	parts := strings.Split(text, ": ")
	for _, part := range strings.Split(e.cause.Error(), ": ") {
		if !slices.ContainsFunc(parts, func(before string) bool { return strings.EqualFold(before, part) }) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

func (e *classError) Is(target error) bool {
	return target == e.class || slices.Contains(e.alike, target)
}

func (e *classError) Unwrap() error { return e.cause }

func invalidf(format string, args ...any) error {
	return &classError{class: ErrInvalid, text: fmt.Sprintf(format, args...)}
}

func failuref(format string, args ...any) error {
	return &classError{class: ErrFailure, text: fmt.Sprintf(format, args...)}
}

func notAvailablef(format string, args ...any) error {
	return &classError{class: ErrNotAvailable, text: fmt.Sprintf(format, args...)}
}

// wrapError returns an error of a class that wraps a cause. If the cause has a class, its class is
// used, so that no error matches two.
func wrapError(class, cause error, format string, args ...any) error {
	for _, c := range []error{ErrInvalid, ErrFailure, ErrNotAvailable, ErrTooSmall} {
		if errors.Is(cause, c) {
			class = c
			break
		}
	}
	return &classError{class: class, text: fmt.Sprintf(format, args...), cause: cause}
}

// UndeliveredError is the error of a Shutdown if the peer has not acknowledged all data. It matches
// ErrFailure and, if a context ended the call, the errors of that context.
type UndeliveredError struct {
	Bytes int // the number of bytes that the peer has not acknowledged
	cause error
}

func (e *UndeliveredError) Error() string {
	text := fmt.Sprintf("%d bytes were not acknowledged by the peer", e.Bytes)
	if e.cause != nil {
		return e.cause.Error() + ": " + text
	}
	return "rtc: shutdown: " + text
}

// Is reports whether target is ErrFailure.
func (e *UndeliveredError) Is(target error) bool { return target == ErrFailure }

// Unwrap returns the error of the context that ended the call; nil: no context ended it.
func (e *UndeliveredError) Unwrap() error { return e.cause }

// contextError returns the error of a call that ctx has ended. It wraps ctx.Err and, if that is
// another error, the context's cause.
func contextError(ctx context.Context, doing string) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = &causedError{err, cause}
	}
	return wrapError(ErrFailure, err, "%s", doing)
}

// causedError is the error of a context that was cancelled with a cause.
type causedError struct{ err, cause error }

func (e *causedError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *causedError) Unwrap() []error { return []error{e.err, e.cause} }

// The reasons that a channel cannot be used, besides the failures of its connection.
var (
	errNotOpenYet = &classError{class: ErrFailure, text: "the channel is not open yet"}
	// errClosed: this side closed the channel or the connection.
	errClosed = &classError{class: ErrFailure, text: "closed", alike: []error{net.ErrClosed, io.ErrClosedPipe}}
	// errClosedByPeer: the peer closed the channel or the connection in order, and all its messages
	// have been read.
	errClosedByPeer = &classError{class: ErrFailure, text: "closed by the peer", alike: []error{io.EOF}}
	// errUnread is the error of a writer in the state of errClosedByPeer: the peer would not read
	// its messages.
	errUnread = &classError{class: ErrFailure, text: "closed by the peer", alike: []error{net.ErrClosed, io.ErrClosedPipe}}
	// errAbortedByPeer: the peer ended the connection without a shutdown of SCTP. Some of its
	// messages may be missing.
	errAbortedByPeer = &classError{class: ErrFailure, text: "the peer ended the connection at once",
		alike: []error{io.EOF, io.ErrUnexpectedEOF}}
)

// errZero is the error of the zero values of PeerConnection, DataChannel, Track and WebSocket.
var errZero = &classError{class: ErrFailure, text: "closed: not made by this package",
	alike: []error{net.ErrClosed, io.ErrClosedPipe}}

// abortedByPeer returns errAbortedByPeer with the reason that the peer has sent; nil: none.
func abortedByPeer(cause error) error {
	if cause == nil {
		return errAbortedByPeer
	}
	e := *errAbortedByPeer
	e.cause = cause
	return &e
}

// readError returns the reason that no message can currently be read from the channel, or none any
// more; nil if there is none.
func (c *channel) readError() error {
	switch {
	case c.state != channelClosed:
		return c.lost
	case c.endOfReading != nil:
		return c.endOfReading
	case c.ending == nil:
		return errClosedByPeer
	}
	return c.ending
}

// writeError returns the reason that messages cannot currently be sent, or not any more; nil if
// there is none.
func (c *channel) writeError() error {
	switch {
	case c.state < channelClosing:
		return c.lost
	case c.ending == nil || errors.Is(c.ending, io.EOF):
		return errUnread
	}
	return c.ending
}
