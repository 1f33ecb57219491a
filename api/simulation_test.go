package rtc

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/ice/icenet"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/netsim/simnet"
)

// network is a simulated network in virtual time. Loss, order, times and addresses are exact, and
// the same in each run of a test.
type network struct {
	*simnet.World
	t     *testing.T
	rng   *rand.Rand // of the test
	hosts int        // the number of hosts so far
}

// inNetwork runs f in virtual time, with an empty network.
func inNetwork(t *testing.T, seed uint64, f func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		t.Cleanup(synctest.Wait) // nothing uses the source of randomness when it is replaced
		n := &network{World: simnet.New(seed), t: t, rng: rand.New(rand.NewPCG(seed, 7))}
		t.Cleanup(n.Close)
		f(t, n)
	})
}

// address returns the address of the i-th host.
func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)}) }

// host adds a host with the given interfaces; without any, it has one with an address of its own.
func (n *network) host(interfaces ...netsim.Interface) *simnet.Host {
	if interfaces == nil {
		interfaces = []netsim.Interface{{Addr: address(n.hosts), Up: hostLink, Down: hostLink}}
	}
	n.hosts++
	return n.Host(interfaces...)
}

// connection creates a connection on a host of its own.
func (n *network) connection(c Configuration) *PeerConnection {
	n.t.Helper()
	return n.connectionOn(n.host(), c, tuning{})
}

// connectionOn creates a connection on a host. It is closed when the test ends.
func (n *network) connectionOn(h *simnet.Host, c Configuration, tune tuning) *PeerConnection {
	n.t.Helper()
	return n.connectionOver(h, c, tune)
}

// connectionOver is connectionOn with any network.
func (n *network) connectionOver(over icenet.Network, c Configuration, tune tuning) *PeerConnection {
	n.t.Helper()
	tune = tune.withDefaults()
	tune.network = over
	tune.ice.Rand = n.Sim.RandReader()
	pc, err := newPeerConnection(c, &tune)
	require.NoError(n.t, err)
	n.t.Cleanup(func() { require.NoError(n.t, pc.CloseAndWait()) })
	return pc
}

// simulation is two connections with all their layers on a simulated network.
type simulation struct {
	pair
	net   *network
	hosts [2]*simnet.Host // of a and b
	wires [2]*wire        // signalling from a, and from b
}

// place configures a simulation. The zero value is two hosts with one address each; a round trip
// takes 20 ms.
type place struct {
	a, b        Configuration
	tune        tuning
	interfaces  [2][]netsim.Interface // of a and b
	signalling  time.Duration         // the delay of descriptions and candidates; 0: 10 ms, negative: none
	unconnected bool                  // descriptions and candidates are not delivered
}

// hostLink is the link between a host and the network, without faults.
var hostLink = netsim.LinkConfig{Delay: 5 * time.Millisecond}

// inSimulation runs f in virtual time, with two connections on a network.
func inSimulation(t *testing.T, seed uint64, p place, f func(t *testing.T, s *simulation)) {
	t.Helper()
	inNetwork(t, seed, func(t *testing.T, n *network) { f(t, n.pair(p)) })
}

// pair creates two connections. They are closed when the test ends.
func (n *network) pair(p place) *simulation {
	n.t.Helper()
	s := &simulation{net: n}
	s.t = n.t
	for i := range s.hosts {
		s.hosts[i] = n.host(p.interfaces[i]...)
	}
	s.a, s.b = n.connectionOn(s.hosts[0], p.a, p.tune), n.connectionOn(s.hosts[1], p.b, p.tune)
	delay := max(cmp.Or(p.signalling, 10*time.Millisecond), 0)
	s.wires = [2]*wire{newWire(delay), newWire(delay)}
	if !p.unconnected {
		s.wires[0].carry(n.t, s.a, s.b)
		s.wires[1].carry(n.t, s.b, s.a)
	}
	n.t.Cleanup(func() {
		if n.t.Failed() {
			n.t.Logf("a: %+v\nb: %+v", s.a.Stats(), s.b.Stats())
		}
		for _, w := range s.wires {
			w.close()
		}
	})
	return s
}

// wire is a signalling channel that preserves the order.
type wire struct {
	delay time.Duration
	mu    sync.Mutex
	queue []signalled
	ended bool
}

type signalled struct {
	at      time.Time
	deliver func()
}

func newWire(delay time.Duration) *wire { return &wire{delay: delay} }

func (w *wire) send(deliver func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.queue = append(w.queue, signalled{time.Now().Add(w.delay), deliver})
	if len(w.queue) == 1 {
		time.AfterFunc(w.delay, w.arrive)
	}
}

func (w *wire) arrive() {
	for {
		w.mu.Lock()
		if w.ended || len(w.queue) == 0 || w.queue[0].at.After(time.Now()) {
			if !w.ended && len(w.queue) > 0 {
				time.AfterFunc(time.Until(w.queue[0].at), w.arrive)
			}
			w.mu.Unlock()
			return
		}
		next := w.queue[0]
		w.mu.Unlock()
		next.deliver()
		w.mu.Lock()
		w.queue = w.queue[1:]
		w.mu.Unlock()
	}
}

