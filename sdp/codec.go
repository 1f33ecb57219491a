package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// maxPayloadType is the largest payload type of RTP, which has 7 bits (RFC 3550, section 5.1).
const maxPayloadType = 127

// payloadTypes is a set of payload types.
type payloadTypes [maxPayloadType + 1]bool

// A Codec is a payload type of an RTP section with the values of its a=rtpmap, a=fmtp and a=rtcp-fb
// lines.
type Codec struct {
	PayloadType uint8  // 0 to 127
	Name        string // the encoding name of a=rtpmap, such as "opus"; compare it without regard to case
	ClockRate   uint32 // in Hz
	Channels    uint16 // of audio, the encoding parameter of a=rtpmap; 0 where it is absent, which means 1
	// Parameters are the format parameters of a=fmtp, verbatim ("minptime=10;useinbandfec=1"); see
	// Parameter. Several a=fmtp lines are joined by ';'.
	Parameters string
	// Feedback are the values of a=rtcp-fb (RFC 4585, section 4.2) without the payload type:
	// "nack", "nack pli", "ccm fir". Those of lines for all payload types ("*") are among them.
	Feedback []string
}

// Parameter returns the value of a format parameter, whose name is compared without regard to case,
// and whether there is one. A parameter without '=' has the value "".
func (c Codec) Parameter(name string) (value string, ok bool) {
	for parameter := range strings.SplitSeq(c.Parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(key, name) && key != "" {
			return value, true
		}
	}
	return "", false
}

// Retransmits returns the payload type whose packets this one retransmits, and whether it is a
// retransmission format: its name is "rtx", and the parameter "apt" names the other (RFC 4588,
// section 8.1).
func (c Codec) Retransmits() (payloadType uint8, ok bool) {
	apt, ok := c.Parameter("apt")
	if !ok || !strings.EqualFold(c.Name, "rtx") {
		return 0, false
	}
	return parsePayloadType(apt)
}

// uses returns the payload types that the format depends on: the one that it retransmits, or those
// that it carries as redundant audio (RFC 2198, section 5: "a=fmtp:121 0/5").
func (c Codec) uses() (set payloadTypes) {
	if apt, ok := c.Retransmits(); ok {
		set[apt] = true
	} else if strings.EqualFold(c.Name, "red") {
		for block := range strings.SplitSeq(c.Parameters, "/") {
			if n, ok := parsePayloadType(strings.TrimSpace(block)); ok {
				set[n] = true
			}
		}
	}
	return set
}

// Codecs returns the payload types of an RTP section, in the order of preference, which is that of
// the m= line. A payload type without a=rtpmap that RFC 3551 assigns, such as 0 for PCMU, has the
// name, clock rate and channels of the assignment. Formats that are not payload types are left out;
// sections that are not RTP have none.
func (m *MediaDescription) Codecs() []Codec {
	if !m.carriesRTP() {
		return nil
	}
	codecs := make([]Codec, 0, len(m.Formats))
	var index [maxPayloadType + 1]int // in codecs, plus one
	for _, format := range m.Formats {
		if n, ok := parsePayloadType(format); ok && index[n] == 0 {
			codecs = append(codecs, Codec{PayloadType: n})
			index[n] = len(codecs)
		}
	}
	mapped := make([]bool, len(codecs))
	parameters := make([][]string, len(codecs))
	for _, a := range m.Attributes {
		format, value := word(a.Value)
		if a.Key == "rtcp-fb" && format == "*" {
			for i := range codecs {
				codecs[i].Feedback = append(codecs[i].Feedback, strings.TrimSpace(value))
			}
			continue
		}
		n, ok := parsePayloadType(format)
		if !ok || index[n] == 0 {
			continue
		}
		i := index[n] - 1
		switch c := &codecs[i]; a.Key {
		case "rtpmap":
			if !mapped[i] {
				mapped[i] = c.readMapping(value)
			}
		case "fmtp":
			parameters[i] = append(parameters[i], strings.TrimSpace(value))
		case "rtcp-fb":
			c.Feedback = append(c.Feedback, strings.TrimSpace(value))
		}
	}
	for i := range codecs {
		codecs[i].Parameters = strings.Join(parameters[i], ";")
		if !mapped[i] {
			codecs[i].assign()
		}
	}
	return codecs
}

// readMapping reads the value of a=rtpmap behind the payload type: "opus/48000/2". It reports false
// if there is no name.
func (c *Codec) readMapping(value string) bool {
	value = strings.TrimSpace(value)
	name, rest, _ := strings.Cut(value, "/")
	rate, channels, _ := strings.Cut(rest, "/")
	if name == "" {
		return false
	}
	c.Name = name
	if n, err := strconv.ParseUint(rate, 10, 32); err == nil {
		c.ClockRate = uint32(n)
	}
	c.Channels, _ = parsePort(channels)
	return true
}

