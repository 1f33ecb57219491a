package rtc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// randomRun is a connection between two programs over a network in which random events happen:
// loss, reordering, duplication, complete loss for seconds, NATs that lose their mappings,
// interfaces that are removed and added, ICE restarts and renegotiations by both sides. When the
// events have ended and the network is good again, check compares the messages sent and received.
type randomRun struct {
	*simulation
	until time.Time
	nats  [2]*netsim.NAT

	mu        sync.Mutex
	hooks     map[*PeerConnection]func() // called once, in the next callback
	channels  []*direction
	hostCount byte // the last byte of the addresses assigned so far
}

// direction is one direction of a data channel: the messages sent and received.
type direction struct {
	name        string
	reliability Reliability
	from        *DataChannel
	sent        uint32
	got         []uint32
	opened      int
	closed      int
	late        int // messages before OnOpen or after OnClosed
}

var allReliabilities = []Reliability{
	{}, {Unordered: true}, {Unreliable: true}, {Unreliable: true, Unordered: true, MaxRetransmits: 2},
	{Unreliable: true, MaxPacketLifeTime: 150}, {Unreliable: true, Unordered: true, MaxPacketLifeTime: 300},
}

// randomLink returns a bad link, on which most packets arrive nevertheless.
func randomLink(r *rand.Rand) netsim.LinkConfig {
	return netsim.LinkConfig{
		Delay: time.Duration(1+r.IntN(40)) * time.Millisecond, Jitter: time.Duration(r.IntN(10)) * time.Millisecond,
		Loss: r.Float64() * 0.03, Reorder: r.Float64() * 0.1, Duplicate: r.Float64() * 0.05,
		Rate: 20_000_000, Queue: 200_000,
	}
}

// inRandomNetwork runs f with two connections, on hosts with one or two interfaces, with or without
// a NAT.
func inRandomNetwork(t *testing.T, seed uint64, f func(s *randomRun)) {
	inNetwork(t, seed, func(t *testing.T, n *network) {
		s := &randomRun{}
		r := n.rng
		server := netip.MustParseAddr("192.0.2.1")
		n.Network.Attach(&netsim.Responder{Reply: stunReply}, netsim.Interface{Addr: server})
		n.Name("stun.example", server)
		c := Configuration{ICEServers: []string{"stun:stun.example"}}
		p := place{a: c, b: c, signalling: time.Duration(1+r.IntN(200)) * time.Millisecond}
		for side := range p.interfaces {
			external := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + side)})
			switch r.IntN(4) {
			case 0:
				s.nats[side] = n.Network.AddNAT(netsim.FullCone(external))
			case 1:
				s.nats[side] = n.Network.AddNAT(netsim.PortRestrictedCone(external))
			}
			p.interfaces[side] = []netsim.Interface{s.network(side, r)}
			if r.IntN(2) == 0 {
				p.interfaces[side] = append(p.interfaces[side], s.network(side, r))
			}
		}
		s.simulation = n.pair(p)
		f(s)
	})
}

// network returns an interface of a side, on a network of its own.
func (s *randomRun) network(side int, r *rand.Rand) netsim.Interface {
	s.hostCount++
	i := netsim.Interface{Addr: netip.AddrFrom4([4]byte{198, 51, byte(100 + side), s.hostCount}), Up: randomLink(r), Down: randomLink(r)}
	if s.nats[side] != nil {
		i.Addr, i.Behind = netip.AddrFrom4([4]byte{10, byte(side), 0, s.hostCount}), s.nats[side]
	}
	return i
}

func stunReply(dst []byte, _, remote netip.AddrPort, packet []byte) []byte {
	m, err := stun.Parse(packet)
	if err != nil || m.Type() != stun.NewType(stun.MethodBinding, stun.ClassRequest) {
		return nil
	}
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, remote)
	b.AddFingerprint()
	return b.Bytes()
}

