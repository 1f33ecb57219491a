package icenet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/ice"
	"github.com/rtcstack/rtcstack/internal/link"
	"github.com/rtcstack/rtcstack/internal/netsim"
	"github.com/rtcstack/rtcstack/internal/netsim/simnet"
)

var (
	eth0   = netip.MustParseAddr("10.0.0.2")
	eth1   = netip.MustParseAddr("10.0.1.2")
	server = netip.MustParseAddr("192.0.2.1")
)

// driven is a driver and its owner, as small as it can be.
type driven struct {
	mu     sync.Mutex
	driver *Driver
	batch  link.Batch
	timer  *time.Timer
	closed bool
	events []ice.Event
}

// drive runs f with a driver on a simulated host with one interface and a STUN server. setup may
// change its configuration.
func drive(t *testing.T, setup func(*DriverConfig), f func(w *simnet.World, h *simnet.Host, d *driven)) {
	synctest.Test(t, func(t *testing.T) {
		w := simnet.New(1)
		defer w.Close()
		stunServer(w, server)
		w.Name("stun.example", server)
		h := w.Host(netsim.Interface{Addr: eth0})
		d := &driven{}
		config := DriverConfig{Lock: d.mu.Lock, Unlock: d.unlock, Receive: d.receive, Network: h}
		if setup != nil {
			setup(&config)
		}
		var err error
		d.driver, err = NewDriver(ice.Config{Controlling: true}, config)
		require.NoError(t, err)
		d.timer = time.AfterFunc(time.Hour, func() { d.do(func(now time.Time) { d.driver.Agent().Advance(now) }) })
		defer func() {
			d.do(func(time.Time) {
				d.closed = true
				d.timer.Stop()
				d.driver.Close()
			})
			d.driver.Wait()
		}()
		f(w, h, d)
	})
}

// do is an input.
func (d *driven) do(f func(now time.Time)) {
	d.mu.Lock()
	defer d.unlock()
	if !d.closed {
		f(time.Now())
	}
}

func (d *driven) unlock() {
	now := time.Now()
	for {
		e, ok := d.driver.Event()
		if !ok {
			break
		}
		d.events = append(d.events, e)
	}
	for !d.closed {
		if _, ok := d.driver.Transmit(now, &d.batch); !ok {
			break
		}
	}
	_ = d.batch.Flush()
	if at := d.driver.Agent().Deadline(); !at.IsZero() && !d.closed {
		d.timer.Reset(at.Sub(now))
	}
	d.mu.Unlock()
}

func (d *driven) receive(base ice.BaseID, in *link.Inbound) {
	d.do(func(now time.Time) {
		for i := range in.Len() {
			data, from := in.At(i)
			d.driver.Agent().Receive(now, ice.Path{Base: base, Remote: from}, data)
		}
	})
}

// take returns the candidates reported since the last call, and whether gathering was complete.
func (d *driven) take() (candidates []string, complete int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		switch e.Kind {
		case ice.EventLocalCandidate:
			candidates = append(candidates, fmt.Sprint(e.Candidate.Type, " ", e.Candidate.Addr.Addr()))
		case ice.EventGatheringComplete:
			complete++
		}
	}
	d.events = nil
	return candidates, complete
}

func (d *driven) gather() { d.do(func(time.Time) { d.driver.Gather() }) }

func (d *driven) addresses() (addrs []netip.AddrPort) {
	d.do(func(time.Time) {
		for _, l := range d.driver.Links() {
			addrs = append(addrs, l.LocalAddr())
		}
	})
	return addrs
}

