package sctp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// seededReader is a source of random bytes for an association in a simulation.
type seededReader struct{ r *rand.Rand }

func (s seededReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}

// endpoint is an association whose owner records the events.
type endpoint struct {
	*Association
	events    []Event
	connected bool
	closed    bool
	closeErr  error
	resets    map[uint16]int
	resetDone map[uint16]int
	restarted int

	// hold keeps messages unread.
	hold    bool
	onData  func(m Message)
	sim     *netsim.Sim
	pending func(now time.Time)
}

func newEndpoint(sim *netsim.Sim, cfg Config) *endpoint {
	if cfg.Rand == nil {
		cfg.Rand = seededReader{sim.Rand()}
	}
	return &endpoint{Association: mustNew(cfg), sim: sim, resets: map[uint16]int{}, resetDone: map[uint16]int{}}
}

// Transmit drains events and messages, too: the simulation calls it after every other call.
func (e *endpoint) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	for {
		ev, ok := e.Event()
		if !ok {
			break
		}
		e.events = append(e.events, ev)
		switch ev.Kind {
		case EventConnected:
			e.connected = true
		case EventClosed:
			e.closed, e.closeErr = true, ev.Err
		case EventStreamReset:
			e.resets[ev.Stream]++
		case EventStreamResetComplete:
			e.resetDone[ev.Stream]++
		case EventRestarted:
			e.restarted++
		}
	}
	for !e.hold {
		m, ok := e.ReadMessage()
		if !ok {
			break
		}
		if e.onData != nil {
			e.onData(m)
		}
		e.Release(now, &m)
	}
	if e.pending != nil {
		e.pending(now)
	}
	inFlight, payload, probe, timeouts := e.out.inFlight, e.out.payloadSum, e.loss.probe, e.stats.Timeouts
	p, ok := e.Association.Transmit(now, dst)
	e.check()
	e.checkFlight(inFlight, payload, probe || e.stats.Timeouts != timeouts)
	return p, ok
}

// checkFlight asserts that the data just sent was within the congestion window (RFC 9260, section
// 6.1, B: one packet may cross its edge) and the receive window of the peer (A: one chunk may probe
// a closed one).
func (e *endpoint) checkFlight(inFlight, payload int, probe bool) {
	o := &e.out
	if o.inFlight > inFlight && !probe && inFlight >= e.cc.window() {
		panic(fmt.Sprintf("sctp: sent with %d bytes in flight of a window of %d", inFlight, e.cc.window()))
	}
	if o.inFlight > inFlight && o.inFlight > e.cc.window()+2*e.mtu.current && !probe {
		panic(fmt.Sprintf("sctp: %d bytes in flight of a window of %d", o.inFlight, e.cc.window()))
	}
	if o.payloadSum > payload && o.payloadSum > o.peerWindow && payload > 0 && !probe {
		panic(fmt.Sprintf("sctp: %d bytes of payload in flight of a receive window of %d", o.payloadSum, o.peerWindow))
	}
}

// check asserts the invariants.
func (e *endpoint) check() {
	o := &e.out
	if o.inFlight < 0 || o.payloadSum < 0 || e.send.buffered < 0 || e.send.unsent < 0 || e.reasm.charged < 0 {
		panic(fmt.Sprintf("sctp: negative sums: %+v %+v held %d", o.inFlight, e.send, e.reasm.charged))
	}
	if e.reasm.charged > (windowSlack+1)*e.cfg.MaxReceiveWindow+70_000 {
		panic(fmt.Sprintf("sctp: %d bytes held of a window of %d", e.reasm.charged, e.cfg.MaxReceiveWindow))
	}
}

// pair is two associations on a simulated path.
type pair struct {
	*netsim.Sim
	t    testing.TB
	a, b *endpoint
	path *netsim.Path
}

func newPair(t testing.TB, seed uint64, ca, cb Config, ab, ba netsim.LinkConfig) *pair {
	sim := netsim.New(seed)
	p := &pair{Sim: sim, t: t, a: newEndpoint(sim, ca), b: newEndpoint(sim, cb)}
	p.path = netsim.Connect(sim, p.a, p.b, ab, ba)
	return p
}

func (p *pair) connect() {
	p.a.Connect(p.Now())
	p.b.Connect(p.Now())
	p.Poke(p.a)
	p.Poke(p.b)
	p.run(func() bool { return p.a.connected && p.b.connected }, 10*time.Minute)
}

func (p *pair) run(done func() bool, limit time.Duration) {
	p.t.Helper()
	require.NoError(p.t, p.Run(done, limit))
}

