// Package result has the parts of the reports that the programs of this module share: rows of one
// metric each, with the median of each contestant, as text and as JSON, and the description of the
// machine.
package result

import (
	"fmt"
	"slices"
)

// Ours is the name of our library in the results.
const Ours = "ours"

// Floor is the name of the least cost of an exchange, without any library. It is not a peer.
const Floor = "floor"

// The references for the throughput of data channels: byte streams without WebRTC. They are not
// peers.
const (
	TLS  = "tls-tcp"
	QUIC = "quic"
)

// The values of Row.Better.
const (
	Higher = "higher"
	Lower  = "lower"
)

// Row is one metric of one task: the median of ours and of each peer's.
type Row struct {
	Workload    string                `json:"workload"`
	Size        int                   `json:"size,omitempty"`      // bytes of a message
	Processes   int                   `json:"processes,omitempty"` // 2: sender and receiver have one each
	Connections int                   `json:"connections,omitempty"`
	InFlight    int                   `json:"inFlight,omitempty"` // messages in flight on each connection
	Count       int                   `json:"count,omitempty"`    // round trips, connections, pairs
	Metric      string                `json:"metric"`
	Better      string                `json:"better"` // "higher" or "lower"
	Ours        float64               `json:"ours"`
	Peers       map[string]float64    `json:"peers"`
	Floor       *float64              `json:"floor,omitempty"`
	References  map[string]float64    `json:"references,omitempty"`
	Ratio       *float64              `json:"ratio,omitempty"` // ours to the best peer's
	Range       map[string][2]float64 `json:"range"`           // smallest and largest value of each, ours too
	Rounds      int                   `json:"rounds"`          // the number of values of ours
	Goal        string                `json:"goal,omitempty"`
	Met         *bool                 `json:"met,omitempty"`
}

// Compare sets the medians, the ranges and the ratio from the values of each contestant's rounds,
// which it sorts.
func (r *Row) Compare(values map[string][]float64) {
	r.Peers, r.Range, r.Rounds = map[string]float64{}, map[string][2]float64{}, len(values[Ours])
	for name, v := range values {
		if len(v) == 0 {
			continue
		}
		slices.Sort(v)
		r.Range[name] = [2]float64{v[0], v[len(v)-1]}
		switch m := Median(v); name {
		case Ours:
			r.Ours = m
		case Floor:
			r.Floor = &m
		case TLS, QUIC:
			if r.References == nil {
				r.References = map[string]float64{}
			}
			r.References[name] = m
		default:
			r.Peers[name] = m
		}
	}
	if best, ok := r.Best(func(string) bool { return true }); ok && best != 0 {
		ratio := r.Ours / best
		r.Ratio = &ratio
	}
}

// Best returns the best value of the peers for whose names of returns true.
func (r *Row) Best(of func(name string) bool) (best float64, ok bool) {
	for name, v := range r.Peers {
		if !of(name) {
			continue
		}
		if !ok || (r.Better == Higher && v > best) || (r.Better == Lower && v < best) {
			best, ok = v, true
		}
	}
	return best, ok
}

// Value returns the median of one contestant.
func (r Row) Value(name string) (v float64, ok bool) {
	if name == Ours {
		return r.Ours, true
	}
	if name == Floor && r.Floor != nil {
		return *r.Floor, true
	}
	if v, ok = r.References[name]; ok {
		return v, true
	}
	v, ok = r.Peers[name]
	return v, ok
}

// Cell returns one contestant's cell of a table: the median and the range.
func (r Row) Cell(name string) string {
	v, ok := r.Value(name)
	if !ok {
		return "–"
	}
	text := FormatValue(v)
	if limits := r.Range[name]; limits[0] != limits[1] {
		text += fmt.Sprintf(" (%s–%s)", FormatValue(limits[0]), FormatValue(limits[1]))
	}
	return text
}

// RatioText returns the ratio as a table shows it.
func (r Row) RatioText() string {
	if r.Ratio == nil {
		return "–"
	}
	return FormatRatio(*r.Ratio)
}

// Verdict returns "met" or "MISSED", or an empty string if there is no goal.
func (r Row) Verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return "met"
	default:
		return "MISSED"
	}
}
