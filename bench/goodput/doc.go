// Package goodput contains only measurements, as tests: the share of a link's rate that SCTP
// delivers over delay and loss, the shares of flows on a common link, and the CPU time for a
// gigabyte. They measure the association of this repository and, in the same run, that of
// github.com/pion/sctp.
//
// Goodput and fairness are measured on a simulated network in virtual time, so that a minute at 1
// Gbit/s takes seconds, and other load of the machine has no effect. The tables take a quarter of
// an hour:
//
//	go test -timeout 60m -v -run 'TestTable|TestFairness' ./goodput -full
//
// CPU costs are measured over a pipe in memory in real time, in alternating rounds, and need an
// idle machine:
//
//	go test -v -run TestCPU ./goodput -full
//
// Without -full the same tests run for a few seconds with one seed, and fail if the default
// settings miss their goals.
//
// The association of pion/sctp uses goroutines and reads the clock. It runs in a bubble of
// testing/synctest, whose clock follows that of the simulation, and its packets cross the same
// links. Two things are not exactly repeatable: its initial TSN is from a generator that cannot be
// seeded, and the Go scheduler chooses among goroutines that can run at the same time. Packets that
// one of its timers sends enter the link up to [bubbleTick] late; answers to a packet enter it at
// once.
package goodput
