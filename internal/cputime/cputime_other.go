//go:build !unix

package cputime

import "time"

// Process returns false, because the CPU time is unknown on this system.
func Process() (used time.Duration, ok bool) { return 0, false }
