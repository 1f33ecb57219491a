package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the units of a size on the command line; the longest matching one is used.
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

// parseSize reads a number of bytes: digits, perhaps with a fraction, and a unit in letters of
// either case. k, M, G and T, with or without a B, are powers of 1000, Ki, Mi, Gi and Ti powers of
// 1024.
func parseSize(s string) (int64, error) {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, unit := range sizeUnits {
		number, found := strings.CutSuffix(lower, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		n *= unit.factor
		if err != nil || n < 0 || n >= math.MaxInt64 || math.IsNaN(n) {
			break
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%q is not a size like 1GiB, 64MiB or 500k", s)
}

// formatSize returns a number of bytes with three digits and a decimal unit: 1.07 GB.
func formatSize(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, units := float64(n), " kMGTPE"
	// Use the next unit if %.3g would round to 1000 and print an exponent.
	for ; value >= 999.5; value /= 1000 {
		units = units[1:]
	}
	digits := 0
	switch {
	case value < 9.995:
		digits = 2
	case value < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%.*f %cB", digits, value, units[0])
}
