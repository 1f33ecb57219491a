package rtc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// A storm is a connection between two programs that use it in every way, over a network in which everything happens at random
// moments: loss, reordering and duplication all the time, blackouts, NATs that forget, networks that come and go, restarts and
// renegotiations from both sides. When it is over, and the network is well again, everything must be as if nothing had been: see
// storm.check.
type storm struct {
	*simulation
	until time.Time
	nats  [2]*netsim.NAT

	mu       sync.Mutex
	channels []*stormChannel
	spare    byte // of addresses
}

// stormChannel is one direction of a data channel: what was sent, and what has arrived.
type stormChannel struct {
	name        string
	reliability Reliability
	from        *DataChannel
	sent        uint32
	got         []uint32
	opened      int
	closed      int
	late        int // messages after the end
}

var stormReliabilities = []Reliability{
	{}, {Unordered: true}, {Unreliable: true}, {Unreliable: true, Unordered: true, MaxRetransmits: 2},
	{Unreliable: true, MaxPacketLifeTime: 150}, {Unreliable: true, Unordered: true, MaxPacketLifeTime: 300},
}

// stormLink is half of a way that is bad, but not so that nothing passes.
func stormLink(r *rand.Rand) netsim.LinkConfig {
	return netsim.LinkConfig{
		Delay: time.Duration(1+r.IntN(40)) * time.Millisecond, Jitter: time.Duration(r.IntN(10)) * time.Millisecond,
		Loss: r.Float64() * 0.03, Reorder: r.Float64() * 0.1, Duplicate: r.Float64() * 0.05,
		Rate: 20_000_000, Queue: 200_000,
	}
}

