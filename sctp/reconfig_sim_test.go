package sctp

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/stretchr/testify/require"
)

// channelUser opens, uses, closes and reopens streams at random. Each message contains the number
// of the use of its stream, and its own number in it.
type channelUser struct {
	*Association
	t    testing.TB
	peer *channelUser
	out  map[uint16]*channelEnd // ours
	in   map[uint16]*channelEnd // the peer's, as they arrive
	seen map[EventKind]int
	over bool
}

// channelEnd is one side of a direction of a stream.
type channelEnd struct {
	use       uint32
	unordered bool
	lossy     bool
	closing   bool
	count     []uint32 // messages sent, or arrived, in each use
	arrived   map[uint64]bool
}

func newChannelEnd(id uint16) *channelEnd {
	return &channelEnd{unordered: id%4 == 1, lossy: id%4 == 2, count: []uint32{0}, arrived: map[uint64]bool{}}
}

func end(m map[uint16]*channelEnd, id uint16) *channelEnd {
	if m[id] == nil {
		m[id] = newChannelEnd(id)
	}
	return m[id]
}

// Transmit is called by the simulation after everything else.
func (u *channelUser) Transmit(now time.Time, dst []byte) ([]byte, bool) {
	for {
		for m, ok := u.ReadMessage(); ok; m, ok = u.ReadMessage() {
			u.message(m)
			u.Release(now, &m)
		}
		e, ok := u.Event()
		if !ok {
			break
		}
		u.event(e)
	}
	return u.Association.Transmit(now, dst)
}

func (u *channelUser) message(m Message) {
	require.GreaterOrEqual(u.t, len(m.Data), 8)
	use, n := binary.BigEndian.Uint32(m.Data), binary.BigEndian.Uint32(m.Data[4:])
	c := end(u.in, m.Stream)
	for int(use) >= len(c.count) {
		c.count = append(c.count, 0)
	}
	key := uint64(use)<<32 | uint64(n)
	require.False(u.t, c.arrived[key], "stream %d: arrived twice", m.Stream)
	c.arrived[key] = true
	require.GreaterOrEqual(u.t, use, c.use, "stream %d: a message of before the reset", m.Stream)
	switch {
	case c.lossy:
		require.GreaterOrEqual(u.t, n, c.count[use])
		c.count[use] = n + 1
	case c.unordered:
		c.count[use]++
	default:
		require.Equal(u.t, c.count[use], n, "stream %d, use %d: out of order", m.Stream, use)
		c.count[use]++
	}
}

func (u *channelUser) event(e Event) {
	u.seen[e.Kind]++
	switch e.Kind {
	case EventClosed:
		u.over = true
		require.Fail(u.t, "closed", "%v", e.Err)
	case EventStreamReset:
		// Everything sent before has arrived.
		c, sent := end(u.in, e.Stream), end(u.peer.out, e.Stream)
		if !c.lossy {
			require.Equal(u.t, sent.count[c.use], c.count[c.use], "stream %d, use %d: messages are missing", e.Stream, c.use)
		}
		c.use++
		if int(c.use) >= len(c.count) {
			c.count = append(c.count, 0)
		}
	case EventStreamResetComplete:
		require.NoError(u.t, e.Err)
		c := end(u.out, e.Stream)
		c.use++
		c.count = append(c.count, 0)
		c.closing = false
	case EventAssociationReset, EventResetRequestComplete:
		if e.Err != nil {
			require.ErrorIs(u.t, e.Err, ErrResetDenied)
		}
	case EventStreamsAdded:
		if e.Err != nil {
			require.ErrorIs(u.t, e.Err, ErrStreamsDenied)
		}
	}
}

