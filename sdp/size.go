package sdp

// lineOverhead is an upper bound for the bytes of a line besides its variable strings: the type
// letter, the name of an attribute, numbers and the end of the line.
const lineOverhead = 96

// A sizeBound is an upper bound of the size of a written description.
type sizeBound struct {
	bytes, lines int
	attributes   int // most in one section
}

func (s *sizeBound) line(words ...string) {
	s.lines++
	s.bytes += lineOverhead
	for _, w := range words {
		s.bytes += len(w) + 1
	}
}

// session adds the session part.
func (s *sizeBound) session(d *Description) {
	s.line(d.Username, d.Address, d.OriginText)
	s.line() // v=
	for _, line := range [...]string{d.Name, d.Information, d.URI} {
		s.line(line)
	}
	s.line(d.Emails...)
	s.line(d.Phones...)
	s.lines += len(d.Emails) + len(d.Phones)
	s.bytes += lineOverhead * (len(d.Emails) + len(d.Phones))
	s.line() // t=
	for _, t := range d.Times {
		s.line(t.Raw)
		s.line(t.Zones)
		for _, r := range t.Repeats {
			s.line(r)
		}
	}
	s.connection(d.Connection)
	s.bandwidths(d.Bandwidths)
	before := s.lines
	for i := range d.Groups {
		s.line(d.Groups[i].Mids...)
		s.bytes += len(d.Groups[i].Semantics)
	}
	s.transport(&d.Transport)
	s.attributeLines(d.Attributes, before)
	s.others(d.Others)
}

// media adds a media section.
func (s *sizeBound) media(m *MediaDescription) {
	s.line(m.Formats...)
	s.line(m.Kind, m.Protocol, m.Title)
	s.connection(Connection{})
	for _, c := range m.Connections {
		s.connection(c)
	}
	s.bandwidths(m.Bandwidths)
	before := s.lines
	for _, c := range m.Candidates {
		s.line(c)
	}
	s.line(m.Mid)
	s.transport(&m.Transport)
	s.attributeLines(m.Attributes, before)
	s.others(m.Others)
}

func (s *sizeBound) connection(c Connection) { s.line(c.NetworkType, c.AddressType, c.Address, c.Raw) }

func (s *sizeBound) bandwidths(list []Bandwidth) {
	for _, b := range list {
		s.line(b.Type)
	}
}

func (s *sizeBound) transport(t *Transport) {
	s.line(t.ICEUfrag, t.ICEPwd, t.TLSID)
	s.line(t.ICEOptions...)
	for _, f := range t.Fingerprints {
		s.line(f.Algorithm)
		s.bytes += 3 * len(f.Value)
	}
}

// singleAttributes is an upper bound for the number of fields that are written as one attribute
// line each.
const singleAttributes = 16

// attributeLines adds the attributes of a section without fields. Those with fields began at line
// number before.
func (s *sizeBound) attributeLines(list Attributes, before int) {
	for i := range list {
		s.line(list[i].Key, list[i].Value)
	}
	s.lines += singleAttributes
	s.bytes += singleAttributes * lineOverhead
	s.attributes = max(s.attributes, s.lines-before)
}

func (s *sizeBound) others(list []Line) {
	for _, l := range list {
		s.line(l.Value)
	}
}
