package sdp

import (
	"strconv"
	"strings"
)

// ParseOptions are options for parsing a description. The zero value stands for the behaviour of
// [Parse] and [ParseDescription].
type ParseOptions struct {
	// Strict refuses input that is not of the grammar of RFC 8866, section 9. LF as the end of a
	// line is still accepted, as section 5 demands.
	Strict bool
}

// Parse parses a session description. Its strings are substrings of text. The package documentation
// lists the input that it accepts beyond the grammar. The error is a *[SyntaxError].
func Parse(text string) (*Session, error) { return ParseOptions{}.Parse(text) }

// Parse is [Parse] with options.
func (o ParseOptions) Parse(text string) (*Session, error) {
	p := parser{text: text, strict: o.Strict}
	if err := p.allocate(); err != nil {
		return nil, err
	}
	s := new(Session)
	for {
		typ, value, ok, err := p.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if p.strict {
			if err := p.checkLine(s, typ, value); err != nil {
				return nil, err
			}
		}
		switch {
		case typ == 'm':
			err = p.media(s, value)
		case len(s.Media) == 0:
			err = p.sessionLine(s, typ, value)
		default:
			err = p.mediaLine(&s.Media[len(s.Media)-1], typ, value)
		}
		if err != nil {
			return nil, err
		}
	}
	if !p.any {
		return nil, p.errorf("", "empty description")
	}
	if p.strict {
		if err := p.checkRequired(s); err != nil {
			return nil, err
		}
	}
	p.closeSection(s)
	return s, nil
}

// A parser reads the lines of a description.
//
// The attributes of all sections are in one array, and so are their connections and their formats.
// Method allocate makes these arrays, so that the number of allocations does not depend on the
// number of sections and lines.
type parser struct {
	text string // the rest that is not yet read
	line int    // the number of the last line read, from 1
	any  bool   // whether a line that is not empty was read

	sections int  // the number of media sections in the text
	strict   bool // see ParseOptions
	position int  // in strict mode, that of the last line in the order of the grammar

	seen [256]bool // the line types of the current section that must not occur again

	attributes  []Attribute
	connections []Connection
	formats     []string
	// The start of the current section in the arrays above.
	firstAttribute, firstConnection int
}

// allocate checks the limits of the whole text and allocates the arrays for its lines.
func (p *parser) allocate() error {
	p.line = 1
	if len(p.text) > MaxSize {
		return p.limit("", "larger than "+strconv.Itoa(MaxSize)+" bytes")
	}
	lines, media, attributes, connections, formats := 0, 0, 0, 0, 0
	for rest := p.text; rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if lines++; lines > MaxLines {
			p.line = lines
			return p.limit("", "more than "+strconv.Itoa(MaxLines)+" lines")
		}
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		switch line[0] {
		case 'a':
			attributes++
		case 'c':
			connections++
		case 'm':
			if media++; media > MaxMedia {
				p.line = lines
				return p.limit("m=", "more than "+strconv.Itoa(MaxMedia)+" media sections")
			}
			formats += min(strings.Count(line, " ")-2, MaxFormats) // m=kind port protocol format…
		}
	}
	p.line = 0
	p.sections = media
	p.attributes = make([]Attribute, 0, attributes)
	p.connections = make([]Connection, 0, connections)
	p.formats = make([]string, 0, max(formats, 0))
	return nil
}

// next returns the type letter and the value of the next line that is not empty. ok is false at the
// end of the text.
func (p *parser) next() (typ byte, value string, ok bool, err error) {
	for p.text != "" {
		var line string
		line, p.text, _ = strings.Cut(p.text, "\n")
		p.line++
		// Text whose line ends were converted twice has more than one CR.
		line = strings.TrimRight(line, "\r")
		if isBlank(line) && !p.strict {
			continue
		}
		p.any = true
		if len(line) < 2 || line[1] != '=' {
			return 0, "", false, p.errorf("", quote(line)+" is not of the form x=value")
		}
		// RFC 8866, section 9: byte-string excludes NUL, CR and LF.
		if strings.IndexByte(line, 0) >= 0 || strings.IndexByte(line, '\r') >= 0 {
			return 0, "", false, p.errorf(line[:2], "NUL or CR within the line")
		}
		return line[0], line[2:], true, nil
	}
	return 0, "", false, nil
}

func (p *parser) errorf(field, reason string) error {
	return &SyntaxError{Line: max(p.line, 1), Field: field, Reason: reason}
}

func (p *parser) limit(field, reason string) error {
	return &SyntaxError{Line: max(p.line, 1), Field: field, Reason: reason, Err: ErrLimit}
}

// checkOnce returns an error if a line that may occur once in a section occurs again.
func (p *parser) checkOnce(typ byte) error {
	if p.seen[typ] {
		return p.errorf(string([]byte{typ, '='}), "given twice")
	}
	p.seen[typ] = true
	return nil
}