// resolver is a network with a resolver of its own.
type resolver struct {
	Network
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

func (r resolver) LookupNetIP(ctx context.Context, host string) ([]netip.Addr, error) {
	return r.lookup(ctx, host)
}

// A STUN server whose name resolves late is queried late, and gathering ends with its answer. One
// whose name does not resolve delays the end of gathering by the time for resolution at most.
func TestDriverResolvesServerNames(t *testing.T) {
	const mapped = "srflx 203.0.113.1"
	for _, tt := range []struct {
		name   string
		lookup func(ctx context.Context, host string) ([]netip.Addr, error)
		after  time.Duration
		want   []string
	}{
		{"at once", func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{server}, nil },
			0, []string{mapped}},
		{"late", func(context.Context, string) ([]netip.Addr, error) {
			time.Sleep(4 * time.Second)
			return []netip.Addr{server}, nil
		}, 4 * time.Second, []string{mapped}},
		{"never", func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, resolveTimeout, nil},
		{"to nothing", func(context.Context, string) ([]netip.Addr, error) { return nil, nil }, 0, nil},
		{"to another family", func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
		}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setup := func(c *DriverConfig) {
				c.Servers = []Server{{"stun.example", 3478}}
				c.Network = resolver{c.Network, tt.lookup}
			}
			drive(t, setup, func(w *simnet.World, h *simnet.Host, d *driven) {
				h.Detach(0, false)
				h.Attach(netsim.Interface{Addr: eth0, Behind: w.Network.AddNAT(netsim.FullCone(netip.MustParseAddr("203.0.113.1")))})
				d.gather()
				if tt.after > 0 {
					time.Sleep(tt.after - time.Millisecond)
					candidates, complete := d.take()
					require.Equal(t, []string{"host 10.0.0.2"}, candidates)
					require.Zero(t, complete)
					tt.want = append([]string{}, tt.want...)
				} else {
					tt.want = append([]string{"host 10.0.0.2"}, tt.want...)
				}
				time.Sleep(100 * time.Millisecond)
				candidates, complete := d.take()
				require.ElementsMatch(t, tt.want, candidates)
				require.Equal(t, 1, complete)
			})
		})
	}
}

// A driver that is closed while a name is being resolved ends the resolution.
func TestDriverClosedWhileResolving(t *testing.T) {
	var ended error
	setup := func(c *DriverConfig) {
		c.Servers = []Server{{"stun.example", 3478}}
		c.Network = resolver{c.Network, func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			ended = ctx.Err()
			return []netip.Addr{server}, nil
		}}
	}
	drive(t, setup, func(_ *simnet.World, _ *simnet.Host, d *driven) {
		d.gather()
		time.Sleep(time.Second)
	})
	require.ErrorIs(t, ended, context.Canceled)
}

// A peer can have 16 names resolved at a time; candidates with more names are ignored.
func TestDriverBoundsTheNamesOfAPeer(t *testing.T) {
	var mu sync.Mutex
	looked := make(map[string]int)
	var answer chan struct{}
	setup := func(c *DriverConfig) {
		answer = make(chan struct{})
		c.Network = resolver{c.Network, func(ctx context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			looked[host]++
			addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(len(looked))})
			mu.Unlock()
			<-answer
			if host == "h3.example" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{addr, addr.Next()}, nil
		}}
	}
	drive(t, setup, func(_ *simnet.World, _ *simnet.Host, d *driven) {
		d.gather()
		time.Sleep(time.Second)
		add := func(n int) {
			d.do(func(now time.Time) {
				c := ice.Candidate{
					Foundation: "1", Component: 1, Priority: 1, Type: ice.CandidateTypeHost,
					Host: fmt.Sprintf("h%d.example", n), HostPort: 5000,
				}
				require.NoError(t, d.driver.AddRemoteCandidate(now, c))
			})
		}
		pairs := func() (n int) {
			d.do(func(time.Time) { n = d.driver.Agent().Stats().Pairs })
			return n
		}
		for i := range maxResolving + 4 {
			add(i)
		}
		time.Sleep(time.Second)
		mu.Lock()
		require.Len(t, looked, maxResolving)
		mu.Unlock()
		require.Zero(t, pairs())
		close(answer)
		time.Sleep(time.Second)
		require.Equal(t, maxResolving-1, pairs()) // one address of each, and one name is unknown

		add(maxResolving + 4) // there is room again
		time.Sleep(time.Second)
		require.Equal(t, maxResolving, pairs())
	})
}

