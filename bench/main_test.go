package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/bench/internal/result"
	"github.com/rtcstack/rtcstack/bench/relay"
	"github.com/stretchr/testify/require"
)

// Measurements run this program, which is the test here, in further processes.
func TestMain(m *testing.M) {
	if runAsChild(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// tiny returns the shortest form of a measurement.
func (t task) tiny() task {
	t.Count = min(t.Count, 3)
	t.Least = 0
	t.WarmUp, t.Duration = 50*time.Millisecond, 50*time.Millisecond
	if t.Path != nil {
		path := *t.Path
		path.RTT, path.Loss = 2*time.Millisecond, 0
		t.Path = &path
	}
	return t
}

// Each contestant completes each workload, and each metric of the results is measured. Their values
// do not matter.
func TestEveryWorkload(t *testing.T) {
	for i := range workloads {
		w := &workloads[i]
		tasks := w.tasks(true)
		if len(tasks) > 1 { // of the sizes, only the smallest in one process and the largest in two
			tasks = []task{tasks[0], tasks[len(tasks)-1]}
		}
		for _, tk := range tasks {
			tk.Workload = w.id
			for _, c := range (plan{contestants: contestants}).contestantsOf(w) {
				if c.name() == "pion-tuned-gogc400" {
					continue // it differs from pion-tuned by an environment variable
				}
				tk.Contestant = c.name()
				t.Run(strings.ReplaceAll(tk.describe()+", "+c.name(), " ", ""), func(t *testing.T) {
					m, err := measureInChild(tk.tiny())
					require.NoError(t, err)
					for _, metric := range w.metrics(tk) {
						require.Contains(t, m, metric.name)
					}
					for _, name := range []string{metricRate, metricP50, metricMedian, metricGoroutines, metricReceived} {
						if value, ok := m[name]; ok {
							require.Positive(t, value, name)
						}
					}
					if tk.Path != nil {
						// Packets have the same size in all libraries, for a fair comparison.
						require.EqualValues(t, 1225, m[metricDatagram])
					}
				})
			}
		}
	}
}

func TestEnvironmentReachesTheContestant(t *testing.T) {
	command, err := selfCommand(childArgument, task{Contestant: "pion-tuned-gogc400"})
	require.NoError(t, err)
	require.Contains(t, command.Env, "GOGC=400")
	command, err = selfCommand(childArgument, task{Contestant: oursName})
	require.NoError(t, err)
	require.NotContains(t, command.Env, "GOGC=400")
}

func TestFailedMeasurementReturnsItsError(t *testing.T) {
	_, err := measureInChild(task{Contestant: oursName, Workload: "W0"})
	require.ErrorContains(t, err, `no workload is called "W0"`)
}

// The receiver counts only the messages that were sent.
func TestReceiverChecksMessages(t *testing.T) {
	message := func(number byte, size int) []byte {
		data := make([]byte, size)
		data[7] = number
		return data
	}
	for _, row := range []struct {
		name    string
		ordered bool
		second  []byte
		want    string
	}{
		{"in order", true, message(1, 10), ""},
		{"gap", true, message(2, 10), "received message 2, want 1"},
		{"repeated", true, message(0, 10), "received message 0, want 1"},
		{"gap where order does not matter", false, message(2, 10), ""},
		{"too short", false, message(1, 9), "received a message of 9 bytes, want 10"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &session{failed: make(chan error, 1)}
			r := &receiver{session: s, size: 10, ordered: row.ordered}
			r.message(nil, message(0, 10))
			r.message(nil, row.second)
			if row.want == "" {
				require.Empty(t, s.failed)
				require.Equal(t, uint64(2), r.messages.Load())
				require.Equal(t, uint64(20), r.bytes.Load())
			} else {
				require.EqualError(t, <-s.failed, row.want)
			}
		})
	}
}

func TestSignalsThroughARelay(t *testing.T) {
	r, err := relay.New(relay.Config{})
	require.NoError(t, err)
	defer r.Close()
	stand := strings.Replace(r.Address(0).String(), ":", " ", 1)
	for _, row := range []struct{ in, want string }{
		{"candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host", "candidate:1 1 udp 2130706431 " + stand + " typ host"},
		{"candidate:1 1 UDP 7 127.0.0.1 5000 typ host generation 0", "candidate:1 1 UDP 7 " + stand + " typ host generation 0"},
		{"candidate:1 1 tcp 7 127.0.0.1 9 typ host tcptype active", ""},
		{"candidate:1 1 udp 7 ::1 5000 typ host", ""},
		{"candidate:1 1 udp 7 127.0.0.1 5000 typ srflx raddr 0.0.0.0 rport 0", ""},
	} {
		s, ok, err := signal{Candidate: row.in, Mid: "0"}.through(r, 0)
		if row.want == "" {
			require.False(t, ok, row.in)
			continue
		}
		require.NoError(t, err)
		require.True(t, ok, row.in)
		require.Equal(t, signal{Candidate: row.want, Mid: "0"}, s)
	}
	s, ok, err := signal{Description: "offer", SDP: "v=0\r\na=candidate:1 1 udp 7 127.0.0.1 5000 typ host\r\na=mid:0\r\n"}.through(r, 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "v=0\r\na=mid:0\r\n", s.SDP)
	_, _, err = signal{Candidate: "candidate:"}.through(r, 0)
	require.Error(t, err)
}

// measured returns a run of W1 with 64 KiB and the given throughput of each round.
func measured(rates map[string][]float64) *results {
	s := &series{workloadOf("W1"), task{Workload: "W1", Size: 64 << 10, Processes: 1}, map[string][]metrics{}}
	for name, values := range rates {
		for _, v := range values {
			s.samples[name] = append(s.samples[name], metrics{metricRate: v, metricCPUPerGB: 1 / v, metricAllocations: 0.01})
		}
	}
	return &results{series: []*series{s}}
}

func TestRows(t *testing.T) {
	r := report{Rows: measured(map[string][]float64{oursName: {90, 110, 70}, "pion": {5, 7}, "pion-tuned": {20}}).rows()}
	text, err := r.json()
	require.NoError(t, err)
	var decoded struct{ Rows []map[string]any }
	require.NoError(t, json.Unmarshal(text, &decoded))
	require.Len(t, decoded.Rows, 3)
	require.Equal(t, map[string]any{
		"workload": "W1", "size": 65536.0, "processes": 1.0, "metric": "MB/s", "better": "higher",
		"ours": 90.0, "peers": map[string]any{"pion": 6.0, "pion-tuned": 20.0}, "ratio": 4.5, "rounds": 3.0,
		"range": map[string]any{oursName: []any{70.0, 110.0}, "pion": []any{5.0, 7.0}, "pion-tuned": []any{20.0, 20.0}},
		"goal":  "≥ 6×", "met": false,
	}, decoded.Rows[0])
	cpu := decoded.Rows[1]
	require.Equal(t, "lower", cpu["better"])
	require.InDelta(t, (1.0/90)/(1.0/20), cpu["ratio"], 1e-9, "to the best peer, which has the lowest value")
	require.Equal(t, false, cpu["met"])
	require.Equal(t, true, decoded.Rows[2]["met"], "the runtime itself allocates a few times")
	require.Empty(t, measured(map[string][]float64{"pion": {5}}).rows(), "no row without ours")
}

func TestGuard(t *testing.T) {
	for _, row := range []struct {
		name  string
		rates map[string][]float64
		want  string
	}{
		{"above", map[string][]float64{oursName: {50}, "pion": {10}, "pion-tuned": {20}}, ""},
		{"below the best", map[string][]float64{oursName: {49}, "pion": {10}, "pion-tuned": {20}}, "2.45 times"},
		{"one bad round", map[string][]float64{oursName: {50, 1, 60}, "pion": {20}}, ""},
		{"other libraries do not count", map[string][]float64{oursName: {50}, "pion": {10}, "another": {100}}, ""},
		{"nothing to compare with", map[string][]float64{oursName: {50}}, "no two results"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := plan{}.guard(measured(row.rates), 2.5, &progress{})
			if row.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := report{
		Machine:     result.Machine{CPU: "<cpu>"},
		Contestants: []contestantEntry{{oursName, "v1", "defaults"}, {"pion", "v2", "defaults"}, {"absent", "v3", ""}},
		Rows:        measured(map[string][]float64{oursName: {90, 110}, "pion": {5}}).rows(),
		Failures:    []failure{{"W1", "pion", "<broken>"}},
	}
	var table strings.Builder
	r.writeTable(&table)
	require.Contains(t, table.String(), "100 (90.0–110)")
	require.Contains(t, table.String(), "FAILED: W1, pion: <broken>")
	require.NoError(t, r.oursFailed())

	text, err := r.html()
	require.NoError(t, err)
	page := string(text)
	require.Equal(t, 3, strings.Count(page, "<svg"), "a chart for each metric")
	require.Equal(t, 6, strings.Count(page, "<rect"), "a bar for each contestant with values, and each metric")
	require.Contains(t, page, "&lt;broken&gt;")
	require.NotContains(t, page, "<cpu>")
	require.NotContains(t, page, "http", "no references to other files")

	r.Failures = append(r.Failures, failure{"W1", oursName, ""})
	require.Error(t, r.oursFailed())
}

func TestChoices(t *testing.T) {
	chosen, err := chooseWorkloads("w2, W1,W2")
	require.NoError(t, err)
	require.Equal(t, []*workload{workloadOf("W2"), workloadOf("W1")}, chosen)
	_, err = chooseWorkloads("W9")
	require.Error(t, err)
	all, err := chooseContestants("pion")
	require.NoError(t, err)
	require.Equal(t, []contestant{contestants[0], contestants[1]}, all)
	_, err = chooseContestants("nobody")
	require.Error(t, err)
}
