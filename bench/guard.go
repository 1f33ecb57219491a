package main

import (
	"fmt"
	"strings"
)

const (
	// guardedWorkload and guardedSize, the smallest size in bytes, select the results for the
	// guard: those where the cost is proportional to the bytes.
	guardedWorkload = "W1"
	guardedSize     = 16 << 10
	// guardRounds are measured in addition before the guard fails, because other load of the
	// machine may have affected a round or two.
	guardRounds = 3
)

// guard returns an error if our throughput is below a multiple of the best of pion's.
func (p plan) guard(r *results, multiple float64, show *progress) error {
	for _, s := range r.series {
		if s.workload.id != guardedWorkload || s.task.Size < guardedSize {
			continue
		}
		ratio, err := s.guardedRatio()
		if err != nil || ratio < multiple {
			show.total += guardRounds * len(p.contestants)
			p.measure(r, s, guardRounds, show)
			show.end()
			ratio, err = s.guardedRatio()
		}
		switch {
		case err != nil:
			return err
		case ratio < multiple:
			return fmt.Errorf("%s: our throughput is %.2f times the best pion's, and must be %.2f times",
				s.task.describe(), ratio, multiple)
		}
	}
	return nil
}

func (s *series) guardedRatio() (float64, error) {
	r, ok := s.row(metric{name: metricRate, better: higher}, s.medians(oursName))
	best, found := r.Best(func(name string) bool { return strings.HasPrefix(name, "pion") })
	if !ok || !found || best == 0 {
		return 0, fmt.Errorf("%s: there are no two results to compare", s.task.describe())
	}
	return r.Ours / best, nil
}
