package main

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// measureIdle is W4: what a connected PeerConnection holds that has nothing to do, some seconds after it connected.
func measureIdle(c contestant, t task) (metrics, error) {
	s := newSession(c, 0)
	warm, err := s.connect(pairOptions{}) // what is there once for all connections does not count
	if err != nil {
		return nil, err
	}
	before := measureFootprint()
	pairs := make([]*pair, t.Count)
	for i := range pairs {
		if pairs[i], err = s.connect(pairOptions{}); err != nil {
			return nil, err
		}
	}
	if err := s.sleep(t.Duration); err != nil {
		return nil, err
	}
	after := measureFootprint()
	runtime.KeepAlive(warm)
	runtime.KeepAlive(pairs)
	each := func(before, after float64) float64 { return (after - before) / float64(2*t.Count) }
	return metrics{
		metricMemory:     each(before.heap+before.stacks, after.heap+after.stacks) / 1024,
		metricHeap:       each(before.heap, after.heap) / 1024,
		metricStacks:     each(before.stacks, after.stacks) / 1024,
		metricResident:   each(before.resident, after.resident) / 1024,
		metricGoroutines: each(before.goroutines, after.goroutines),
	}, nil
}

// footprint is what the process holds, in bytes.
type footprint struct{ heap, stacks, resident, goroutines float64 }

func measureFootprint() footprint {
	for range 3 { // pools are emptied by the second collection, and finalizers have run by the third
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{float64(m.HeapAlloc), float64(m.StackInuse), residentBytes(), float64(runtime.NumGoroutine())}
}

// residentBytes is the process's resident memory, where the system tells; it is the only number of these that has a
// meaning for a library that is not written in Go.
func residentBytes() float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kilobytes, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kilobytes * 1024
		}
	}
	return 0
}
