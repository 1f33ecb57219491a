package websocket

import "unicode/utf8"

// utf8State checks UTF-8 that arrives in pieces. It fails at the first byte that no valid text can
// have there, even in the middle of a character. The zero value is ready to use.
//
// RFC 3629, section 4.
type utf8State struct {
	missing int8 // the number of continuation bytes that the last character still needs
	lo, hi  byte // the range of the next one
}

// valid checks the next piece.
func (s *utf8State) valid(b []byte) bool {
	for len(b) > 0 && s.missing > 0 {
		if !s.next(b[0]) {
			return false
		}
		b = b[1:]
	}
	// The standard library checks complete characters, many bytes at a time. An incomplete
	// character is among the last three bytes.
	whole := len(b)
	for i := len(b) - 1; i >= 0 && i >= len(b)-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				whole = i
			}
			break
		}
	}
	if !utf8.Valid(b[:whole]) {
		return false
	}
	for _, c := range b[whole:] {
		if !s.next(c) {
			return false
		}
	}
	return true
}

// complete reports whether the text may end here.
func (s *utf8State) complete() bool { return s.missing == 0 }

// next checks one byte.
func (s *utf8State) next(c byte) bool {
	if s.missing > 0 {
		if c < s.lo || c > s.hi {
			return false
		}
		s.missing--
		s.lo, s.hi = 0x80, 0xbf
		return true
	}
	s.lo, s.hi = 0x80, 0xbf
	switch {
	case c < 0x80:
	case c < 0xc2:
		return false // a continuation byte, or an ASCII character in two bytes
	case c < 0xe0:
		s.missing = 1
	case c < 0xf0:
		s.missing = 2
		switch c {
		case 0xe0:
			s.lo = 0xa0 // smaller values fit in two bytes
		case 0xed:
			s.hi = 0x9f // the surrogates follow
		}
	case c < 0xf5:
		s.missing = 3
		switch c {
		case 0xf0:
			s.lo = 0x90 // smaller values fit in three bytes
		case 0xf4:
			s.hi = 0x8f // U+10FFFF is the last
		}
	default:
		return false
	}
	return true
}
