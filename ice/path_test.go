package ice

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// neighbours returns two agents on one network with the given one-way delay and immediate
// signalling.
func neighbours(t *testing.T, seed uint64, delay time.Duration) *world {
	w := newWorld(t, seed)
	link := netsim.LinkConfig{Delay: delay / 2}
	w.addPeer("a", Config{Controlling: true}, nil, link, "198.51.100.1")
	w.addPeer("b", Config{}, nil, link, "198.51.100.2")
	return w
}

// Hosts that reach each other are connected after one round trip and completed after two, without
// waiting for a timer.
func TestLatency(t *testing.T) {
	const rtt = 80 * time.Millisecond
	w := neighbours(t, 1, rtt/2)
	w.run(func() bool { return w.a.State() >= StateConnected && w.b.State() >= StateConnected }, time.Second)
	require.Equal(t, rtt, w.sim.Elapsed())
	w.await(w.completed, time.Second)
	require.Equal(t, 2*rtt, w.sim.Elapsed())
}

// The same with interfaces without a path to the peer: data flows as early, and only the nomination
// waits for its grace.
func TestLatencyWithUselessInterfaces(t *testing.T) {
	const rtt = 80 * time.Millisecond
	w := newWorld(t, 1)
	link := netsim.LinkConfig{Delay: rtt / 4}
	w.addPeer("a", Config{Controlling: true}, nil, link, "172.17.0.1", "172.18.0.1", "198.51.100.1")
	w.addPeer("b", Config{}, nil, link, "172.19.0.1", "172.20.0.1", "198.51.100.2")
	w.b.links[0].Detach()
	w.b.links[1].Detach()
	w.a.links[0].Detach()
	w.a.links[1].Detach()
	w.run(func() bool { return w.a.State() >= StateConnected && w.b.State() >= StateConnected }, time.Second)
	require.LessOrEqual(t, w.sim.Elapsed(), rtt)
	w.await(w.completed, time.Second)
	require.LessOrEqual(t, w.sim.Elapsed(), 2*rtt+DefaultNominationGrace)
}

func TestPeerVanishes(t *testing.T) {
	netsim.Seeds(t, 20, func(t *testing.T, seed uint64) {
		w := neighbours(t, seed, 10*time.Millisecond)
		w.run(w.completed, time.Second)
		require.NoError(t, w.sim.RunFor(time.Duration(w.sim.Rand().IntN(20000))*time.Millisecond))
		gone := w.sim.Elapsed()
		w.b.links[0].Up.SetConfig(netsim.LinkConfig{Loss: 1})
		w.b.links[0].Down.SetConfig(netsim.LinkConfig{Loss: 1})
		w.await(func() bool { return w.a.State() == StateDisconnected }, 11500*time.Millisecond)
		w.await(func() bool { return w.a.State() == StateFailed && w.b.State() == StateFailed }, time.Minute)
		after := w.sim.Elapsed() - gone
		// The last answer came up to 6 s before the peer went.
		require.GreaterOrEqual(t, after, 24*time.Second)
		require.LessOrEqual(t, after, 30*time.Second)
		require.Equal(t, []State{StateChecking, StateConnected, StateCompleted, StateDisconnected, StateFailed}, w.a.states)
	})
}

func TestPathReturns(t *testing.T) {
	w := neighbours(t, 1, 10*time.Millisecond)
	w.run(w.completed, time.Second)
	down := netsim.LinkConfig{Loss: 1}
	up := w.b.links[0].Up.Config()
	w.b.links[0].Up.SetConfig(down)
	w.await(func() bool { return w.a.State() == StateDisconnected && w.b.State() == StateDisconnected }, time.Minute)
	require.NoError(t, w.sim.RunFor(3*time.Second))
	w.b.links[0].Up.SetConfig(up)
	w.await(w.completed, 7*time.Second)
	require.Equal(t, []State{StateChecking, StateConnected, StateCompleted, StateDisconnected, StateConnected, StateCompleted}, w.a.states)
}

