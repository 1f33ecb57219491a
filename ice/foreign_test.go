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

// habits are what sets a foreign peer apart from this package's agent.
type habits struct {
	controlling bool
	aggressive  bool // USE-CANDIDATE in every check
	repeats     bool // … and in consent checks
	keeps       bool // goes on checking all valid pairs
	closes      bool // closes its other sockets three seconds after it has selected a pair
	// choose picks the pair to select out of the valid ones, in the order in which they became valid. A peer that is
	// in a hurry is asked as soon as there is one.
	choose func(valid []*foreignPair) *foreignPair
	hurry  bool
	// sendsOn picks the pair to send data on; nil is the selected one.
	sendsOn func(f *foreign) *foreignPair
}

// foreign is an ICE agent of another make: it checks all pairs at once, selects one by its habits, and then sends data on it and asks for
// consent there. Data is numbered; the first byte is that of DTLS.
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
	lost       int // … on closed ones
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
	// dataInterval is how often both sides send data.
	dataInterval = 100 * time.Millisecond
)

// start makes all pairs and checks them until they answer.
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

// later runs do after a time, and then sends what it wants sent.
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

// check sends a check; a peer that is controlled does not nominate.
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

// decide selects a pair, for the first time or another one, and nominates it if that has not happened.
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

// turnTo selects a pair without a word.
func (f *foreign) turnTo(p *foreignPair) {
	f.selected, f.selectedAt, f.consented = p, f.sim.Now(), f.sim.Now()
}

// askConsent checks consent on the pair that data is sent on, for ever.
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

// owner is an agent with what an owner does: it closes the sockets that the agent frees, takes data from paths that are
// permitted, and tells the agent of data that is newer than all before.
type owner struct {
	addressed
	t        *testing.T
	sim      *netsim.Sim
	newest   uint64
	sent     int
	received int    // data
	refused  int    // data that Permits does not accept
	deaf     int    // anything that arrives on closed sockets
	selected []Pair // changes of path
	freed    []BaseID
	states   []State
	data     []foreignPacket
}

func (o *owner) Receive(now time.Time, local, remote netip.AddrPort, packet []byte) {
	switch pair, ok := o.Selected(); {
	case !o.HasLocal(local):
		o.deaf++
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

// sendData sends data for ever, on the selected pair.
func (o *owner) sendData() {
	if pair, ok := o.Selected(); ok {
		// "consent … expires after 30 seconds" (RFC 7675, 5.1), whatever made the agent select the pair.
		if since := o.sim.Now().Sub(o.Agent.current.selected.confirmed); since >= DefaultConsentTimeout { // require takes longer than the rest
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
		switch e := e.(type) {
		case EventState:
			o.states = append(o.states, e.State)
		case EventSelectedPair:
			if n := len(o.selected); n == 0 || o.selected[n-1].Base != e.Pair.Base || o.selected[n-1].Remote.Addr != e.Pair.Remote.Addr {
				o.selected = append(o.selected, e.Pair)
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

// meet makes the agent and the peer, each with the given addresses; the access link of each of the peer's is made by link. Signalling
// is instant.
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

// counts are what has been lost so far.
type counts struct{ toUs, toPeer, refused, deaf int }

func (e *encounter) losses() counts {
	return counts{int(e.f.dataSent) - e.o.received, e.o.sent - e.f.received, e.o.refused, e.o.deaf}
}
