// Package usage measures the resources that this process uses.
package usage

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Footprint is the memory of the process, in bytes, and the number of its goroutines.
type Footprint struct{ Heap, Stacks, Resident, Goroutines float64 }

// Measure collects the garbage and returns the footprint.
func Measure() Footprint {
	for range 3 { // pools are emptied by the second collection, and finalizers have run by the third
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Footprint{float64(m.HeapAlloc), float64(m.StackInuse), residentBytes(), float64(runtime.NumGoroutine())}
}

// residentBytes returns the resident memory of the process, or 0 if it is unknown. It is the only
// number of a Footprint that includes the memory of a library which is not written in Go.
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
