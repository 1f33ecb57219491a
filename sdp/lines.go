package sdp

import (
	"math"
	"strconv"
	"strings"
)

// The values of the single line types. Each method reads one value and returns a *SyntaxError that names the line.

func (p *parser) origin(value string) (Origin, error) {
	var o Origin
	rest := value
	for _, part := range []*string{&o.Username, &o.SessionID, &o.SessionVersion, &o.NetworkType, &o.AddressType, &o.Address} {
		if *part, rest = word(rest); *part == "" {
			return Origin{}, p.errorf("o=", "fewer than six fields")
		}
	}
	if extra, _ := word(rest); extra != "" {
		return Origin{}, p.errorf("o=", "more than six fields")
	}
	if !digits(o.SessionID) {
		return Origin{}, p.errorf("o=", "session id "+clip(o.SessionID)+" is not a number")
	}
	if !digits(o.SessionVersion) {
		return Origin{}, p.errorf("o=", "session version "+clip(o.SessionVersion)+" is not a number")
	}
	return o, nil
}

func (p *parser) connection(value string) (Connection, error) {
	var c Connection
	var rest, extra string
	c.NetworkType, rest = word(value)
	c.AddressType, rest = word(rest)
	c.Address, rest = word(rest)
	extra, _ = word(rest)
	if c.Address == "" || extra != "" {
		return Connection{}, p.errorf("c=", clip(value)+" is not of the form IN IP4 address")
	}
	return c, nil
}

func (p *parser) bandwidth(list []Bandwidth, value string) ([]Bandwidth, error) {
	kind, number, ok := strings.Cut(value, ":")
	number = strings.TrimSpace(number)
	if !ok || kind == "" || !digits(number) {
		return list, p.errorf("b=", clip(value)+" is not of the form type:number")
	}
	return append(list, Bandwidth{Type: kind, Value: saturate(number)}), nil
}

func (p *parser) time(list []Time, value string) ([]Time, error) {
	start, rest := word(value)
	stop, rest := word(rest)
	extra, _ := word(rest)
	if !digits(start) || !digits(stop) || extra != "" {
		return list, p.errorf("t=", clip(value)+" is not two numbers")
	}
	return append(list, Time{Start: saturate(start), Stop: saturate(stop)}), nil
}

// repeat reads r= and z=, which belong to the t= line before them.
func (p *parser) repeat(times []Time, typ byte, value string) error {
	field := string([]byte{typ, '='})
	if len(times) == 0 {
		return p.errorf(field, "no t= line before it")
	}
	t := &times[len(times)-1]
	if typ == 'r' {
		t.Repeats = append(t.Repeats, value)
		return nil
	}
	if t.Zones != "" {
		return p.errorf(field, "given twice")
	}
	t.Zones = value
	return nil
}

func (p *parser) attribute(value string) error {
	if len(p.attributes)-p.firstAttribute == MaxAttributes {
		return p.limit("a=", "more than "+strconv.Itoa(MaxAttributes)+" attributes in one section")
	}
	key, value, colon := strings.Cut(value, ":")
	if key == "" {
		return p.errorf("a=", "no name")
	}
	p.attributes = append(p.attributes, Attribute{Key: key, Value: value, EmptyValue: colon && value == ""})
	return nil
}

// word returns the first word of s and what follows it. Words are separated by spaces; the grammar allows one, a reader takes more.
func word(s string) (first, rest string) {
	s = strings.TrimLeft(s, " ")
	first, rest, _ = strings.Cut(s, " ")
	return first, rest
}

// digits reports whether s is one or more decimal digits.
func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// saturate returns the value of decimal digits, or the largest number where it is beyond that: the grammar does not
// limit numbers, and for every one of them here "very many" is meaning enough.
func saturate(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

// parsePort reads a number of 16 bits, digits only.
func parsePort(s string) (uint16, bool) {
	if !digits(s) {
		return 0, false
	}
	n := saturate(s)
	return uint16(n), n <= math.MaxUint16
}
