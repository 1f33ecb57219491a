package ice

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// world is two agents on a simulated network with a STUN server.
type world struct {
	t       *testing.T
	sim     *netsim.Sim
	network *netsim.Network
	a, b    *peer
	servers []netip.AddrPort
	nats    int
	// scenario describes the setup of a random test.
	scenario string
}

// peer is an agent in the world, with its signalling channel to the other.
type peer struct {
	addressed
	w        *world
	name     string
	other    *peer
	addrs    []netip.Addr
	links    []*netsim.Attachment
	behind   *netsim.NAT
	states   []State
	lostPath int  // number of EventPathLost
	path     Path // of the last EventSelectedPair; zero after EventPathLost
	complete bool // EventGatheringComplete was reported

	signalDelay  time.Duration // of the credentials
	trickleDelay func() time.Duration
}

var (
	serverV4 = netip.MustParseAddrPort("192.0.2.1:3478")
	serverV6 = netip.MustParseAddrPort("[2001:db8:ffff::1]:3478")
)

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, sim: netsim.New(seed)}
	w.network = netsim.NewNetwork(w.sim)
	server := &netsim.Responder{Reply: bindingReply}
	for _, s := range []netip.AddrPort{serverV4, serverV6} {
		w.network.Attach(server, netsim.Interface{Addr: s.Addr()})
		w.servers = append(w.servers, s)
	}
	return w
}

// bindingReply is a STUN server.
func bindingReply(dst []byte, _, remote netip.AddrPort, packet []byte) []byte {
	m, err := stun.Parse(packet)
	if err != nil || m.Type() != stun.NewType(stun.MethodBinding, stun.ClassRequest) {
		return nil
	}
	b := stun.NewBuilder(dst, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
	b.AddXORAddress(stun.AttributeXORMappedAddress, remote)
	b.AddFingerprint()
	return b.Bytes()
}

// addPeer adds an agent with interfaces of the given addresses and links, behind one NAT unless it
// is nil.
func (w *world) addPeer(name string, config Config, behind *netsim.NAT, link netsim.LinkConfig, addrs ...string) *peer {
	if config.Rand == nil {
		config.Rand = w.sim.RandReader()
	}
	if config.STUNServers == nil {
		config.STUNServers = w.servers
	}
	agent, err := NewAgent(config)
	require.NoError(w.t, err)
	p := &peer{addressed: addressed{agent}, w: w, name: name, behind: behind, trickleDelay: func() time.Duration { return 0 }}
	for _, s := range addrs {
		addr := netip.MustParseAddr(s)
		i := netsim.Interface{Addr: addr, Up: link, Down: link}
		if addr.Is4() { // IPv6 is not translated
			i.Behind = behind
		}
		p.addrs = append(p.addrs, addr)
		p.links = append(p.links, w.network.Attach(p, i))
	}
	if w.a == nil {
		w.a = p
	} else {
		w.b = p
		w.a.other, w.b.other = w.b, w.a
	}
	return p
}

// nat adds a NAT of one of the four classic kinds: 1 full cone to 4 symmetric. Kind 0 is none.
func (w *world) nat(kind int) *netsim.NAT {
	external := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + w.nats)})
	w.nats++
	switch kind {
	case 1:
		return w.network.AddNAT(netsim.FullCone(external))
	case 2:
		return w.network.AddNAT(netsim.RestrictedCone(external))
	case 3:
		return w.network.AddNAT(netsim.PortRestrictedCone(external))
	case 4:
		return w.network.AddNAT(netsim.Symmetric(external))
	}
	return nil
}

// start gathers and signals: credentials after signalDelay, each candidate after a trickleDelay.
func (p *peer) start() {
	now := p.w.sim.Now()
	for i, addr := range p.addrs {
		require.NoError(p.w.t, p.AddLocal(now, netip.AddrPortFrom(addr, uint16(5000+i))))
	}
	p.SetLocalComplete(now)
	p.w.sim.After(p.signalDelay, func() {
		ufrag, pwd := p.LocalCredentials()
		require.NoError(p.w.t, p.other.SetRemote(p.w.sim.Now(), RemoteParameters{Ufrag: ufrag, Pwd: pwd}))
		p.w.sim.Poke(p.other)
	})
	p.drain()
}

