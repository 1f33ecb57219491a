package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// byteSize is a number of bytes on the command line: digits, perhaps with a fraction, and a unit. k, M, G and T (with or
// without a B) are powers of 1000, Ki, Mi, Gi and Ti powers of 1024; letters of either case. It is a flag.Value.
//
// The value is one more than the size where the flag has been given, so that a size of 0 can be told from none.
type byteSize int64

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"ki", 1 << 10}, {"mi", 1 << 20}, {"gi", 1 << 30}, {"ti", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12},
	{"b", 1}, {"", 1},
}

func parseSize(s string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, unit := range sizeUnits {
		number, found := strings.CutSuffix(lower, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= unit.factor; err != nil || !(n >= 0 && n < math.MaxInt64) {
			break
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is not a size such as 1GiB, 64MiB or 500k", s)
}
