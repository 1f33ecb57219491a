package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/bufpool"
	"github.com/rtcstack/rtcstack/internal/race"
)

// wire is a link that records the packets sent. With headroom it is like a relay: 4 bytes, a
// channel number and the length, are in front of each packet, which goes to the relay.
type wire struct {
	headroom int
	relay    netip.AddrPort
	sends    int
	sent     []string
	runs     []int // lengths of the runs of contiguous packets
	err      error
}

func (w *wire) Transport() Transport      { return UDP }
func (w *wire) LocalAddr() netip.AddrPort { return nowhere }
func (w *wire) PathTo(remote netip.AddrPort) Path {
	p := Path{Link: w, Remote: remote, To: remote, Headroom: w.headroom, Overhead: IPUDPHeaders + w.headroom}
	if w.headroom > 0 {
		p.To = w.relay
	}
	return p
}
func (w *wire) Frame(p *Path, headroom, packet []byte) {
	binary.BigEndian.PutUint16(headroom, p.Remote.Port())
	binary.BigEndian.PutUint16(headroom[2:], uint16(len(packet)))
}
func (w *wire) Serve(func(*Inbound)) error { return nil }
func (w *wire) Send(o *Outbound) error {
	w.sends++
	for _, d := range o.Datagrams() {
		w.sent = append(w.sent, fmt.Sprintf("%d:%s", d.To.Port(), d.Data))
		if d.Follows {
			w.runs[len(w.runs)-1]++
		} else {
			w.runs = append(w.runs, 1)
		}
	}
	return w.err
}
func (w *wire) Congested() bool         { return false }
func (w *wire) NotifyClear(func()) bool { return false }
func (w *wire) Close() error            { return nil }

func peer(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)
}

func write(b *Batch, p *Path, packet string) bool {
	return b.Commit(p, append(b.Reserve(p, len(packet)), packet...))
}

// Connections that share a socket write packets for their peers into one batch, which the socket
// sends at once.
func TestBatchOfManyConnections(t *testing.T) {
	w := &wire{}
	var b Batch
	for i := range 50 {
		p := w.PathTo(peer(uint16(1000 + i)))
		write(&b, &p, "a")
		write(&b, &p, "b")
	}
	require.Equal(t, 100, b.Len())
	require.NoError(t, b.Flush())
	require.Equal(t, 1, w.sends)
	require.Len(t, w.runs, 50)
	require.Equal(t, "1049:b", w.sent[99])
	require.Zero(t, b.Len())
}

// The packets of a path with headroom are framed in place, and are contiguous nevertheless.
func TestBatchFramesInPlace(t *testing.T) {
	w := &wire{headroom: 4, relay: peer(3478)}
	p := w.PathTo(peer(0x4142))
	var b Batch
	r := b.Reserve(&p, 3)
	write(&b, &p, "one")
	require.Equal(t, "one", string(r[:3]), "not copied")
	write(&b, &p, "two")
	b.Commit(&p, []byte("foreign"))
	b.Commit(&p, nil)
	q := w.PathTo(peer(0x4344))
	write(&b, &q, "other")
	require.NoError(t, b.Flush())
	require.Equal(t, []string{"3478:AB\x00\x03one", "3478:AB\x00\x03two", "3478:AB\x00\x07foreign", "3478:AB\x00\x00", "3478:CD\x00\x05other"}, w.sent)
	require.Equal(t, []int{5}, w.runs)
}

// Each link sends its own packets in order.
func TestBatchOfSeveralLinks(t *testing.T) {
	var b Batch
	var wires [maxParts + 3]*wire
	for i := range wires {
		wires[i] = &wire{}
		if i%2 == 1 {
			wires[i] = &wire{headroom: 4, relay: peer(1)}
		}
	}
	reserved := wires[1].PathTo(peer(7))
	b.Reserve(&reserved, 10) // and not used
	for round := range 3 {
		for _, w := range wires {
			p := w.PathTo(peer(9))
			write(&b, &p, fmt.Sprint("packet ", round))
		}
	}
	broken := errors.New("broken")
	wires[2].err = broken
	require.ErrorIs(t, b.Flush(), broken)
	require.NoError(t, b.Flush())
	for i, w := range wires {
		require.Len(t, w.sent, 3, i)
		for round, s := range w.sent {
			require.Contains(t, s, fmt.Sprint("packet ", round))
		}
	}
	require.LessOrEqual(t, len(b.parts), maxParts)
}

