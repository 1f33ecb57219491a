package main

import (
	"fmt"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

// goal is what a result of ours should be.
type goal struct {
	text string
	met  func(r result.Row, ours metrics) bool // ours: the medians of all metrics of the task
}

// atLeast is a multiple of the best peer's.
func atLeast(ratio float64) *goal {
	return &goal{fmt.Sprintf("≥ %.3g×", ratio), func(r result.Row, _ metrics) bool { return r.Ratio != nil && *r.Ratio >= ratio }}
}

// atMostRatio is a share of the best peer's.
func atMostRatio(ratio float64) *goal {
	return &goal{fmt.Sprintf("≤ %.3g×", ratio), func(r result.Row, _ metrics) bool { return r.Ratio != nil && *r.Ratio <= ratio }}
}

// atMost is a value by itself.
func atMost(value float64) *goal {
	return &goal{fmt.Sprintf("≤ %.3g", value), func(r result.Row, _ metrics) bool { return r.Ours <= value }}
}

// zero allows for what the runtime itself does now and then.
func zero() *goal {
	return &goal{"0", func(r result.Row, _ metrics) bool { return r.Ours < 0.05 }}
}

// belowMedians is a multiple of our own median.
func belowMedians(multiple float64) *goal {
	return &goal{fmt.Sprintf("< %.3g medians", multiple), func(r result.Row, ours metrics) bool {
		return r.Ours < multiple*ours[metricMedian]
	}}
}
