package main

import (
	"fmt"
	"io"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// writeTable writes the report as text: the machine, the contestants, and a table for each
// workload.
func (r report) writeTable(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d CPUs, %s, kernel %s, %s\n", m.CPU, m.CPUs, m.System, m.Kernel, m.Go)
	fmt.Fprintf(w, "%s; load %s before, %s after; medians (smallest to largest) of the rounds, in which all take turns\n",
		m.Time, m.LoadBefore, m.LoadAfter)
	for _, c := range r.Contestants {
		fmt.Fprintf(w, "  %-18s %s: %s\n", c.Name, c.Version, c.Settings)
	}
	for _, s := range r.sections() {
		fmt.Fprintf(w, "\n%s  %s\n", s.Workload, s.Title)
		result.WriteAligned(w, s.cells(r.names()))
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nFAILED: %s, %s: %s\n", f.Workload, f.Contestant, f.Error)
	}
}

// section holds the rows of one table.
type section struct {
	Workload, Title string
	Rows            []result.Row
}

// sections groups the rows by workload and number of processes.
func (r report) sections() []section {
	var all []section
	for i, v := range r.Rows {
		if i == 0 || v.Workload != r.Rows[i-1].Workload || v.Processes != r.Rows[i-1].Processes {
			title := workloadOf(v.Workload).title
			switch v.Processes {
			case 1:
				title += ", both ends in one process"
			case 2:
				title += ", a process for each end"
			}
			if v.Count > 0 {
				title += fmt.Sprintf("; %s of them", result.GroupThousands(fmt.Sprint(v.Count)))
			}
			all = append(all, section{Workload: v.Workload, Title: title})
		}
		s := &all[len(all)-1]
		s.Rows = append(s.Rows, v)
	}
	return all
}

// names returns the names of the contestants, ours first.
func (r report) names() []string {
	var names []string
	for _, c := range r.Contestants {
		names = append(names, c.Name)
	}
	return names
}

func (s section) cells(names []string) [][]string {
	header := append([]string{"size", "metric"}, names...)
	cells := [][]string{append(header, "ratio", "goal", "")}
	for _, r := range s.Rows {
		line := []string{"", r.Metric}
		if r.Size > 0 {
			line[0] = result.FormatSize(r.Size)
		}
		for _, name := range names {
			line = append(line, r.Cell(name))
		}
		cells = append(cells, append(line, r.RatioText(), r.Goal, r.Verdict()))
	}
	return cells
}
