package main

import (
	"fmt"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// goal is a requirement on a result of ours.
type goal struct {
	text string
	met  func(r result.Row, ours metrics) bool // ours: the medians of all metrics of the task
}

// atLeast requires a multiple of the best peer's result.
func atLeast(ratio float64) *goal {
	return &goal{fmt.Sprintf("≥ %.3g×", ratio), func(r result.Row, _ metrics) bool {
		return r.Ratio != nil && *r.Ratio >= ratio
	}}
}

// atMostRatio requires at most a fraction of the best peer's result.
func atMostRatio(ratio float64) *goal {
	return &goal{fmt.Sprintf("≤ %.3g×", ratio), func(r result.Row, _ metrics) bool {
		return r.Ratio != nil && *r.Ratio <= ratio
	}}
}

// atMost requires at most a value.
func atMost(value float64) *goal {
	return &goal{fmt.Sprintf("≤ %.3g", value), func(r result.Row, _ metrics) bool { return r.Ours <= value }}
}

// zero requires 0, up to a few allocations of the runtime itself.
func zero() *goal {
	return &goal{"0", func(r result.Row, _ metrics) bool { return r.Ours < 0.05 }}
}

// belowMedians requires less than a multiple of our own median.
func belowMedians(multiple float64) *goal {
	return &goal{fmt.Sprintf("< %.3g medians", multiple), func(r result.Row, ours metrics) bool {
		return r.Ours < multiple*ours[metricMedian]
	}}
}
