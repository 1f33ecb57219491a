package main

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/usage"
)

// warmUpTrips is the number of round trips before the measured ones.
const warmUpTrips = 500

// measurePingPong is W2: one message at a time makes a round trip. Each side sends within its message
// callback, so that the time does not include a switch to another goroutine of the program.
func measurePingPong(c contestant, t task) (metrics, error) {
	s := newSession(c, t.Size)
	trips := make([]time.Duration, 0, warmUpTrips+t.Count)
	done := make(chan struct{})
	var start time.Time
	ping := func(ch channel, data []byte) {
		start = time.Now()
		if err := ch.send(data); err != nil {
			s.fail(err)
		}
	}
	p, err := s.connect(pairOptions{
		fromA: func(ch channel, data []byte) {
			if err := ch.send(data); err != nil {
				s.fail(err)
			}
		},
		toA: func(ch channel, data []byte) {
			trips = append(trips, time.Since(start))
			if len(trips) == cap(trips) {
				close(done)
				return
			}
			ping(ch, data)
		},
	})
	if err != nil {
		return nil, err
	}
	stop, err := usage.StartProfile(t.CPUProfile)
	if err != nil {
		return nil, err
	}
	defer stop()
	ping(p.a.channel, make([]byte, t.Size))
	select {
	case <-done:
	case err := <-s.failed:
		return nil, err
	case <-time.After(patience + time.Duration(t.Count)*time.Millisecond):
		return nil, errTimedOut
	}
	measured := trips[warmUpTrips:]
	slices.Sort(measured)
	return metrics{
		metricP50: microseconds(percentile(measured, 50)),
		metricP99: microseconds(percentile(measured, 99)),
	}, nil
}

// percentile returns a percentile of sorted durations.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
