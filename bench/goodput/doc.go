// Package goodput holds no code, only measurements: how much of a link's rate SCTP delivers over distance and loss, how flows share a link,
// and what a gigabyte costs in CPU time, for the association of this repository and, in the same run, for that of
// github.com/pion/sctp.
//
// The tables of goodput and of fairness come from a simulated network in virtual time, so that a minute at 1 Gbit/s takes
// seconds and the machine's load changes nothing. They take a quarter of an hour:
//
//	go test -timeout 60m -v -run 'TestTable|TestFairness' ./goodput -full
//
// The table of CPU costs comes from a pipe in memory in real time, in alternating rounds; it wants an idle machine:
//
//	go test -v -run TestCPU ./goodput -full
//
// Without -full the same tests run for a few seconds with one seed, and fail where the default settings miss their goals.
//
// The other library uses goroutines and reads the clock. It runs in a bubble of testing/synctest, whose clock moves with that of the
// simulation, and its packets cross the same links. Two things are not exactly repeatable there: it takes its
// initial TSN from a generator that cannot be seeded, and when several of its goroutines can run at one instant, the Go scheduler chooses. What a
// timer of it sends enters the link up to [bubbleTick] late; what it sends in answer to a packet enters at once.
package goodput
