package rtc

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/udp"
)

// blockingNetwork is the loopback interface, with sockets whose writes block while blocked is set,
// as on a socket with a full send buffer.
type blockingNetwork struct {
	mu      sync.Mutex
	changed *sync.Cond
	blocked bool
}

func newBlockingNetwork() *blockingNetwork {
	n := new(blockingNetwork)
	n.changed = sync.NewCond(&n.mu)
	return n
}

func (n *blockingNetwork) setBlocked(blocked bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocked = blocked
	n.changed.Broadcast()
}

func (n *blockingNetwork) Addresses(netip.Addr, bool) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func (n *blockingNetwork) Listen(addr netip.Addr, _, _ uint16) (link.Link, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return nil, err
	}
	return udp.New(&blockingConn{conn, n}, udp.Options{})
}

func (n *blockingNetwork) LookupNetIP(context.Context, string) ([]netip.Addr, error) { return nil, nil }

// blockingConn hides that it wraps a kernel socket, so that each datagram is a call of WriteTo.
type blockingConn struct {
	net.PacketConn
	network *blockingNetwork
}

func (c *blockingConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.network.mu.Lock()
	for c.network.blocked {
		c.network.changed.Wait()
	}
	c.network.mu.Unlock()
	return c.PacketConn.WriteTo(b, to)
}

// While the writes to the socket block, no method of the connection does: neither those that send
// nor those that return a state. Messages that are sent meanwhile arrive when the socket has room
// again.
func TestNoMethodBlocksOnAFullSocket(t *testing.T) {
	network := newBlockingNetwork()
	p := newTunedPair(t, Configuration{}, Configuration{}, tuning{network: network})
	defer network.setBlocked(false) // before the connections are closed
	a, b := p.connect("x", nil)
	exchange(t, a, b, Message{Data: []byte("x")})

	const limit = time.Millisecond
	sent := uint32(0)
	for try := 1; ; try++ {
		network.setBlocked(true)
		var took []time.Duration
		message := make([]byte, 1000)
		for range 300 {
			for _, method := range []func(){
				func() { p.a.State() },
				func() { p.a.Stats() },
				func() { _, _ = p.a.LocalDescription() },
				func() {
					binary.BigEndian.PutUint32(message, sent)
					require.NoError(t, a.Send(message))
					sent++
				},
				func() { a.BufferedAmount() },
				func() { _ = p.a.AddRemoteCandidate(Candidate{}) },
			} {
				began := time.Now()
				method()
				took = append(took, time.Since(began))
			}
		}
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		s := p.a.Stats()
		t.Logf("p50 %v, p99 %v, max %v; %d datagrams sent so far", took[len(took)/2], p99, took[len(took)-1], s.DatagramsSent)
		network.setBlocked(false)
		if p99 <= limit {
			break
		}
		require.Less(t, try, 10, "p99 %v: too slow in every attempt", p99)
	}
	got, all := uint32(0), make(chan struct{})
	b.OnMessage(func(m Message) {
		if n := binary.BigEndian.Uint32(m.Data); n != got {
			t.Errorf("message %d instead of %d", n, got)
		}
		if got++; got == sent {
			close(all)
		}
	})
	receive(t, all, "last message")
	require.NoError(t, p.a.Close())
	eventually(t, "closed", func() bool { return p.a.State() == StateClosed && p.b.State() == StateClosed })
	require.Zero(t, p.a.Stats().Undelivered)
}