// watch fails the test if a connection changes its state in a way that the W3C's specification does
// not define.
func (s *randomRun) watch(name string, pc *PeerConnection) {
	state, iceState := StateNew, ICEStateNew
	pc.OnStateChange(func(next State) {
		defer s.called(pc)
		legal := map[State][]State{
			StateNew:          {StateConnecting, StateClosed},
			StateConnecting:   {StateConnected, StateDisconnected, StateFailed, StateClosed},
			StateConnected:    {StateDisconnected, StateConnecting, StateFailed, StateClosed},
			StateDisconnected: {StateConnecting, StateConnected, StateFailed, StateClosed},
			StateFailed:       {StateConnecting, StateConnected, StateClosed},
		}
		if !slices.Contains(legal[state], next) {
			s.t.Errorf("%s: from %v to %v", name, state, next)
		}
		state = next
	})
	pc.OnICEStateChange(func(next ICEState) {
		legal := map[ICEState][]ICEState{
			ICEStateNew:          {ICEStateChecking, ICEStateClosed},
			ICEStateChecking:     {ICEStateConnected, ICEStateDisconnected, ICEStateFailed, ICEStateClosed},
			ICEStateConnected:    {ICEStateCompleted, ICEStateDisconnected, ICEStateChecking, ICEStateFailed, ICEStateClosed},
			ICEStateCompleted:    {ICEStateConnected, ICEStateDisconnected, ICEStateChecking, ICEStateFailed, ICEStateClosed},
			ICEStateDisconnected: {ICEStateChecking, ICEStateConnected, ICEStateFailed, ICEStateClosed},
			ICEStateFailed:       {ICEStateChecking, ICEStateConnected, ICEStateClosed},
		}
		if !slices.Contains(legal[iceState], next) {
			s.t.Errorf("%s: ICE from %v to %v", name, iceState, next)
		}
		iceState = next
	})
	signalingState, gatheringState := SignalingStateStable, GatheringStateNew
	pc.OnSignalingStateChange(func(next SignalingState) {
		legal := map[SignalingState][]SignalingState{
			SignalingStateStable: {SignalingStateHaveLocalOffer, SignalingStateHaveRemoteOffer},
			// A remote offer replaces a local one.
			SignalingStateHaveLocalOffer:     {SignalingStateStable, SignalingStateHaveRemotePranswer, SignalingStateHaveRemoteOffer},
			SignalingStateHaveRemoteOffer:    {SignalingStateStable, SignalingStateHaveLocalPranswer},
			SignalingStateHaveLocalPranswer:  {SignalingStateStable},
			SignalingStateHaveRemotePranswer: {SignalingStateStable},
		}
		if !slices.Contains(legal[signalingState], next) {
			s.t.Errorf("%s: signalling from %v to %v", name, signalingState, next)
		}
		signalingState = next
	})
	pc.OnGatheringStateChange(func(next GatheringState) {
		legal := map[GatheringState]GatheringState{
			GatheringStateNew:        GatheringStateInProgress,
			GatheringStateInProgress: GatheringStateComplete,
			GatheringStateComplete:   GatheringStateInProgress,
		}
		if legal[gatheringState] != next {
			s.t.Errorf("%s: gathering from %v to %v", name, gatheringState, next)
		}
		gatheringState = next
	})
}

// inNextCallback arranges for one call of f, in the next callback of a connection.
func (s *randomRun) inNextCallback(pc *PeerConnection, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks == nil {
		s.hooks = make(map[*PeerConnection]func())
	}
	s.hooks[pc] = f
}

// takeHook returns the function that was passed to inNextCallback and has not been called; nil:
// there is none.
func (s *randomRun) takeHook(pc *PeerConnection) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.hooks[pc]
	delete(s.hooks, pc)
	return f
}

// called is called by the callbacks of a connection.
func (s *randomRun) called(pc *PeerConnection) {
	if f := s.takeHook(pc); f != nil {
		f()
	}
}

// open creates a data channel, unless the connection is closed, and records both of its directions.
func (s *randomRun) open(from, to *PeerConnection, n int) {
	r := allReliabilities[n%len(allReliabilities)]
	name := fmt.Sprintf("%d", n)
	dc, err := from.CreateDataChannel(name, &DataChannelInit{Reliability: r})
	if errors.Is(err, net.ErrClosed) {
		return
	}
	require.NoError(s.t, err)
	there := &direction{name: name + " there", reliability: r, from: dc}
	back := &direction{name: name + " back", reliability: r}
	s.mu.Lock()
	s.channels = append(s.channels, there, back)
	s.mu.Unlock()
	s.receive(dc, back)
}

