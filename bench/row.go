package main

import (
	"encoding/json"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// rows evaluates the results. A task has no row if our library has no result for it.
func (r *results) rows() []result.Row {
	var rows []result.Row
	for _, s := range r.series {
		ours := s.medians(oursName)
		for _, m := range s.workload.metrics(s.task) {
			if v, ok := s.row(m, ours); ok {
				rows = append(rows, v)
			}
		}
	}
	return rows
}

func (s *series) row(m metric, ours metrics) (result.Row, bool) {
	_, ok := ours[m.name]
	r := result.Row{
		Workload: s.workload.id, Size: s.task.Size, Processes: s.task.Processes, Count: s.task.Count,
		Metric: m.name, Better: m.better,
	}
	values := map[string][]float64{}
	for name := range s.samples {
		values[name] = s.values(name, m.name)
	}
	r.Compare(values)
	if m.goal != nil {
		met := m.goal.met(r, ours)
		r.Goal, r.Met = m.goal.text, &met
	}
	return r, ok
}

// report has the results of a complete run, in the form of the JSON output.
type report struct {
	Machine     result.Machine    `json:"machine"`
	Quick       bool              `json:"quick"`
	Contestants []contestantEntry `json:"contestants"`
	Rows        []result.Row      `json:"rows"`
	Failures    []failure         `json:"failures,omitempty"`
}

// contestantEntry describes a contestant that took part.
type contestantEntry struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Settings string `json:"settings"`
}

func (r report) json() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}
