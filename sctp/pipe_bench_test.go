package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// memoryPipe is two associations that exchange packets in memory, in batches like a socket.
type memoryPipe struct {
	a, b *Association
	now  time.Time
	buf  []byte
	got  int
}

// pipeStart is the initial time of a memoryPipe.
var pipeStart = time.Unix(1_700_000_000, 0)

func newMemoryPipe(t testing.TB, cfg Config) *memoryPipe {
	p := &memoryPipe{a: mustNew(cfg), b: mustNew(cfg), now: pipeStart, buf: make([]byte, 0, 64*1500)}
	p.a.Connect(p.now)
	p.b.Connect(p.now)
	for range 10 {
		p.exchange()
	}
	require.Equal(t, StateEstablished, p.a.State())
	require.Equal(t, StateEstablished, p.b.State())
	return p
}

// exchange carries one batch each way.
func (p *memoryPipe) exchange() {
	p.now = p.now.Add(50 * time.Microsecond)
	p.move(p.a, p.b)
	p.move(p.b, p.a)
	for _, x := range []*Association{p.a, p.b} {
		for {
			if _, ok := x.Event(); !ok {
				break
			}
		}
		if d := x.Deadline(); !d.IsZero() && !d.After(p.now) {
			x.Advance(p.now)
		}
	}
}

func (p *memoryPipe) move(from, to *Association) {
	for range 50 {
		pkt, ok := from.Transmit(p.now, p.buf[:0])
		if !ok {
			break
		}
		to.Receive(p.now, pkt)
	}
	for {
		m, ok := to.ReadMessage()
		if !ok {
			break
		}
		p.got++
		to.Release(p.now, &m)
	}
}

// run sends n messages.
func (p *memoryPipe) run(n int, msg []byte, opt SendOptions) {
	sent := 0
	p.got = 0
	for p.got < n {
		for sent < n && p.a.Send(p.now, 1, 53, msg, opt) == nil {
			sent++
		}
		p.exchange()
	}
}

func BenchmarkTransfer(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := newMemoryPipe(b, Config{MTU: 1200})
			msg := make([]byte, size)
			p.run(20000*1024/size, msg, SendOptions{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			before := p.a.Stats().PacketsSent + p.b.Stats().PacketsSent
			p.run(b.N, msg, SendOptions{})
			packets := p.a.Stats().PacketsSent + p.b.Stats().PacketsSent - before
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
			b.ReportMetric(b.Elapsed().Seconds()/(float64(size)*float64(b.N)/1e9), "s/GB")
		})
	}
}
