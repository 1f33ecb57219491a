package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The metrics; their names are their units.
const (
	metricRate        = "round trips/s"
	metricBytes       = "MB/s"
	metricCPU         = "CPU s/million"
	metricAllocations = "allocations"
	metricReads       = "reads"
	metricWrites      = "writes"
	metricMemory      = "KiB"
	metricHeap        = "KiB heap"
	metricGoroutines  = "goroutines"
)

// metrics are the results of one measurement.
type metrics map[string]float64

// task is one measurement of one contestant, passed to a process as JSON. Without a size it is that
// of idle connections.
type task struct {
	Contestant  string        `json:"contestant"`
	Size        int           `json:"size,omitempty"` // bytes of a message
	Connections int           `json:"connections"`
	InFlight    int           `json:"inFlight,omitempty"` // messages in flight on each connection
	WarmUp      time.Duration `json:"warmUp,omitempty"`
	Duration    time.Duration `json:"duration,omitempty"`
	CPUProfile  string        `json:"cpuProfile,omitempty"` // a file for it
}

// tasks returns the measurements, without a contestant.
func tasks(sizes, connections, inFlight []int, idle int, quick bool) (all []task) {
	warmUp, duration := 100*time.Millisecond, 700*time.Millisecond
	if quick {
		warmUp, duration = 20*time.Millisecond, 100*time.Millisecond
	}
	for _, c := range connections {
		for _, f := range inFlight {
			for _, s := range sizes {
				all = append(all, task{Size: s, Connections: c, InFlight: f, WarmUp: warmUp, Duration: duration})
			}
		}
	}
	if idle > 0 {
		all = append(all, task{Connections: idle})
	}
	return all
}

// Each measurement runs in a process of its own: this program, with a hidden first argument and the
// task as the second. It writes the result to its standard output.
const childArgument = "-child"

// childLimit is the longest time of a measurement, in addition to the durations of its task.
const childLimit = 30 * time.Second

// measureInChild runs a task in a process of its own.
func measureInChild(t task) (metrics, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.WarmUp+t.Duration+childLimit)
	defer cancel()
	command := exec.CommandContext(ctx, program, childArgument, string(text))
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.New("the measurement did not end in time")
		}
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaints.String()))
	}
	var m metrics
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		return nil, fmt.Errorf("result of the measurement: %w", err)
	}
	return m, nil
}

// runAsChild runs the task of a hidden argument, and reports whether there is one.
func runAsChild(arguments []string) bool {
	if len(arguments) != 3 || arguments[1] != childArgument {
		return false
	}
	out := os.Stdout
	os.Stdout = os.Stderr // the output of libraries must not be in the result
	if err := runTask(arguments[2], out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func runTask(text string, out *os.File) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	m, err := t.measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}

// measure runs the task in this process.
func (t task) measure() (metrics, error) {
	c, err := contestantNamed(t.Contestant)
	if err != nil {
		return nil, err
	}
	if t.Size == 0 {
		return measureIdle(c, t)
	}
	return measureEcho(c, t)
}

// describe returns the text for a task in the results.
func (t task) describe() string {
	if t.Size == 0 {
		return fmt.Sprintf("%d idle connections", t.Connections)
	}
	return fmt.Sprintf("%d connections, %d in flight, %d bytes", t.Connections, t.InFlight, t.Size)
}

// profileName returns the file of one measurement's profile, which a later round replaces.
func (t task) profileName(directory string) string {
	if directory == "" || t.Size == 0 {
		return ""
	}
	return filepath.Join(directory, fmt.Sprintf("%s-%dx%d-%d.pprof", t.Contestant, t.Connections, t.InFlight, t.Size))
}
