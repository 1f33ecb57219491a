// Package icechars checks the characters of the ICE tokens in session descriptions: user name
// fragments, passwords, foundations and options (RFC 8839).
package icechars

import "strings"

// Lengths of the tokens in characters.
const (
	MinUfrag      = 4   // RFC 8839, section 5.4
	MaxUfrag      = 256 // RFC 8839, section 5.4
	MinPwd        = 22  // RFC 8839, section 5.4
	MaxPwd        = 256 // RFC 8839, section 5.4
	MaxFoundation = 32  // RFC 8839, section 5.1
)

// Valid reports whether s has min to max characters, all of them ice-char: letters, digits, '+' or
// '/' (RFC 8839, section 5.1). It is the check for tokens to be sent.
func Valid(s string, min, max int) bool { return within(s, min, max, "+/") }

// Accepted is like Valid, for tokens that a peer has sent. Servers that encode in another base64
// alphabet also send '=', '_' and '-', and others send '#'. Browsers accept these.
func Accepted(s string, min, max int) bool { return within(s, min, max, "+/=_-#") }

const (
	// A generated ufrag has 48 random bits and a generated password 144. RFC 8445, section 5.3,
	// requires 24 and 128. The longer ufrag also distinguishes agents.
	generatedUfrag = 8
	generatedPwd   = 24

	// RandomSize is the number of random bytes that Credentials uses.
	RandomSize = generatedUfrag + generatedPwd
)

// alphabet is the 64 values of ice-char.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// Credentials returns a ufrag of 8 and a password of 24 characters, each made of 6 bits of a random
// byte. The bytes must come from a cryptographic source.
func Credentials(random [RandomSize]byte) (ufrag, pwd string) {
	for i := range random {
		random[i] = alphabet[random[i]&63]
	}
	return string(random[:generatedUfrag]), string(random[generatedUfrag:])
}

// within reports whether s has min to max letters, digits and characters of others.
func within(s string, min, max int, others string) bool {
	if len(s) < min || len(s) > max {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetterOrDigit(c) && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// Visible reports whether s has only visible ASCII characters and bytes above 0x7F, so that it can
// stand between spaces in a line (RFC 8866, section 9: non-ws-string), or is empty.
func Visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
