package goodput

import (
	"fmt"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// mux connects several associations to one end of a link: the first byte of a packet is the number
// of its flow. It transmits packets of the flows in turn, so that all have the same chances when
// several can send at the same time.
type mux struct {
	flows []*end
	next  int
}

var _ netsim.Core = (*mux)(nil)

func (m *mux) Receive(now time.Time, packet []byte) { m.flows[packet[0]].Receive(now, packet[1:]) }

func (m *mux) Advance(now time.Time) {
	for _, e := range m.flows {
		e.Advance(now)
	}
}

func (m *mux) Deadline() (first time.Time) {
	for _, e := range m.flows {
		if d := e.Deadline(); !d.IsZero() && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	return first
}

func (m *mux) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	for range m.flows {
		i := m.next
		m.next = (m.next + 1) % len(m.flows)
		if packet, ok := m.flows[i].Transmit(now, append(dst, byte(i))); ok {
			return packet, true
		}
	}
	return dst, false
}

const (
	// headStart is the time for which only the first flow uses the link.
	headStart = 5 * time.Second
	// fairTime is the time for which both flows use the link and their shares are measured.
	fairTime = 60 * time.Second
)

// runTogether measures two flows on the path's bottleneck. The second one begins headStart after
// the first. The result is the share of each in the link's rate, during the time d after that.
func runTogether(
	t testing.TB, seed uint64, p *path, d time.Duration, controls [2]sctp.CongestionControl,
) (shares [2]float64) {
	sim := netsim.New(seed)
	var received [2]int64
	from, to := &mux{}, &mux{}
	for i, control := range controls {
		from.flows = append(from.flows, newEnd(sim, sctp.Config{CongestionControl: control}, new(int64)))
		to.flows = append(to.flows, newEnd(sim, sctp.Config{CongestionControl: control}, &received[i]))
	}
	forward, back := p.links()
	netsim.Connect(sim, from, to, forward, back)
	start := func(i int) {
		from.flows[i].message = make([]byte, messageSize)
		from.flows[i].Connect(sim.Now())
		to.flows[i].Connect(sim.Now())
		sim.Poke(from)
		sim.Poke(to)
	}
	start(0)
	require.NoError(t, sim.RunFor(headStart))
	start(1)
	before := received
	require.NoError(t, sim.RunFor(d))
	for i := range shares {
		shares[i] = float64(received[i]-before[i]) * 8 / d.Seconds() / float64(p.rate)
	}
	return shares
}

func sharedPath(rate int64, queue float64) *path {
	name := fmt.Sprintf("%d Mbit/s, 40 ms, queue %g BDP", rate/mbit, queue)
	return &path{name: name, rate: rate, rtt: 40 * time.Millisecond, queue: queue}
}

// match is a pair of flows, and the permitted range of the share of one of them in the bytes that
// both deliver.
type match struct {
	controls  [2]sctp.CongestionControl
	judged    int // the index of the flow with the goal
	low, high float64
}

var matches = []match{
	{[2]sctp.CongestionControl{sctp.CongestionDefault, sctp.CongestionDefault}, 0, 0.40, 0.60},
	{[2]sctp.CongestionControl{sctp.CongestionDefault, sctp.CongestionNewReno}, 1, 0.30, 0.60},
	{[2]sctp.CongestionControl{sctp.CongestionNewReno, sctp.CongestionDefault}, 0, 0.30, 0.60},
	{[2]sctp.CongestionControl{sctp.CongestionDefault, sctp.CongestionCUBIC}, 1, 0.30, 0.60},
	{[2]sctp.CongestionControl{sctp.CongestionCUBIC, sctp.CongestionDefault}, 0, 0.30, 0.60},
}

// TestFairness prints the shares of flows of the default with each other and with the classical
// algorithms if -full is set. Otherwise it checks the shares of two flows of the default.
func TestFairness(t *testing.T) {
	if !*full {
		p := sharedPath(20*mbit, 1)
		shares := runTogether(t, 1, p, fairTime, matches[0].controls)
		require.InDelta(t, 0.5, shares[0]/(shares[0]+shares[1]), 0.1+tolerance)
		require.Greater(t, shares[0]+shares[1], 0.85)
		return
	}
	w := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	for _, rate := range []int64{20 * mbit, 50 * mbit} {
		for _, queue := range []float64{1, 2} {
			p := sharedPath(rate, queue)
			fmt.Fprintf(w, "%s\tfirst flow\tsecond flow\tshare with a goal\tmin-max\n", p.name)
			for _, m := range matches {
				var first, second, judged []float64
				for _, seed := range fullSeeds {
					shares := runTogether(t, seed, p, fairTime, m.controls)
					first, second = append(first, shares[0]), append(second, shares[1])
					judged = append(judged, shares[m.judged]/(shares[0]+shares[1]))
				}
				median := quantile(judged, 0.5)
				verdict := "met"
				if median < m.low || median > m.high {
					verdict = "MISSED"
				}
				fmt.Fprintf(w, "  %v, then %v\t%.1f %%\t%.1f %%\t%v: %.0f %%\t%.0f-%.0f\tgoal %.0f-%.0f %%: %s\n",
					m.controls[0], m.controls[1],
					100*quantile(first, 0.5), 100*quantile(second, 0.5), m.controls[m.judged], 100*median,
					100*judged[0], 100*judged[len(judged)-1], 100*m.low, 100*m.high, verdict)
			}
			require.NoError(t, w.Flush())
		}
	}
}
