package sdp

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/internal/icechars"
)

// maxMid is the length in bytes of the longest mid that the RTP header extension and the RTCP item
// for it can hold (RFC 9143, sections 15.1 and 15.2).
const maxMid = 255

// Validate checks that a connection can be made with the description, as offer or as answer. The
// error is a *[ValidationError] with the first defect. It also checks that the values can be
// written and do not contradict each other: a valid description that [Description.Append] has
// written can be parsed by [ParseDescription].
//
// There must be a section. Each section that is not rejected must have ICE credentials and a
// supported fingerprint, by [Description.TransportOf]. The user name fragment has 4 to 256
// characters and the password 22 to 256: letters, digits, '+' and '/' and, as browsers accept them,
// '=', '_', '-' and '#'. A mid is a token of at most 255 bytes that no other section has; it may be
// missing. The mids of a group must be those of sections, and the sections of a BUNDLE group must
// not be rejected. Candidates must have the fields of RFC 8839. a=setup may be missing, see
// [AnswerSetup].
func (d *Description) Validate() error {
	if len(d.Media) == 0 {
		return &ValidationError{Media: -1, Field: "media", Missing: true}
	}
	if field, reason := d.validateSession(); field != "" {
		return &ValidationError{Media: -1, Field: field, Reason: reason}
	}
	sections := d.index()
	for i := range d.Media {
		m := &d.Media[i]
		if m.Mid != "" && sections.find(m.Mid) != i {
			return &ValidationError{Media: i, Mid: m.Mid, Field: "mid", Reason: "another section has it"}
		}
		if field, reason := m.validate(); field != "" {
			return &ValidationError{Media: i, Mid: m.Mid, Field: field, Missing: reason == "", Reason: reason}
		}
	}
	tagged := make([]*MediaDescription, len(d.Media))
	for _, g := range d.Groups {
		if reason := d.validateGroup(g, sections, tagged); reason != "" {
			return &ValidationError{Media: -1, Field: "group", Reason: reason}
		}
	}
	for i := range d.Media {
		m := &d.Media[i]
		if m.Rejected {
			continue
		}
		if tagged[i] == nil {
			tagged[i] = m
		}
		t := d.transport(m, tagged[i])
		if field, reason := t.validate(); field != "" {
			return &ValidationError{Media: i, Mid: m.Mid, Field: field, Missing: reason == "", Reason: reason}
		}
	}
	if reason := d.validateSize(); reason != "" {
		return &ValidationError{Media: -1, Field: "size", Reason: reason}
	}
	return nil
}

// fewSections is the number of sections up to which a linear search for a mid is faster than a map.
const fewSections = 8

// A midIndex finds sections by their mid.
type midIndex struct {
	d     *Description
	byMid map[string]int // nil for few sections
}

func (d *Description) index() midIndex {
	x := midIndex{d: d}
	if len(d.Media) <= fewSections {
		return x
	}
	x.byMid = make(map[string]int, len(d.Media))
	for i := range d.Media {
		if _, ok := x.byMid[d.Media[i].Mid]; !ok {
			x.byMid[d.Media[i].Mid] = i
		}
	}
	return x
}

// find returns the index of the first section with the mid, which must not be empty, or -1.
func (x midIndex) find(mid string) int {
	if x.byMid != nil {
		if i, ok := x.byMid[mid]; ok {
			return i
		}
		return -1
	}
	for i := range x.d.Media {
		if x.d.Media[i].Mid == mid {
			return i
		}
	}
	return -1
}

// validateGroup returns the defect of a group, or "". In tagged it sets the tagged section for each
// section of a BUNDLE group.
func (d *Description) validateGroup(g Group, sections midIndex, tagged []*MediaDescription) (reason string) {
	if !isToken(g.Semantics) {
		return quote(g.Semantics) + " is not a token"
	}
	var first *MediaDescription
	for _, mid := range g.Mids {
		if !isToken(mid) {
			return "mid " + quote(mid) + " is not a token"
		}
		i := sections.find(mid)
		if i < 0 {
			return "no section has the mid " + quote(mid)
		}
		if g.Semantics != SemanticsBundle {
			continue
		}
		// RFC 9143, section 7: a mid is in at most one BUNDLE group, and the mid of a rejected
		// section in none (section 7.3.3).
		m := &d.Media[i]
		switch {
		case tagged[i] != nil:
			return "mid " + quote(mid) + " is bundled twice"
		case m.Rejected:
			return "mid " + quote(mid) + " is of a rejected section"
		case first == nil:
			first = m
		}
		tagged[i] = first
	}
	return ""
}

