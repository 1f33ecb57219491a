package netsim

import (
	"hash/fnv"
	"os"
	"strconv"
	"testing"
)

// Environment variables that [Seeds] reads.
const (
	seedVariable  = "RTC_SEED"  // the one seed to run with, as printed
	countVariable = "RTC_SEEDS" // how many seeds to try instead of the number in the test
)

// Seeds calls f with n seeds, one after the other on the goroutine of the test. It stops at the
// first seed that fails the test and logs it, with the command that replays it. The seeds follow
// from the name of the test. With RTC_SEED=0x… in the environment, f runs with that seed only;
// RTC_SEEDS=100000 replaces n.
func Seeds(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	if v := os.Getenv(seedVariable); v != "" {
		seed, err := strconv.ParseUint(v, 0, 64)
		if err != nil {
			t.Fatalf("netsim: %s=%q is not a seed", seedVariable, v)
		}
		f(t, seed)
		return
	}
	if v := os.Getenv(countVariable); v != "" {
		count, err := strconv.Atoi(v)
		if err != nil || count < 1 {
			t.Fatalf("netsim: %s=%q is not a number of seeds", countVariable, v)
		}
		n = count
	}
	for i := range n {
		if !runSeed(t, seedOf(t.Name(), i), f) {
			return
		}
	}
}

// runSeed runs f with one seed and reports whether the test has not failed. A failed require ends
// the goroutine, so that only the deferred function sees it.
func runSeed(t *testing.T, seed uint64, f func(t *testing.T, seed uint64)) bool {
	returned := false
	defer func() {
		if !returned || t.Failed() {
			t.Logf("netsim: failed with seed 0x%x; replay with %s=0x%x go test -run '^%s$'", seed, seedVariable, seed, t.Name())
		}
	}()
	f(t, seed)
	returned = true
	return !t.Failed()
}

func seedOf(name string, i int) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	// splitmix64 spreads consecutive numbers over all the bits.
	z := h.Sum64() + uint64(i)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