// Gather follows the addresses of the host: links of addresses that are gone are closed, but not
// the one that data takes, and new addresses get links.
func TestDriverFollowsTheAddressesOfTheHost(t *testing.T) {
	drive(t, nil, func(w *simnet.World, h *simnet.Host, d *driven) {
		h.Attach(netsim.Interface{Addr: eth1})
		d.gather()
		time.Sleep(time.Second)
		before := d.addresses()
		require.Len(t, before, 2)

		h.Detach(0, false)
		time.Sleep(time.Second)
		require.Equal(t, before, d.addresses(), "nobody has looked")
		d.gather()
		time.Sleep(time.Second)
		require.Equal(t, before[1:], d.addresses())
		d.do(func(time.Time) {
			require.False(t, d.driver.Agent().HasLocal(1))
			require.True(t, d.driver.Agent().HasLocal(2))
		})

		h.Attach(netsim.Interface{Addr: eth0})
		d.gather()
		time.Sleep(time.Second)
		after := d.addresses()
		require.Len(t, after, 2)
		require.Equal(t, eth0, after[1].Addr())

		// The link in use stays: consent decides about it.
		d.do(func(time.Time) { d.driver.path = d.driver.bases[1].link.PathTo(netip.AddrPortFrom(server, 9)) })
		h.Detach(1, false)
		h.Detach(0, false)
		d.gather()
		time.Sleep(time.Second)
		require.Equal(t, after[1:], d.addresses())

		// A link whose reader fails is removed without Gather.
		d.do(func(time.Time) { d.driver.path = link.Path{} })
		h.Attach(netsim.Interface{Addr: eth1})
		d.gather()
		time.Sleep(time.Second)
		require.Len(t, d.addresses(), 1)
		h.Detach(0, true)
		time.Sleep(time.Second)
		require.Empty(t, d.addresses())
	})
}

// slow is a network that takes a second to list its addresses, and counts.
type slow struct {
	Network
	lists *int
}

func (s slow) Addresses(bind netip.Addr, loopback bool) ([]netip.Addr, error) {
	*s.lists++
	time.Sleep(time.Second)
	return s.Network.Addresses(bind, loopback)
}

// Calls of Gather while one is in progress lead to one more look at the addresses, and gathering is
// complete after that.
func TestDriverGathersOnceMore(t *testing.T) {
	lists := 0
	setup := func(c *DriverConfig) { c.Network = slow{c.Network, &lists} }
	drive(t, setup, func(_ *simnet.World, h *simnet.Host, d *driven) {
		d.gather()
		d.gather()
		d.gather()
		time.Sleep(1500 * time.Millisecond)
		candidates, complete := d.take()
		require.Equal(t, []string{"host 10.0.0.2"}, candidates)
		require.Zero(t, complete)
		h.Attach(netsim.Interface{Addr: eth1})
		time.Sleep(time.Second)
		candidates, complete = d.take()
		require.Equal(t, []string{"host 10.0.1.2"}, candidates)
		require.Equal(t, 1, complete)
		time.Sleep(5 * time.Second)
		require.Equal(t, 2, lists)

		d.gather()
		time.Sleep(2 * time.Second)
		candidates, _ = d.take()
		require.Empty(t, candidates)
		require.Equal(t, 3, lists)
	})
}

// wildcard is a link that is bound to all addresses.
type wildcard struct {
	link.Link
	addr   netip.Addr
	closed *int
}

func (w wildcard) LocalAddr() netip.AddrPort {
	return netip.AddrPortFrom(w.addr, w.Link.LocalAddr().Port())
}

func (w wildcard) Close() error {
	*w.closed++
	return w.Link.Close()
}