// validateSession returns the field of the session part that has a defect, and the defect.
func (d *Description) validateSession() (field, reason string) {
	const lineEnd = "NUL or line end within a line"
	switch {
	case !isRaw(d.OriginText):
		return "origin", lineEnd
	case d.OriginText != "":
		// The fields are not written.
	case d.Username != "" && !isWord(d.Username) || d.Address != "" && !isWord(d.Address):
		return "origin", "a space, NUL or line end within a word"
	}
	for _, line := range [...]string{d.Name, d.Information, d.URI} {
		if !isText(line) {
			return "session", lineEnd
		}
	}
	for _, lines := range [...][]string{d.Emails, d.Phones} {
		for _, line := range lines {
			if !isText(line) {
				return "session", lineEnd
			}
		}
	}
	for _, t := range d.Times {
		for _, r := range t.Repeats {
			if !isText(r) {
				return "session", lineEnd
			}
		}
		if !isText(t.Zones) || !isRaw(t.Raw) {
			return "session", lineEnd
		}
	}
	if !d.Connection.writable() {
		return "connection", "a space, NUL or line end within a word"
	}
	for _, b := range d.Bandwidths {
		if !isToken(b.Type) {
			return "bandwidth", quote(b.Type) + " is not a token"
		}
	}
	if d.Direction > DirectionInactive {
		return "direction", d.Direction.String() + " is not a direction"
	}
	if key, ok := d.Attributes.writable(); !ok {
		return "attribute", quote(key) + " cannot be written"
	}
	// An attribute with a field would be written twice, or contradict the field.
	scratch := Description{Direction: d.Direction, Transport: d.Transport}
	scratch.ICEOptions, scratch.Fingerprints = nil, nil
	for _, a := range d.Attributes {
		if known, problem := scratch.readAttribute(a.trimmed()); known || problem != "" {
			return "attribute", quote(a.Key) + " has a field of its own"
		}
	}
	if !writableOthers(d.Others, d.Connection != Connection{}) {
		return "line", "not one of those without a field, or a line end within it"
	}
	return d.Transport.writable()
}

// validate returns the field of the section that has a defect, and the defect, which is empty if
// the field is missing. It does not check the transport in effect.
func (m *MediaDescription) validate() (field, reason string) {
	switch {
	case m.Kind == "":
		return "kind", ""
	case !isToken(m.Kind):
		return "kind", quote(m.Kind) + " is not a token"
	case m.Protocol != "" && !isWord(m.Protocol):
		return "protocol", quote(m.Protocol) + " is not a protocol"
	case m.Mid != "" && !isToken(m.Mid):
		return "mid", quote(m.Mid) + " is not a token"
	case len(m.Mid) > maxMid:
		return "mid", "longer than " + strconv.Itoa(maxMid) + " bytes"
	case !isText(m.Title):
		return "title", "NUL or line end within a line"
	case m.Direction > DirectionInactive:
		return "direction", m.Direction.String() + " is not a direction"
	case m.rejected() && !m.Rejected:
		return "format", ""
	}
	for _, f := range m.Formats {
		if !isWord(f) {
			return "format", quote(f) + " is not a format"
		}
	}
	for _, c := range m.Connections {
		if !c.writable() {
			return "connection", "a space, NUL or line end within a word"
		}
	}
	for _, b := range m.Bandwidths {
		if !isToken(b.Type) {
			return "bandwidth", quote(b.Type) + " is not a token"
		}
	}
	for _, c := range m.Candidates {
		if reason := checkCandidate(c); reason != "" {
			return "candidate", quote(c) + " " + reason
		}
	}
	if key, ok := m.Attributes.writable(); !ok {
		return "attribute", quote(key) + " cannot be written"
	}
	scratch, sctp := *m, m.IsDataChannel()
	if sctp && m.contradictsPort() {
		return "sctp-port", "the section gives two ports, or closes the one it gives"
	}
	scratch.ICEOptions, scratch.Fingerprints = nil, nil
	for _, a := range m.Attributes {
		if known, problem := scratch.readAttribute(a.trimmed(), sctp); known || problem != "" {
			return "attribute", quote(a.Key) + " has a field of its own"
		}
	}
	if !writableOthers(m.Others, false) {
		return "line", "not one of those without a field, or a line end within it"
	}
	return m.Transport.writable()
}

