package rtc

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// wish is an action that a program may take at any time.
type wish struct {
	name string
	do   func(pc *PeerConnection) error
}

var (
	restart     = wish{"restart", (*PeerConnection).RestartICE}
	renegotiate = wish{"renegotiate", func(pc *PeerConnection) error {
		if pc.SignalingState() != SignalingStateStable {
			return nil // an exchange is under way
		}
		return pc.SetLocalDescription(DescriptionOffer)
	}}
	rest = wish{"rest", func(*PeerConnection) error { return nil }}
)

// crossings are the pairs of wishes, of a and of b.
var crossings = [][2]wish{
	{restart, rest}, {rest, restart}, {restart, restart}, {restart, renegotiate}, {renegotiate, restart}, {renegotiate, renegotiate},
}

// eachCrossing runs f for all pairs of wishes and for signalling that takes 0 to 500 ms.
func eachCrossing(t *testing.T, n int, f func(t *testing.T, seed uint64, delay time.Duration, wishes [2]wish)) {
	for _, delay := range []time.Duration{-1, 5 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		for _, wishes := range crossings {
			netsim.Seeds(t, n, func(t *testing.T, seed uint64) {
				defer func() {
					if t.Failed() {
						t.Logf("signalling takes %v, a wants to %s, b wants to %s", max(delay, 0), wishes[0].name, wishes[1].name)
					}
				}()
				f(t, seed, delay, wishes)
			})
		}
	}
}

// cross has both sides follow their wishes, b up to two signalling delays later than a, while
// messages pass, and checks that both come to rest on a path of the same generation, restarted if
// one of them wanted that, and have reported nothing about the old path, which worked all the
// while.
func (s *simulation) cross(t *testing.T, delay time.Duration, wishes [2]wish, a, b *DataChannel) {
	t.Helper()
	pcs := []*PeerConnection{s.a, s.b}
	k := newTalk(t, a, b)
	histories := []*history{recordStates(s.a), recordStates(s.b)}
	for range 3 {
		k.goOn(200 * time.Millisecond)
		before := []string{credentials(t, must(s.a.LocalDescription())), credentials(t, must(s.b.LocalDescription()))}
		require.NoError(t, wishes[0].do(s.a))
		if delay > 0 {
			pause(time.Duration(s.net.rng.Int64N(int64(2 * delay))))
		}
		require.NoError(t, wishes[1].do(s.b))
		k.goOn(200*time.Millisecond + 2*max(delay, 0))
		s.await(10*time.Second, "stable, on one path", func() bool {
			return agree(s.a, s.b) && s.a.SignalingState() == SignalingStateStable && s.b.SignalingState() == SignalingStateStable &&
				s.a.ICEState() == ICEStateCompleted && s.b.ICEState() == ICEStateCompleted
		})
		for i, pc := range pcs {
			require.False(t, pc.NegotiationNeeded())
			restarted := credentials(t, must(pc.LocalDescription())) != before[i]
			require.Equal(t, wishes[0].name == restart.name || wishes[1].name == restart.name, restarted)
			require.Equal(t, StateConnected, pc.State())
		}
	}
	k.finish()
	for i, h := range histories {
		require.Empty(t, h.all(), "side %d", i)
	}
}

// Offers of two connections that negotiate by themselves cross, each with or without a restart.
func TestRestartsThatCrossInTheNetwork(t *testing.T) {
	eachCrossing(t, 1, func(t *testing.T, seed uint64, delay time.Duration, wishes [2]wish) {
		inSimulation(t, seed, place{signalling: delay}, func(t *testing.T, s *simulation) {
			a, b := s.connect("x", nil)
			s.settled()
			s.cross(t, delay, wishes, a, b)
		})
	})
}

// negotiator is a program that negotiates by the pattern of
// https://www.w3.org/TR/webrtc/#perfect-negotiation-example: of two offers that cross, the polite side takes its own back, and the
// impolite side ignores the other's.
type negotiator struct {
	t      *testing.T
	pc     *PeerConnection
	wire   *wire // to the other side
	other  *negotiator
	polite bool

	mu                           sync.Mutex
	makingOffer                  bool
	ignoreOffer                  bool
	isSettingRemoteAnswerPending bool
}