// sessionLine parses a line before the first m=.
func (p *parser) sessionLine(s *Session, typ byte, value string) (err error) {
	switch typ {
	case 'v', 'o', 's', 'i', 'u':
		if err := p.checkOnce(typ); err != nil {
			return err
		}
	}
	switch typ {
	case 'v':
		// RFC 8866, section 5.1: the version is 0, without a minor number.
		if strings.TrimSpace(value) != "0" {
			return p.errorf("v=", "version "+quote(value)+" is not 0")
		}
	case 'o':
		s.Origin = parseOrigin(value)
	case 's':
		s.Name = value
	case 'i':
		s.Information = value
	case 'u':
		s.URI = value
	case 'e':
		s.Emails = append(s.Emails, value)
	case 'p':
		s.Phones = append(s.Phones, value)
	case 'c':
		if p.seen[typ] || isBlank(value) {
			s.Others = append(s.Others, Line{typ, value})
			break
		}
		p.seen[typ] = true
		s.Connection = parseConnection(value)
	case 'b':
		s.Bandwidths, err = p.bandwidth(s.Bandwidths, value)
	case 't':
		s.Times = append(s.Times, parseTime(value))
	case 'r', 'z':
		err = p.repeat(s.Times, typ, value)
	case 'a':
		err = p.attribute(value)
	case 'k':
		// RFC 8866, section 5.12: a received k= line must be discarded.
	case 'y', 'f':
		s.Others = append(s.Others, Line{typ, value})
	default:
		err = p.unknown(typ)
	}
	return err
}

// mediaLine parses a line that follows an m= line.
func (p *parser) mediaLine(m *Media, typ byte, value string) (err error) {
	switch typ {
	case 'i':
		if err := p.checkOnce(typ); err != nil {
			return err
		}
		m.Title = value
	case 'c':
		if isBlank(value) {
			m.Others = append(m.Others, Line{typ, value})
			break
		}
		// RFC 8866, section 5.7: a media section may have several, for hierarchical encodings.
		p.connections = append(p.connections, parseConnection(value))
	case 'b':
		m.Bandwidths, err = p.bandwidth(m.Bandwidths, value)
	case 'a':
		err = p.attribute(value)
	case 'k':
		// Discarded, as in the session part.
	case 'y', 'f':
		m.Others = append(m.Others, Line{typ, value})
	case 'v', 'o', 's', 'u', 'e', 'p', 't', 'r', 'z':
		err = p.errorf(string([]byte{typ, '='}), "in a media section")
	default:
		err = p.unknown(typ)
	}
	return err
}

// unknown returns the error for an unknown type letter. RFC 8866, section 5: "an SDP parser MUST
// completely ignore any session description that contains a type letter that it does not
// understand."
func (p *parser) unknown(typ byte) error {
	return p.errorf("", "unknown type "+strconv.QuoteRune(rune(typ)))
}

// media parses an m= line, which begins a section.
func (p *parser) media(s *Session, value string) error {
	p.closeSection(s)
	p.seen = [256]bool{}
	if s.Media == nil {
		s.Media = make([]Media, 0, p.sections)
	}
	kind, rest := word(value)
	port, rest := word(rest)
	protocol, rest := word(rest)
	m := Media{Kind: kind, Protocol: protocol}
	number, count, counted := strings.Cut(port, "/")
	var ok bool
	if m.Port, ok = parsePort(number); !ok {
		return p.errorf("m=", "port "+quote(port)+" is not within 0…65535")
	}
	if counted {
		if m.PortCount, ok = parsePort(count); !ok || m.PortCount == 0 {
			return p.errorf("m=", "bad number of ports "+quote(port))
		}
	}
	first := len(p.formats)
	for {
		var format string
		if format, rest = word(rest); format == "" {
			break
		}
		if len(p.formats)-first == MaxFormats {
			return p.limit("m=", "more than "+strconv.Itoa(MaxFormats)+" formats")
		}
		p.formats = append(p.formats, format)
	}
	if protocol == "" || p.strict && len(p.formats) == first {
		return p.errorf("m=", "no format")
	}
	if len(p.formats) > first {
		m.Formats = p.formats[first:len(p.formats):len(p.formats)]
	}
	s.Media = append(s.Media, m)
	return nil
}

// closeSection sets the slices of the section that ends here. Their capacity is their length, so
// that appending to them does not overwrite those of the next section.
func (p *parser) closeSection(s *Session) {
	if n := len(p.attributes); n > p.firstAttribute {
		a := p.attributes[p.firstAttribute:n:n]
		if len(s.Media) == 0 {
			s.Attributes = a
		} else {
			s.Media[len(s.Media)-1].Attributes = a
		}
		p.firstAttribute = n
	}
	if n := len(p.connections); n > p.firstConnection {
		s.Media[len(s.Media)-1].Connections = p.connections[p.firstConnection:n:n]
		p.firstConnection = n
	}
}
