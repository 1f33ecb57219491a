// Package cputime measures the CPU time of the process. Tests bound it instead of the elapsed time,
// which depends on other load of the machine.
//
//	before, _ := cputime.Process()
//	work()
//	after, ok := cputime.Process() // ok is false on systems that do not measure it
//	used := after - before         // by all goroutines, including the garbage collector's
package cputime
