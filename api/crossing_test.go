package rtc

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

// action is something that a program may do at any time.
type action struct {
	name string
	do   func(pc *PeerConnection) error
}

var (
	restart     = action{"restart", (*PeerConnection).RestartICE}
	renegotiate = action{"renegotiate", func(pc *PeerConnection) error {
		if pc.SignalingState() != SignalingStateStable {
			return nil // an exchange is in progress
		}
		return pc.SetLocalDescription(DescriptionOffer)
	}}
	noAction = action{"nothing", func(*PeerConnection) error { return nil }}
)

// crossings are the pairs of actions, of a and of b.
var crossings = [][2]action{
	{restart, noAction}, {noAction, restart}, {restart, restart}, {restart, renegotiate}, {renegotiate, restart}, {renegotiate, renegotiate},
}

// eachCrossing runs f for all pairs of actions, with signalling delays from 0 to 500 ms.
func eachCrossing(t *testing.T, n int, f func(t *testing.T, seed uint64, delay time.Duration, actions [2]action)) {
	for _, delay := range []time.Duration{-1, 5 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond} {
		for _, actions := range crossings {
			netsim.Seeds(t, n, func(t *testing.T, seed uint64) {
				defer func() {
					if t.Failed() {
						t.Logf("signalling takes %v, a: %s, b: %s", max(delay, 0), actions[0].name, actions[1].name)
					}
				}()
				f(t, seed, delay, actions)
			})
		}
	}
}

// cross takes both actions, that of b up to two signalling delays later, while messages pass. It
// checks that both sides settle on a path of the same generation, that they have restarted ICE if
// one of the actions is a restart, and that they have reported no change of state: the old path
// worked throughout.
func (s *simulation) cross(t *testing.T, delay time.Duration, actions [2]action, a, b *DataChannel) {
	t.Helper()
	pcs := []*PeerConnection{s.a, s.b}
	k := newTalk(t, a, b)
	histories := []*history{recordStates(s.a), recordStates(s.b)}
	for range 3 {
		k.goOn(200 * time.Millisecond)
		before := []string{credentials(t, must(s.a.LocalDescription())), credentials(t, must(s.b.LocalDescription()))}
		require.NoError(t, actions[0].do(s.a))
		if delay > 0 {
			pause(time.Duration(s.net.rng.Int64N(int64(2 * delay))))
		}
		require.NoError(t, actions[1].do(s.b))
		k.goOn(200*time.Millisecond + 2*max(delay, 0))
		s.await(10*time.Second, "stable, on one path", func() bool {
			return agree(s.a, s.b) && s.a.SignalingState() == SignalingStateStable && s.b.SignalingState() == SignalingStateStable &&
				s.a.ICEState() == ICEStateCompleted && s.b.ICEState() == ICEStateCompleted
		})
		for i, pc := range pcs {
			require.False(t, pc.NegotiationNeeded())
			restarted := credentials(t, must(pc.LocalDescription())) != before[i]
			require.Equal(t, actions[0].name == restart.name || actions[1].name == restart.name, restarted)
			require.Equal(t, StateConnected, pc.State())
		}
	}
	k.finish()
	for i, h := range histories {
		require.Empty(t, h.all(), "side %d", i)
	}
}

// Two connections with automatic negotiation make offers at the same time, with or without a
// restart.
func TestRestartsWithCrossingOffers(t *testing.T) {
	eachCrossing(t, 1, func(t *testing.T, seed uint64, delay time.Duration, actions [2]action) {
		inSimulation(t, seed, place{signalling: delay}, func(t *testing.T, s *simulation) {
			a, b := s.connect("x", nil)
			s.settled()
			s.cross(t, delay, actions, a, b)
		})
	})
}

// negotiator is a program that follows https://www.w3.org/TR/webrtc/#perfect-negotiation-example:
// if two offers cross, the polite side rolls its own back, and the impolite side ignores the
// other's.
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

// newNegotiator sets the callbacks of a connection without automatic negotiation.
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

// onNegotiationNeeded makes an offer if one is needed, or if anyway is set.
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

// onCandidate handles a candidate of the other side. A candidate of an ignored offer may fail.
func (n *negotiator) onCandidate(c Candidate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.pc.AddRemoteCandidate(c); err != nil && !n.ignoreOffer {
		n.t.Errorf("candidate: %v", err)
	}
}

// Offers of two programs that follow the pattern of perfect negotiation cross, with and without
// restarts. Either side is the polite one.
func TestPerfectNegotiation(t *testing.T) {
	for polite := range 2 {
		eachCrossing(t, 1, func(t *testing.T, seed uint64, delay time.Duration, actions [2]action) {
			inSimulation(t, seed, place{a: manual, b: manual, signalling: delay, unconnected: true}, func(t *testing.T, s *simulation) {
				sides := [2]*negotiator{
					newNegotiator(t, s.a, s.wires[0], polite == 0), newNegotiator(t, s.b, s.wires[1], polite == 1),
				}
				sides[0].other, sides[1].other = sides[1], sides[0]

				// The first offers cross, too.
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

				var programs [2]action
				for i, n := range sides {
					w := actions[i]
					programs[i] = action{w.name, func(pc *PeerConnection) error {
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
