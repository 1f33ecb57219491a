package rtc

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// badLink is a link with all faults that a connection must endure.
var badLink = netsim.LinkConfig{
	Rate: 20_000_000, Queue: 100_000, Delay: 15 * time.Millisecond, Jitter: 3 * time.Millisecond,
	Loss: 0.01, Reorder: 0.02, Duplicate: 0.01, Corrupt: 0.002, MTU: 1400,
}

// eventful runs a connection over a bad network, with a NAT that loses its mappings, reliable and
// unreliable channels, bulk data, ICE restarts by both sides, a network that is replaced, and an
// orderly end. It returns the trace of the network.
func eventful(t *testing.T, seed uint64) (trace []string) {
	inNetwork(t, seed, func(t *testing.T, n *network) {
		n.Sim.SetTrace(func(line string) { trace = append(trace, line) })
		nat := n.Network.AddNAT(netsim.PortRestrictedCone(address(50)))
		s := n.pair(place{interfaces: [2][]netsim.Interface{
			{
				{Addr: address(0), Up: badLink, Down: badLink},
				{Addr: address(1), Up: hostLink, Down: hostLink},
			},
			{{Addr: netip.MustParseAddr("10.0.0.2"), Behind: nat, Up: badLink, Down: badLink}},
		}})
		for _, h := range s.hosts { // the trace contains only the sizes of packets
			s.watch(h, false, func(packet []byte) {
				sum := fnv.New64a()
				sum.Write(packet)
				trace = append(trace, fmt.Sprintf("content %x", sum.Sum64()))
			})
		}
		a, b := s.connect("x", nil)
		x, y := s.connect("y", &DataChannelInit{Reliability: Reliability{Unordered: true, Unreliable: true, MaxRetransmits: 1}})
		var got int
		b.OnMessage(func(m Message) { got += len(m.Data) })
		y.OnMessage(func(Message) {})
		const bulk = 300_000
		for i := range 3 {
			require.NoError(t, a.Send(make([]byte, bulk/2)))
			require.NoError(t, a.Send(make([]byte, bulk/2)))
			for range 20 {
				require.NoError(t, x.Send(make([]byte, 500)))
				pause(7 * time.Millisecond)
			}
			switch i {
			case 0:
				n.Do(nat.Reset)
			case 1:
				require.NoError(t, s.a.RestartICE())
				require.NoError(t, s.b.RestartICE())
			case 2:
				s.hosts[0].Detach(0, true)
				s.hosts[0].Attach(netsim.Interface{Addr: address(9), Up: badLink, Down: badLink})
				require.NoError(t, s.b.RestartICE())
			}
			pause(20 * time.Second)
		}
		s.await(2*time.Minute, "everything has arrived", func() bool { return got == 3*bulk })
		require.NoError(t, s.a.Close())
		s.await(time.Minute, "closed", func() bool { return s.a.State() == StateClosed && s.b.State() == StateClosed })
	})
	return trace
}

// Runs with equal seeds are equal, packet for packet, however the goroutines are scheduled.
func TestConnectionsAreRepeatable(t *testing.T) {
	if os.Getenv("RTC_SEED") != "" {
		t.Skip("one seed only")
	}
	sums := map[uint64]bool{}
	for seed := range uint64(2) {
		first := eventful(t, seed)
		for range 2 {
			again := eventful(t, seed)
			for i := range min(len(first), len(again)) {
				require.Equal(t, first[i], again[i], "seed %d, event %d", seed, i)
			}
			require.Equal(t, len(first), len(again), "seed %d", seed)
		}
		sum := fnv.New64a()
		for _, line := range first {
			fmt.Fprintln(sum, line)
		}
		sums[sum.Sum64()] = true
	}
	require.Len(t, sums, 2, "another seed makes another run")
}

// The real time of a simulated connection limits the number of seeds in other tests.
func TestCostOfASimulation(t *testing.T) {
	began, n := time.Now(), 0
	netsim.Seeds(t, 50, func(t *testing.T, seed uint64) {
		n++
		inSimulation(t, seed, place{}, func(t *testing.T, s *simulation) {
			a, b := s.connect("x", nil)
			wantTraffic(t, a, b)
		})
	})
	t.Logf("%.2f ms for each seed", float64(time.Since(began).Microseconds())/1000/float64(n))
}
