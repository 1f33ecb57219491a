package main

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// warmConnections is the number of connections that are opened before the first measurement, so
// that memory which all connections share does not count.
const warmConnections = 10

// settle is the time in which the goroutines of requests and handshakes end.
const settle = 300 * time.Millisecond

// measureIdle measures the memory and goroutines of connections that have exchanged one message and
// wait for another.
func measureIdle(c contestant, t task) (metrics, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	go c.serve(l)
	var echoed atomic.Int64
	failed := make(chan error, warmConnections+t.Connections)
	ends := make([]end, 0, warmConnections+t.Connections)
	var before usage.Footprint
	for i := range cap(ends) {
		if i == warmConnections {
			if before, err = settled(&echoed, i, failed); err != nil {
				return nil, err
			}
		}
		e, err := c.dial(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ends = append(ends, e)
		if err := e.send([]byte("hello")); err != nil {
			return nil, err
		}
		go func() {
			failed <- e.echo(func([]byte) int { echoed.Add(1); return 0 })
		}()
	}
	after, err := settled(&echoed, len(ends), failed)
	if err != nil {
		return nil, err
	}
	runtime.KeepAlive(ends)
	each := func(before, after float64) float64 { return (after - before) / float64(2*t.Connections) }
	return metrics{
		metricMemory:     each(before.Heap+before.Stacks, after.Heap+after.Stacks) / 1024,
		metricHeap:       each(before.Heap, after.Heap) / 1024,
		metricGoroutines: each(before.Goroutines, after.Goroutines),
	}, nil
}

// settled returns the footprint of the process after the given number of messages has been echoed.
func settled(echoed *atomic.Int64, messages int, failed <-chan error) (usage.Footprint, error) {
	for echoed.Load() < int64(messages) {
		if err := wait(10*time.Millisecond, failed); err != nil {
			return usage.Footprint{}, err
		}
	}
	if err := wait(settle, failed); err != nil {
		return usage.Footprint{}, err
	}
	return usage.Measure(), nil
}
