package sdp

import (
	"strconv"
	"strings"
)

// String returns the text of the description, see [Session.Append].
func (s *Session) String() string { return string(s.Append(nil)) }

// Append appends the text of the description to dst: the lines in the order of RFC 8866, section 9,
// each ended by CRLF, with the required lines that the session lacks. Values are written unchanged;
// the caller must not set values that contain the end of a line. Append does not allocate if the
// capacity of dst is enough.
func (s *Session) Append(dst []byte) []byte {
	dst = append(dst, "v=0\r\n"...)
	dst = s.Origin.append(dst)
	dst = appendLine(dst, "s=", orDefault(s.Name, "-"))
	dst = appendHead(dst, s.Information, s.URI, s.Emails, s.Phones, s.Connection, s.Bandwidths)
	dst = appendTimes(dst, s.Times)
	dst = s.Attributes.append(dst)
	dst = appendOthers(dst, s.Others)
	for i := range s.Media {
		dst = s.Media[i].append(dst)
	}
	return dst
}

func (m *Media) append(dst []byte) []byte {
	dst = appendMediaLine(dst, m.Kind, m.Port, m.PortCount, m.Protocol, m.Formats)
	dst = appendOptional(dst, "i=", m.Title)
	for _, c := range m.Connections {
		dst = c.append(dst)
	}
	for _, b := range m.Bandwidths {
		dst = b.append(dst)
	}
	dst = m.Attributes.append(dst)
	return appendOthers(dst, m.Others)
}

func appendMediaLine(dst []byte, kind string, port, count uint16, protocol string, formats []string) []byte {
	dst = append(dst, "m="...)
	dst = append(dst, kind...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(port), 10)
	if count > 0 {
		dst = append(dst, '/')
		dst = strconv.AppendUint(dst, uint64(count), 10)
	}
	dst = append(dst, ' ')
	dst = append(dst, protocol...)
	for _, f := range formats {
		dst = append(dst, ' ')
		dst = append(dst, f...)
	}
	return append(dst, '\r', '\n')
}

// appendHead appends the lines between s= and t=.
func appendHead(dst []byte, information, uri string, emails, phones []string, c Connection, bandwidths []Bandwidth) []byte {
	dst = appendOptional(dst, "i=", information)
	dst = appendOptional(dst, "u=", uri)
	for _, e := range emails {
		dst = appendLine(dst, "e=", e)
	}
	for _, p := range phones {
		dst = appendLine(dst, "p=", p)
	}
	if c != (Connection{}) {
		dst = c.append(dst)
	}
	for _, b := range bandwidths {
		dst = b.append(dst)
	}
	return dst
}

func appendTimes(dst []byte, times []Time) []byte {
	if len(times) == 0 {
		return append(dst, "t=0 0\r\n"...)
	}
	for i := range times {
		t := &times[i]
		dst = append(dst, "t="...)
		if t.Raw != "" {
			dst = append(dst, t.Raw...)
		} else {
			dst = strconv.AppendUint(dst, t.Start, 10)
			dst = append(dst, ' ')
			dst = strconv.AppendUint(dst, t.Stop, 10)
		}
		dst = append(dst, '\r', '\n')
		for _, r := range t.Repeats {
			dst = appendLine(dst, "r=", r)
		}
		dst = appendOptional(dst, "z=", t.Zones)
	}
	return dst
}

func (o Origin) append(dst []byte) []byte {
	if o.Raw != "" {
		return appendLine(dst, "o=", o.Raw)
	}
	dst = append(dst, "o="...)
	dst = append(dst, orDefault(o.Username, "-")...)
	dst = append(dst, ' ')
	dst = append(dst, orDefault(o.SessionID, "0")...)
	dst = append(dst, ' ')
	dst = append(dst, orDefault(o.SessionVersion, "0")...)
	dst = append(dst, ' ')
	return appendAddress(dst, o.NetworkType, o.AddressType, orDefault(o.Address, "0.0.0.0"))
}

func (c Connection) append(dst []byte) []byte {
	if c.Raw != "" {
		return appendLine(dst, "c=", c.Raw)
	}
	dst = append(dst, "c="...)
	return appendAddress(dst, c.NetworkType, c.AddressType, orDefault(c.Address, "0.0.0.0"))
}

// appendAddress appends the three words that end the o= and c= lines.
func appendAddress(dst []byte, network, kind, address string) []byte {
	dst = append(dst, orDefault(network, "IN")...)
	dst = append(dst, ' ')
	dst = append(dst, orDefault(kind, addressType(address))...)
	dst = append(dst, ' ')
	dst = append(dst, address...)
	return append(dst, '\r', '\n')
}

// addressType returns the address type of an address or host name. A single colon precedes a port,
// which some peers write behind the address.
func addressType(address string) string {
	if strings.Count(address, ":") > 1 {
		return "IP6"
	}
	return "IP4"
}

func (b Bandwidth) append(dst []byte) []byte {
	dst = append(dst, "b="...)
	dst = append(dst, b.Type...)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, b.Value, 10)
	return append(dst, '\r', '\n')
}

func (a Attributes) append(dst []byte) []byte {
	for i := range a {
		dst = append(dst, "a="...)
		dst = append(dst, a[i].Key...)
		if a[i].Value != "" || a[i].EmptyValue {
			dst = append(dst, ':')
			dst = append(dst, a[i].Value...)
		}
		dst = append(dst, '\r', '\n')
	}
	return dst
}

func appendOthers(dst []byte, lines []Line) []byte {
	for _, l := range lines {
		dst = append(dst, l.Type, '=')
		dst = append(dst, l.Value...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// appendLine appends a line. Its prefix is the type letter and '=', for an attribute followed by
// its name and ':'.
func appendLine(dst []byte, prefix, value string) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// appendOptional is appendLine if the value is not empty.
func appendOptional(dst []byte, prefix, value string) []byte {
	if value == "" {
		return dst
	}
	return appendLine(dst, prefix, value)
}

func appendNumber(dst []byte, prefix string, value uint64) []byte {
	dst = append(dst, prefix...)
	dst = strconv.AppendUint(dst, value, 10)
	return append(dst, '\r', '\n')
}

// orDefault returns s, or def if s is empty.
func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
