package sdp

import (
	"strconv"
	"strings"
)

// ParseDescription reads a session description in the terms of WebRTC. Its strings are substrings
// of text.
//
// It accepts what [Parse] accepts. Attributes with a field are checked for their syntax, and those
// which may stand once in a section must not stand there with different values. Whether the
// description is complete enough to connect is the business of [Description.Validate]. The error is
// a *[SyntaxError].
func ParseDescription(text string) (*Description, error) {
	return ParseOptions{}.ParseDescription(text)
}

// ParseDescription is the function [ParseDescription] with options.
func (o ParseOptions) ParseDescription(text string) (*Description, error) {
	s, err := o.Parse(text)
	if err != nil {
		return nil, err
	}
	return newDescription(text, s)
}

// newDescription makes a description of s, which was parsed from text and is not used any further.
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

// ParseMedia reads one media section, from its m= line on, as programs give it to describe a track.
// The "m=" may be missing, and so may the formats: they are then the payload types of the a=rtpmap
// lines. A session part before the section is skipped. The error is a *[SyntaxError], also when
// there is not exactly one section.
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

// isPlain reports whether the fields of a Description express the line.
func (o *Origin) isPlain() bool {
	return o.Raw == "" && isPlainNumber(o.SessionID) && isPlainNumber(o.SessionVersion) &&
		o.NetworkType == "IN" && o.AddressType == addressType(o.Address)
}

// text returns the value of the line.
func (o *Origin) text() string {
	line := string(o.append(nil))
	return line[len("o=") : len(line)-len("\r\n")]
}

// isPlainNumber reports whether s is a number of 64 bits as it is written here, without leading
// zeros.
func isPlainNumber(s string) bool {
	if !digits(s) || s[0] == '0' && s != "0" {
		return false
	}
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// permanent reports whether t is what all of WebRTC says, t=0 0.
func (t *Time) permanent() bool {
	return t.Start == 0 && t.Stop == 0 && len(t.Repeats) == 0 && t.Zones == "" && t.Raw == ""
}

// readAttributes moves the attributes of the session part to their fields. What has no field is
// moved up in the array it is in, which nobody else has.
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

// readAttribute takes over an attribute of the session part; known is false when it has no field.
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

// read takes over a media section, number index of the description.
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
	// Port zero with bundle-only means the transport of the group, without it a refusal: RFC 9143,
	// section 6
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

// readAttribute takes over an attribute of a section, which is for data channels if sctp is set;
// known is false when it has no field.
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

// readFirst takes over what must be known before the rest: the candidates, which share one string, and
// the SCTP port, by which an a=sctpmap that may stand before it is recognized.
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

// readSCTP takes over another attribute of a data channel section.
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
			return false, "" // the mapping of something else
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

// read takes over an attribute of ICE or DTLS; known is false when it is none.
func (t *Transport) read(a Attribute) (known bool, problem string) {
	switch a.Key {
	case "ice-ufrag":
		return true, setOnce(&t.ICEUfrag, a.Value)
	case "ice-pwd":
		return true, setOnce(&t.ICEPwd, a.Value)
	case "ice-options":
		// The grammar separates by spaces; a widespread implementation writes commas, which cannot
		// be part of an option.
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

// setOnce sets a value that may be given once. Giving it again is harmless only where it is the same:
// two answers to who the peer is are none.
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

// flag sets a field for an attribute without a value. With a value it is something else.
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

// orNil returns nil for no attributes, so that a description is the same whether it was parsed or
// made.
func orNil(others Attributes) Attributes {
	if len(others) == 0 {
		return nil
	}
	return others
}

// attributeError makes the error for attribute number index of a section (-1 for the session part).
// Attributes do not carry their line numbers: only here, where one is wanted, the text is searched
// for it.
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
