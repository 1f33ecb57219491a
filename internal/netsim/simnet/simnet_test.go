package simnet

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
)

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
	addrC = netip.MustParseAddr("10.0.0.3")
)

const delay = 10 * time.Millisecond

// lan is the interface of a host on a network without losses.
func lan(addr netip.Addr) netsim.Interface {
	l := netsim.LinkConfig{Delay: delay / 2}
	return netsim.Interface{Addr: addr, Up: l, Down: l}
}

// inbox collects the packets of a link, and the result of its Serve.
type inbox struct {
	mu      sync.Mutex
	packets []string
	at      []time.Time
	ended   chan error
}

func open(t *testing.T, h *Host, addr netip.Addr) (link.Link, *inbox) {
	l, err := h.Listen(addr, 0, 0)
	require.NoError(t, err)
	in := &inbox{ended: make(chan error, 1)}
	go func() {
		in.ended <- l.Serve(func(b *link.Inbound) {
			in.mu.Lock()
			defer in.mu.Unlock()
			for i := range b.Len() {
				data, from := b.At(i)
				in.packets = append(in.packets, fmt.Sprintf("%v %s", from.Addr(), data))
				in.at = append(in.at, time.Now())
			}
		})
	}()
	return l, in
}

func (in *inbox) take() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	packets := in.packets
	in.packets = nil
	return packets
}

func send(l link.Link, to netip.AddrPort, packets ...string) error {
	var b link.Batch
	p := l.PathTo(to)
	for _, packet := range packets {
		b.Commit(&p, []byte(packet))
	}
	return b.Flush()
}

// A packet takes the time of its links, and packets of one Send arrive in order.
func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(1)
		defer w.Close()
		a, b := w.Host(lan(addrA)), w.Host(lan(addrB))
		la, inA := open(t, a, addrA)
		lb, inB := open(t, b, addrB)
		began := time.Now()
		require.NoError(t, send(la, lb.LocalAddr(), "1", "2", "3"))
		require.Equal(t, la.LocalAddr(), netip.AddrPortFrom(addrA, firstPort))
		time.Sleep(delay - time.Millisecond)
		require.Empty(t, inB.take())
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, []string{"10.0.0.1 1", "10.0.0.1 2", "10.0.0.1 3"}, inB.take())
		require.InDelta(t, delay, inB.at[0].Sub(began), float64(time.Microsecond))
		require.NoError(t, send(lb, la.LocalAddr(), "back"))
		require.NoError(t, send(lb, netip.AddrPortFrom(addrA, 9), "to no link"))
		require.NoError(t, send(lb, netip.AddrPortFrom(addrC, 9), "to no host"))
		time.Sleep(2 * delay)
		require.Equal(t, []string{"10.0.0.2 back"}, inA.take())
		require.False(t, la.Congested())
		require.False(t, la.NotifyClear(nil))
		require.Equal(t, link.UDP, la.Transport())
		closeAll(t, la, lb)
	})
}

func closeAll(t *testing.T, links ...link.Link) {
	for _, l := range links {
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		require.ErrorIs(t, send(l, netip.AddrPortFrom(addrB, 9), "late"), net.ErrClosed)
	}
}

// Goroutines that send at one instant do so in any order. The network takes their packets in the
// order of the hosts and links, so that the same packets are lost, and the traces are equal.
func TestOrderDoesNotDependOnScheduling(t *testing.T) {
	run := func(seed uint64) (trace uint64, got string) {
		synctest.Test(t, func(t *testing.T) {
			w := New(seed)
			defer w.Close()
			sum := fnv.New64a()
			w.Sim.SetTrace(func(line string) { fmt.Fprintln(sum, line) })
			target := w.Host(lan(addrC))
			lt, in := open(t, target, addrC)
			bad := netsim.LinkConfig{Delay: time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.3, Duplicate: 0.2}
			var links []link.Link
			for i := range 8 {
				addr := netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
				h := w.Host(netsim.Interface{Addr: addr, Up: bad, Down: bad})
				for range 2 {
					l, _ := open(t, h, addr)
					links = append(links, l)
				}
			}
			for range 20 {
				var all sync.WaitGroup
				for i, l := range links {
					all.Go(func() {
						require.NoError(t, send(l, lt.LocalAddr(), fmt.Sprintf("%d a", i), fmt.Sprintf("%d b", i)))
					})
				}
				all.Wait()
				time.Sleep(3 * time.Millisecond)
			}
			time.Sleep(time.Second)
			got = fmt.Sprint(in.take())
			closeAll(t, append(links, lt)...)
			trace = sum.Sum64()
		})
		return trace, got
	}
	trace, got := run(1)
	for range 5 {
		again, gotAgain := run(1)
		require.Equal(t, trace, again)
		require.Equal(t, got, gotAgain)
	}
	other, gotOther := run(2)
	require.NotEqual(t, trace, other)
	require.NotEqual(t, got, gotOther)
}

