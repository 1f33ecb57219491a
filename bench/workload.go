package main

import (
	"errors"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/rtcstack/rtcstack/bench/relay"
)

// metrics are the results of one measurement.
type metrics map[string]float64

// The metrics; their names are their units.
const (
	metricRate        = "MB/s"
	metricCPUPerGB    = "CPU s/GB"
	metricAllocations = "allocations/message"
	metricP50         = "p50 µs"
	metricP99         = "p99 µs"
	metricMedian      = "median ms"
	metricP95         = "p95 ms"
	metricCPUPerPair  = "CPU ms/pair"
	metricClose       = "median close ms"
	metricMemory      = "KiB"
	metricHeap        = "KiB heap"
	metricStacks      = "KiB stacks"
	metricResident    = "KiB resident"
	metricGoroutines  = "goroutines"
	metricSent        = "sent/s"
	metricReceived    = "received/s"
	metricDatagram    = "largest datagram, bytes"
)

const (
	higher = result.Higher
	lower  = result.Lower
)

// task is one measurement of one contestant, passed to a process as JSON.
type task struct {
	Contestant string        `json:"contestant"`
	Workload   string        `json:"workload"`
	Size       int           `json:"size,omitempty"`      // bytes of a message
	Processes  int           `json:"processes,omitempty"` // 2: sender and receiver run in separate processes
	Unreliable bool          `json:"unreliable,omitempty"`
	Path       *pathTask     `json:"path,omitempty"`
	Count      int           `json:"count,omitempty"` // round trips, connections, pairs
	WarmUp     time.Duration `json:"warmUp,omitempty"`
	Duration   time.Duration `json:"duration,omitempty"`
	Least      uint64        `json:"least,omitempty"`      // bytes; the measurement continues until they are received
	CPUProfile string        `json:"cpuProfile,omitempty"` // file name; empty: none
}

// pathTask is the network path of W6.
type pathTask struct {
	Rate  int64         `json:"rate"` // bit/s
	RTT   time.Duration `json:"rtt"`
	Loss  float64       `json:"loss"` // in each direction
	Queue int           `json:"queue"`
}

func (p pathTask) config() relay.Config {
	return relay.Config{Rate: p.Rate, Delay: p.RTT / 2, Loss: p.Loss, Queue: p.Queue, Seed: 1}
}

// longPath is a fast path across a continent with a loss of 1 %. Its queue holds one
// bandwidth-delay product.
var longPath = pathTask{Rate: 100e6, RTT: 50 * time.Millisecond, Loss: 0.01, Queue: 100e6 / 8 / 20}

// metric is a column of the results of a workload.
type metric struct {
	name   string
	better string
	goal   *goal // nil: no goal
}

// workload is a kind of measurement, with its metrics and goals.
type workload struct {
	id      string
	title   string
	measure func(contestant, task) (metrics, error)
	metrics func(task) []metric
	// tasks returns the measurements, without a contestant, in the full or the quick form.
	tasks func(quick bool) []task
	// rounds returns the number of measurements of each contestant.
	rounds func(quick bool) int
	// settled is true if garbage collection does not affect the results. Contestants that differ in
	// their GOGC only are then measured once.
	settled bool
	// streams is true if byte streams take part too.
	streams bool
}

var errTimedOut = errors.New("the measurement did not end in time")

var (
	full  = timing{500 * time.Millisecond, 2 * time.Second}
	brief = timing{200 * time.Millisecond, 450 * time.Millisecond}
)

// timing has the times of sending before and during the measurement.
type timing struct{ warmUp, duration time.Duration }

// pick returns the value of the full or the quick form.
func pick[T any](quick bool, fullForm, quickForm T) T {
	if quick {
		return quickForm
	}
	return fullForm
}

