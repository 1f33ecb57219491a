// Package cputime tells how much CPU time the process has used. Tests bound work by it that would otherwise bound time,
// which depends on what else the machine has to do.
//
//	before, _ := cputime.Process()
//	work()
//	after, ok := cputime.Process() // ok: this system tells it
//	used := after - before         // by all goroutines, the garbage collector's included
package cputime
