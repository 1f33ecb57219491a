package main

import (
	"encoding/json"
	"math"
	"strconv"
)

// row is one metric of one task: the median of ours and of each peer's.
type row struct {
	Workload  string                `json:"workload"`
	Size      int                   `json:"size,omitempty"`      // bytes of a message
	Processes int                   `json:"processes,omitempty"` // 2: sender and receiver have one each
	Count     int                   `json:"count,omitempty"`     // round trips, connections, pairs
	Metric    string                `json:"metric"`
	Better    string                `json:"better"` // "higher" or "lower"
	Ours      float64               `json:"ours"`
	Peers     map[string]float64    `json:"peers"`
	Ratio     *float64              `json:"ratio,omitempty"` // ours to the best peer's
	Range     map[string][2]float64 `json:"range"`           // smallest and largest value of each, ours too
	Rounds    int                   `json:"rounds"`          // the values that the median of ours is of
	Goal      string                `json:"goal,omitempty"`
	Met       *bool                 `json:"met,omitempty"`
}

// rows evaluates the results. Where ours was not measured there is no row.
func (r *results) rows() []row {
	var rows []row
	for _, s := range r.series {
		ours := s.medians(oursName)
		for _, m := range s.workload.metrics(s.task) {
			if v, ok := s.row(m, ours); ok {
				rows = append(rows, v)
			}
		}
	}
	return rows
}

func (s *series) row(m metric, ours metrics) (row, bool) {
	value, ok := ours[m.name]
	r := row{
		Workload: s.workload.id, Size: s.task.Size, Processes: s.task.Processes, Count: s.task.Count,
		Metric: m.name, Better: m.better, Ours: value,
		Peers: map[string]float64{}, Range: map[string][2]float64{},
		Rounds: len(s.samples[oursName]),
	}
	for name := range s.samples {
		values := s.values(name, m.name)
		if len(values) == 0 {
			continue
		}
		r.Range[name] = [2]float64{values[0], values[len(values)-1]}
		if name != oursName {
			r.Peers[name] = median(values)
		}
	}
	if best, ok := r.best(func(string) bool { return true }); ok && best != 0 {
		ratio := value / best
		r.Ratio = &ratio
	}
	if m.goal != nil {
		met := m.goal.met(r, ours)
		r.Goal, r.Met = m.goal.text, &met
	}
	return r, ok
}

// best is the best value of the peers that are asked about.
func (r *row) best(of func(name string) bool) (best float64, ok bool) {
	for name, v := range r.Peers {
		if !of(name) {
			continue
		}
		if !ok || (r.Better == higher && v > best) || (r.Better == lower && v < best) {
			best, ok = v, true
		}
	}
	return best, ok
}

// report is all of a run, as it is written in JSON.
type report struct {
	Machine     machine           `json:"machine"`
	Quick       bool              `json:"quick"`
	Contestants []contestantEntry `json:"contestants"`
	Rows        []row             `json:"rows"`
	Failures    []failure         `json:"failures,omitempty"`
}

// contestantEntry tells who took part.
type contestantEntry struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Settings string `json:"settings"`
}

func (r report) json() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// formatValue writes a number with the digits that mean something.
func formatValue(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return groupThousands(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.005 || a == 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// formatRatio writes a multiple; what is next to nothing is not told apart.
func formatRatio(v float64) string {
	if v > 0 && v < 0.005 {
		return "< 0.01×"
	}
	return formatValue(v) + "×"
}

func groupThousands(digits string) string {
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func formatSize(n int) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return strconv.Itoa(n>>10) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}