// After a NAT has dropped its mappings, the host has a new address. The checks from there restore
// the connection, with a NAT of any kind on either side.
func TestNATForgets(t *testing.T) {
	netsim.Seeds(t, 40, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		r := w.sim.Rand()
		link := netsim.LinkConfig{Delay: 10 * time.Millisecond}
		nat := w.nat(1 + r.IntN(4))
		controlling := r.IntN(2) == 0
		w.addPeer("a", Config{Controlling: controlling}, nat, link, "10.0.0.2")
		w.addPeer("b", Config{Controlling: !controlling}, nil, link, "198.51.100.2")
		w.run(w.completed, 5*time.Second)
		require.NoError(t, w.sim.RunFor(time.Duration(r.IntN(20000))*time.Millisecond))
		before, _ := w.b.Selected()
		nat.Reset()
		w.await(func() bool {
			after, ok := w.b.Selected()
			return ok && after.Remote.Addr != before.Remote.Addr && w.b.State() == StateCompleted && w.a.State() == StateCompleted
		}, 25*time.Second)
		a, _ := w.a.Selected()
		require.Equal(t, before.Local.Addr, a.Remote.Addr)
	})
}

// litePeer is a lite agent: it answers checks and accepts the nomination of the controlling agent:
// RFC 8445, section 7.3.2.
type litePeer struct {
	netsim.Responder
	selected netip.AddrPort
}

func newLitePeer(t *testing.T) *litePeer {
	l := &litePeer{}
	key := stun.NewKey([]byte(peerPwd))
	l.Reply = func(dst []byte, _, remote netip.AddrPort, packet []byte) []byte {
		m, err := stun.Parse(packet)
		if err != nil || m.CheckIntegrity(key) != nil {
			return nil
		}
		_, err = m.ICEControlling()
		require.NoError(t, err)
		if m.UseCandidate() {
			l.selected = remote
		}
		b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
		b.AddXORAddress(stun.AttributeXORMappedAddress, remote)
		b.AddIntegrity(key)
		b.AddFingerprint()
		return b.Bytes()
	}
	return l
}

func TestConnectsToLitePeer(t *testing.T) {
	netsim.Seeds(t, 50, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		r := w.sim.Rand()
		lite := newLitePeer(t)
		link := randomLink(r)
		addr := netip.MustParseAddrPort("198.51.100.9:9000")
		w.network.Attach(lite, netsim.Interface{Addr: addr.Addr(), Up: link, Down: link})
		a := w.addPeer("a", Config{Controlling: r.IntN(2) == 0}, w.nat(r.IntN(5)), randomLink(r), "10.1.0.2")
		now := w.sim.Now()
		require.NoError(t, a.AddLocal(now, netip.MustParseAddrPort("10.1.0.2:5000")))
		require.NoError(t, a.SetRemote(now, RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd, Lite: true}))
		c, err := ParseCandidate("candidate:1 1 udp 2130706431 198.51.100.9 9000 typ host")
		require.NoError(t, err)
		require.NoError(t, a.AddRemoteCandidate(now, c))
		w.b = a // for the description of await
		w.sim.Poke(a)
		w.await(func() bool {
			pair, _ := a.Selected()
			return a.State() == StateCompleted && pair.Local.Addr == lite.selected
		}, 30*time.Second)
		require.True(t, a.Controlling())
	})
}

// Two symmetric NATs cannot be traversed without a relay: both agents fail after their patience.
func TestNoPath(t *testing.T) {
	w := newWorld(t, 1)
	link := netsim.LinkConfig{Delay: 10 * time.Millisecond}
	w.addPeer("a", Config{Controlling: true}, w.nat(4), link, "10.0.0.2")
	w.addPeer("b", Config{}, w.nat(4), link, "10.0.0.3")
	w.run(func() bool { return w.a.State() == StateFailed && w.b.State() == StateFailed }, 41*time.Second)
	require.GreaterOrEqual(t, w.sim.Elapsed(), DefaultPatience)
	require.Equal(t, []State{StateChecking, StateFailed}, w.a.states)
}