// act performs a random action.
func (u *channelUser) act(r *rand.Rand, now time.Time) {
	id := uint16(r.IntN(12))
	c := end(u.out, id)
	switch n := r.IntN(100); {
	case n < 70:
		b := make([]byte, 8+r.IntN(1500)*(r.IntN(3)+1))
		binary.BigEndian.PutUint32(b, c.use)
		binary.BigEndian.PutUint32(b[4:], c.count[c.use])
		err := u.Send(now, id, 51, b, SendOptions{Unordered: c.unordered, LimitRetransmits: c.lossy})
		if c.closing {
			require.ErrorIs(u.t, err, ErrStreamClosing)
		} else if !errors.Is(err, ErrStreamClosing) { // the peer may have asked for its end
			require.NoError(u.t, err)
			c.count[c.use]++
		}
	case n < 90:
		require.NoError(u.t, u.ResetStream(now, id))
		c.closing = true
	case n < 93:
		require.NoError(u.t, u.RequestStreamReset(now, id))
	case n < 94:
		require.NoError(u.t, u.RequestStreamReset(now))
	case n < 97:
		require.NoError(u.t, u.ResetAssociation(now))
	default:
		if err := u.AddStreams(now, uint16(r.IntN(3)), uint16(r.IntN(3))); err != nil {
			require.ErrorIs(u.t, err, ErrInvalidStream) // more than the limit
		}
	}
}

// idle reports whether nothing is on its way, wanted or requested.
func (u *channelUser) idle() bool {
	r := &u.reset
	return u.BufferedAmount() == 0 && !u.fwd.pending() && r.kind == requestNone && len(r.toReset)+len(r.toRequest)+len(r.answers)+len(r.queued) == 0 &&
		!r.requestAll && !r.wantAssociation && !r.peerWantsReset && !r.isDeferred && r.wantOut+r.wantIn == 0
}

// Channels are opened, closed and reused by both sides at the same time, over bad paths; streams
// are added and the whole association is reset in between. All messages of a stream arrive before
// its reset, in order and once; later ones belong to its next use; and nothing hangs.
func TestAdversarialResets(t *testing.T) {
	t.Parallel()
	total := map[EventKind]int{}
	netsim.Seeds(t, 300, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		sim := netsim.New(seed)
		user := func(interleaving bool) *channelUser {
			cfg := Config{MTU: 400 + r.IntN(1000), Rand: sim.RandReader(), MaxInitRetransmits: 40, MaxRetransmits: 60,
				MaxRTO: 5 * time.Second, DisableInterleaving: !interleaving, MaxStreams: 20, MaxTotalStreams: 30}
			return &channelUser{Association: mustNew(cfg), t: t, seen: map[EventKind]int{},
				out: map[uint16]*channelEnd{}, in: map[uint16]*channelEnd{}}
		}
		interleaving := r.IntN(2) == 0
		a, b := user(interleaving), user(interleaving)
		a.peer, b.peer = b, a
		netsim.Connect(sim, a, b, adversary(r), adversary(r))
		a.Connect(sim.Now())
		sim.Poke(a)
		require.NoError(t, sim.Run(func() bool { return a.seen[EventConnected]+b.seen[EventConnected] == 2 }, time.Hour))

		left := 0
		for _, u := range []*channelUser{a, b} {
			at := time.Duration(0)
			for range 10 + r.IntN(40) {
				if r.IntN(3) == 0 {
					at += time.Duration(r.IntN(400)) * time.Millisecond
				}
				left++
				sim.After(at, func() {
					left--
					u.act(r, sim.Now())
					sim.Poke(u)
				})
			}
		}
		require.NoError(t, sim.Run(func() bool { return left == 0 && a.idle() && b.idle() }, time.Hour))

		for _, u := range []*channelUser{a, b} {
			for id, c := range u.out {
				other := end(u.peer.in, id)
				require.Equal(t, c.use, other.use, "stream %d", id)
				if !c.lossy {
					require.Equal(t, c.count, other.count, "stream %d", id)
				}
				require.False(t, c.closing)
			}
			require.Zero(t, u.reasm.charged)
			require.Zero(t, u.reset.queuedBytes)
			require.False(t, u.send.suspended)
			out, _ := u.Streams()
			_, in := u.peer.Streams()
			require.Equal(t, out, in)
			for k, n := range u.seen {
				total[k] += n
			}
		}
	})
	t.Log(total)
}