// Given links are used instead of opening any, also when they have failed. One that is bound to all
// addresses is signalled with the first of its family.
func TestDriverWithGivenLinks(t *testing.T) {
	closed := 0
	given := func(bound string) func(*DriverConfig) {
		return func(c *DriverConfig) {
			l, err := c.Network.Listen(eth0, 0, 0)
			require.NoError(t, err)
			closed = 0
			c.Links = []link.Link{wildcard{l, netip.MustParseAddr(bound), &closed}}
		}
	}
	for _, tt := range []struct{ bound, want string }{
		{"0.0.0.0", "10.0.0.2"},
		{"10.0.0.2", "10.0.0.2"},
		{"::", ""}, // the host has no address of the family
	} {
		drive(t, given(tt.bound), func(_ *simnet.World, h *simnet.Host, d *driven) {
			h.Attach(netsim.Interface{Addr: eth1})
			d.gather()
			time.Sleep(time.Second)
			candidates, complete := d.take()
			require.Equal(t, 1, complete)
			if tt.want == "" {
				require.Empty(t, candidates)
				require.Equal(t, 1, closed)
				return
			}
			require.Equal(t, []string{"host " + tt.want}, candidates)
			h.Detach(0, true)
			time.Sleep(time.Second)
			require.Empty(t, d.addresses())
			require.Equal(t, 1, closed)
			d.gather()
			time.Sleep(time.Second)
			require.Empty(t, d.addresses())
		})
	}

	// Links that Gather has not taken are closed, too.
	drive(t, given("10.0.0.2"), func(*simnet.World, *simnet.Host, *driven) {})
	require.Equal(t, 1, closed)
}

// While the driver looks at the addresses of the host, the last name of a server does not complete
// gathering.
func TestDriverResolvesWhileItGathers(t *testing.T) {
	lists := 0
	setup := func(c *DriverConfig) {
		c.Servers = []Server{{"stun.example", 3478}}
		c.Network = resolver{slow{c.Network, &lists}, func(context.Context, string) ([]netip.Addr, error) {
			time.Sleep(3 * time.Second)
			return []netip.Addr{server}, nil
		}}
	}
	drive(t, setup, func(_ *simnet.World, h *simnet.Host, d *driven) {
		d.gather() // until 1 s; the name resolves at 4 s
		time.Sleep(3500 * time.Millisecond)
		h.Attach(netsim.Interface{Addr: eth1})
		d.gather() // until 4.5 s; the name resolves again at 7.5 s
		time.Sleep(800 * time.Millisecond)
		candidates, complete := d.take()
		require.Equal(t, []string{"host 10.0.0.2"}, candidates)
		require.Zero(t, complete)
		time.Sleep(5 * time.Second)
		candidates, complete = d.take()
		require.Equal(t, []string{"host 10.0.1.2"}, candidates)
		require.Equal(t, 1, complete)
	})
}

// Wait returns when the sockets are closed. A socket sends the datagrams that are queued on it
// first, but not for long.
func TestDriverWaitsForSockets(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, room := range []bool{true, false} {
		stuck := &stuckPackets{PacketConn: must(net.ListenPacket("udp", "127.0.0.1:0")), closed: make(chan bool)}
		c := must(NewConn(t.Context(), ice.Config{}, Options{Sockets: []net.PacketConn{stuck}}))
		peer := must(net.ListenPacket("udp", "127.0.0.1:0"))
		defer peer.Close()
		stuck.full.Store(!room)
		to := c.driver.bases[0].link.PathTo(peer.LocalAddr().(*net.UDPAddr).AddrPort())
		var b link.Batch
		b.Commit(&to, append(b.Reserve(&to, 4), "last"...))
		require.NoError(t, b.Flush())
		require.NoError(t, c.Close())
		c.driver.Wait()
		again, err := net.ListenPacket("udp", stuck.LocalAddr().String())
		require.NoError(t, err, "the port is free")
		require.NoError(t, again.Close())
		if room {
			buf := make([]byte, 10)
			require.NoError(t, peer.SetReadDeadline(time.Now().Add(patience)))
			n, _, err := peer.ReadFrom(buf)
			require.NoError(t, err)
			require.Equal(t, "last", string(buf[:n]))
		}
	}
}
