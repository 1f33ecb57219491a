package stun

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrOpaqueString: a string that the OpaqueString profile does not allow.
var ErrOpaqueString = errors.New("stun: not an OpaqueString")

// OpaqueString prepares a user name, realm or password with the OpaqueString profile, as RFC 8489
// wants before they are sent or hashed (RFC 8265, section 4.2): spaces other than U+0020 become
// U+0020; an empty string, invalid UTF-8, controls, unassigned and ignorable characters are refused
// with ErrOpaqueString.
//
// The last step of the profile, normalization form C, is left to the caller: its tables are larger
// than the rest of this package, and for ASCII, and for what keyboards produce nearly everywhere,
// it changes nothing. Nor does it know the contextual rules by which the zero-width joiners are
// allowed in some scripts: it refuses them.
func OpaqueString(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("%w: empty", ErrOpaqueString)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%w: invalid UTF-8", ErrOpaqueString)
	}
	for i, r := range s {
		// Graphic are letters, marks, numbers, punctuation, symbols and spaces; marks that select a
		// variant are ignorable.
		if !unicode.IsGraphic(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return "", fmt.Errorf("%w: %U at byte %d", ErrOpaqueString, r, i)
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s), nil
}
