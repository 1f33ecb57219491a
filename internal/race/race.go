//go:build race

// Package race tells whether the race detector is compiled in. Tests that
// count allocations ask it: under the detector [sync.Pool] drops buffers at
// random, so a count would say nothing.
package race

// Enabled reports whether the race detector is on.
const Enabled = true
