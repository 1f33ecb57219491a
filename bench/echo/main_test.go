package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/stretchr/testify/require"
)

// Measurements run this program, which is the test here, in further processes.
func TestMain(m *testing.M) {
	if runAsChild(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// Each contestant echoes messages of each size, on one connection and on several. The values of the
// metrics do not matter.
func TestEveryContestant(t *testing.T) {
	tasks := []task{
		{Size: 125, Connections: 1, InFlight: 1},
		{Size: 64 << 10, Connections: 3, InFlight: 16},
		{Connections: 3},
	}
	for _, c := range contestants {
		for _, tk := range tasks {
			tk.Contestant, tk.WarmUp, tk.Duration = c.name, 20*time.Millisecond, 20*time.Millisecond
			t.Run(c.name+", "+tk.describe(), func(t *testing.T) {
				m, err := measureInChild(tk)
				require.NoError(t, err)
				for _, metric := range tk.metrics() {
					switch metric.name {
					case metricReads, metricWrites: // not known on all systems
					default:
						require.Contains(t, m, metric.name)
					}
				}
				if tk.Size > 0 {
					require.Positive(t, m[metricRate])
				}
			})
		}
	}
}

// Echoed messages are counted, and each of the first is sent twice until enough are in flight.
func TestExchange(t *testing.T) {
	x := exchange{size: 3, inFlight: 3, message: []byte("abc"), sent: 1}
	for _, want := range []int{2, 2, 1, 1} {
		require.Equal(t, want, x.arrived([]byte("abc")))
	}
	require.EqualValues(t, 4, x.trips.Load())
	require.Panics(t, func() { x.arrived([]byte("ab")) }, "wrong length")
	require.Panics(t, func() { x.arrived([]byte("abd")) }, "wrong content")
}

func TestFailedMeasurementReturnsItsError(t *testing.T) {
	_, err := measureInChild(task{Contestant: "nobody"})
	require.ErrorContains(t, err, `no contestant is called "nobody"`)
}

func TestRows(t *testing.T) {
	values := map[string]map[string][]float64{
		metricRate: {result.Ours: {30, 10, 20}, "gws": {10}, "coder": {5, 6, 7}, result.Floor: {100}},
		metricCPU:  {result.Ours: {1.06}, "gws": {2}, result.Floor: {1}},
	}
	rows := task{Size: 125, Connections: 64, InFlight: 16}.rows(values)
	require.Len(t, rows, 2, "one for each metric with values")
	require.Equal(t, 20.0, rows[0].Ours, "the median")
	require.Equal(t, map[string]float64{"gws": 10, "coder": 6}, rows[0].Peers, "the floor is not a peer")
	require.Equal(t, 2.0, *rows[0].Ratio)
	require.True(t, *rows[0].Met)
	require.Equal(t, 1.0, *rows[1].Floor)
	require.False(t, *rows[1].Met, "more than 5 % above the floor")

	r := report{Contestants: []entry{{Name: result.Ours}, {Name: "gws"}, {Name: result.Floor}}, Rows: rows}
	var table strings.Builder
	r.writeTable(&table)
	require.Contains(t, table.String(), "20.0 (10.0–30.0)")
	require.Contains(t, table.String(), "MISSED")
}

func TestArguments(t *testing.T) {
	all, err := numbers("1, 64")
	require.NoError(t, err)
	require.Equal(t, []int{1, 64}, all)
	for _, bad := range []string{"", "1,,2", "0", "x"} {
		_, err := numbers(bad)
		require.Error(t, err, bad)
	}
	chosen, err := choose("floor,gws,floor")
	require.NoError(t, err)
	require.Len(t, chosen, 3)
	require.Equal(t, result.Ours, chosen[0].name)
	_, err = choose("nobody")
	require.Error(t, err)
}