// Serve of the links of a detached interface returns an error only if Detach was called with it.
// Nothing arrives on the interface in either case, and the other interfaces are not affected.
func TestDetach(t *testing.T) {
	for _, withError := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := New(1)
			defer w.Close()
			a, b := w.Host(lan(addrA), lan(addrC)), w.Host(lan(addrB))
			la, inA := open(t, a, addrA)
			lc, inC := open(t, a, addrC)
			lb, _ := open(t, b, addrB)
			require.Equal(t, 2, a.Interfaces())
			require.NoError(t, send(lb, la.LocalAddr(), "in flight"))
			time.Sleep(delay / 4)
			a.Detach(0, withError)
			require.Equal(t, 1, a.Interfaces())
			require.NoError(t, send(lb, la.LocalAddr(), "to nobody"))
			require.NoError(t, send(lb, lc.LocalAddr(), "to the other"))
			time.Sleep(2 * delay)
			require.Empty(t, inA.take())
			require.Equal(t, []string{"10.0.0.2 to the other"}, inC.take())
			if withError {
				require.ErrorContains(t, <-inA.ended, "10.0.0.1 is gone")
				require.ErrorIs(t, send(la, lb.LocalAddr(), "x"), net.ErrClosed)
			} else {
				require.Empty(t, inA.ended)
				require.NoError(t, send(la, lb.LocalAddr(), "x"))
			}
			addrs, err := a.Addresses(netip.Addr{}, false)
			require.NoError(t, err)
			require.Equal(t, []netip.Addr{addrC}, addrs)
			_, err = a.Listen(addrA, 0, 0)
			require.ErrorContains(t, err, "no such address")

			a.Attach(lan(addrA)) // the link can be used again unless it has ended
			require.NoError(t, send(lb, la.LocalAddr(), "again"))
			time.Sleep(2 * delay)
			if withError {
				require.Empty(t, inA.take())
			} else {
				require.Equal(t, []string{"10.0.0.2 again"}, inA.take())
			}
			closeAll(t, la, lb, lc)
			if !withError {
				require.NoError(t, <-inA.ended)
			}
		})
	}
}

// Packets that were sent before Close are still delivered, also those of several links. Packets
// that have arrived are not delivered after Close.
func TestPacketsOfClosedLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(1)
		defer w.Close()
		a, b := w.Host(lan(addrA)), w.Host(lan(addrB))
		first, inFirst := open(t, a, addrA)
		second, _ := open(t, a, addrA)
		lb, in := open(t, b, addrB)
		require.NoError(t, send(lb, first.LocalAddr(), "too late"))
		require.NoError(t, send(second, lb.LocalAddr(), "last of the second"))
		require.NoError(t, send(first, lb.LocalAddr(), "first", "last"))
		closeAll(t, second, first)
		require.NoError(t, <-inFirst.ended)
		time.Sleep(2 * delay)
		require.Equal(t, []string{"10.0.0.1 first", "10.0.0.1 last", "10.0.0.1 last of the second"}, in.take())
		require.Empty(t, inFirst.take())

		// The port is not used again, so that a new link does not get packets for an old one.
		third, _ := open(t, a, addrA)
		require.Equal(t, uint16(firstPort+2), third.LocalAddr().Port())
		closeAll(t, third, lb)
	})
}

// A host assigns ports from the first of the range on. Addresses returns the addresses that bind
// allows.
func TestPortsAndAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(1)
		defer w.Close()
		v6 := netip.MustParseAddr("2001:db8::1")
		h := w.Host(lan(addrA), lan(v6))
		for _, want := range []uint16{4000, 4001, 4002} {
			l, err := h.Listen(addrA, 4000, 4100)
			require.NoError(t, err)
			require.Equal(t, want, l.LocalAddr().Port())
		}
		for bind, want := range map[string][]netip.Addr{
			"":         {addrA, v6},
			"0.0.0.0":  {addrA},
			"::":       {v6},
			"10.0.0.1": {addrA},
			"10.0.0.9": {},
		} {
			var addr netip.Addr
			if bind != "" {
				addr = netip.MustParseAddr(bind)
			}
			got, err := h.Addresses(addr, false)
			require.NoError(t, err)
			require.ElementsMatch(t, want, got, bind)
		}
		w.Name("host.example", addrA, v6)
		got, err := h.LookupNetIP(t.Context(), "host.example")
		require.NoError(t, err)
		require.Equal(t, []netip.Addr{addrA, v6}, got)
		_, err = h.LookupNetIP(t.Context(), "other.example")
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		require.True(t, dns.IsNotFound)
	})
}

// Do changes a link between two packets.
func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(1)
		defer w.Close()
		a, b := w.Host(lan(addrA)), w.Host(lan(addrB))
		la, _ := open(t, a, addrA)
		lb, in := open(t, b, addrB)
		require.NoError(t, send(la, lb.LocalAddr(), "before"))
		time.Sleep(2 * delay)
		w.Do(func() { a.Attachment(0).Up.SetConfig(netsim.LinkConfig{Loss: 1}) })
		require.NoError(t, send(la, lb.LocalAddr(), "lost"))
		time.Sleep(2 * delay)
		w.Do(func() { a.Attachment(0).Up.SetConfig(netsim.LinkConfig{}) })
		require.NoError(t, send(la, lb.LocalAddr(), "after"))
		time.Sleep(2 * delay)
		require.Equal(t, []string{"10.0.0.1 before", "10.0.0.1 after"}, in.take())
		closeAll(t, la, lb)
	})
}

// A link that the handler of another link closes receives no further packet, also none of the same
// instant.
func TestCloseInAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(1)
		defer w.Close()
		a, b := w.Host(lan(addrA)), w.Host(lan(addrB))
		sender, _ := open(t, a, addrA)
		first, err := b.Listen(addrB, 0, 0)
		require.NoError(t, err)
		second, in := open(t, b, addrB)
		go func() {
			_ = first.Serve(func(*link.Inbound) { second.Close() })
		}()
		require.NoError(t, send(sender, second.LocalAddr(), "late"))
		require.NoError(t, send(sender, first.LocalAddr(), "close"))
		time.Sleep(2 * delay)
		require.NoError(t, <-in.ended)
		require.Empty(t, in.take())
		closeAll(t, sender, first)
	})
}
