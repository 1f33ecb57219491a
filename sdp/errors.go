package sdp

import (
	"errors"
	"strconv"
)

// Limits of what [Parse] accepts. A peer chooses every one of these numbers, so each has a bound:
// far above what any WebRTC endpoint sends (a large conference is 100 to 200 kB and some hundred
// sections), low enough to be harmless.
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

// ErrLimit is wrapped by the [SyntaxError] of a description that exceeds one of the limits, such as
// [MaxSize].
var ErrLimit = errors.New("sdp: limit exceeded")

// ErrFingerprintMismatch says that a certificate matches none of the fingerprints it was checked
// against, see [VerifyCertificate].
var ErrFingerprintMismatch = errors.New("sdp: certificate does not match the fingerprint")

// ErrUnsupportedHash says that a hash function is unknown or may not be used (MD2 and MD5, RFC
// 8122, section 5).
var ErrUnsupportedHash = errors.New("sdp: unsupported hash function")

// ErrSetup says that two a=setup values do not go together, see [AnswerSetup] and
// [AnswererIsClient].
var ErrSetup = errors.New("sdp: setup values do not go together")

// A SyntaxError says where text is not a session description.
type SyntaxError struct {
	Line   int    // number of the line, from 1
	Field  string // what stands there: "m=", "a=setup"; empty when the line as a whole is wrong
	Reason string // what is wrong with it
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

// Unwrap returns Err, for errors.Is with [ErrLimit].
func (e *SyntaxError) Unwrap() error { return e.Err }

// A ValidationError says why a well-formed description cannot be used for WebRTC.
type ValidationError struct {
	Media   int    // index of the media section, -1 for the session part
	Mid     string // a=mid of that section, if it has one
	Field   string // what is wrong: "media", "ice-ufrag", "ice-pwd", "fingerprint", "mid", …
	Missing bool   // Field should be there and is not
	Reason  string // what is wrong with it, when it is not missing
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

// quote quotes a piece of a peer's text for an error message, at a length that is fit for a log.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