// inStorm makes a network of all sorts, and two connections on it.
func inStorm(t *testing.T, seed uint64, f func(s *storm)) {
	inNetwork(t, seed, func(t *testing.T, n *network) {
		s := &storm{}
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

// network makes an interface of a side on a network of its own.
func (s *storm) network(side int, r *rand.Rand) netsim.Interface {
	s.spare++
	i := netsim.Interface{Addr: netip.AddrFrom4([4]byte{198, 51, byte(100 + side), s.spare}), Up: stormLink(r), Down: stormLink(r)}
	if s.nats[side] != nil {
		i.Addr, i.Behind = netip.AddrFrom4([4]byte{10, byte(side), 0, s.spare}), s.nats[side]
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

// watch fails the test if the states of a connection come in an order that W3C WebRTC does not have.
func (s *storm) watch(name string, pc *PeerConnection) {
	state, iceState := StateNew, ICEStateNew
	pc.OnStateChange(func(next State) {
		legal := map[State][]State{
			StateNew:          {StateConnecting, StateClosed},
			StateConnecting:   {StateConnected, StateDisconnected, StateFailed, StateClosed},
			StateConnected:    {StateDisconnected, StateConnecting, StateFailed, StateClosed},
			StateDisconnected: {StateConnecting, StateConnected, StateFailed, StateClosed},
			StateFailed:       {StateConnecting, StateConnected, StateClosed},
		}
		if !contains(legal[state], next) {
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
		if !contains(legal[iceState], next) {
			s.t.Errorf("%s: ICE from %v to %v", name, iceState, next)
		}
		iceState = next
	})
}

func contains[T comparable](all []T, one T) bool {
	for _, v := range all {
		if v == one {
			return true
		}
	}
	return false
}

// open creates a data channel from one side, and notes both of its directions.
func (s *storm) open(from, to *PeerConnection, n int) {
	r := stormReliabilities[n%len(stormReliabilities)]
	name := fmt.Sprintf("%d", n)
	dc, err := from.CreateDataChannel(name, &DataChannelInit{Reliability: r})
	require.NoError(s.t, err)
	there := &stormChannel{name: name + " there", reliability: r, from: dc}
	back := &stormChannel{name: name + " back", reliability: r}
	s.mu.Lock()
	s.channels = append(s.channels, there, back)
	s.mu.Unlock()
	s.receive(dc, back)
}

// accept notes the channels that the peer opens.
func (s *storm) accept(dc *DataChannel) {
	s.mu.Lock()
	var there, back *stormChannel
	for i := 0; i < len(s.channels); i += 2 {
		if s.channels[i].name == dc.Label()+" there" {
			there, back = s.channels[i], s.channels[i+1]
		}
	}
	back.from = dc
	s.mu.Unlock()
	s.receive(dc, there)
}

// receive notes what happens to the receiving end of a direction.
func (s *storm) receive(dc *DataChannel, c *stormChannel) {
	dc.OnOpen(func() { c.opened++ })
	dc.OnClosed(func() { c.closed++ })
	dc.OnMessage(func(m Message) {
		if c.closed > 0 || c.opened == 0 {
			c.late++
		}
		c.got = append(c.got, binary.BigEndian.Uint32(m.Data))
	})
}

// send sends a message on a channel, if it can.
func (s *storm) send(c *stormChannel, size int) {
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

// happen makes one thing happen.
func (s *storm) happen() {
	r := s.net.rng
	side := r.IntN(2)
	pc := []*PeerConnection{s.a, s.b}[side]
	host := s.hosts[side]
	switch r.IntN(8) {
	case 0: // a blackout, mostly too short for consent to expire
		if host.Interfaces() == 0 {
			return
		}
		n := r.IntN(host.Interfaces())
		at := host.Attachment(n)
		length := time.Duration(r.IntN(10000)) * time.Millisecond
		if r.IntN(4) == 0 {
			length *= 6
		}
		up, down := stormLink(r), stormLink(r)
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
	case 1: // a NAT that is started anew
		if nat := s.nats[side]; nat != nil {
			s.net.Do(nat.Reset)
		}
	case 2: // a network that is gone, and perhaps another one
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
	case 7: // two at once
		s.happen()
		s.happen()
	}
}

// recover waits until both are connected again, and restarts ICE as a program would, as often as that takes.
func (s *storm) recover() {
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
	pause(70 * time.Second) // all blackouts are over, and consent has expired where it will
	for try := 0; ; try++ {
		for range 30 {
			if well() {
				return
			}
			pause(time.Second)
		}
		if try == 10 {
			s.t.Fatalf("they do not find each other again: %v %v, ICE %v %v, signalling %v %v\na: %+v\nb: %+v",
				s.a.State(), s.b.State(), s.a.ICEState(), s.b.ICEState(), s.a.SignalingState(), s.b.SignalingState(), s.a.Stats().ICE, s.b.Stats().ICE)
		}
		require.NoError(s.t, []*PeerConnection{s.a, s.b}[try%2].RestartICE())
	}
}

// check compares what was sent with what has arrived: of reliable channels everything, once, and in order if they are ordered; of the
// others nothing twice, and in order if they are ordered.
func (s *storm) check() {
	for _, c := range s.channels {
		if c.opened != 1 || c.late != 0 {
			s.t.Errorf("channel %s: opened %d times, %d messages out of its life", c.name, c.opened, c.late)
		}
		seen := make(map[uint32]bool)
		last := uint32(0)
		for _, n := range c.got {
			if seen[n] || n == 0 || n > c.sent {
				s.t.Errorf("channel %s: message %d twice, or never sent", c.name, n)
			}
			if !c.reliability.Unordered && n < last {
				s.t.Errorf("channel %s: message %d after %d", c.name, n, last)
			}
			seen[n], last = true, n
		}
		if !c.reliability.Unreliable && len(c.got) != int(c.sent) {
			s.t.Errorf("channel %s: %d of %d messages", c.name, len(c.got), c.sent)
		}
	}
}

// Whatever happens to the network, a connection that lives through it has lost nothing that was not to be lost.
func TestStorm(t *testing.T) {
	began, n := time.Now(), 0
	netsim.Seeds(t, 40, func(t *testing.T, seed uint64) {
		n++
		inStorm(t, seed, func(s *storm) {
			s.watch("a", s.a)
			s.watch("b", s.b)
			s.b.OnDataChannel(s.accept)
			for i := range stormReliabilities {
				s.open(s.a, s.b, i)
			}
			s.await(time.Minute, "connected", func() bool { return s.a.State() == StateConnected && s.b.State() == StateConnected })
			s.until = time.Now().Add(time.Duration(5+s.net.rng.IntN(60)) * time.Second)
			next := time.Now().Add(time.Duration(s.net.rng.IntN(5000)) * time.Millisecond)
			for time.Now().Before(s.until) {
				for range s.net.rng.IntN(4) {
					s.send(s.channels[s.net.rng.IntN(len(s.channels))], s.net.rng.IntN(3000))
				}
				if time.Now().After(next) {
					s.happen()
					next = time.Now().Add(time.Duration(s.net.rng.IntN(8000)) * time.Millisecond)
				}
				time.Sleep(time.Duration(s.net.rng.IntN(100)) * time.Millisecond)
			}
			s.recover()
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