// A packet may be reserved for one link and committed for another, because its destination is known
// only when the packet is built. Its buffer is not freed before it is copied, however room is made
// for the other link.
func TestBatchCommitsForAnotherLink(t *testing.T) {
	for _, full := range []bool{false, true} {
		var b Batch
		var wires []*wire
		for range maxParts {
			w := &wire{}
			if p := w.PathTo(peer(9)); full {
				write(&b, &p, "before")
			}
			wires = append(wires, w)
		}
		p := wires[0].PathTo(peer(9))
		packet := append(b.Reserve(&p, 100), "for another"...)
		other := &wire{}
		b.part(other)
		overwriteFreeBuffers()
		require.Equal(t, "for another", string(packet))

		q := other.PathTo(peer(8))
		b.Commit(&q, packet)
		require.Nil(t, b.retired.b)
		require.NoError(t, b.Flush())
		require.Equal(t, []string{"8:for another"}, other.sent)
		for _, w := range wires {
			require.Equal(t, full, len(w.sent) == 1)
		}
	}
}

// overwriteFreeBuffers writes to buffers that the pool returns.
func overwriteFreeBuffers() {
	var taken []*bufpool.Buffer
	for range 20 {
		buffer := bufpool.Get(chunkSize)
		bytes := buffer.B[:chunkSize]
		for i := range bytes {
			bytes[i] = 'x'
		}
		taken = append(taken, buffer)
	}
	for _, buffer := range taken {
		buffer.Free()
	}
}

// If Commit sends the packets of a link to make room and fails, the next Flush returns the error.
func TestBatchReportsErrorsOfCommit(t *testing.T) {
	var b Batch
	broken := errors.New("broken")
	first := &wire{err: broken}
	for i := range maxParts + 1 {
		w := &wire{}
		if i == 0 {
			w = first
		}
		p := w.PathTo(peer(9))
		write(&b, &p, "packet")
	}
	require.Equal(t, 1, first.sends)
	require.Equal(t, maxParts, b.Len())
	require.ErrorIs(t, b.Flush(), broken)
	require.NoError(t, b.Flush())
	require.Zero(t, b.Len())
	for i := range b.parts {
		require.Nil(t, b.parts[i].out.b, "a flushed batch holds no buffers")
	}
}

// The zero value has nothing to flush.
func TestEmptyBatch(t *testing.T) {
	var b Batch
	require.Zero(t, b.Len())
	require.NoError(t, b.Flush())
	w := &wire{headroom: 4, relay: peer(1)}
	p := w.PathTo(peer(2))
	require.Empty(t, b.Reserve(&p, 0))
	require.NoError(t, b.Flush())
	require.Zero(t, w.sends, "only reserved")
	require.False(t, b.Commit(&p, nil), "an empty packet is a packet")
	require.Equal(t, 1, b.Len())
	require.NoError(t, b.Flush())
	require.Equal(t, []string{"1:\x00\x02\x00\x00"}, w.sent)
}

func TestBatchAsksForFlush(t *testing.T) {
	w := &wire{headroom: 4, relay: peer(1)}
	p := w.PathTo(peer(2))
	var b Batch
	n := 0
	for !write(&b, &p, string(make([]byte, 1200))) {
		n++
	}
	require.InDelta(t, MaxOutbound/1204, n, 1)
}

func TestBatchDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	w, r := &countingWire{}, &countingWire{}
	r.headroom = 4
	p, q := w.PathTo(peer(2)), r.PathTo(peer(3))
	p.Link, q.Link = w, r
	var b Batch
	packet := make([]byte, 1200)
	round := func() {
		for range 10 {
			b.Commit(&p, append(b.Reserve(&p, 1200), packet...))
			b.Commit(&q, append(b.Reserve(&q, 1200), packet...))
		}
		if b.Flush() != nil {
			panic("error")
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n > 0.5 {
		t.Fatalf("%v allocations", n)
	}
}

type countingWire struct {
	wire
	n int
}

func (w *countingWire) Send(o *Outbound) error { w.n += o.Len(); return nil }
