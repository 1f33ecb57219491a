package rtc

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/netsim/simnet"
	"github.com/rtcstack/rtcstack/stun"
)

// history records the states that a connection reports, and when it reports them.
type history struct {
	mu     sync.Mutex
	states []State
	times  []time.Time
}

// recordStates sets the state callback of a connection, and records the states from now on.
func recordStates(pc *PeerConnection) *history {
	h := new(history)
	pc.OnStateChange(func(s State) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.states, h.times = append(h.states, s), append(h.times, time.Now())
	})
	synctest.Wait() // the present state is delivered
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states, h.times = nil, nil
	return h
}

// all returns the states so far.
func (h *history) all() []State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]State(nil), h.states...)
}

// when returns when a state was reported last; the zero time if it was not.
func (h *history) when(s State) (at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.states {
		if h.states[i] == s {
			at = h.times[i]
		}
	}
	return at
}

// watch makes the link of a host call f for each packet that leaves it, or that arrives at it. It
// replaces the function of an earlier call.
func (s *simulation) watch(h *simnet.Host, down bool, f func(packet []byte)) {
	s.net.Do(func() {
		l := h.Attachment(0).Up
		if down {
			l = h.Attachment(0).Down
		}
		l.SetFilter(func(_ time.Time, packet []byte) bool {
			f(packet)
			return true
		})
	})
}

// isSuccessResponse reports whether a packet is a success response of STUN.
func isSuccessResponse(packet []byte) bool {
	m, err := stun.Parse(packet)
	return err == nil && m.Type().Class() == stun.ClassSuccess
}

// A peer vanishes. The other side is disconnected when it notices the silence, and fails when
// consent expires.
//
// RFC 7675, section 5.1: consent expires 30 s after the last answer.
func TestPeerVanishes(t *testing.T) {
	for _, survivor := range []int{0, 1} {
		netsim.Seeds(t, 5, func(t *testing.T, seed uint64) {
			inSimulation(t, seed, place{}, func(t *testing.T, s *simulation) {
				pc := [2]*PeerConnection{s.a, s.b}[survivor]
				h := recordStates(pc)
				a, b := s.connect("x", nil)
				dc := [2]*DataChannel{a, b}[survivor]
				s.settled()
				var answered time.Time
				s.watch(s.hosts[survivor], true, func(packet []byte) {
					if isSuccessResponse(packet) {
						answered = time.Now().Add(hostLink.Delay)
					}
				})
				pause(10*time.Second + time.Duration(s.net.rng.Int64N(int64(10*time.Second))))
				s.hosts[1-survivor].Detach(0, false)
				s.await(time.Minute, "failed", func() bool { return pc.State() == StateFailed })
				require.Equal(t, []State{StateConnecting, StateConnected, StateDisconnected, StateFailed}, h.all())
				// A check is sent 4 to 6 s after the answer to the one before, and silence is 5 s
				// without an answer.
				silent := h.when(StateDisconnected).Sub(answered)
				require.GreaterOrEqual(t, silent, ice.DefaultConsentInterval*4/5+ice.DefaultDisconnectedTimeout)
				require.LessOrEqual(t, silent, ice.DefaultConsentInterval*6/5+ice.DefaultDisconnectedTimeout+time.Millisecond)
				require.InDelta(t, 30.0, h.when(StateFailed).Sub(answered).Seconds(), 0.001)
				require.Equal(t, ICEStateFailed, pc.ICEState())
				require.ErrorIs(t, dc.SendText("lost"), ErrPathLost)
				require.True(t, dc.IsOpen())
				require.NoError(t, dc.Close())
				require.NoError(t, pc.Close())
				pause(0)
				require.Equal(t, StateClosed, h.all()[len(h.all())-1])
				require.Equal(t, StateClosed, pc.State())
				require.True(t, dc.IsClosed())
			})
		})
	}
}

