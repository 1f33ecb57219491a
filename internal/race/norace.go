//go:build !race

// Package race has a constant that is true if the race detector is compiled in. Tests that count
// allocations skip the count then, because [sync.Pool] drops objects at random under the detector.
package race

// Enabled is true if the race detector is compiled in.
const Enabled = false
