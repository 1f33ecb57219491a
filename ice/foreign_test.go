package ice

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/stun"
)

// habits are the differences between a foreign peer and the agent of this package.
type habits struct {
	controlling bool
	aggressive  bool // USE-CANDIDATE in every check
	repeats     bool // and in consent checks
	keeps       bool // it keeps checking all valid pairs
	closes      bool // it closes its other sockets three seconds after the selection
	// choose returns the pair to select from the valid ones, which are in the order in which they
	// became valid. It is called as soon as there is one.
	choose func(valid []*foreignPair) *foreignPair
	hurry  bool
	// sendsOn returns the pair to send data on, or nil for the selected one.
	sendsOn func(f *foreign) *foreignPair
}

// foreign is an ICE agent of another implementation: it checks all pairs at once, selects one by
// its habits, and then sends data and consent checks on it. Data is numbered, and its first byte is
// that of DTLS.
type foreign struct {
	habits
	t      *testing.T
	sim    *netsim.Sim
	locals []netip.AddrPort
	closed map[netip.AddrPort]bool
	pairs  []*foreignPair
	valid  []*foreignPair

	selected   *foreignPair
	selectedAt time.Time
	consented  time.Time // the last answer on the selected pair
	out        []foreignPacket
	dataSent   uint64
	received   int // data, on open sockets
	lost       int // data, on closed sockets
	remoteKey  *stun.Key
	localKey   *stun.Key
}

type foreignPair struct {
	local, remote netip.AddrPort
	priority      uint64
	id            stun.TransactionID // of the last check
	sent          time.Time
	rtt           time.Duration
	valid, named  bool
}

type foreignPacket struct {
	data          []byte
	local, remote netip.AddrPort
}

const (
	foreignData = 22 // DTLS
	// dataInterval is the interval at which both sides send data.
	dataInterval = 100 * time.Millisecond
)

// start forms all pairs and checks them until they answer.
func (f *foreign) start(remotes []netip.AddrPort) {
	f.closed = map[netip.AddrPort]bool{}
	f.localKey, f.remoteKey = stun.NewKey([]byte(peerPwd)), stun.NewKey([]byte(agentPwd))
	for i, local := range f.locals {
		for j, remote := range remotes {
			if local.Addr().Is4() == remote.Addr().Is4() {
				p := &foreignPair{local: local, remote: remote, priority: uint64(1000 - 10*i - j)}
				f.pairs = append(f.pairs, p)
				f.checkUntilValid(p, 500*time.Millisecond)
			}
		}
	}
	if f.controlling && !f.hurry {
		f.later(700*time.Millisecond, f.decide)
	}
	f.later(5*time.Second, f.askConsent)
	f.later(dataInterval, f.sendData)
}

// later calls do after a time, and then sends the packets that are due.
func (f *foreign) later(d time.Duration, do func()) {
	f.sim.After(d, func() {
		do()
		f.sim.Poke(f)
	})
}

func (f *foreign) checkUntilValid(p *foreignPair, rto time.Duration) {
	if p.valid || rto > 32*time.Second { // Rc = 7 requests
		return
	}
	f.check(p, f.aggressive)
	f.later(rto, func() { f.checkUntilValid(p, 2*rto) })
}

// check sends a check. A controlled peer does not nominate.
func (f *foreign) check(p *foreignPair, names bool) {
	binary.BigEndian.PutUint64(p.id[:], f.sim.Rand().Uint64())
	p.sent, p.named = f.sim.Now(), names && f.controlling
	b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassRequest), p.id)
	b.AddString(stun.AttributeUsername, agentUfrag+":"+peerUfrag)
	b.AddUint32(stun.AttributePriority, uint32(p.priority))
	if f.controlling {
		b.AddUint64(stun.AttributeICEControlling, 1)
	} else {
		b.AddUint64(stun.AttributeICEControlled, 1)
	}
	if p.named {
		b.AddFlag(stun.AttributeUseCandidate)
	}
	b.AddIntegrity(f.remoteKey)
	b.AddFingerprint()
	f.send(p, b.Bytes())
}

func (f *foreign) send(p *foreignPair, data []byte) {
	f.out = append(f.out, foreignPacket{data, p.local, p.remote})
}

// decide selects a pair, and nominates it if that has not happened.
func (f *foreign) decide() {
	if len(f.valid) == 0 {
		f.later(100*time.Millisecond, f.decide)
		return
	}
	f.turnTo(f.choose(f.valid))
	if !f.aggressive {
		f.check(f.selected, true)
	}
	if f.closes {
		f.later(3*time.Second, func() {
			for _, local := range f.locals {
				f.closed[local] = local != f.selected.local
			}
		})
	}
}