var workloads = []workload{
	{
		id: "W1", title: "one ordered reliable channel, one direction, loopback",
		measure: measureThroughput,
		streams: true,
		rounds:  func(quick bool) int { return pick(quick, 5, 2) },
		metrics: func(t task) []metric {
			rate := atLeast(6)
			if t.Size < 16<<10 {
				rate = atLeast(4)
			}
			var cpu *goal // the cost of small messages is proportional to their number
			if t.Size >= 16<<10 {
				cpu = atMostRatio(1.0 / 8)
			}
			return []metric{{metricRate, higher, rate}, {metricCPUPerGB, lower, cpu}, {metricAllocations, lower, zero()}}
		},
		tasks: func(quick bool) (tasks []task) {
			t := pick(quick, full, brief)
			for _, processes := range []int{1, 2} {
				sizes := []int{1 << 10, 16 << 10, 64 << 10, 256 << 10}
				if quick && processes == 2 {
					sizes = []int{16 << 10, 64 << 10}
				}
				for _, size := range sizes {
					tasks = append(tasks, task{
						Size: size, Processes: processes, WarmUp: t.warmUp, Duration: t.duration, Least: leastReceived,
					})
				}
			}
			return tasks
		},
	},
	{
		id: "W2", title: "ping-pong of 100 bytes, loopback",
		measure: measurePingPong,
		rounds:  func(quick bool) int { return pick(quick, 5, 2) },
		metrics: func(task) []metric {
			return []metric{{metricP50, lower, atMostRatio(0.7)}, {metricP99, lower, nil}}
		},
		tasks: func(quick bool) []task { return []task{{Size: 100, Count: pick(quick, 20_000, 4000)}} },
	},
	{
		id: "W3", title: "connections created, opened and closed one after the other, loopback",
		measure: measureSetup,
		rounds:  func(quick bool) int { return pick(quick, 3, 2) },
		metrics: func(task) []metric {
			return []metric{
				{metricMedian, lower, atMostRatio(1)}, {metricP95, lower, belowMedians(3)},
				{metricCPUPerPair, lower, atMost(1.1)}, {metricClose, lower, nil},
			}
		},
		tasks: func(quick bool) []task { return []task{{Count: pick(quick, 200, 40)}} },
	},
	{
		id: "W4", title: "connected idle pairs, for each PeerConnection",
		measure: measureIdle,
		rounds:  func(quick bool) int { return pick(quick, 3, 1) },
		metrics: func(task) []metric {
			return []metric{
				{metricMemory, lower, atMost(48)}, {metricHeap, lower, nil}, {metricStacks, lower, nil},
				{metricResident, lower, nil}, {metricGoroutines, lower, atMost(3)},
			}
		},
		// Some libraries free memory some seconds after connecting.
		tasks: func(quick bool) []task {
			return []task{{Count: pick(quick, 300, 60), Duration: pick(quick, 6*time.Second, 3500*time.Millisecond)}}
		},
		settled: true,
	},
	{
		id: "W5", title: "unordered, no retransmissions, one direction, loopback",
		measure: measureThroughput,
		rounds:  func(quick bool) int { return pick(quick, 5, 2) },
		metrics: func(task) []metric {
			return []metric{{metricReceived, higher, atLeast(4)}, {metricSent, higher, nil}, {metricCPUPerGB, lower, nil}}
		},
		tasks: func(quick bool) []task {
			t := pick(quick, full, brief)
			return []task{{Size: 1 << 10, Unreliable: true, WarmUp: t.warmUp, Duration: t.duration, Least: leastReceived}}
		},
	},
	{
		id: "W6", title: "as W1, over a path of 100 Mbit/s, 50 ms round trip, 1 % loss each way, a queue of 625 kB",
		measure: measureThroughput,
		rounds:  func(quick bool) int { return pick(quick, 3, 1) },
		metrics: func(task) []metric {
			return []metric{{metricRate, higher, atLeast(5)}, {metricDatagram, lower, nil}}
		},
		tasks: func(quick bool) []task {
			t := pick(quick, timing{2 * time.Second, 10 * time.Second}, timing{time.Second, 3 * time.Second})
			return []task{{Size: 64 << 10, Path: &longPath, WarmUp: t.warmUp, Duration: t.duration}}
		},
	},
}

func workloadOf(id string) *workload {
	for i := range workloads {
		if workloads[i].id == id {
			return &workloads[i]
		}
	}
	return nil
}