// AddCodec appends a payload type to the section, as the least preferred, with its a=rtpmap, a=fmtp
// and a=rtcp-fb lines. It reports false and changes nothing if the payload type is above 127 or the
// section has it already.
func (m *MediaDescription) AddCodec(c Codec) bool {
	if c.PayloadType > maxPayloadType || slices.ContainsFunc(m.Formats, isPayloadType(c.PayloadType)) {
		return false
	}
	format := strconv.Itoa(int(c.PayloadType))
	m.Formats = append(m.Formats, format)
	mapping := format + " " + c.Name + "/" + strconv.FormatUint(uint64(c.ClockRate), 10)
	if c.Channels > 0 {
		mapping += "/" + strconv.Itoa(int(c.Channels))
	}
	m.Attributes.Add("rtpmap", mapping)
	for _, feedback := range c.Feedback {
		m.Attributes.Add("rtcp-fb", format+" "+feedback)
	}
	if c.Parameters != "" {
		m.Attributes.Add("fmtp", format+" "+c.Parameters)
	}
	return true
}

// RemoveCodec removes a payload type with its attributes (a=rtpmap, a=fmtp, a=rtcp-fb,
// a=imageattr), and those that depend on it: its retransmission format and the redundant audio
// (RED) that carries it. It reports whether the section had the payload type. A section that is
// left without formats is written as a rejected one.
func (m *MediaDescription) RemoveCodec(payloadType uint8) bool {
	if !m.carriesRTP() || !slices.ContainsFunc(m.Formats, isPayloadType(payloadType)) {
		return false
	}
	codecs := m.Codecs()
	uses := make([]payloadTypes, len(codecs))
	for i := range codecs {
		uses[i] = codecs[i].uses()
	}
	var removed payloadTypes
	removed[payloadType] = true
	for pending := []uint8{payloadType}; len(pending) > 0; pending = pending[1:] {
		for i := range codecs {
			if n := codecs[i].PayloadType; !removed[n] && uses[i][pending[0]] {
				removed[n] = true
				pending = append(pending, n)
			}
		}
	}
	isRemoved := func(format string) bool {
		n, ok := parsePayloadType(format)
		return ok && removed[n]
	}
	m.Formats = slices.DeleteFunc(m.Formats, isRemoved)
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a Attribute) bool {
		switch a.Key {
		case "rtpmap", "fmtp", "rtcp-fb", "imageattr":
			format, _ := word(a.Value)
			return isRemoved(format)
		}
		return false
	})
	return true
}

// carriesRTP reports whether the formats of the section are payload types.
func (m *MediaDescription) carriesRTP() bool {
	return m.IsRTP() || m.Protocol == "" && m.Kind != KindApplication
}

// isPayloadType returns a function that reports whether a format is the payload type.
func isPayloadType(payloadType uint8) func(format string) bool {
	return func(format string) bool {
		n, ok := parsePayloadType(format)
		return ok && n == payloadType
	}
}

// parsePayloadType reads a payload type, digits only.
func parsePayloadType(s string) (uint8, bool) {
	n, ok := parsePort(s)
	return uint8(n), ok && n <= maxPayloadType
}

// assign sets the name, clock rate and channels that RFC 3551, section 6 assigns to the payload
// type, if there are.
func (c *Codec) assign() {
	if int(c.PayloadType) < len(assignedCodecs) {
		a := &assignedCodecs[c.PayloadType]
		c.Name, c.ClockRate, c.Channels = a.Name, a.ClockRate, a.Channels
	}
}

// assignedCodecs are tables 4 and 5 of RFC 3551, section 6, by payload type.
var assignedCodecs = [...]Codec{
	0:  {Name: "PCMU", ClockRate: 8000, Channels: 1},
	3:  {Name: "GSM", ClockRate: 8000, Channels: 1},
	4:  {Name: "G723", ClockRate: 8000, Channels: 1},
	5:  {Name: "DVI4", ClockRate: 8000, Channels: 1},
	6:  {Name: "DVI4", ClockRate: 16000, Channels: 1},
	7:  {Name: "LPC", ClockRate: 8000, Channels: 1},
	8:  {Name: "PCMA", ClockRate: 8000, Channels: 1},
	9:  {Name: "G722", ClockRate: 8000, Channels: 1},
	10: {Name: "L16", ClockRate: 44100, Channels: 2},
	11: {Name: "L16", ClockRate: 44100, Channels: 1},
	12: {Name: "QCELP", ClockRate: 8000, Channels: 1},
	13: {Name: "CN", ClockRate: 8000, Channels: 1},
	14: {Name: "MPA", ClockRate: 90000},
	15: {Name: "G728", ClockRate: 8000, Channels: 1},
	16: {Name: "DVI4", ClockRate: 11025, Channels: 1},
	17: {Name: "DVI4", ClockRate: 22050, Channels: 1},
	18: {Name: "G729", ClockRate: 8000, Channels: 1},
	25: {Name: "CelB", ClockRate: 90000},
	26: {Name: "JPEG", ClockRate: 90000},
	28: {Name: "nv", ClockRate: 90000},
	31: {Name: "H261", ClockRate: 90000},
	32: {Name: "MPV", ClockRate: 90000},
	33: {Name: "MP2T", ClockRate: 90000},
	34: {Name: "H263", ClockRate: 90000},
}
