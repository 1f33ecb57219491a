// Command bench measures this library beside others: throughput, latency, connection setup, memory,
// and throughput over a path with delay and loss. It prints a table, whose columns README.md
// explains.
//
//	go run .                        everything, in about twenty minutes
//	go run . -quick                 everything, briefly, in less than two
//	go run . -only W1,W2 -json FILE -html FILE
//	go run . -quick -only W1 -guard 2.5
//
// Each measurement runs in a process of its own, and the contestants take turns, so that other load
// of the machine affects all of them. Further libraries take part by implementing contestant.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

func main() {
	if runAsChild(os.Args) {
		return
	}
	if err := runMain(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func runMain() error {
	var (
		quick    = flag.Bool("quick", false, "measure briefly, in less than two minutes")
		only     = flag.String("only", "", "the workloads to measure, as W1,W2; all when empty")
		with     = flag.String("with", "", "the contestants beside ours, as pion,pion-tuned; all when empty")
		rounds   = flag.Int("rounds", 0, "the number of measurements of each contestant; 0: that of each workload")
		jsonFile = flag.String("json", "", "write the results as JSON to this file")
		htmlFile = flag.String("html", "", "write the results as charts to this file")
		guard    = flag.Float64("guard", 0,
			"fail if our throughput in W1, at 16 KiB and more, is below this multiple of the best pion's")
		profiles = flag.String("cpuprofile", "", "write CPU profiles of ours into this directory")
	)
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	p := plan{quick: *quick, rounds: *rounds, profiles: *profiles}
	var err error
	if p.workloads, err = chooseWorkloads(*only); err != nil {
		return err
	}
	if p.contestants, err = chooseContestants(*with); err != nil {
		return err
	}
	if *guard > 0 && !slices.Contains(p.workloads, workloadOf(guardedWorkload)) {
		return fmt.Errorf("-guard needs %s", guardedWorkload)
	}
	if p.profiles != "" {
		if err := os.MkdirAll(p.profiles, 0o755); err != nil {
			return err
		}
	}
	r := report{Machine: result.ThisMachine(), Quick: p.quick}
	for _, c := range p.contestants {
		r.Contestants = append(r.Contestants, contestantEntry{c.name(), c.version(), c.settings()})
	}
	show := terminalProgress()
	measured := p.run(show)
	var guardError error
	if *guard > 0 {
		guardError = p.guard(measured, *guard, show)
	}
	r.Rows, r.Failures = measured.rows(), measured.failures
	r.Machine.LoadAfter = result.LoadAverage()
	r.writeTable(os.Stdout)
	return errors.Join(r.writeFiles(*jsonFile, *htmlFile), guardError, r.oursFailed())
}

// writeFiles writes the requested files.
func (r report) writeFiles(jsonFile, htmlFile string) error {
	for _, f := range []struct {
		name   string
		render func() ([]byte, error)
	}{{jsonFile, r.json}, {htmlFile, r.html}} {
		if f.name == "" {
			continue
		}
		text, err := f.render()
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// oursFailed returns an error if a measurement of our library has failed. Failures of peers are
// only reported.
func (r report) oursFailed() error {
	for _, f := range r.Failures {
		if f.Contestant == oursName {
			return errors.New("a measurement of ours failed")
		}
	}
	return nil
}

func chooseWorkloads(list string) ([]*workload, error) {
	var chosen []*workload
	if list == "" {
		for i := range workloads {
			chosen = append(chosen, &workloads[i])
		}
		return chosen, nil
	}
	for id := range strings.SplitSeq(list, ",") {
		w := workloadOf(strings.ToUpper(strings.TrimSpace(id)))
		if w == nil {
			return nil, fmt.Errorf("no workload is called %q", id)
		}
		if !slices.Contains(chosen, w) {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}

func chooseContestants(list string) ([]contestant, error) {
	if list == "" {
		return contestants, nil
	}
	chosen := []contestant{contestants[0]}
	for name := range strings.SplitSeq(list, ",") {
		c, err := contestantNamed(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(chosen, c) {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}
