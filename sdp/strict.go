package sdp

import "strings"

// The methods of this file are the checks of ParseOptions.Strict, made before a line is parsed.

// The order of lines in the session part and in a media section (RFC 8866, section 9). The r= and
// z= lines belong to the t= line before them.
const (
	sessionOrder = "vosiuepcbtka"
	mediaOrder   = "micbka"
)

// checkLine checks a line of type typ, which follows the lines in s.
func (p *parser) checkLine(s *Session, typ byte, value string) error {
	if typ == 'm' && len(s.Media) == 0 {
		if err := p.checkRequired(s); err != nil {
			return err
		}
	}
	field := string([]byte{typ, '='})
	if err := p.checkOrder(s, typ, field); err != nil {
		return err
	}
	switch typ {
	case 'o', 'c', 't', 'm':
		if strings.HasPrefix(value, " ") || strings.HasSuffix(value, " ") || strings.Contains(value, "  ") {
			return p.errorf(field, "more than one space between words, or a space at an end")
		}
	}
	switch typ {
	case 'v':
		if value != "0" {
			return p.errorf(field, "version "+quote(value)+" is not 0")
		}
	case 'o':
		o := parseOrigin(value)
		switch {
		case strings.Count(value, " ") != 5:
			return p.errorf(field, quote(value)+" does not have six fields")
		case !digits(o.SessionID):
			return p.errorf(field, "session id "+quote(o.SessionID)+" is not a number")
		case !digits(o.SessionVersion):
			return p.errorf(field, "session version "+quote(o.SessionVersion)+" is not a number")
		}
	case 'c':
		if strings.Count(value, " ") != 2 {
			return p.errorf(field, quote(value)+" is not of the form IN IP4 address")
		}
	case 't':
		if parseTime(value).Raw != "" || value == "" {
			return p.errorf(field, quote(value)+" is not two numbers")
		}
	case 'a':
		key, rest, colon := strings.Cut(value, ":")
		if !isToken(key) || colon && rest == "" {
			return p.errorf(field, quote(value)+" is neither a name nor a name with a value")
		}
	case 'm':
		if kind, rest := word(value); !isToken(kind) || rest == "" {
			return p.errorf(field, quote(kind)+" is not a media type")
		}
	default:
		if value == "" {
			return p.errorf(field, "no value")
		}
	}
	return nil
}

// checkOrder checks the position of a line, and that k= and c= occur once.
func (p *parser) checkOrder(s *Session, typ byte, field string) error {
	if typ == 'm' {
		p.position = 0
		return nil
	}
	order, letter := sessionOrder, typ
	if len(s.Media) > 0 {
		order = mediaOrder
	} else if typ == 'r' || typ == 'z' {
		letter = 't'
	}
	position := strings.IndexByte(order, letter)
	if position < 0 {
		return p.unknown(typ)
	}
	if position < p.position {
		return p.errorf(field, "not in its place")
	}
	p.position = position
	if typ == 'k' || typ == 'c' && len(s.Media) == 0 {
		// sessionLine marks c= as seen.
		if p.seen[typ] {
			return p.errorf(field, "given twice")
		}
		p.seen['k'] = p.seen['k'] || typ == 'k'
	}
	return nil
}

// checkRequired checks at the end of the session part that it has all required lines.
func (p *parser) checkRequired(s *Session) error {
	if len(s.Media) > 0 {
		return nil
	}
	for _, typ := range []byte("vos") {
		if !p.seen[typ] {
			return p.errorf(string([]byte{typ, '='}), "missing")
		}
	}
	if len(s.Times) == 0 {
		return p.errorf("t=", "missing")
	}
	return nil
}
