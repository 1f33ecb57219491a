package sdp

import (
	"math"
	"strconv"
	"strings"
)

// The functions of this file parse the values of the line types. The methods return a *SyntaxError.

func parseOrigin(value string) Origin {
	var o Origin
	rest := value
	for _, part := range []*string{&o.Username, &o.SessionID, &o.SessionVersion, &o.NetworkType, &o.AddressType, &o.Address} {
		*part, rest = word(rest)
	}
	if o.Address != "" && isBlank(rest) {
		return o
	}
	return parseOtherOrigin(value)
}

// parseOtherOrigin parses an o= line that does not have six fields: the address may be missing, and
// the user name may contain spaces.
func parseOtherOrigin(value string) Origin {
	if isBlank(value) {
		return Origin{}
	}
	o := Origin{Raw: value}
	rest, last := lastWord(value)
	if !isAddressType(last) {
		o.Address = last
		rest, last = lastWord(rest)
	}
	if !isAddressType(last) {
		return Origin{Raw: value}
	}
	o.AddressType = last
	rest, o.NetworkType = lastWord(rest)
	rest, o.SessionVersion = lastWord(rest)
	rest, o.SessionID = lastWord(rest)
	o.Username = strings.Trim(rest, " ")
	return o
}

func parseConnection(value string) Connection {
	var c Connection
	var rest string
	c.NetworkType, rest = word(value)
	c.AddressType, rest = word(rest)
	c.Address, rest = word(rest)
	if c.Address != "" && isBlank(rest) {
		return c
	}
	// The network type, the address type or the address is missing, or there are more words.
	c = Connection{Raw: value}
	c.NetworkType, rest = word(value)
	if rest, c.Address = lastWord(rest); isAddressType(c.Address) {
		c.AddressType, c.Address = c.Address, ""
	} else if _, last := lastWord(rest); isAddressType(last) {
		c.AddressType = last
	}
	return c
}

func (p *parser) bandwidth(list []Bandwidth, value string) ([]Bandwidth, error) {
	kind, number, ok := strings.Cut(value, ":")
	number = strings.TrimSpace(number)
	if !ok || kind == "" || !digits(number) {
		return list, p.errorf("b=", quote(value)+" is not of the form type:number")
	}
	return append(list, Bandwidth{Type: kind, Value: saturate(number)}), nil
}

func parseTime(value string) Time {
	start, rest := word(value)
	stop, rest := word(rest)
	if digits(start) && digits(stop) && isBlank(rest) {
		return Time{Start: saturate(start), Stop: saturate(stop)}
	}
	if isBlank(value) {
		return Time{}
	}
	return Time{Raw: value}
}

// repeat parses r= and z=, which belong to the t= line before them.
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
	if key == "" && (colon || p.strict) {
		return p.errorf("a=", "no name")
	}
	p.attributes = append(p.attributes, Attribute{Key: key, Value: value, EmptyValue: colon && value == ""})
	return nil
}

// word returns the first word of s and the rest behind it. Words are separated by one or more
// spaces, though the grammar allows only one.
func word(s string) (first, rest string) {
	s = strings.TrimLeft(s, " ")
	first, rest, _ = strings.Cut(s, " ")
	return first, rest
}

// lastWord returns the last word of s and the rest before it.
func lastWord(s string) (rest, last string) {
	s = strings.TrimRight(s, " ")
	i := strings.LastIndexByte(s, ' ') + 1
	return s[:i], s[i:]
}

// isBlank reports whether s has no words.
func isBlank(s string) bool { return strings.TrimLeft(s, " ") == "" }

// isAddressType reports whether s is one of the address types of RFC 8866, section 9.
func isAddressType(s string) bool { return s == "IP4" || s == "IP6" }

// digits reports whether s is one or more decimal digits.
func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// saturate returns the value of decimal digits, or math.MaxUint64 for a larger value. The grammar
// does not limit numbers.
func saturate(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

// parsePort parses a number of 16 bits, digits only.
func parsePort(s string) (uint16, bool) {
	if !digits(s) {
		return 0, false
	}
	n := saturate(s)
	return uint16(n), n <= math.MaxUint16
}