func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}

// carry delivers the descriptions and candidates of one connection to the other.
func (w *wire) carry(t testing.TB, from, to *PeerConnection) {
	from.OnLocalDescription(func(d SessionDescription) {
		w.send(func() {
			if err := to.SetRemoteDescription(d); err != nil {
				t.Errorf("set remote description: %v", err)
			}
		})
	})
	from.OnLocalCandidate(func(c Candidate) { w.send(func() { _ = to.AddRemoteCandidate(c) }) })
}

// await waits in virtual time until the condition holds, and fails the test if it does not within
// the limit. It checks every millisecond at first, then at intervals of a fiftieth of the time that
// has passed.
func (s *simulation) await(limit time.Duration, what string, condition func() bool) {
	s.t.Helper()
	for began := time.Now(); !condition(); pause(max(time.Millisecond, time.Since(began)/50)) {
		if time.Since(began) > limit {
			s.t.Fatalf("not within %v of virtual time: %s (states %v %v, ICE %v %v)", limit, what, s.a.State(), s.b.State(), s.a.ICEState(), s.b.ICEState())
		}
	}
}

// settled waits until both agents have nominated.
func (s *simulation) settled() {
	s.t.Helper()
	s.await(10*time.Second, "nominated", func() bool {
		return s.a.ICEState() == ICEStateCompleted && s.b.ICEState() == ICEStateCompleted
	})
}

// loseAll discards all packets from and to the host of a until restore is called.
func (s *simulation) loseAll() (restore func()) { return s.lose(true, true) }

// lose discards the packets from the host of a, or to it, until restore is called.
func (s *simulation) lose(from, to bool) (restore func()) {
	at := s.hosts[0].Attachment(0)
	up, down := at.Up.Config(), at.Down.Config()
	s.net.Do(func() {
		if from {
			at.Up.SetConfig(netsim.LinkConfig{Loss: 1})
		}
		if to {
			at.Down.SetConfig(netsim.LinkConfig{Loss: 1})
		}
	})
	return func() {
		s.net.Do(func() {
			at.Up.SetConfig(up)
			at.Down.SetConfig(down)
		})
	}
}

// twoInterfaces returns the interfaces of two hosts with two addresses each.
func twoInterfaces() (interfaces [2][]netsim.Interface) {
	for side := range interfaces {
		for i := range 2 {
			interfaces[side] = append(interfaces[side], netsim.Interface{
				Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(10*side + i + 1)}), Up: hostLink, Down: hostLink,
			})
		}
	}
	return interfaces
}

// lateNomination configures agents that check all pairs before they nominate one.
var lateNomination = tuning{ice: ice.Config{NominationGrace: time.Second}}

// otherPath returns a path of a connection to the peer's address in use, from a link that is not in
// use.
func otherPath(t *testing.T, pc *PeerConnection) link.Path {
	t.Helper()
	pc.mu.Lock()
	defer pc.mu.Unlock()
	used := pc.transport.ice.Path()
	for _, l := range pc.transport.ice.Links() {
		if l != used.Link {
			return l.PathTo(used.Remote)
		}
	}
	t.Fatal("there is one link only")
	panic("unreachable")
}

// sendOver sends a message over a path that the connection has not selected.
func sendOver(t *testing.T, dc *DataChannel, path link.Path, text string) {
	t.Helper()
	tr := dc.table.transport
	tr.lock()
	defer tr.mu.Unlock()
	require.NoError(t, dc.send([]byte(text), true))
	tr.deferred.due = false
	tr.transmitSCTP(&path)
	tr.send()
}

// usedPath returns the path that a connection sends data on.
func usedPath(pc *PeerConnection) link.Path {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return *pc.transport.ice.Path()
}

// sealRecord returns an authentic DTLS record of a connection, newer than all before.
func sealRecord(pc *PeerConnection) []byte {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return must(pc.transport.dtls.Seal(nil, make([]byte, 12)))
}

// sendDatagram sends a datagram over a path, even if its connection has no consent for it.
func sendDatagram(t *testing.T, path link.Path, datagram []byte) {
	t.Helper()
	var o link.Batch
	o.Commit(&path, datagram)
	require.NoError(t, o.Flush())
}

// A datagram arrives after the delays of both links on its path, also if the network was idle
// before.
func TestSimulatedDatagramsHaveTheDelayOfTheirPath(t *testing.T) {
	inNetwork(t, 1, func(t *testing.T, n *network) {
		from, to := must(n.host().Listen(address(0), 0, 0)), must(n.host().Listen(address(1), 0, 0))
		defer to.Close()
		defer from.Close()
		arrived := make(chan time.Time, 1)
		go func() { _ = to.Serve(func(*link.Inbound) { arrived <- time.Now() }) }()
		for _, quiet := range []time.Duration{0, 2 * time.Millisecond, 7 * time.Millisecond, time.Second} {
			pause(quiet)
			sent := time.Now()
			sendDatagram(t, from.PathTo(to.LocalAddr()), []byte{1})
			require.InDelta(t, 2*hostLink.Delay.Seconds(), (<-arrived).Sub(sent).Seconds(), 1e-6, "after %v", quiet)
		}
	})
}