// Without candidates of the peer there is no path: both sides fail after their ConnectTimeout, not
// sooner and not later.
func TestNoPath(t *testing.T) {
	for _, timeout := range []time.Duration{0, 15 * time.Second, 2 * time.Minute} {
		c := Configuration{ConnectTimeout: timeout}
		inSimulation(t, 1, place{a: c, b: c}, func(t *testing.T, s *simulation) {
			var histories [2]*history
			for i, pc := range []*PeerConnection{s.a, s.b} {
				pc.OnLocalCandidate(nil)
				histories[i] = recordStates(pc)
			}
			dc, err := s.a.CreateDataChannel("x", nil)
			require.NoError(t, err)
			if timeout == 0 {
				timeout = DefaultConnectTimeout
			}
			s.await(timeout+time.Second, "failed", func() bool { return s.a.State() == StateFailed && s.b.State() == StateFailed })
			for i, h := range histories {
				require.Equal(t, []State{StateConnecting, StateFailed}, h.all(), i)
				require.InDelta(t, timeout.Seconds(), h.when(StateFailed).Sub(h.when(StateConnecting)).Seconds(), 0.001, i)
			}
			require.ErrorIs(t, dc.SendText("lost"), ErrPathLost)
			require.False(t, dc.IsClosed())
		})
	}
}

// After consent has expired, only checks are sent, for minutes, though both sides have messages to
// send. A record that arrives when the network works again is discarded. A restart delivers the
// messages that were sent before.
//
// RFC 7675, section 5.1: without consent an endpoint sends only the messages that establish it, and
// a response that arrives after the end of consent does not restore it.
func TestNothingIsSentWithoutConsent(t *testing.T) {
	for _, lost := range []string{"both directions", "from a", "to a"} {
		netsim.Seeds(t, 5, func(t *testing.T, seed uint64) {
			inSimulation(t, seed, place{}, func(t *testing.T, s *simulation) {
				a, b := s.connect("x", nil)
				s.settled()
				wantTraffic(t, a, b)
				pause(time.Second)
				restore := s.lose(lost != "to a", lost != "from a")
				path := usedPath(s.a)
				sent := 0
				for s.a.State() != StateFailed && s.b.State() != StateFailed {
					require.NoError(t, a.SendText(fmt.Sprint(sent)))
					require.NoError(t, b.SendText(fmt.Sprint(sent)))
					sent++
					pause(100 * time.Millisecond)
					require.Less(t, sent, 1000)
				}
				s.await(10*time.Second, "both failed", func() bool { return s.a.State() == StateFailed && s.b.State() == StateFailed })
				others := 0 // packets that are not checks
				for _, h := range s.hosts {
					s.watch(h, false, func(packet []byte) {
						if !stun.Is(packet) {
							others++
						}
					})
				}
				for minute := range 10 {
					if minute == 5 {
						restore()
					}
					require.ErrorIs(t, a.SendText("lost"), ErrPathLost)
					require.ErrorIs(t, b.SendText("lost"), ErrPathLost)
					pause(time.Minute)
				}
				require.Zero(t, others)
				require.Equal(t, StateFailed, s.a.State())
				require.Equal(t, StateFailed, s.b.State())

				before := s.b.Stats()
				sendDatagram(t, path, sealRecord(s.a))
				pause(time.Second)
				require.Equal(t, 1, others, "the record arrived")
				require.Equal(t, before.StrangersDropped+1, s.b.Stats().StrangersDropped, "and was discarded, though it is authentic")
				require.Equal(t, before.SCTP.PacketsReceived, s.b.Stats().SCTP.PacketsReceived)

				require.NoError(t, s.b.RestartICE())
				s.await(10*time.Second, "connected", func() bool { return s.a.State() == StateConnected && s.b.State() == StateConnected })
				for _, dc := range []*DataChannel{a, b} {
					for i := range sent {
						require.Equal(t, fmt.Sprint(i), string(next(t, dc).Data))
					}
				}
				wantTraffic(t, a, b)
			})
		})
	}
}

// wantTraffic checks that messages pass in both directions, and that none arrives before them.
func wantTraffic(t testing.TB, a, b *DataChannel) {
	t.Helper()
	require.Equal(t, "x", string(exchange(t, a, b, Message{Data: []byte("x")}).Data))
	require.Equal(t, "y", string(exchange(t, b, a, Message{Data: []byte("y")}).Data))
}
