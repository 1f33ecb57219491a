package sdp

import (
	"strconv"
	"strings"
)

// Limits of values in a usable description, in bytes.
const (
	minICEUfrag = 4   // RFC 8839, section 5.4
	maxICEUfrag = 256 // RFC 8839, section 5.4
	minICEPwd   = 22  // RFC 8839, section 5.4
	maxICEPwd   = 256 // RFC 8839, section 5.4

	// maxMid is what the RTP header extension and the RTCP item that carry a mid can hold (RFC 9143, sections 15.1 and 15.2).
	maxMid = 255
)

// Validate reports whether the description is enough to make a connection, as offer or as answer; the error is a *[ValidationError] with
// the first reason why not. It also finds values that cannot be written, such as a line end within an attribute of a literal.
//
// There must be a media section, and each that is not rejected must have, itself or by [Description.TransportOf], ICE credentials
// (of 4 to 256 and 22 to 256 ice-chars) and a fingerprint whose hash is supported. A mid is a token of at most 255 bytes
// that no other section has; sections without one are accepted. a=setup may be missing, see [AnswerSetup].
func (d *Description) Validate() error {
	if len(d.Media) == 0 {
		return &ValidationError{Media: -1, Field: "media", Missing: true}
	}
	if err := d.validateSession(); err != nil {
		return err
	}
	var mids map[string]bool
	if len(d.Media) > 1 {
		mids = make(map[string]bool, len(d.Media))
	}
	for i := range d.Media {
		m := &d.Media[i]
		if mids != nil && m.Mid != "" {
			if mids[m.Mid] {
				return &ValidationError{Media: i, Mid: m.Mid, Field: "mid", Reason: "another section has it"}
			}
			mids[m.Mid] = true
		}
		field, reason := m.validate()
		if field == "" && !m.Rejected {
			t := d.TransportOf(m)
			field, reason = t.validate()
		}
		if field != "" {
			return &ValidationError{Media: i, Mid: m.Mid, Field: field, Missing: reason == "", Reason: reason}
		}
	}
	return nil
}

func (d *Description) validateSession() error {
	invalid := func(field, reason string) error {
		return &ValidationError{Media: -1, Field: field, Reason: reason}
	}
	if d.Username != "" && !isWord(d.Username) || d.Address != "" && !isWord(d.Address) {
		return invalid("origin", "a space, NUL or line end within a word")
	}
	for _, line := range [...]string{d.Name, d.Information, d.URI} {
		if !isText(line) {
			return invalid("session", "NUL or line end within a line")
		}
	}
	for _, lines := range [...][]string{d.Emails, d.Phones} {
		for _, line := range lines {
			if !isText(line) {
				return invalid("session", "NUL or line end within a line")
			}
		}
	}
	for _, t := range d.Times {
		for _, r := range t.Repeats {
			if !isText(r) {
				return invalid("session", "NUL or line end within a line")
			}
		}
		if !isText(t.Zones) {
			return invalid("session", "NUL or line end within a line")
		}
	}
	if !d.Connection.printable() {
		return invalid("connection", "a space, NUL or line end within a word")
	}
	for _, b := range d.Bandwidths {
		if !isToken(b.Type) {
			return invalid("bandwidth", clip(b.Type)+" is not a token")
		}
	}
	bundled := 0
	for _, g := range d.Groups {
		if !isToken(g.Semantics) {
			return invalid("group", clip(g.Semantics)+" is not a token")
		}
		for _, mid := range g.Mids {
			if !isToken(mid) {
				return invalid("group", "mid "+clip(mid)+" is not a token")
			}
		}
		if g.Semantics == SemanticsBundle {
			bundled += len(g.Mids)
		}
	}
	// A mid is in one BUNDLE group at most (RFC 9143, section 7), and there only once.
	if bundled > 1 {
		seen := make(map[string]bool, bundled)
		for _, g := range d.Groups {
			if g.Semantics != SemanticsBundle {
				continue
			}
			for _, mid := range g.Mids {
				if seen[mid] {
					return invalid("group", "mid "+clip(mid)+" is bundled twice")
				}
				seen[mid] = true
			}
		}
	}
	if key, ok := d.Attributes.printable(); !ok {
		return invalid("attribute", clip(key)+" cannot be written")
	}
	return nil
}