// validate returns the field of a transport in effect that has a defect, and the defect, which is
// empty if the field is missing.
func (t *Transport) validate() (field, reason string) {
	switch {
	case t.ICEUfrag == "":
		return "ice-ufrag", ""
	case !icechars.Accepted(t.ICEUfrag, icechars.MinUfrag, icechars.MaxUfrag):
		return "ice-ufrag", quote(t.ICEUfrag) + " is not 4 to 256 letters, digits, '+', '/', '=', '_', '-' or '#'"
	case t.ICEPwd == "":
		return "ice-pwd", ""
	case !icechars.Accepted(t.ICEPwd, icechars.MinPwd, icechars.MaxPwd):
		// The password is a secret and must not be in an error message.
		return "ice-pwd", "not 22 to 256 letters, digits, '+', '/', '=', '_', '-' or '#'"
	case len(t.Fingerprints) == 0:
		return "fingerprint", ""
	}
	for _, option := range t.ICEOptions {
		if !icechars.Accepted(option, 1, len(option)) && !isToken(option) {
			return "ice-options", quote(option) + " is not a word"
		}
	}
	for _, f := range t.Fingerprints {
		if f.Supported() {
			return "", ""
		}
	}
	return "fingerprint", "no supported hash function, " + quote(t.Fingerprints[0].Algorithm) + " is none"
}

// writable returns the field whose value would not be the same when written and parsed, and the
// defect.
func (t *Transport) writable() (field, reason string) {
	switch {
	case !isValue(t.ICEUfrag):
		return "ice-ufrag", quote(t.ICEUfrag) + " cannot be written"
	case !isValue(t.ICEPwd):
		return "ice-pwd", "it cannot be written"
	case !isValue(t.TLSID):
		return "tls-id", quote(t.TLSID) + " cannot be written"
	case t.Setup > SetupHoldconn:
		return "setup", t.Setup.String() + " is not a setup"
	}
	for _, option := range t.ICEOptions {
		if option == "" || !isText(option) || strings.ContainsAny(option, " ,") {
			return "ice-options", quote(option) + " is not a word"
		}
	}
	for _, f := range t.Fingerprints {
		switch n := hashSize(f.Algorithm); {
		case n != 0 && n != len(f.Value):
			return "fingerprint", strconv.Itoa(len(f.Value)) + " bytes are not a " + f.Algorithm + " hash"
		case !isToken(f.Algorithm) || len(f.Value) == 0:
			return "fingerprint", "no hash function or no value"
		}
	}
	return "", ""
}

// validateSize returns the limit of [Parse] that the written description would exceed, or "".
func (d *Description) validateSize() (reason string) {
	if len(d.Media) > MaxMedia {
		return "more than " + strconv.Itoa(MaxMedia) + " media sections"
	}
	size := sizeBound{}
	size.session(d)
	for i := range d.Media {
		m := &d.Media[i]
		switch {
		case len(m.Formats) > MaxFormats:
			return "more than " + strconv.Itoa(MaxFormats) + " formats"
		case len(m.Candidates) > MaxCandidates:
			return "more than " + strconv.Itoa(MaxCandidates) + " candidates"
		}
		size.media(m)
	}
	if size.bytes <= MaxSize && size.lines <= MaxLines && size.attributes <= MaxAttributes {
		return ""
	}
	// It may be too large: the exact sizes are those of the encoded description.
	text := d.Append(nil)
	switch {
	case len(text) > MaxSize:
		return "larger than " + strconv.Itoa(MaxSize) + " bytes"
	case bytes.Count(text, []byte("\n")) > MaxLines:
		return "more than " + strconv.Itoa(MaxLines) + " lines"
	}
	for section := range bytes.SplitSeq(text, []byte("\nm=")) {
		if bytes.Count(section, []byte("\na=")) > MaxAttributes {
			return "more than " + strconv.Itoa(MaxAttributes) + " attributes in one section"
		}
	}
	return ""
}