// payload returns a message that identifies itself, so that the receiver can check every byte:
// stream, number in the stream, size, and bytes that follow from them. It takes the place of the
// contents of buf: fresh memory costs more than the bytes.
func payload(buf []byte, stream uint16, n uint32, size int) []byte {
	size = max(size, 10)
	b := slices.Grow(buf[:0], size)[:size]
	binary.BigEndian.PutUint16(b, stream)
	binary.BigEndian.PutUint32(b[2:], n)
	binary.BigEndian.PutUint32(b[6:], uint32(len(b)))
	words := wordsAfter(b[:10])
	rest := b[10:]
	for ; len(rest) >= 8; rest = rest[8:] {
		binary.LittleEndian.PutUint64(rest, words.next())
	}
	var last [8]byte
	binary.LittleEndian.PutUint64(last[:], words.next())
	copy(rest, last[:])
	return b
}

// pseudoRandom generates words; the high bits of its state are the random ones.
type pseudoRandom uint64

func wordsAfter(seed []byte) pseudoRandom {
	h := fnv.New32a()
	h.Write(seed)
	return pseudoRandom(h.Sum32())
}

func (p *pseudoRandom) next() uint64 {
	*p = *p*6364136223846793005 + 1442695040888963407
	return bits.ReverseBytes64(uint64(*p))
}

// checkPayload checks a message and returns its stream and number.
func checkPayload(t testing.TB, b []byte) (stream uint16, n uint32) {
	if len(b) < 10 {
		t.Fatalf("message of %d bytes", len(b))
	}
	stream, n = binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])
	if size := binary.BigEndian.Uint32(b[6:]); int(size) != len(b) {
		t.Fatalf("message %d of stream %d has %d bytes, not %d", n, stream, len(b), size)
	}
	words := wordsAfter(b[:10])
	rest := b[10:]
	good := true
	for ; len(rest) >= 8; rest = rest[8:] {
		good = good && binary.LittleEndian.Uint64(rest) == words.next()
	}
	var last [8]byte
	binary.LittleEndian.PutUint64(last[:], words.next())
	if !good || !bytes.Equal(rest, last[:len(rest)]) {
		require.Equal(t, payload(nil, stream, n, len(b)), b)
	}
	return stream, n
}

func TestTransferOverAPerfectPath(t *testing.T) {
	p := newPair(t, 1, Config{}, Config{}, netsim.LinkConfig{Delay: 10 * time.Millisecond}, netsim.LinkConfig{Delay: 10 * time.Millisecond})
	p.connect()
	require.Equal(t, StateEstablished, p.a.State())
	var got int
	p.b.onData = func(m Message) {
		_, n := checkPayload(t, m.Data)
		require.EqualValues(t, got, n)
		got++
	}
	for i := range 100 {
		require.NoError(t, p.a.Send(p.Now(), 3, 51, payload(nil, 3, uint32(i), 1+i*100), SendOptions{}))
	}
	p.Poke(p.a)
	p.run(func() bool { return got == 100 }, time.Minute)
	require.Zero(t, p.a.Stats().Retransmissions)
	p.run(func() bool { return p.a.BufferedAmount() == 0 }, time.Minute)
}

// adversary returns a bad path derived from the seed.
func adversary(r *rand.Rand) netsim.LinkConfig {
	c := netsim.LinkConfig{Delay: time.Duration(r.IntN(100)) * time.Millisecond}
	if r.IntN(2) == 0 {
		c.Jitter = time.Duration(r.IntN(50)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		c.Loss = r.Float64() * 0.3
	}
	if r.IntN(3) == 0 {
		c.Reorder, c.ReorderDelay = r.Float64()*0.5, time.Duration(1+r.IntN(60))*time.Millisecond
	}
	if r.IntN(3) == 0 {
		c.Duplicate = r.Float64() * 0.3
	}
	if r.IntN(3) == 0 {
		c.Corrupt = r.Float64() * 0.1
	}
	if r.IntN(3) == 0 {
		c.Rate = int64(100_000 * (1 + r.IntN(1000)))
		c.Queue = 3000 + r.IntN(100_000)
	}
	if r.IntN(6) == 0 {
		c.Burst = netsim.Burst{PGoodToBad: 0.02, PBadToGood: 0.3}
	}
	return c
}

// TestAdversarialPaths sends a random mixture of messages both ways over bad paths: every reliable
// message arrives exactly once, byte for byte, and in order if it was sent so; abandoned ones
// vanish whole and block nothing.
func TestAdversarialPaths(t *testing.T) {
	t.Parallel()
	netsim.Seeds(t, 5000, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := func() Config {
			c := Config{MTU: 400 + r.IntN(1000), HeartbeatInterval: 5 * time.Second, MaxInitRetransmits: 40, MaxRetransmits: 60, MaxRTO: 10 * time.Second}
			if r.IntN(4) == 0 {
				c.MaxReceiveWindow = 20_000 + r.IntN(50_000)
				c.MaxMessageSize = 8000
			}
			if r.IntN(4) == 0 {
				c.MaxSendBuffer = 5000 + r.IntN(20_000)
			}
			return c
		}
		p := newPair(t, seed, cfg(), cfg(), adversary(r), adversary(r))
		p.connect()
		flows := []*flow{newFlow(t, r, p.a, p.b), newFlow(t, r, p.b, p.a)}
		p.Poke(p.a)
		p.Poke(p.b)
		p.run(func() bool { return flows[0].done() && flows[1].done() }, time.Hour)
		for _, f := range flows {
			f.finish()
		}
		if r.IntN(3) == 0 {
			p.a.Shutdown(p.Now())
			if r.IntN(2) == 0 {
				p.b.Shutdown(p.Now())
			}
			p.Poke(p.a)
			p.Poke(p.b)
			p.run(func() bool { return p.a.closed && p.b.closed }, time.Hour)
		}
	})
}