// validate returns what is wrong with what the section says itself; the reason is empty where the field is missing.
func (m *MediaDescription) validate() (field, reason string) {
	switch {
	case m.Kind == "":
		return "kind", ""
	case !isToken(m.Kind):
		return "kind", clip(m.Kind) + " is not a token"
	case m.Protocol != "" && !isWord(m.Protocol):
		return "protocol", clip(m.Protocol) + " is not a protocol"
	case m.Mid != "" && !isToken(m.Mid):
		return "mid", clip(m.Mid) + " is not a token"
	case len(m.Mid) > maxMid:
		return "mid", "longer than " + strconv.Itoa(maxMid) + " bytes"
	case !isText(m.Title):
		return "title", "NUL or line end within a line"
	}
	for _, f := range m.Formats {
		if !isWord(f) {
			return "format", clip(f) + " is not a format"
		}
	}
	for _, c := range m.Connections {
		if !c.printable() {
			return "connection", "a space, NUL or line end within a word"
		}
	}
	for _, b := range m.Bandwidths {
		if !isToken(b.Type) {
			return "bandwidth", clip(b.Type) + " is not a token"
		}
	}
	for _, c := range m.Candidates {
		if !strings.HasPrefix(c, candidatePrefix) || !isText(c) {
			return "candidate", clip(c) + " does not begin with " + candidatePrefix + " or cannot be written"
		}
	}
	if key, ok := m.Attributes.printable(); !ok {
		return "attribute", clip(key) + " cannot be written"
	}
	return "", ""
}

// validate returns what is wrong with a transport; the reason is empty where the field is missing.
func (t *Transport) validate() (field, reason string) {
	switch {
	case t.ICEUfrag == "":
		return "ice-ufrag", ""
	case len(t.ICEUfrag) < minICEUfrag || len(t.ICEUfrag) > maxICEUfrag || !isICEChars(t.ICEUfrag):
		return "ice-ufrag", clip(t.ICEUfrag) + " is not 4 to 256 letters, digits, '+' or '/'"
	case t.ICEPwd == "":
		return "ice-pwd", ""
	case len(t.ICEPwd) < minICEPwd || len(t.ICEPwd) > maxICEPwd || !isICEChars(t.ICEPwd):
		// The password is a secret: it does not go into an error message.
		return "ice-pwd", "not 22 to 256 letters, digits, '+' or '/'"
	case t.TLSID != "" && !isText(t.TLSID):
		return "tls-id", clip(t.TLSID) + " cannot be written"
	case t.Setup > SetupHoldconn:
		return "setup", t.Setup.String() + " is not a setup"
	case len(t.Fingerprints) == 0:
		return "fingerprint", ""
	}
	for _, option := range t.ICEOptions {
		if !isICEChars(option) && !isToken(option) {
			return "ice-options", clip(option) + " is not a word"
		}
	}
	supported := false
	for _, f := range t.Fingerprints {
		switch {
		case f.Supported():
			supported = true
		case hashSize(f.Algorithm) != 0:
			return "fingerprint", strconv.Itoa(len(f.Value)) + " bytes are not a " + f.Algorithm + " hash"
		case !isToken(f.Algorithm) || len(f.Value) == 0:
			return "fingerprint", "no hash function or no value"
		}
	}
	if !supported {
		return "fingerprint", "no supported hash function, " + clip(t.Fingerprints[0].Algorithm) + " is none"
	}
	return "", ""
}

// printable reports whether the attributes are lines; otherwise it returns the key of one that is not. A line end in
// a value would be one more line, of whoever chose the value.
func (a Attributes) printable() (key string, ok bool) {
	for i := range a {
		if a[i].Key == "" || strings.IndexByte(a[i].Key, ':') >= 0 || !isText(a[i].Key) || !isText(a[i].Value) {
			return a[i].Key, false
		}
	}
	return "", true
}

func (c Connection) printable() bool {
	for _, w := range [...]string{c.NetworkType, c.AddressType, c.Address} {
		if w != "" && !isWord(w) {
			return false
		}
	}
	return true
}

// isText reports whether s is a byte-string of RFC 8866, section 9, or empty.
func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 || s[i] == '\r' || s[i] == '\n' {
			return false
		}
	}
	return true
}

// isWord reports whether s can stand between spaces (non-ws-string of RFC 8866, section 9).
func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// isToken reports whether s is a token of RFC 8866, section 9: visible ASCII without "(),/:;<=>?@[\] and the quotation mark.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// isICEChars reports whether s is made of ice-char (RFC 8839, section 5.1): ALPHA / DIGIT / "+" / "/".
func isICEChars(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return s != ""
}