// turnTo selects a pair without a nomination.
func (f *foreign) turnTo(p *foreignPair) {
	f.selected, f.selectedAt, f.consented = p, f.sim.Now(), f.sim.Now()
}

// askConsent sends consent checks on the pair of data, for ever.
func (f *foreign) askConsent() {
	if p := f.dataPair(); p != nil {
		f.check(p, f.repeats && p == f.selected)
	}
	for _, p := range f.valid {
		if p != f.dataPair() && (f.keeps || f.repeats && p == f.selected) {
			f.check(p, f.repeats && p == f.selected)
		}
	}
	f.later(5*time.Second, f.askConsent)
}

func (f *foreign) dataPair() *foreignPair {
	if f.sendsOn != nil && f.selected != nil {
		return f.sendsOn(f)
	}
	return f.selected
}

func (f *foreign) sendData() {
	if p := f.dataPair(); p != nil {
		f.dataSent++
		f.send(p, binary.BigEndian.AppendUint64([]byte{foreignData}, f.dataSent))
	}
	f.later(dataInterval, f.sendData)
}

func (f *foreign) Receive(now time.Time, local, remote netip.AddrPort, packet []byte) {
	if !stun.Is(packet) {
		if f.closed[local] {
			f.lost++
		} else {
			f.received++
		}
		return
	}
	m, err := stun.Parse(packet)
	require.NoError(f.t, err)
	if f.closed[local] {
		return
	}
	if m.Type().Class() == stun.ClassRequest {
		b := stun.NewBuilder(nil, stun.NewType(stun.MethodBinding, stun.ClassSuccess), m.TransactionID())
		b.AddXORAddress(stun.AttributeXORMappedAddress, remote)
		b.AddIntegrity(f.localKey)
		b.AddFingerprint()
		f.out = append(f.out, foreignPacket{b.Bytes(), local, remote})
		if m.UseCandidate() && !f.controlling && f.selected == nil {
			f.turnTo(f.pair(local, remote))
		}
		return
	}
	p := f.pair(local, remote)
	if m.TransactionID() != p.id || m.Type().Class() != stun.ClassSuccess {
		return
	}
	if p == f.dataPair() {
		f.consented = now
	}
	if !p.valid {
		p.valid, p.rtt = true, now.Sub(p.sent)
		f.valid = append(f.valid, p)
		if f.controlling && f.hurry && f.selected == nil {
			f.decide()
		}
	}
}

func (f *foreign) pair(local, remote netip.AddrPort) *foreignPair {
	i := slices.IndexFunc(f.pairs, func(p *foreignPair) bool { return p.local == local && p.remote == remote })
	require.GreaterOrEqual(f.t, i, 0)
	return f.pairs[i]
}

func (f *foreign) Advance(time.Time)   {}
func (f *foreign) Deadline() time.Time { return time.Time{} }

func (f *foreign) Transmit(_ time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	if len(f.out) == 0 {
		return dst, local, remote, false
	}
	p := f.out[0]
	f.out = f.out[1:]
	return append(dst, p.data...), p.local, p.remote, true
}

// owner is an agent and its owner, which closes the sockets that the agent frees, accepts data from
// permitted paths, and reports new data to the agent.
type owner struct {
	addressed
	t        *testing.T
	sim      *netsim.Sim
	newest   uint64
	sent     int
	received int    // data
	refused  int    // data that Permits does not accept
	onClosed int    // packets that arrive on closed sockets
	selected []Pair // changes of path
	freed    []BaseID
	states   []State
	data     []foreignPacket
}

func (o *owner) Receive(now time.Time, local, remote netip.AddrPort, packet []byte) {
	switch pair, ok := o.Selected(); {
	case !o.HasLocal(local):
		o.onClosed++
	case stun.Is(packet):
		o.addressed.Receive(now, local, remote, packet)
	case !o.Permits(local, remote):
		o.refused++
	default:
		o.received++
		number := binary.BigEndian.Uint64(packet[1:])
		if number <= o.newest {
			return
		}
		o.newest = number
		if !ok || pair.Base != local || pair.Remote.Addr != remote {
			o.ReceivedData(now, local, remote)
		}
	}
}

