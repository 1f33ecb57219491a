package sdp

import (
	"strconv"
	"strings"
)

// ParseDescription parses a session description in the terms of WebRTC. Its strings are substrings
// of text.
//
// It accepts the same input as [Parse], and checks the syntax of the attributes that have a field.
// An attribute that may occur once in a section must not occur there with different values.
// [Description.Validate] checks that the description is complete. The error is a *[SyntaxError].
func ParseDescription(text string) (*Description, error) {
	return ParseOptions{}.ParseDescription(text)
}

// ParseDescription is [ParseDescription] with options.
func (o ParseOptions) ParseDescription(text string) (*Description, error) {
	s, err := o.Parse(text)
	if err != nil {
		return nil, err
	}
	return newDescription(text, s)
}

// newDescription returns the description of s, which was parsed from text. It takes over the slices
// of s.
func newDescription(text string, s *Session) (*Description, error) {
	d := &Description{
		Username:    s.Origin.Username,
		Address:     s.Origin.Address,
		Name:        s.Name,
		Information: s.Information,
		URI:         s.URI,
		Emails:      s.Emails,
		Phones:      s.Phones,
		Connection:  s.Connection,
		Bandwidths:  s.Bandwidths,
		Times:       s.Times,
		Others:      s.Others,
	}
	if o := &s.Origin; *o != (Origin{}) {
		if digits(o.SessionID) && digits(o.SessionVersion) {
			d.SessionID, d.SessionVersion = saturate(o.SessionID), saturate(o.SessionVersion)
		}
		if !o.isPlain() {
			d.OriginText = o.text()
		}
	}
	if len(d.Times) == 1 && d.Times[0].permanent() {
		d.Times = nil
	}
	if err := d.readAttributes(text, s.Attributes); err != nil {
		return nil, err
	}
	if len(s.Media) > 0 {
		d.Media = make([]MediaDescription, len(s.Media))
	}
	for i := range s.Media {
		if err := d.Media[i].read(text, i, &s.Media[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// ParseMedia parses one media section, from its m= line on. Two parts may be missing: the "m=" at
// the start, and the formats, which are then the payload types of the a=rtpmap lines. A session
// part before the section is ignored. The error is a *[SyntaxError], also if there is not exactly
// one section.
func ParseMedia(text string) (*MediaDescription, error) {
	full := text
	if first := strings.TrimLeft(text, "\r\n"); len(first) < 2 || first[1] != '=' {
		full = "m=" + first
	}
	s, err := Parse(full)
	if err != nil {
		return nil, err
	}
	if len(s.Media) != 1 {
		return nil, &SyntaxError{Line: 1, Field: "m=", Reason: strconv.Itoa(len(s.Media)) + " media sections where one is expected"}
	}
	if m := &s.Media[0]; len(m.Formats) == 0 {
		for mapping := range m.Attributes.All("rtpmap") {
			if format, _ := word(mapping); format != "" {
				m.Formats = append(m.Formats, format)
			}
		}
	}
	d, err := newDescription(full, s)
	if err != nil {
		return nil, err
	}
	return &d.Media[0], nil
}

// isPlain reports whether the fields of a Description can express the line.
func (o *Origin) isPlain() bool {
	return o.Raw == "" && isPlainNumber(o.SessionID) && isPlainNumber(o.SessionVersion) &&
		o.NetworkType == "IN" && o.AddressType == addressType(o.Address)
}

// text returns the value of the line.
func (o *Origin) text() string {
	line := string(o.append(nil))
	return line[len("o=") : len(line)-len("\r\n")]
}

// isPlainNumber reports whether s is a number of 64 bits without leading zeros.
func isPlainNumber(s string) bool {
	if !digits(s) || s[0] == '0' && s != "0" {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// permanent reports whether t is t=0 0 (RFC 8866, section 5.9), which all WebRTC endpoints send.
func (t *Time) permanent() bool {
	return t.Start == 0 && t.Stop == 0 && len(t.Repeats) == 0 && t.Zones == "" && t.Raw == ""
}

// readAttributes moves the attributes of the session part to their fields. Those without a field
// stay, in the same array, which nothing else uses.
func (d *Description) readAttributes(text string, attributes Attributes) error {
	others := attributes[:0]
	for i := range attributes {
		known, problem := d.readAttribute(attributes[i].trimmed())
		if problem != "" {
			return attributeError(text, -1, i, attributes[i].Key, problem, nil)
		}
		if !known {
			others = append(others, attributes[i])
		}
	}
	d.Attributes = orNil(others)
	return nil
}

// readAttribute sets the field of an attribute of the session part. known reports whether it has
// one; problem is the defect of its value, or "".
func (d *Description) readAttribute(a Attribute) (known bool, problem string) {
	switch a.Key {
	case "group":
		semantics, mids := word(a.Value)
		if semantics == "" {
			return true, "no semantics"
		}
		d.Groups = append(d.Groups, Group{Semantics: semantics, Mids: strings.Fields(mids)})
		return true, ""
	case "ice-lite":
		return a.flag(&d.ICELite), ""
	case "extmap-allow-mixed":
		return a.flag(&d.ExtmapAllowMixed), ""
	case "end-of-candidates":
		return a.flag(&d.EndOfCandidates), ""
	case "sendrecv", "sendonly", "recvonly", "inactive":
		return a.direction(&d.Direction)
	}
	return d.Transport.read(a)
}

// read sets m to the media section from, which is number index of the description.
func (m *MediaDescription) read(text string, index int, from *Media) error {
	*m = MediaDescription{
		Kind:        from.Kind,
		Port:        from.Port,
		PortCount:   from.PortCount,
		Protocol:    from.Protocol,
		Formats:     from.Formats,
		Title:       from.Title,
		Connections: from.Connections,
		Bandwidths:  from.Bandwidths,
		Others:      from.Others,
	}
	// RFC 9143, section 6: with bundle-only, port 0 stands for the port of the group. Without it,
	// the section is rejected.
	formatless := len(m.Formats) == 0 && m.Kind != KindApplication
	m.BundleOnly = !formatless && from.Attributes.Has("bundle-only")
	m.Rejected = m.Port == 0 && !m.BundleOnly || formatless
	sctp := m.IsDataChannel()
	m.SCTPPort = m.legacyPort()
	if err := m.readFirst(text, index, from.Attributes, sctp); err != nil {
		return err
	}

	others := from.Attributes[:0]
	for i := range from.Attributes {
		known, problem := m.readAttribute(from.Attributes[i].trimmed(), sctp)
		if problem != "" {
			return attributeError(text, index, i, from.Attributes[i].Key, problem, nil)
		}
		if !known {
			others = append(others, from.Attributes[i])
		}
	}
	m.Attributes = orNil(others)
	return nil
}

// readAttribute sets the field of an attribute of the section; sctp is set if the section is for
// data channels. The results are those of Description.readAttribute.
func (m *MediaDescription) readAttribute(a Attribute, sctp bool) (known bool, problem string) {
	switch a.Key {
	case "mid":
		return true, setOnce(&m.Mid, a.Value)
	case "bundle-only", "candidate":
		return true, ""
	case "sctp-port":
		return sctp, ""
	case "end-of-candidates":
		return a.flag(&m.EndOfCandidates), ""
	case "sendrecv", "sendonly", "recvonly", "inactive":
		return a.direction(&m.Direction)
	case "sctpmap", "max-message-size":
		if !sctp {
			return false, ""
		}
		return m.readSCTP(a)
	}
	return m.Transport.read(a)
}

// readFirst sets the fields that must be set before the others: the candidates, which share one
// string, and the SCTP port, which identifies the a=sctpmap line of the data channels.
func (m *MediaDescription) readFirst(text string, index int, attributes Attributes, sctp bool) error {
	count, size := 0, 0
	for i := range attributes {
		a := attributes[i].trimmed()
		problem, limit := "", error(nil)
		switch {
		case a.Key == "candidate":
			count++
			size += len(candidatePrefix) + len(a.Value)
			if a.Value == "" {
				problem = "no value"
			} else if count > MaxCandidates {
				problem, limit = "more than "+strconv.Itoa(MaxCandidates)+" candidates", ErrLimit
			}
		case a.Key == "sctp-port" && sctp:
			problem = m.readPort(a.Value)
		}
		if problem != "" {
			return attributeError(text, index, i, a.Key, problem, limit)
		}
	}
	if count == 0 {
		return nil
	}
	var all strings.Builder
	all.Grow(size)
	m.Candidates = make([]string, 0, count)
	for value := range attributes.All("candidate") {
		start := all.Len()
		all.WriteString(candidatePrefix)
		all.WriteString(value)
		m.Candidates = append(m.Candidates, all.String()[start:])
	}
	return nil
}

const candidatePrefix = "candidate:"

func (m *MediaDescription) readPort(value string) (problem string) {
	port, ok := parsePort(strings.TrimSpace(value))
	switch {
	case !ok:
		return quote(value) + " is not within 0…65535"
	case m.SCTPClosed && port != 0, m.SCTPPort != 0 && port != m.SCTPPort:
		return "contradicts the port that is given already"
	}
	m.SCTPPort, m.SCTPClosed = port, port == 0
	return ""
}

// readSCTP sets the field of a=sctpmap or a=max-message-size.
func (m *MediaDescription) readSCTP(a Attribute) (known bool, problem string) {
	switch a.Key {
	case "sctpmap":
		// draft-ietf-mmusic-sctp-sdp-05, section 5.1: "a=sctpmap:" sctpmap-number SP app [SP
		// streams]
		number, rest := word(a.Value)
		app, rest := word(rest)
		count, _ := word(rest)
		port, ok := parsePort(number)
		streams, countOK := parsePort(count)
		switch {
		case !ok || port == 0 || app != FormatDataChannel || !countOK && count != "",
			m.SCTPClosed, m.SCTPPort != 0 && port != m.SCTPPort:
			return false, "" // the mapping of another port or application
		case m.SCTPStreams != 0 && streams != m.SCTPStreams:
			return true, "given twice"
		}
		m.SCTPPort, m.SCTPStreams = port, streams
	case "max-message-size":
		value := strings.TrimSpace(a.Value)
		if !digits(value) {
			return true, quote(a.Value) + " is not a number"
		}
		size := saturate(value)
		if m.HasMaxMessageSize && size != m.MaxMessageSize {
			return true, "given twice"
		}
		m.MaxMessageSize, m.HasMaxMessageSize = size, true
	}
	return true, ""
}

// read sets the field of an attribute of ICE or DTLS. The results are those of
// Description.readAttribute.
func (t *Transport) read(a Attribute) (known bool, problem string) {
	switch a.Key {
	case "ice-ufrag":
		return true, setOnce(&t.ICEUfrag, a.Value)
	case "ice-pwd":
		return true, setOnce(&t.ICEPwd, a.Value)
	case "ice-options":
		// The grammar separates options by spaces. A common implementation writes commas, which an
		// option cannot contain.
		options := strings.FieldsFunc(a.Value, func(r rune) bool { return r == ' ' || r == ',' })
		t.ICEOptions = append(t.ICEOptions, options...)
		return true, ""
	case "fingerprint":
		f, problem := readFingerprint(a.Value)
		if problem == "" {
			t.Fingerprints = append(t.Fingerprints, f)
		}
		return true, problem
	case "setup":
		setup, ok := parseSetup(strings.TrimSpace(a.Value))
		switch {
		case !ok:
			return true, "unknown value " + quote(a.Value)
		case t.Setup != SetupUnspecified && t.Setup != setup:
			return true, "given twice"
		}
		t.Setup = setup
		return true, ""
	case "tls-id":
		return true, setOnce(&t.TLSID, a.Value)
	}
	return false, ""
}

// setOnce sets a field that may be given once, or repeatedly with the same value. Two different
// values would leave the identity of the peer open.
func setOnce(field *string, value string) (problem string) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return "no value"
	case *field != "" && *field != value:
		return "given twice"
	}
	*field = value
	return ""
}

// flag sets the field of an attribute without a value. With a value, it is another attribute.
func (a Attribute) flag(field *bool) (known bool) {
	if a.Value != "" || a.EmptyValue {
		return false
	}
	*field = true
	return true
}

func (a Attribute) direction(field *Direction) (known bool, problem string) {
	if a.Value != "" || a.EmptyValue {
		return false, ""
	}
	d, _ := parseDirection(a.Key)
	if *field != DirectionUnspecified && *field != d {
		return true, "contradicts " + field.String()
	}
	*field = d
	return true, ""
}

// orNil returns nil in place of an empty list, so that a parsed description equals one that was
// built.
func orNil(others Attributes) Attributes {
	if len(others) == 0 {
		return nil
	}
	return others
}

// attributeError returns the error of attribute number index of a section (-1: the session part).
// It searches the text for the line number, which attributes do not have.
func attributeError(text string, section, index int, key, problem string, err error) error {
	line := 0
	for text != "" {
		var s string
		s, text, _ = strings.Cut(text, "\n")
		line++
		switch {
		case strings.HasPrefix(s, "m="):
			section--
		case strings.HasPrefix(s, "a=") && section == -1:
			index--
		}
		if index < 0 {
			break
		}
	}
	return &SyntaxError{Line: line, Field: "a=" + key, Reason: problem, Err: err}
}
