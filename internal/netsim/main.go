package netsim

import (
	"flag"
	"runtime/debug"
	"testing"
)

// simulationGC is the GOGC value for simulations, which allocate much and keep little.
const simulationGC = 400

// Main runs the tests of a package that mostly consist of simulations; TestMain calls it. It makes
// garbage collections rarer, which saves about a quarter of the processor time, except for
// benchmarks.
func Main(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(simulationGC)
	}
	m.Run() // its result is the exit status
}
