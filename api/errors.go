package rtc

import (
	"context"
	"errors"
	"fmt"
)

// Every error returned by this package matches exactly one of these four classes with errors.Is, and wraps its
// cause where there is one. They are the error codes of the C API; ErrorCode maps them.
var (
	// ErrInvalid says that an argument cannot be right: a malformed URI, description or candidate, a message
	// above the maximum size, a stream id in use.
	ErrInvalid = errors.New("invalid argument")
	// ErrFailure says that the operation could not be carried out: the wrong state, a closed channel, no socket.
	ErrFailure = errors.New("operation failed")
	// ErrNotAvailable says that there is no value yet: no description, no selected pair, no pending message.
	ErrNotAvailable = errors.New("not available")
	// ErrTooSmall says that the caller's buffer is too small for the value.
	ErrTooSmall = errors.New("buffer too small")
)

// The codes that ErrorCode gives, those of the C API.
const (
	CodeSuccess      = 0
	CodeInvalid      = -1
	CodeFailure      = -2
	CodeNotAvailable = -3
	CodeTooSmall     = -4
)

// ErrorCode gives the C API's code of an error: 0 for nil, -1 for ErrInvalid, -2 for ErrFailure and for errors of
// other packages, -3 for ErrNotAvailable, -4 for ErrTooSmall.
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

// classError is an error of one of the four classes: what was being done, and why it failed.
type classError struct {
	class error
	text  string
	cause error
}

func (e *classError) Error() string {
	if e.cause != nil {
		return "rtc: " + e.text + ": " + e.cause.Error()
	}
	return "rtc: " + e.text
}

func (e *classError) Is(target error) bool { return target == e.class }
func (e *classError) Unwrap() error        { return e.cause }

func invalidf(format string, args ...any) error {
	return &classError{class: ErrInvalid, text: fmt.Sprintf(format, args...)}
}

func failuref(format string, args ...any) error {
	return &classError{class: ErrFailure, text: fmt.Sprintf(format, args...)}
}

func notAvailablef(format string, args ...any) error {
	return &classError{class: ErrNotAvailable, text: fmt.Sprintf(format, args...)}
}

// wrapError puts a cause into a class. A cause that has a class already keeps it, so that no error matches two.
func wrapError(class, cause error, format string, args ...any) error {
	var classed *classError
	if errors.As(cause, &classed) {
		class = classed.class
	}
	return &classError{class: class, text: fmt.Sprintf(format, args...), cause: cause}
}

// contextError returns the error of a call that ctx ended: it wraps ctx.Err and, where it is another, the context's cause.
func contextError(ctx context.Context, doing string) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return wrapError(ErrFailure, err, "%s", doing)
}

// errClosed is what operations on a closed connection or channel return.
var errClosed = &classError{class: ErrFailure, text: "closed"}
