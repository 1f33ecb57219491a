package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"

	"github.com/rtcstack/rtcstack/bench/internal/result"
)

//go:embed chart.html.tmpl
var chartTemplate string

var charts = template.Must(template.New("charts").Parse(chartTemplate))

// The geometry of a chart, in the pixels of its view box.
const (
	chartWidth  = 560
	nameWidth   = 148 // the names are to the left of the bars
	valueWidth  = 150 // the values are to the right of the longest bar
	barHeight   = 15
	barPitch    = 20
	groupHeader = 22
	groupGap    = 8
)

// page is the data of the template.
type page struct {
	report
	Sections    []chartSection
	GoalsMet    int
	GoalsMissed int
	Cards       []card
}

// card is one line of the summary.
type card struct {
	Title, Value, Goal string
	Met                bool
}

type chartSection struct {
	Workload, Title string
	Charts          []chart
	Table           [][]string
}

// chart is one metric of a section: a group of bars for each row.
type chart struct {
	Metric, Better string
	Height         int
	Groups         []barGroup
}

type barGroup struct {
	Y             int
	Label, Remark string
	Class         string // "met", "missed", or empty
	Bars          []bar
}

type bar struct {
	Name, Value      string
	Ours             bool
	Y, Middle        int
	Width, Low, High float64 // Low and High are the ends of the whisker
	TextAt           float64
	Spread           bool
}

// html returns the report as an HTML file with charts, without references to other files.
func (r report) html() ([]byte, error) {
	p := page{report: r}
	for _, s := range r.sections() {
		c := chartSection{Workload: s.Workload, Title: s.Title, Table: s.cells(r.names())}
		for _, rows := range byMetric(s.Rows) {
			c.Charts = append(c.Charts, drawChart(rows, r.names()))
		}
		p.Sections = append(p.Sections, c)
	}
	for _, v := range r.Rows {
		if v.Met == nil {
			continue
		}
		if *v.Met {
			p.GoalsMet++
		} else {
			p.GoalsMissed++
		}
		p.Cards = append(p.Cards, cardOf(v))
	}
	var out bytes.Buffer
	err := charts.Execute(&out, p)
	return out.Bytes(), err
}

func cardOf(r result.Row) card {
	title := task{Workload: r.Workload, Size: r.Size, Processes: r.Processes}.describe()
	return card{title + ": " + r.Metric, result.FormatValue(r.Ours) + ", " + r.RatioText(), r.Goal, *r.Met}
}

// byMetric splits the rows of a section by metric, in the order of the metrics.
func byMetric(rows []result.Row) [][]result.Row {
	var all [][]result.Row
	at := map[string]int{}
	for _, r := range rows {
		i, ok := at[r.Metric]
		if !ok {
			i = len(all)
			at[r.Metric] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], r)
	}
	return all
}

func drawChart(rows []result.Row, names []string) chart {
	c := chart{Metric: rows[0].Metric, Better: rows[0].Better + " is better"}
	var largest float64
	for _, r := range rows {
		for _, limits := range r.Range {
			largest = max(largest, limits[1])
		}
	}
	scale := 0.0
	if largest > 0 {
		scale = (chartWidth - nameWidth - valueWidth) / largest
	}
	y := 0
	for _, r := range rows {
		g := barGroup{Y: y + groupHeader - 8, Remark: remark(r)}
		if r.Size > 0 {
			g.Label = result.FormatSize(r.Size)
		}
		if r.Met != nil {
			g.Class = map[bool]string{true: "met", false: "missed"}[*r.Met]
		}
		y += groupHeader
		for _, name := range names {
			v, ok := r.Value(name)
			if !ok {
				continue
			}
			limits := r.Range[name]
			b := bar{
				Name: name, Value: result.FormatValue(v), Ours: name == oursName, Y: y, Middle: y + barHeight/2 + 1,
				Width: max(v*scale, 1), Low: nameWidth + limits[0]*scale, High: nameWidth + limits[1]*scale,
				Spread: limits[0] != limits[1],
			}
			b.TextAt = max(b.High, nameWidth+b.Width) + 6
			g.Bars = append(g.Bars, b)
			y += barPitch
		}
		y += groupGap
		c.Groups = append(c.Groups, g)
	}
	c.Height = y
	return c
}

// remark returns the comparison with the best peer and with the goal.
func remark(r result.Row) string {
	text := ""
	if r.Ratio != nil {
		text = r.RatioText() + " the best peer"
	}
	if r.Goal != "" {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("goal %s %s", r.Goal, r.Verdict())
	}
	return text
}

// Constants of the geometry, for the template.

func (chart) Width() int     { return chartWidth }
func (chart) Left() int      { return nameWidth }
func (chart) BarHeight() int { return barHeight }

// Px formats a coordinate.
func (chart) Px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
