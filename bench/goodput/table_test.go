package goodput

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

var full = flag.Bool("full", false, "measure everything, which takes a long time, and print the results")

const (
	fullTime = 60 * time.Second
	// tolerance is the difference to a goal that is permitted in a short run with one seed.
	tolerance = 0.03
)

var fullSeeds = []uint64{1, 2, 3}

// quantile returns the q-quantile of s, which it sorts.
func quantile[E cmp.Ordered](s []E, q float64) E {
	slices.Sort(s)
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// contender is a column of the table.
type contender struct {
	name string
	run  func(t *testing.T, seed uint64, p *path, d time.Duration) result
}

func ours(control sctp.CongestionControl) func(*testing.T, uint64, *path, time.Duration) result {
	return func(t *testing.T, seed uint64, p *path, d time.Duration) result {
		return runOurs(t, seed, p, sctp.Config{CongestionControl: control}, d)
	}
}

func others(window uint32) func(*testing.T, uint64, *path, time.Duration) result {
	return func(t *testing.T, seed uint64, p *path, d time.Duration) result {
		return runPion(t, seed, p, window, d)
	}
}

var contenders = []contender{
	{"default (BBR)", ours(sctp.CongestionDefault)},
	{"CUBIC", ours(sctp.CongestionCUBIC)},
	{"NewReno", ours(sctp.CongestionNewReno)},
	{"pion/sctp", others(0)},
	{"pion/sctp, 16 MiB window", others(16 << 20)},
}

// TestTable prints the goodput of all contenders over all paths if -full is set, and otherwise
// checks the goals of the default.
func TestTable(t *testing.T) {
	if !*full {
		t.Run("goals", testGoals)
		return
	}
	w := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	for i := range paths {
		p := &paths[i]
		fmt.Fprintf(w, "%s\tfirst 10 s\t60 s\tmin-max\tqueue mean\t95 %%\tmax\n", p.name)
		for _, c := range contenders {
			var early, whole []float64
			var mean, high, most []time.Duration
			for _, seed := range fullSeeds {
				r := c.run(t, seed, p, fullTime)
				early, whole = append(early, r.early), append(whole, r.whole)
				mean, high, most = append(mean, r.queueMean), append(high, r.queueHigh), append(most, r.queueMax)
			}
			median := quantile(whole, 0.5)
			verdict := ""
			if c.name == contenders[0].name {
				verdict = fmt.Sprintf("goal %.0f %%: met", 100*p.goal)
				if median < p.goal {
					verdict = fmt.Sprintf("goal %.0f %%: MISSED", 100*p.goal)
				}
			}
			fmt.Fprintf(w, "  %s\t%.1f %%\t%.1f %%\t%.1f-%.1f\t%v\t%v\t%v\t%s\n", c.name,
				100*quantile(early, 0.5), 100*median, 100*whole[0], 100*whole[len(whole)-1],
				milliseconds(quantile(mean, 0.5)), milliseconds(quantile(high, 0.5)),
				milliseconds(most[len(most)-1]), verdict)
		}
		require.NoError(t, w.Flush())
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

// testGoals is the short form of the table: the default over each path. It also runs pion/sctp over
// one path, to check its driver.
func testGoals(t *testing.T) {
	const seed = 1
	for i := range paths {
		p := &paths[i]
		t.Run(p.name, func(t *testing.T) {
			d := 30 * time.Second
			switch {
			case race.Enabled && p.rate > 20*mbit:
				t.Skip("slow under the race detector, which finds nothing in a single goroutine")
			case p.rate > 100*mbit:
				d = 8 * time.Second
			}
			r := runOurs(t, seed, p, sctp.Config{}, d)
			t.Logf("goodput %.1f %%, goal %.0f %%", 100*r.whole, 100*p.goal)
			require.Greater(t, r.whole, p.goal-tolerance)
		})
	}
	t.Run("pion/sctp", func(t *testing.T) {
		p := path{name: "10 Mbit/s, 50 ms", rate: 10 * mbit, rtt: 50 * time.Millisecond, queue: 1}
		r := runPion(t, seed, &p, 0, 5*time.Second)
		// The association nearly fills a link without loss, unless the bubble delays it.
		require.Greater(t, r.whole, 0.75)
		require.Less(t, r.whole, 0.98)
	})
}
