package main

import (
	"runtime"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// measureIdle is W4: the memory and goroutines of an idle connected PeerConnection, some seconds
// after it has connected.
func measureIdle(c contestant, t task) (metrics, error) {
	s := newSession(c, 0)
	warm, err := s.connect(pairOptions{}) // allocates the memory that all connections share
	if err != nil {
		return nil, err
	}
	before := usage.Measure()
	pairs := make([]*pair, t.Count)
	for i := range pairs {
		if pairs[i], err = s.connect(pairOptions{}); err != nil {
			return nil, err
		}
	}
	if err := s.sleep(t.Duration); err != nil {
		return nil, err
	}
	after := usage.Measure()
	runtime.KeepAlive(warm)
	runtime.KeepAlive(pairs)
	each := func(before, after float64) float64 { return (after - before) / float64(2*t.Count) }
	return metrics{
		metricMemory:     each(before.Heap+before.Stacks, after.Heap+after.Stacks) / 1024,
		metricHeap:       each(before.Heap, after.Heap) / 1024,
		metricStacks:     each(before.Stacks, after.Stacks) / 1024,
		metricResident:   each(before.Resident, after.Resident) / 1024,
		metricGoroutines: each(before.Goroutines, after.Goroutines),
	}, nil
}
