package deflate

// The lengths of the fixed codes.
//
// RFC 1951, section 3.2.6.
var (
	fixedLitLenLengths   = makeFixedLitLenLengths()
	fixedDistanceLengths = makeFixedDistanceLengths()
)

func makeFixedLitLenLengths() (lengths [288]uint8) {
	for symbol := range lengths {
		switch {
		case symbol < 144:
			lengths[symbol] = 8
		case symbol < 256:
			lengths[symbol] = 9
		case symbol < 280:
			lengths[symbol] = 7
		default:
			lengths[symbol] = 8
		}
	}
	return lengths
}

func makeFixedDistanceLengths() (lengths [32]uint8) {
	for symbol := range lengths {
		lengths[symbol] = 5
	}
	return lengths
}

// codeLengthOrder is the order in which the lengths of the code length code are sent.
//
// RFC 1951, section 3.2.7.
var codeLengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