// accept records a channel that the peer has opened.
func (s *randomRun) accept(dc *DataChannel) {
	s.mu.Lock()
	var there, back *direction
	for i := 0; i < len(s.channels); i += 2 {
		if s.channels[i].name == dc.Label()+" there" {
			there, back = s.channels[i], s.channels[i+1]
		}
	}
	back.from = dc
	s.mu.Unlock()
	s.receive(dc, there)
}

// receive records the events at the receiving end of a direction.
func (s *randomRun) receive(dc *DataChannel, c *direction) {
	pc := dc.table.owner.(*PeerConnection)
	dc.OnOpen(func() {
		c.opened++
		s.called(pc)
	})
	dc.OnClosed(func() {
		c.closed++
		s.called(pc)
	})
	dc.OnMessage(func(m Message) {
		defer s.called(pc)
		if c.closed > 0 || c.opened == 0 {
			c.late++
		}
		c.got = append(c.got, binary.BigEndian.Uint32(m.Data))
	})
}

// send sends a message, if the channel accepts it.
func (s *randomRun) send(c *direction, size int) {
	s.mu.Lock()
	from := c.from
	s.mu.Unlock()
	if from == nil {
		return
	}
	message := make([]byte, 4+size)
	binary.BigEndian.PutUint32(message, c.sent+1)
	if err := from.Send(message); err == nil {
		c.sent++
	}
}

// checkPaths checks that the path on which each connection sends is that of the agent's selected
// pair, on an open link.
func (s *randomRun) checkPaths() {
	for _, pc := range []*PeerConnection{s.a, s.b} {
		pc.mu.Lock()
		if t := &pc.transport; t.ice != nil && !pc.ended {
			pair, ok := t.ice.Agent().Selected()
			path := t.ice.Path()
			require.Equal(s.t, ok, path != nil, "there is a path")
			if ok {
				require.Equal(s.t, pair.Path, t.path)
				require.Equal(s.t, pair.Path.Remote, path.Remote)
				require.Contains(s.t, t.ice.Links(), path.Link)
			}
		}
		pc.mu.Unlock()
	}
}

// randomEvent makes one event happen.
func (s *randomRun) randomEvent() {
	r := s.net.rng
	side := r.IntN(2)
	pc := []*PeerConnection{s.a, s.b}[side]
	host := s.hosts[side]
	switch r.IntN(8) {
	case 0: // all packets are lost, mostly for less time than consent takes to expire
		if host.Interfaces() == 0 {
			return
		}
		n := r.IntN(host.Interfaces())
		at := host.Attachment(n)
		length := time.Duration(r.IntN(10000)) * time.Millisecond
		if r.IntN(4) == 0 {
			length *= 6
		}
		up, down := randomLink(r), randomLink(r)
		s.net.Do(func() {
			at.Up.SetConfig(netsim.LinkConfig{Loss: 1})
			at.Down.SetConfig(netsim.LinkConfig{Loss: 1})
		})
		time.AfterFunc(length, func() {
			s.net.Do(func() {
				at.Up.SetConfig(up)
				at.Down.SetConfig(down)
			})
		})
	case 1: // a NAT loses its mappings
		if nat := s.nats[side]; nat != nil {
			s.net.Do(nat.Reset)
		}
	case 2: // an interface is removed, and perhaps another one is added
		if host.Interfaces() > 0 {
			host.Detach(r.IntN(host.Interfaces()), r.IntN(2) == 0)
		}
		if host.Interfaces() == 0 || r.IntN(2) == 0 {
			host.Attach(s.network(side, r))
		}
	case 3, 4:
		_ = pc.RestartICE()
	case 5: // a renegotiation
		_ = pc.SetLocalDescription(DescriptionOffer)
	case 6:
		s.open(s.a, s.b, len(s.channels)/2)
	case 7: // two events at once
		s.randomEvent()
		s.randomEvent()
	}
}