// sendData sends data on the selected pair, for ever.
func (o *owner) sendData() {
	if pair, ok := o.Selected(); ok {
		// RFC 7675, section 5.1: consent expires after 30 seconds, independent of the reason for
		// which the agent has selected the pair.
		// Require is slower than the rest of the test.
		if since := o.sim.Now().Sub(o.Agent.current.selected.confirmed); since >= DefaultConsentTimeout {
			o.t.Fatalf("consent was confirmed %v ago", since)
		}
		o.sent++
		o.data = append(o.data, foreignPacket{[]byte{foreignData}, pair.Base, pair.Remote.Addr})
	}
	o.sim.After(dataInterval, func() {
		o.sendData()
		o.sim.Poke(o)
	})
}

func (o *owner) Transmit(now time.Time, dst []byte) (packet []byte, local, remote netip.AddrPort, ok bool) {
	for {
		e, ok := o.Event()
		if !ok {
			break
		}
		switch e.Kind {
		case EventState:
			o.states = append(o.states, e.State)
		case EventSelectedPair:
			if n := len(o.selected); n == 0 || o.selected[n-1].Base != e.Pair.Base || o.selected[n-1].Remote.Addr != e.Pair.Remote.Addr {
				o.selected = append(o.selected, *e.Pair)
			}
		case EventBaseFreed:
			o.freed = append(o.freed, e.Base)
		}
	}
	if len(o.data) > 0 {
		p := o.data[0]
		o.data = o.data[1:]
		return append(dst, p.data...), p.local, p.remote, true
	}
	packet, local, remote, ok = o.addressed.Transmit(now, dst)
	if ok && !o.HasLocal(local) {
		o.t.Fatal("a packet from a socket that was freed:", local)
	}
	return packet, local, remote, ok
}

// encounter is an agent and a foreign peer on a network without NATs.
type encounter struct {
	t   *testing.T
	sim *netsim.Sim
	o   *owner
	f   *foreign
}

// meet returns the agent and the peer, each with the given addresses. The access links of the peer
// are made by link. Signalling takes no time.
func meet(t *testing.T, seed uint64, config Config, h habits, ours, theirs []string, link func(r *rand.Rand) netsim.LinkConfig) *encounter {
	sim := netsim.New(seed)
	network := netsim.NewNetwork(sim)
	config.Rand, config.Ufrag, config.Pwd, config.Controlling = sim.RandReader(), agentUfrag, agentPwd, !h.controlling
	agent, err := NewAgent(config)
	require.NoError(t, err)
	e := &encounter{t: t, sim: sim, o: &owner{addressed: addressed{agent}, t: t, sim: sim}, f: &foreign{habits: h, t: t, sim: sim}}
	var locals []netip.AddrPort
	for i, s := range ours {
		addr := netip.AddrPortFrom(netip.MustParseAddr(s), uint16(5000+i))
		network.Attach(e.o, netsim.Interface{Addr: addr.Addr()})
		require.NoError(t, e.o.AddLocal(sim.Now(), addr))
		locals = append(locals, addr)
	}
	agent.SetLocalComplete(sim.Now())
	require.NoError(t, agent.SetRemote(sim.Now(), RemoteParameters{Ufrag: peerUfrag, Pwd: peerPwd}))
	for i, s := range theirs {
		addr := netip.AddrPortFrom(netip.MustParseAddr(s), uint16(6000+i))
		l := link(sim.Rand())
		network.Attach(e.f, netsim.Interface{Addr: addr.Addr(), Up: l, Down: l})
		e.f.locals = append(e.f.locals, addr)
		require.NoError(t, agent.AddRemoteCandidate(sim.Now(), Candidate{
			Foundation: "f", Component: 1, Addr: addr, Type: CandidateTypeHost, Priority: candidatePriority(CandidateTypeHost, uint16(60000-i), 1),
		}))
	}
	agent.SetRemoteComplete(sim.Now())
	e.f.start(locals)
	sim.After(0, e.o.sendData)
	return e
}

func (e *encounter) run(d time.Duration) { require.NoError(e.t, e.sim.RunFor(d)) }

// agrees reports whether the agent sends on the pair that the peer sends on.
func (e *encounter) agrees() bool {
	pair, ok := e.o.Selected()
	p := e.f.dataPair()
	return ok && p != nil && pair.Base == p.remote && pair.Remote.Addr == p.local
}

// counts are the losses so far.
type counts struct{ toUs, toPeer, refused, onClosed int }

func (e *encounter) losses() counts {
	return counts{int(e.f.dataSent) - e.o.received, e.o.sent - e.f.received, e.o.refused, e.o.onClosed}
}
