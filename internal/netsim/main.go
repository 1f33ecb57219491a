package netsim

import (
	"flag"
	"runtime/debug"
	"testing"
)

// simulationGC is the GOGC of simulations, which make garbage all the time and keep little.
const simulationGC = 400

// Main is what TestMain calls in a package whose tests are mostly simulations: they take about a
// quarter less processor time. Benchmarks are run as programs are.
func Main(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(simulationGC)
	}
	m.Run() // its result is the exit status
}
