package jsep

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid matches the errors for descriptions, candidates and credentials that are invalid
	// in every state.
	ErrInvalid = errors.New("jsep: invalid description")
	// ErrState matches the errors for inputs that do not fit the state of the machine, the
	// InvalidStateError of the W3C API: an answer without an offer, nothing to describe,
	// credentials that can no longer be chosen, an answer for which ICE would have to restart.
	ErrState = errors.New("jsep: invalid state")
)

// Error is the type of all errors of a [Machine] and of [Parse]. It matches Kind and Err with
// errors.Is.
type Error struct {
	Kind error  // ErrInvalid or ErrState
	Text string // the reason, without the name of the operation; empty if Err is the reason
	Err  error  // the cause, or nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return "jsep: " + e.Text
	case e.Text == "":
		return "jsep: " + e.Err.Error()
	}
	return "jsep: " + e.Text + ": " + e.Err.Error()
}

// Unwrap returns Kind and Err.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

func invalidf(format string, arguments ...any) error {
	return &Error{Kind: ErrInvalid, Text: fmt.Sprintf(format, arguments...)}
}

func statef(format string, arguments ...any) error {
	return &Error{Kind: ErrState, Text: fmt.Sprintf(format, arguments...)}
}