// reconnect waits until both sides are connected again. It restarts ICE as often as necessary, as a
// program would.
func (s *randomRun) reconnect() {
	for side, host := range s.hosts {
		if host.Interfaces() == 0 {
			host.Attach(s.network(side, s.net.rng))
		}
	}
	well := func() bool {
		for _, pc := range []*PeerConnection{s.a, s.b} {
			if pc.State() != StateConnected || pc.ICEState() != ICEStateCompleted || pc.SignalingState() != SignalingStateStable {
				return false
			}
		}
		return true
	}
	pause(70 * time.Second) // all links work again, and consent has expired where it was not renewed
	for try := 0; ; try++ {
		for range 30 {
			if well() {
				return
			}
			pause(time.Second)
		}
		if try == 10 {
			s.t.Fatalf("not connected after ten restarts: %v %v, ICE %v %v, signalling %v %v\na: %+v\nb: %+v",
				s.a.State(), s.b.State(), s.a.ICEState(), s.b.ICEState(), s.a.SignalingState(), s.b.SignalingState(), s.a.Stats().ICE, s.b.Stats().ICE)
		}
		require.NoError(s.t, []*PeerConnection{s.a, s.b}[try%2].RestartICE())
	}
}

// check compares the messages sent and received. On a reliable channel each message arrives once,
// on others at most once, and on ordered channels in order.
func (s *randomRun) check() {
	for _, c := range s.channels {
		if c.opened != 1 {
			s.t.Errorf("channel %s: opened %d times", c.name, c.opened)
		}
		if !c.reliability.Unreliable && len(c.got) != int(c.sent) {
			s.t.Errorf("channel %s: %d of %d messages arrived", c.name, len(c.got), c.sent)
		}
	}
	s.checkOrder()
}

// checkOrder compares the messages sent and received on channels that may have ended. Each message
// arrives at most once, on ordered channels in order. On those that are reliable, too, no message
// is missing before one that has arrived.
func (s *randomRun) checkOrder() {
	for _, c := range s.channels {
		if c.late != 0 {
			s.t.Errorf("channel %s: %d messages before OnOpen or after OnClosed", c.name, c.late)
		}
		seen := make(map[uint32]bool)
		last := uint32(0)
		for _, n := range c.got {
			if seen[n] || n == 0 || n > c.sent {
				s.t.Errorf("channel %s: message %d arrived twice, or was never sent", c.name, n)
			}
			if !c.reliability.Unordered && n < last {
				s.t.Errorf("channel %s: message %d after %d", c.name, n, last)
			}
			seen[n], last = true, n
		}
		if c.reliability == (Reliability{}) && int(last) != len(c.got) {
			s.t.Errorf("channel %s: %d messages up to %d arrived", c.name, len(c.got), last)
		}
	}
}

// begin sets the callbacks of both sides, and opens a channel of each kind.
func (s *randomRun) begin() {
	s.watch("a", s.a)
	s.watch("b", s.b)
	s.b.OnDataChannel(s.accept)
	for i := range allReliabilities {
		s.open(s.a, s.b, i)
	}
}

// storm sends messages for some time, while random events happen with at most the given pause.
func (s *randomRun) storm(length, pause time.Duration, event func()) {
	r := s.net.rng
	random := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	s.until = time.Now().Add(length)
	next := time.Now().Add(random(pause))
	for time.Now().Before(s.until) {
		for range r.IntN(4) {
			s.send(s.channels[r.IntN(len(s.channels))], r.IntN(3000))
		}
		if time.Now().After(next) {
			event()
			next = time.Now().Add(random(pause))
		}
		time.Sleep(random(100 * time.Millisecond))
		s.checkPaths()
	}
}

// After random events of the network and of both programs, reliable channels have lost nothing, and
// closing the connection closes each channel once.
func TestRandomEvents(t *testing.T) {
	began, n := time.Now(), 0
	netsim.Seeds(t, 40, func(t *testing.T, seed uint64) {
		n++
		inRandomNetwork(t, seed, func(s *randomRun) {
			s.begin()
			s.await(time.Minute, "connected", func() bool { return s.a.State() == StateConnected && s.b.State() == StateConnected })
			s.storm(time.Duration(5+s.net.rng.IntN(60))*time.Second, 8*time.Second, s.randomEvent)
			s.reconnect()
			for _, c := range s.channels {
				s.send(c, 100)
			}
			pause(20 * time.Second)
			s.check()

			require.NoError(s.t, s.a.Close())
			s.await(time.Minute, "closed", func() bool { return s.a.State() == StateClosed && s.b.State() == StateClosed })
			require.Zero(s.t, s.a.Stats().Undelivered)
			for _, c := range s.channels {
				if c.closed != 1 {
					s.t.Errorf("channel %s: closed %d times", c.name, c.closed)
				}
			}
		})
	})
	t.Logf("%v for each seed", time.Since(began)/time.Duration(n))
}
