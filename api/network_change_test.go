package rtc

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/netsim"
)

// One side loses its network and joins another one. A restart by either side continues the
// connection there: channels stay open, and messages that were sent meanwhile arrive.
func TestRestartICEAfterTheNetworkHasChanged(t *testing.T) {
	for _, state := range []State{StateDisconnected, StateFailed} {
		for _, withError := range []bool{false, true} {
			for restarter := range 2 {
				netsim.Seeds(t, 3, func(t *testing.T, seed uint64) {
					inSimulation(t, seed, place{}, func(t *testing.T, s *simulation) {
						a, b := s.connect("x", nil)
						s.settled()
						wantTraffic(t, a, b)
						s.hosts[0].Detach(0, withError)
						s.await(time.Minute, state.String(), func() bool { return s.a.State() == state && s.b.State() == state })
						channels := []*DataChannel{a, b}
						for _, dc := range channels {
							err := dc.SendText("sent without a path")
							if state == StateDisconnected {
								require.NoError(t, err)
							} else {
								require.ErrorIs(t, err, ErrFailure)
								require.ErrorIs(t, err, ErrPathLost)
							}
							require.True(t, dc.IsOpen())
						}
						histories := []*history{recordStates(s.a), recordStates(s.b)}
						s.hosts[0].Attach(netsim.Interface{Addr: address(100), Up: hostLink, Down: hostLink})
						require.NoError(t, []*PeerConnection{s.a, s.b}[restarter].RestartICE())
						s.await(5*time.Second, "connected", func() bool { return s.a.State() == StateConnected && s.b.State() == StateConnected })
						require.Equal(t, address(100), must(s.b.RemoteAddr()).Addr())
						for i, dc := range channels {
							if state == StateFailed {
								require.Equal(t, []State{StateConnecting, StateConnected}, histories[i].all())
							} else { // the new address may suffice, without new credentials
								require.Subset(t, []State{StateConnecting, StateConnected}, histories[i].all())
							}
							require.True(t, dc.IsOpen())
							if state == StateDisconnected {
								require.Equal(t, "sent without a path", string(next(t, dc).Data))
							}
						}
						wantTraffic(t, a, b)
					})
				})
			}
		}
	}
}

// talk sends numbers in both directions, and records the messages that arrive.
type talk struct {
	t        *testing.T
	channels [2]*DataChannel
	sent     int // in each direction

	mu  sync.Mutex
	got [2][]string
	at  [2][]time.Time
}

// talkInterval is the time between two messages of one side.
const talkInterval = 100 * time.Millisecond

// newTalk begins to record the messages of two channels that are connected to each other.
func newTalk(t *testing.T, a, b *DataChannel) *talk {
	k := &talk{t: t, channels: [2]*DataChannel{a, b}}
	for i, dc := range k.channels {
		dc.OnMessage(func(m Message) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.got[i], k.at[i] = append(k.got[i], string(m.Data)), append(k.at[i], time.Now())
		})
	}
	return k
}

// goOn sends a message in each direction at every interval, for the time d.
func (k *talk) goOn(d time.Duration) {
	k.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); pause(talkInterval) {
		for _, dc := range k.channels {
			require.NoError(k.t, dc.SendText(fmt.Sprint(k.sent)))
		}
		k.sent++
	}
}

