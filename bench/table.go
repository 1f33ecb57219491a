package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// writeTable writes the report as text: the machine, who took part, and a table for each workload.
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
		writeAligned(w, s.cells(r.names()))
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "\nFAILED: %s, %s: %s\n", f.Workload, f.Contestant, f.Error)
	}
}

// section is the rows that share a table.
type section struct {
	Workload, Title string
	Rows            []row
}

// sections splits the rows by workload and number of processes.
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
				title += fmt.Sprintf("; %s of them", groupThousands(fmt.Sprint(v.Count)))
			}
			all = append(all, section{Workload: v.Workload, Title: title})
		}
		s := &all[len(all)-1]
		s.Rows = append(s.Rows, v)
	}
	return all
}

// names are those of the contestants, ours first.
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
			line[0] = formatSize(r.Size)
		}
		for _, name := range names {
			line = append(line, r.cell(name))
		}
		cells = append(cells, append(line, r.ratioText(), r.Goal, r.verdict()))
	}
	return cells
}

// value is the median of one contestant.
func (r row) value(name string) (v float64, ok bool) {
	if name == oursName {
		return r.Ours, true
	}
	v, ok = r.Peers[name]
	return v, ok
}

func (r row) cell(name string) string {
	v, ok := r.value(name)
	if !ok {
		return "–"
	}
	text := formatValue(v)
	if limits := r.Range[name]; limits[0] != limits[1] {
		text += fmt.Sprintf(" (%s–%s)", formatValue(limits[0]), formatValue(limits[1]))
	}
	return text
}

func (r row) ratioText() string {
	if r.Ratio == nil {
		return "–"
	}
	return formatRatio(*r.Ratio)
}

func (r row) verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return "met"
	default:
		return "MISSED"
	}
}

// writeAligned writes cells in columns.
func writeAligned(w io.Writer, cells [][]string) {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range cells {
		var text strings.Builder
		for i, cell := range line {
			text.WriteString("  " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, strings.TrimRight(text.String(), " "))
	}
}
