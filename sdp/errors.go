package sdp

import (
	"errors"
	"strconv"
)

// Limits of the input of [Parse], which a peer chooses. They are far above the needs of WebRTC (the
// description of a large conference has 100 to 200 kB and some hundred sections).
const (
	// MaxSize is the largest description, in bytes.
	MaxSize = 1 << 20
	// MaxLines is the largest number of lines, empty ones included.
	MaxLines = 1 << 15
	// MaxMedia is the largest number of media sections.
	MaxMedia = 1024
	// MaxFormats is the largest number of formats of one media section; RTP has 128 payload types.
	MaxFormats = 512
	// MaxAttributes is the largest number of attributes in the session part or in one media
	// section.
	MaxAttributes = 4096
	// MaxCandidates is the largest number of a=candidate lines in one media section.
	MaxCandidates = 256
)

// ErrLimit is wrapped by the [SyntaxError] of a description that exceeds a limit, such as
// [MaxSize].
var ErrLimit = errors.New("sdp: limit exceeded")

// ErrFingerprintMismatch is the error of [VerifyCertificate] for a certificate that matches no
// fingerprint.
var ErrFingerprintMismatch = errors.New("sdp: certificate does not match the fingerprint")

// ErrUnsupportedHash is wrapped by the errors for a hash function that is unknown or must not be
// used (MD2 and MD5; RFC 8122, section 5).
var ErrUnsupportedHash = errors.New("sdp: unsupported hash function")

// ErrSetup is wrapped by the errors of [AnswerSetup] and [AnswererIsClient] for a=setup values that
// do not make one DTLS client and one server.
var ErrSetup = errors.New("sdp: setup values do not go together")

// A SyntaxError describes why and where text cannot be parsed.
type SyntaxError struct {
	Line   int    // the number of the line, from 1; 0: a value without a line
	Field  string // the line type or attribute, such as "m=" or "a=setup"; empty: the whole line
	Reason string // the defect
	Err    error  // ErrLimit, or nil
}

func (e *SyntaxError) Error() string {
	s := "sdp: "
	if e.Line > 0 {
		s += "line " + strconv.Itoa(e.Line) + ": "
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s + e.Reason
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// A ValidationError describes why a well-formed description cannot be used for WebRTC.
type ValidationError struct {
	Media   int    // the index of the section; -1: the session part
	Mid     string // a=mid of the section
	Field   string // the part at fault: "media", "ice-ufrag", "ice-pwd", "fingerprint", "mid", …
	Missing bool   // whether Field is required and missing
	Reason  string // the defect, if Field is not missing
}

func (e *ValidationError) Error() string {
	s := "sdp: "
	if e.Media >= 0 {
		s += "media section " + strconv.Itoa(e.Media)
		if e.Mid != "" {
			s += " (mid " + quote(e.Mid) + ")"
		}
		s += ": "
	}
	if e.Missing {
		return s + "no " + e.Field
	}
	return s + e.Field + ": " + e.Reason
}

// quote quotes text of a peer for an error message, cut to a length for logs.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
