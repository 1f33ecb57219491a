// Command echo measures the WebSocket of this library beside others: messages that go back and
// forth over TCP, and idle connections. It prints a table, whose columns ../README.md explains.
//
//	go run ./echo                   everything, in about ten minutes
//	go run ./echo -quick            everything, briefly, in about two minutes
//	go run ./echo -sizes 125 -connections 1 -inflight 1,16 -with gws,floor -json FILE
//
// Each measurement runs in a process of its own, which has both ends of the connections, and the
// contestants take turns, so that other load of the machine affects all of them.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

func main() {
	if runAsChild(os.Args) {
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		quick       = flag.Bool("quick", false, "measure briefly, in about two minutes")
		sizes       = flag.String("sizes", "125,1024,16384,65536", "bytes of a message")
		connections = flag.String("connections", "1,64", "the numbers of connections that exchange messages at once")
		inFlight    = flag.String("inflight", "1,16", "the numbers of messages in flight on each connection")
		idle        = flag.Int("idle", 1000, "the number of idle connections; 0: they are not measured")
		with        = flag.String("with", "", "the contestants beside ours, as gorilla,floor; all when empty")
		rounds      = flag.Int("rounds", 0, "the number of measurements of each contestant; 0: five, with -quick three")
		jsonFile    = flag.String("json", "", "write the results as JSON to this file")
		profiles    = flag.String("cpuprofile", "", "write CPU profiles into this directory")
	)
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	p := plan{quick: *quick, rounds: *rounds, profiles: *profiles}
	var err error
	if p.contestants, err = choose(*with); err != nil {
		return err
	}
	var lists [3][]int
	for i, list := range []string{*sizes, *connections, *inFlight} {
		if lists[i], err = numbers(list); err != nil {
			return err
		}
	}
	p.tasks = tasks(lists[0], lists[1], lists[2], *idle, *quick)
	if p.profiles != "" {
		if err := os.MkdirAll(p.profiles, 0o755); err != nil {
			return err
		}
	}

	r := report{Machine: result.ThisMachine(), Quick: p.quick}
	for _, c := range p.contestants {
		r.Contestants = append(r.Contestants, entry{c.name, c.version(), c.settings})
	}
	r.Rows, r.Failures = p.measure()
	r.Machine.LoadAfter = result.LoadAverage()
	r.writeTable(os.Stdout)
	if *jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	for _, f := range r.Failures {
		if f.Contestant == result.Ours {
			return errors.New("a measurement of ours failed")
		}
	}
	return nil
}

// numbers parses a list of positive numbers.
func numbers(list string) ([]int, error) {
	var all []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a list of positive numbers", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// choose returns the contestants of a list; ours is always the first.
func choose(list string) ([]contestant, error) {
	if list == "" {
		return contestants, nil
	}
	chosen := []contestant{contestants[0]}
	for name := range strings.SplitSeq(list, ",") {
		c, err := contestantNamed(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(chosen, func(other contestant) bool { return other.name == c.name }) {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}
