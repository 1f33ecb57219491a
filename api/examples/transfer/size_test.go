package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "500k": 500_000, "500KB": 500_000, "1.5M": 1_500_000, "2g": 2_000_000_000, "10b": 10,
		"64KiB": 64 << 10, "64mib": 64 << 20, "1GiB": 1 << 30, " 1 Gi ": 1 << 30, "0.5ki": 512, "1TiB": 1 << 40,
	} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "k", "GiB", "-1", "one", "1X", "1GiBk", "1e30", "10000000T", "inf", "NaN", "1 2"} {
		_, err := parseSize(text)
		require.Error(t, err, text)
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 9994: "9.99 kB", 9995: "10.0 kB", 65536: "65.5 kB", 99_949: "99.9 kB",
		99_950: "100 kB", 999_499: "999 kB", 999_500: "1.00 MB", 10_251_955: "10.3 MB", 1 << 30: "1.07 GB",
		math.MaxInt64: "9.22 EB",
	} {
		require.Equal(t, want, formatSize(n), n)
	}
}
