// Package serial implements serial number arithmetic (RFC 1982) for 32 bits, as TSNs use it.
package serial

// Less32 reports whether a comes before b. RFC 1982 does not define the order of two numbers that
// are half of the number space apart; here each then comes before the other, so that callers must
// bound the distance.
func Less32(a, b uint32) bool { return int32(a-b) < 0 }

// LessEqual32 reports whether a comes before b or is b.
func LessEqual32(a, b uint32) bool { return int32(a-b) <= 0 }

// Max32 returns the later of a and b.
func Max32(a, b uint32) uint32 {
	if Less32(a, b) {
		return b
	}
	return a
}
