package stun

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrOpaqueString: the OpaqueString profile does not allow the string.
var ErrOpaqueString = errors.New("stun: not an OpaqueString")

// OpaqueString prepares a user name, realm or password with the OpaqueString profile (RFC 8265,
// section 4.2), as RFC 8489 requires before they are sent or hashed. Spaces other than U+0020
// become U+0020. The error matches ErrOpaqueString for an empty string, invalid UTF-8, and control,
// unassigned and ignorable characters.
//
// The last step of the profile, normalization form C, is left to the caller: its tables are larger
// than the rest of this package, and it changes neither ASCII nor the output of most keyboards.
// OpaqueString refuses the zero-width joiners, which the profile allows in the context of some
// scripts.
func OpaqueString(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("%w: empty", ErrOpaqueString)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%w: invalid UTF-8", ErrOpaqueString)
	}
	for i, r := range s {
		// Graphic characters are letters, marks, numbers, punctuation, symbols and spaces.
		// Variation selectors are marks, but ignorable.
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
