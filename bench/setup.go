package main

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// measureSetup is W3: connections are created, opened and closed, one after the other. The setup time
// lasts from the creation of the two ends until the channel is open on both; the CPU time includes
// closing.
func measureSetup(c contestant, t task) (metrics, error) {
	s := newSession(c, 0)
	stop, err := usage.StartProfile(t.CPUProfile)
	if err != nil {
		return nil, err
	}
	defer stop()
	opened, closed := make([]time.Duration, 0, t.Count), make([]time.Duration, 0, t.Count)
	var before time.Duration
	for i := range t.Count + 1 {
		start := time.Now()
		p, err := s.connect(pairOptions{})
		if err != nil {
			return nil, err
		}
		open := time.Now()
		if err := p.close(); err != nil {
			return nil, err
		}
		if i == 0 {
			before = usage.CPUTime() // the first connection fills caches and is not counted
			continue
		}
		opened = append(opened, open.Sub(start))
		closed = append(closed, time.Since(open))
	}
	cpu := usage.CPUTime() - before
	slices.Sort(opened)
	slices.Sort(closed)
	return metrics{
		metricMedian:     milliseconds(percentile(opened, 50)),
		metricP95:        milliseconds(percentile(opened, 95)),
		metricCPUPerPair: milliseconds(cpu) / float64(t.Count),
		metricClose:      milliseconds(percentile(closed, 50)),
	}, nil
}
