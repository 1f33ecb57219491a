package main

import (
	"fmt"
	"io"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// report is a whole run, in the form that is written as JSON.
type report struct {
	Machine     result.Machine `json:"machine"`
	Quick       bool           `json:"quick"`
	Contestants []entry        `json:"contestants"`
	Rows        []result.Row   `json:"rows"`
	Failures    []failure      `json:"failures,omitempty"`
}

// entry describes a contestant that took part.
type entry struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Settings string `json:"settings"`
}

// failure is a failed measurement.
type failure struct {
	Task       string `json:"task"`
	Contestant string `json:"contestant"`
	Error      string `json:"error"`
}

// plan selects what is measured.
type plan struct {
	tasks       []task
	contestants []contestant
	quick       bool
	rounds      int    // 0: a default
	profiles    string // a directory; empty: none
}

// measure runs all measurements. The contestants take turns, and each round begins with another
// one.
func (p plan) measure() (rows []result.Row, failures []failure) {
	rounds := p.rounds
	if rounds == 0 && p.quick {
		rounds = 3
	} else if rounds == 0 {
		rounds = 5
	}
	for _, t := range p.tasks {
		values := map[string]map[string][]float64{} // by metric and contestant
		for round := range rounds {
			for i := range p.contestants {
				c := p.contestants[(i+round)%len(p.contestants)]
				t.Contestant = c.name
				t.CPUProfile = t.profileName(p.profiles)
				m, err := measureInChild(t)
				if err != nil {
					failures = append(failures, failure{t.describe(), c.name, err.Error()})
				}
				for name, v := range m {
					if values[name] == nil {
						values[name] = map[string][]float64{}
					}
					values[name][c.name] = append(values[name][c.name], v)
				}
			}
		}
		rows = append(rows, t.rows(values)...)
	}
	return rows, failures
}

// metric is a column of the results.
type metric struct {
	name   string
	better string
	goal   string // in words; empty: none
	met    func(result.Row) bool
}

// metrics returns the metrics of a task, with their goals.
func (t task) metrics() []metric {
	if t.Size == 0 {
		return []metric{
			{metricMemory, result.Lower, "≤ 1×", atMost(1)}, {metricHeap, result.Lower, "", nil},
			{metricGoroutines, result.Lower, "≤ 1×", atMost(1)},
		}
	}
	rate := metric{metricRate, result.Higher, "≥ 1×", atLeast(1)}
	if t.InFlight >= 16 && t.Size <= 125 {
		rate.goal, rate.met = "≥ 2×", atLeast(2)
	}
	return []metric{
		rate, {metricBytes, result.Higher, "", nil},
		{metricCPU, result.Lower, "≤ 1×, 1.05 floors", func(r result.Row) bool {
			return atMost(1)(r) && (r.Floor == nil || r.Ours <= 1.05**r.Floor)
		}},
		// The runtime itself allocates a few times.
		{metricAllocations, result.Lower, "0", func(r result.Row) bool { return r.Ours < 0.01 }},
		{metricReads, result.Lower, "", nil}, {metricWrites, result.Lower, "", nil},
	}
}

// atLeast requires a multiple of the best peer's result.
func atLeast(ratio float64) func(result.Row) bool {
	return func(r result.Row) bool { return r.Ratio == nil || *r.Ratio >= ratio }
}

// atMost requires at most a multiple of the best peer's result.
func atMost(ratio float64) func(result.Row) bool {
	return func(r result.Row) bool { return r.Ratio == nil || *r.Ratio <= ratio }
}

// rows evaluates the results. A metric without a result of ours has no row.
func (t task) rows(values map[string]map[string][]float64) (rows []result.Row) {
	workload := "echo"
	if t.Size == 0 {
		workload = "idle"
	}
	for _, m := range t.metrics() {
		if len(values[m.name][result.Ours]) == 0 {
			continue
		}
		r := result.Row{
			Workload: workload, Size: t.Size, Connections: t.Connections, InFlight: t.InFlight,
			Metric: m.name, Better: m.better,
		}
		r.Compare(values[m.name])
		if m.met != nil {
			met := m.met(r)
			r.Goal, r.Met = m.goal, &met
		}
		rows = append(rows, r)
	}
	return rows
}

// writeTable writes the report as text: the machine, the contestants, and a table for each number
// of connections and of messages in flight.
func (r report) writeTable(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d CPUs, %s, kernel %s, %s\n", m.CPU, m.CPUs, m.System, m.Kernel, m.Go)
	fmt.Fprintf(w, "%s; load %s before, %s after; medians (smallest to largest) of the rounds, in which all take turns\n",
		m.Time, m.LoadBefore, m.LoadAfter)
	for _, c := range r.Contestants {
		fmt.Fprintf(w, "  %-14s %s: %s\n", c.Name, c.Version, c.Settings)
	}
	var title string
	var cells [][]string
	for i, row := range r.Rows {
		if i == 0 || title != titleOf(row) {
			title, cells = titleOf(row), [][]string{r.header()}
			fmt.Fprintf(w, "\n%s\n", title)
		}
		cells = append(cells, r.line(row))
		if i+1 == len(r.Rows) || titleOf(r.Rows[i+1]) != title {
			result.WriteAligned(w, cells)
		}
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nFAILED: %s, %s: %s\n", f.Task, f.Contestant, f.Error)
	}
}

func titleOf(r result.Row) string {
	if r.Size == 0 {
		return fmt.Sprintf("Idle: %d connections that wait for a message, for each end", r.Connections)
	}
	return fmt.Sprintf("Echo: connections %d, messages in flight on each %d; "+
		"allocations and system calls for each round trip, of both ends", r.Connections, r.InFlight)
}

func (r report) header() []string {
	line := []string{"size", "metric"}
	for _, c := range r.Contestants {
		line = append(line, c.Name)
	}
	return append(line, "ratio", "goal", "")
}

func (r report) line(row result.Row) []string {
	line := []string{"", row.Metric}
	if row.Size > 0 {
		line[0] = result.FormatSize(row.Size)
	}
	for _, c := range r.Contestants {
		line = append(line, row.Cell(c.Name))
	}
	return append(line, row.RatioText(), row.Goal, row.Verdict())
}