// newNegotiator takes the callbacks of a connection that does not negotiate by itself.
func newNegotiator(t *testing.T, pc *PeerConnection, w *wire, polite bool) *negotiator {
	n := &negotiator{t: t, pc: pc, wire: w, polite: polite}
	pc.OnLocalDescription(func(d SessionDescription) { w.send(func() { n.other.onDescription(d) }) })
	pc.OnLocalCandidate(func(c Candidate) { w.send(func() { n.other.onCandidate(c) }) })
	pc.OnSignalingStateChange(func(s SignalingState) {
		if s == SignalingStateStable {
			n.onNegotiationNeeded(false)
		}
	})
	return n
}

// onNegotiationNeeded makes an offer if one is needed, or wanted anyway.
func (n *negotiator) onNegotiationNeeded(anyway bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pc.SignalingState() != SignalingStateStable || !anyway && !n.pc.NegotiationNeeded() {
		return
	}
	n.makingOffer = true
	if err := n.pc.SetLocalDescription(DescriptionAuto); err != nil {
		n.t.Errorf("set local description: %v", err)
	}
	n.makingOffer = false
}

// onDescription handles a description of the other side.
func (n *negotiator) onDescription(d SessionDescription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	readyForOffer := !n.makingOffer && (n.pc.SignalingState() == SignalingStateStable || n.isSettingRemoteAnswerPending)
	offerCollision := d.Type == DescriptionOffer && !readyForOffer
	n.ignoreOffer = !n.polite && offerCollision
	if n.ignoreOffer {
		return
	}
	n.isSettingRemoteAnswerPending = d.Type == DescriptionAnswer
	err := n.pc.SetRemoteDescription(d) // rolls the local offer back
	n.isSettingRemoteAnswerPending = false
	if err == nil && d.Type == DescriptionOffer {
		err = n.pc.SetLocalDescription(DescriptionAuto)
	}
	if err != nil {
		n.t.Errorf("description: %v", err)
	}
}

// onCandidate handles a candidate of the other side. One of an offer that was ignored may be
// refused.
func (n *negotiator) onCandidate(c Candidate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.pc.AddRemoteCandidate(c); err != nil && !n.ignoreOffer {
		n.t.Errorf("candidate: %v", err)
	}
}

// Two programs that negotiate perfectly make offers that cross, with and without restarts,
// whichever of them is the polite one.
func TestPerfectNegotiation(t *testing.T) {
	for polite := range 2 {
		eachCrossing(t, 1, func(t *testing.T, seed uint64, delay time.Duration, wishes [2]wish) {
			inSimulation(t, seed, place{a: manual, b: manual, signalling: delay, unconnected: true}, func(t *testing.T, s *simulation) {
				sides := [2]*negotiator{
					newNegotiator(t, s.a, s.wires[0], polite == 0), newNegotiator(t, s.b, s.wires[1], polite == 1),
				}
				sides[0].other, sides[1].other = sides[1], sides[0]

				// Both begin at once, too.
				accepted := make(chan *DataChannel, 1)
				s.b.OnDataChannel(func(dc *DataChannel) { accepted <- dc })
				a, err := s.a.CreateDataChannel("x", nil)
				require.NoError(t, err)
				other, err := s.b.CreateDataChannel("y", nil)
				require.NoError(t, err)
				for _, n := range sides {
					n.onNegotiationNeeded(false)
				}
				b := receive(t, accepted, "channel")
				eventually(t, "open", func() bool { return a.IsOpen() && other.IsOpen() })
				s.settled()

				var programs [2]wish
				for i, n := range sides {
					w := wishes[i]
					programs[i] = wish{w.name, func(pc *PeerConnection) error {
						switch w.name {
						case restart.name:
							err := pc.RestartICE()
							n.onNegotiationNeeded(false)
							return err
						case renegotiate.name:
							n.onNegotiationNeeded(true)
						}
						return nil
					}}
				}
				s.cross(t, delay, programs, a, b)
			})
		})
	}
}
