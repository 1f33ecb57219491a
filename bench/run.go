package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// plan selects what is measured.
type plan struct {
	workloads   []*workload
	contestants []contestant
	quick       bool
	rounds      int    // 0: the number of the workload
	profiles    string // a directory for CPU profiles of our library; empty: none
}

// series holds the results of all contestants for one task.
type series struct {
	workload *workload
	task     task
	samples  map[string][]metrics // by contestant, one element for each round
}

// results are the results of a run.
type results struct {
	series   []*series
	failures []failure
}

// failure is a failed measurement.
type failure struct {
	Workload   string `json:"workload"`
	Contestant string `json:"contestant"`
	Error      string `json:"error"`
}

// run measures the plan. The contestants take turns, so that a round measures all of them under
// nearly the same conditions. Each round begins with a different contestant.
func (p plan) run(show *progress) *results {
	r := &results{}
	for _, w := range p.workloads {
		for _, t := range w.tasks(p.quick) {
			t.Workload = w.id
			r.series = append(r.series, &series{w, t, map[string][]metrics{}})
		}
	}
	for _, s := range r.series {
		rounds := p.rounds
		if rounds == 0 {
			rounds = s.workload.rounds(p.quick)
		}
		show.total += rounds * len(p.contestantsOf(s.workload))
	}
	for _, s := range r.series {
		rounds := p.rounds
		if rounds == 0 {
			rounds = s.workload.rounds(p.quick)
		}
		p.measure(r, s, rounds, show)
	}
	show.end()
	return r
}

// contestantsOf returns the contestants that take part in a workload. It omits byte streams unless
// they are a reference of the workload, and contestants that would be measured twice.
func (p plan) contestantsOf(w *workload) []contestant {
	return slices.DeleteFunc(slices.Clone(p.contestants), func(c contestant) bool {
		if _, ok := c.(byteStream); ok {
			return !w.streams
		}
		return w.settled && len(c.environment()) > 0
	})
}

// measure adds rounds to a series.
func (p plan) measure(r *results, s *series, rounds int, show *progress) {
	all := p.contestantsOf(s.workload)
	for round := range rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			t := s.task
			t.Contestant = c.name()
			if c.name() == oursName {
				t.CPUProfile = profileName(p.profiles, t)
			}
			show.step(fmt.Sprintf("%s, %s, round %d of %d", t.describe(), t.Contestant, round+1, rounds))
			m, err := measureInChild(t)
			if err != nil {
				r.failures = append(r.failures, failure{t.describe(), t.Contestant, err.Error()})
				continue
			}
			s.samples[t.Contestant] = append(s.samples[t.Contestant], m)
		}
	}
}

// describe returns the text for a task in the results.
func (t task) describe() string {
	text := t.Workload
	if t.Size > 0 {
		text += ", " + result.FormatSize(t.Size)
	}
	if t.Processes > 1 {
		text += fmt.Sprintf(", %d processes", t.Processes)
	}
	return text
}

// values returns one contestant's values of one metric, sorted.
func (s *series) values(contestant, metric string) []float64 {
	var values []float64
	for _, m := range s.samples[contestant] {
		if v, ok := m[metric]; ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// medians returns the medians of all metrics of one contestant.
func (s *series) medians(contestant string) metrics {
	m := metrics{}
	for _, sample := range s.samples[contestant] {
		for name := range maps.Keys(sample) {
			if _, done := m[name]; !done {
				m[name] = result.Median(s.values(contestant, name))
			}
		}
	}
	return m
}