// flow is one direction of the traffic of a test.
type flow struct {
	t        testing.TB
	from, to *endpoint
	todo     []planned
	sent     map[[2]uint32]planned
	next     map[uint16]uint32 // ordered streams: the least number that may come next
	got      map[[2]uint32]bool
	lastNum  map[uint16]uint32
	buf      []byte // of the last message
}

type planned struct {
	stream   uint16
	n        uint32
	size     int
	opt      SendOptions
	reliable bool
}

func newFlow(t testing.TB, r *rand.Rand, from, to *endpoint) *flow {
	f := &flow{t: t, from: from, to: to, sent: map[[2]uint32]planned{}, next: map[uint16]uint32{}, got: map[[2]uint32]bool{}, lastNum: map[uint16]uint32{}}
	streams := 1 + r.IntN(4)
	options := make([]planned, streams)
	for i := range options {
		o := planned{stream: uint16(r.IntN(1000)), reliable: true}
		o.opt.Unordered = r.IntN(3) == 0
		switch r.IntN(4) {
		case 0:
			o.reliable = false
			o.opt.LimitRetransmits, o.opt.MaxRetransmits = true, uint32(r.IntN(3))
		case 1:
			o.reliable = false
			o.opt.Lifetime = time.Duration(1+r.IntN(500)) * time.Millisecond
		}
		options[i] = o
	}
	for range 1 + r.IntN(30) {
		o := options[r.IntN(streams)]
		o.n = f.lastNum[o.stream]
		f.lastNum[o.stream]++
		switch r.IntN(5) {
		case 0:
			o.size = 10
		case 1, 2, 3:
			o.size = 10 + r.IntN(2000)
		case 4:
			o.size = 10 + r.IntN(7000)
		}
		f.todo = append(f.todo, o)
	}
	// The last message is reliable and on a stream of its own, so that it shows the end of the
	// transfer.
	to.onData = f.receive
	from.pending = f.pump
	return f
}

func (f *flow) pump(now time.Time) {
	for len(f.todo) > 0 {
		m := f.todo[0]
		f.buf = payload(f.buf, m.stream, m.n, m.size)
		err := f.from.Send(now, m.stream, 53, f.buf, m.opt)
		if err == ErrSendBufferFull {
			return
		}
		require.NoError(f.t, err)
		f.sent[[2]uint32{uint32(m.stream), m.n}] = m
		f.todo = f.todo[1:]
	}
}

func (f *flow) receive(m Message) {
	stream, n := checkPayload(f.t, m.Data)
	key := [2]uint32{uint32(stream), n}
	plan, ok := f.sent[key]
	switch {
	case !ok || m.Stream != stream || m.Unordered != plan.opt.Unordered:
		f.t.Fatalf("message %d of stream %d was never sent on stream %d", n, stream, m.Stream)
	case f.got[key]:
		f.t.Fatalf("message %d of stream %d was delivered twice", n, stream)
	case !m.Unordered && n < f.next[stream]:
		f.t.Fatalf("message %d of stream %d is out of order: %d is due", n, stream, f.next[stream])
	}
	f.got[key] = true
	if !m.Unordered {
		f.next[stream] = n + 1
	}
}

// done reports whether nothing is waiting on either side, and the reliable messages have arrived.
func (f *flow) done() bool {
	if len(f.todo) > 0 || f.from.BufferedAmount() > 0 || f.from.fwd.pending() {
		return false
	}
	for key, m := range f.sent {
		if m.reliable && !f.got[key] {
			return false
		}
	}
	return true
}

func (f *flow) finish() {
	// Abandoned messages block nothing: all memory is free again.
	require.Zero(f.t, f.to.reasm.charged, "held after the end")
	require.Zero(f.t, f.from.out.count())
	require.Zero(f.t, f.from.send.unsent)
}
