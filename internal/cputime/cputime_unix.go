//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// Process returns the CPU time of all threads so far, in user and kernel mode; ok is false if it is
// unknown.
func Process() (used time.Duration, ok bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