// finish waits until everything has arrived, and checks that nothing is lost, doubled or out of
// order.
func (k *talk) finish() {
	k.t.Helper()
	pause(time.Minute)
	want := make([]string, k.sent)
	for i := range want {
		want[i] = fmt.Sprint(i)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.got {
		require.Equal(k.t, want, k.got[i], "received by side %d", i)
	}
}

// longestSilence returns the longest time in which nothing arrived at a side, from the given time
// on.
func (k *talk) longestSilence(side int, from time.Time) (longest time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := from
	for _, at := range k.at[side] {
		if at.Before(from) {
			continue
		}
		longest, last = max(longest, at.Sub(last)), at
	}
	return longest
}

// natTypes are the four classic kinds of NAT.
var natTypes = []netsim.NATConfig{
	netsim.FullCone(address(50)), netsim.RestrictedCone(address(50)), netsim.PortRestrictedCone(address(50)), netsim.Symmetric(address(50)),
}

// A NAT loses its mappings while the connection is in use. The next consent check of the side
// behind it, up to 6 s later, shows the peer the new address. Messages pass again in both
// directions within two round trips after that check, and none is lost. The side behind the NAT
// stays connected. The other side may be disconnected for the last second, as its own checks may
// have been unanswered for 5 s by then.
func TestNATLosesItsMappings(t *testing.T) {
	const roundTrip = 20 * time.Millisecond
	netsim.Seeds(t, 4, func(t *testing.T, seed uint64) {
		for _, config := range natTypes {
			for behind := range 2 {
				inNetwork(t, seed, func(t *testing.T, n *network) {
					nat := n.Network.AddNAT(config)
					var p place
					p.interfaces[behind] = []netsim.Interface{{Addr: netip.MustParseAddr("10.0.0.2"), Behind: nat, Up: hostLink, Down: hostLink}}
					s := n.pair(p)
					a, b := s.connect("x", nil)
					s.settled()
					histories := []*history{recordStates(s.a), recordStates(s.b)}
					k := newTalk(t, a, b)
					k.goOn(time.Duration(n.rng.Int64N(int64(6 * time.Second))))
					other := []*PeerConnection{s.b, s.a}[behind]
					old := must(other.RemoteAddr())
					reset := time.Now()
					n.Do(nat.Reset)
					k.goOn(10 * time.Second)
					k.finish()
					require.NotEqual(t, old, must(other.RemoteAddr()), "another mapping")
					for side, h := range histories {
						states := slices.DeleteFunc(h.all(), func(s State) bool { return s == StateConnected })
						if side == behind || len(states) > 0 && states[0] != StateDisconnected {
							require.Empty(t, states, "side %d", side)
						}
						require.LessOrEqual(t, len(states), 1)
						require.LessOrEqual(t, h.when(StateConnected).Sub(h.when(StateDisconnected)), time.Second+2*roundTrip)
						require.LessOrEqual(t, k.longestSilence(side, reset), ice.DefaultConsentInterval*6/5+2*roundTrip+talkInterval, "at side %d", side)
					}
				})
			}
		}
	})
}

// Both sides have two networks, and one side loses the one in use. Data continues over the other
// one, and nothing is lost.
func TestOneOfTwoNetworksIsLost(t *testing.T) {
	// Consent checks are at most 6 s apart, and the other pair is checked after 5 s of silence. The
	// retransmission timer of SCTP, which doubles, runs for at most as long again.
	const longest = 2 * (ice.DefaultConsentInterval*6/5 + ice.DefaultDisconnectedTimeout)
	for _, withError := range []bool{false, true} {
		for gone := range 2 {
			netsim.Seeds(t, 3, func(t *testing.T, seed uint64) {
				inSimulation(t, seed, place{interfaces: twoInterfaces()}, func(t *testing.T, s *simulation) {
					a, b := s.connect("x", nil)
					s.settled()
					k := newTalk(t, a, b)
					k.goOn(time.Duration(s.net.rng.Int64N(int64(6 * time.Second))))
					pc := []*PeerConnection{s.a, s.b}[gone]
					used := must(pc.LocalAddr()).Addr()
					at := time.Now()
					s.hosts[gone].Detach(slices.Index(must(s.hosts[gone].Addresses(netip.Addr{}, false)), used), withError)
					k.goOn(15 * time.Second)
					k.finish()
					require.NotEqual(t, used, must(pc.LocalAddr()).Addr())
					for side := range 2 {
						limit := longest
						if withError && pc == s.a { // the controlling agent: the peer follows it
							limit = 500 * time.Millisecond
						}
						require.LessOrEqual(t, k.longestSilence(side, at), limit, "at side %d", side)
					}
					require.Equal(t, StateConnected, s.a.State())
					require.Equal(t, StateConnected, s.b.State())
				})
			})
		}
	}
}