// run starts both sides and waits until done.
func (w *world) run(done func() bool, limit time.Duration) {
	w.a.start()
	w.b.start()
	w.await(done, limit)
}

func (w *world) await(done func() bool, limit time.Duration) {
	w.t.Helper()
	if err := w.sim.Run(done, limit); err != nil {
		w.t.Log(w.scenario)
		w.t.Log(w.a.describe())
		w.t.Log(w.b.describe())
		require.NoError(w.t, err)
	}
}

// Transmit also takes the events: the simulation calls it after every input.
func (p *peer) Transmit(now time.Time, dst []byte) ([]byte, netip.AddrPort, netip.AddrPort, bool) {
	p.drain()
	return p.addressed.Transmit(now, dst)
}

// drain records events and signals candidates.
func (p *peer) drain() {
	for {
		e, ok := p.Event()
		if !ok {
			p.checkPath()
			return
		}
		switch e.Kind {
		case EventState:
			p.states = append(p.states, e.State)
		case EventSelectedPair:
			p.path = e.Pair.Path
		case EventPathLost:
			p.lostPath++
			p.path = Path{}
		}
		if p.other == nil { // a lite agent, which takes no candidates
			continue
		}
		switch e.Kind {
		case EventLocalCandidate:
			e.Candidate.Extensions = []Extension{{"ufrag", e.Ufrag}}
			line := e.Candidate.String()
			p.w.sim.After(p.trickleDelay(), func() {
				c, err := ParseCandidate(line)
				require.NoError(p.w.t, err)
				err = p.other.AddRemoteCandidate(p.w.sim.Now(), c)
				if err != nil && !p.other.current.ended {
					require.NoError(p.w.t, err)
				}
				p.w.sim.Poke(p.other)
			})
		case EventGatheringComplete:
			p.complete = true
			p.w.sim.After(time.Second, func() { // after all candidates
				p.other.SetRemoteComplete(p.w.sim.Now())
				p.w.sim.Poke(p.other)
			})
		}
	}
}

// checkPath checks that the last event about the path is that of the selected pair.
func (p *peer) checkPath() {
	pair, ok := p.Selected()
	if !ok {
		pair.Path = Path{}
	}
	require.Equal(p.w.t, pair.Path, p.path, "selected: %v; the events end with another path", ok)
}

// completed reports whether both agents have nominated the same pair.
func (w *world) completed() bool {
	return w.a.State() == StateCompleted && w.b.State() == StateCompleted && w.mirrored()
}

// mirrored reports whether the agents have selected the same pair, each from its side.
func (w *world) mirrored() bool {
	pa, oka := w.a.Selected()
	pb, okb := w.b.Selected()
	return oka && okb && pa.Local.Addr == pb.Remote.Addr && pa.Remote.Addr == pb.Local.Addr
}

func (p *peer) describe() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %v controlling=%v states=%v stats=%+v\n", p.name, p.State(), p.Controlling(), p.states, p.Stats())
	for _, c := range p.current.checkList.pairs {
		fmt.Fprintf(&s, "  %v -> %v %v prio %x valid-as %v nominated=%v permitted=%v check=%v/%d\n", c.base.addr, c.path.Remote, c.state,
			c.priority, c.mapped, c.nominated, c.permitted, c.check.State(), c.check.Requests())
	}
	return s.String()
}

// randomLink returns a bad access link, sometimes a very bad one.
func randomLink(r *rand.Rand) netsim.LinkConfig {
	l := netsim.LinkConfig{Delay: time.Duration(r.IntN(60)) * time.Millisecond}
	if r.IntN(3) == 0 {
		return l
	}
	l.Jitter = time.Duration(r.IntN(30)) * time.Millisecond
	l.Loss = r.Float64() * 0.16 // a packet crosses two access links: 30 % in the worst case
	if r.IntN(2) == 0 {
		l.Reorder, l.ReorderDelay = r.Float64()*0.3, 20*time.Millisecond
		l.Duplicate = r.Float64() * 0.2
		l.Corrupt = r.Float64() * 0.03
	}
	return l
}
