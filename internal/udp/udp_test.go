package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rtcstack/rtcstack/internal/race"
	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/link"
)

// levels are the ways to call the system, from the simplest to the fastest. On a system without
// one, the socket uses the previous one.
var levels = []struct {
	name    string
	options Options
}{
	{"portable", Options{portable: true}},
	{"single", Options{NoBatch: true}},
	{"batch", Options{NoGSO: true, NoGRO: true}},
	{"gso", Options{NoGRO: true}},
	{"gso+gro", Options{}},
}

// patience bounds the wait for events that are due at once. A busy machine may take seconds.
const patience = 20 * time.Second

var loopbacks = []string{"127.0.0.1:0", "[::1]:0"}

// everyLevel runs a test with each level and each address family of the host.
func everyLevel(t *testing.T, f func(t *testing.T, addr netip.AddrPort, options Options)) {
	for _, level := range levels {
		for _, loopback := range loopbacks {
			t.Run(level.name+"/"+loopback, func(t *testing.T) {
				addr := netip.MustParseAddrPort(loopback)
				s, err := Listen(addr, level.options)
				if err != nil && addr.Addr().Is6() {
					t.Skip("no IPv6 here:", err)
				}
				require.NoError(t, err)
				require.NoError(t, s.Close())
				f(t, addr, level.options)
			})
		}
	}
}

func listen(t testing.TB, addr netip.AddrPort, options Options) *Socket {
	t.Helper()
	s, err := Listen(addr, options)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// serve runs Serve in a goroutine that the test waits for.
func serve(t testing.TB, s *Socket, handle func(*link.Inbound)) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(handle) }()
	t.Cleanup(func() {
		s.Close()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Serve does not return after Close")
		}
	})
}

// An inbox collects copies of the packets of a socket.
type inbox struct {
	mu      sync.Mutex
	packets []string
	from    []netip.AddrPort
}

func newInbox(t testing.TB, s *Socket) *inbox {
	in := &inbox{}
	serve(t, s, func(b *link.Inbound) {
		in.mu.Lock()
		defer in.mu.Unlock()
		for i := range b.Len() {
			data, from := b.At(i)
			in.packets = append(in.packets, string(data))
			in.from = append(in.from, from)
			clear(data[:cap(data)]) // the bytes of a datagram belong to the handler
		}
	})
	return in
}

// wait waits until n packets have arrived.
func (in *inbox) wait(t testing.TB, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		in.mu.Lock()
		got := in.packets
		in.mu.Unlock()
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			require.Failf(t, "datagrams missing", "received %d of %d", len(got), n)
		}
	}
}

func numbered(number, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, uint32(number))
	for i := 4; i < size; i++ {
		b[i] = byte(number + i)
	}
	return b
}

func TestEcho(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		server, client := listen(t, addr, options), listen(t, addr, options)
		var echo link.Outbound
		serve(t, server, func(b *link.Inbound) {
			for i := range b.Len() {
				data, from := b.At(i)
				echo.Commit(append(echo.Reserve(len(data)), data...), from)
			}
			if err := echo.Flush(server); err != nil {
				t.Error(err)
			}
		})
		in := newInbox(t, client)
		var w link.Outbound
		for i := range 10 {
			w.Commit(numbered(i, 100+i), server.LocalAddr())
			require.NoError(t, w.Flush(client))
			require.Equal(t, string(numbered(i, 100+i)), in.wait(t, i+1)[i])
		}
		for _, from := range in.from {
			require.Equal(t, server.LocalAddr(), from)
		}
	})
}

func TestMixedSizesAndDestinations(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		from := listen(t, addr, options)
		var to [3]*Socket
		var in [3]*inbox
		for i := range to {
			to[i] = listen(t, addr, options)
			in[i] = newInbox(t, to[i])
		}
		// Runs of one size, a smaller and a larger datagram after them, single ones, alternating
		// destinations, and more datagrams than one message and one system call take.
		var want [3][]string
		total := 0
		var w link.Outbound
		send := func(dst, size, count int) {
			for range count {
				p := numbered(total, size)
				total++
				want[dst] = append(want[dst], string(p))
				w.Commit(append(w.Reserve(size), p...), to[dst].LocalAddr())
			}
		}
		for range 2 {
			send(0, 1200, 70)
			send(0, 500, 1)
			send(0, 1400, 2)
			send(1, 1200, 54)
			send(1, 1199, 1)
			send(1, 1200, 1)
			for i := range 100 {
				send(i%3, 100, 1)
			}
			send(2, 8000, 9)
			send(2, 4, 100)
			require.NoError(t, w.Flush(from))
			require.Zero(t, w.Len())
			for i := range in {
				require.Equal(t, want[i], in[i].wait(t, len(want[i])))
			}
		}
		stats := from.Stats()
		require.EqualValues(t, total, stats.Sent)
		require.Zero(t, stats.Unsent)
		var received int64
		for _, s := range to {
			received += s.Stats().Received
		}
		require.EqualValues(t, total, received)
		if stats.GSO {
			require.Less(t, stats.WriteCalls, int64(12), "runs are one message each")
		}
		if s := to[2].Stats(); s.GRO {
			require.Less(t, s.ReadCalls, s.Received/2, "runs arrive as one message")
		}
	})
}

func TestEmptyAndLargestDatagram(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		from, to := listen(t, addr, options), listen(t, addr, options)
		in := newInbox(t, to)
		largest := largestOf(to)
		var w link.Outbound
		w.Commit(nil, to.LocalAddr())
		w.Commit(numbered(1, largest), to.LocalAddr())
		w.Commit(numbered(2, largest), to.LocalAddr())
		w.Commit(nil, to.LocalAddr())
		require.NoError(t, w.Flush(from))
		require.Equal(t, []string{"", string(numbered(1, largest)), string(numbered(2, largest)), ""}, in.wait(t, 4))
	})
}

// largestOf returns the size of the largest datagram that a socket's reader takes.
func largestOf(s *Socket) int {
	if s.Stats().Batch {
		return 65000 // the MTU of a loopback interface has room for it
	}
	return maxDatagram
}

func TestSendErrorsAreTheDestinations(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		from, to := listen(t, addr, options), listen(t, addr, options)
		in := newInbox(t, to)
		otherFamily := netip.MustParseAddrPort("127.0.0.1:9")
		if addr.Addr().Is4() {
			otherFamily = netip.MustParseAddrPort("[::1]:9")
		}
		var w link.Outbound
		good, bad := 0, 0
		for range 3 {
			for range 5 {
				w.Commit(numbered(good, 100), to.LocalAddr())
				good++
			}
			w.Commit(numbered(0, 100), otherFamily)
			w.Commit(numbered(0, 65508+20), to.LocalAddr()) // larger than the maximum of UDP
			w.Commit(numbered(0, 100), netip.AddrPort{})
			bad += 3
		}
		err := w.Flush(from)
		var sendError *SendError
		require.ErrorAs(t, err, &sendError)
		require.ErrorIs(t, err, ErrAddressFamily)
		require.Equal(t, otherFamily, sendError.To)
		require.Equal(t, bad, sendError.Count)
		require.Zero(t, w.Len())
		for i, p := range in.wait(t, good) {
			require.Equal(t, string(numbered(i, 100)), p)
		}
		require.EqualValues(t, good, from.Stats().Sent)
		require.EqualValues(t, bad, from.Stats().Unsent)
	})
}

func TestICMPErrorsAreIgnored(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		gone, from, to := listen(t, addr, options), listen(t, addr, options), listen(t, addr, options)
		require.NoError(t, gone.Close())
		in, back := newInbox(t, to), newInbox(t, from)
		var w link.Outbound
		for i := range 50 {
			w.Commit(numbered(0, 100), gone.LocalAddr()) // its port is unreachable
			w.Commit(numbered(i, 100), to.LocalAddr())
			require.NoError(t, w.Flush(from))
		}
		in.wait(t, 50)
		w.Commit(numbered(7, 100), from.LocalAddr())
		require.NoError(t, w.Flush(to))
		back.wait(t, 1)
	})
}

func TestIPv4MappedDestination(t *testing.T) {
	for _, level := range levels {
		from, to := listen(t, netip.MustParseAddrPort("127.0.0.1:0"), level.options), listen(t, netip.MustParseAddrPort("[::ffff:127.0.0.1]:0"), level.options)
		require.True(t, to.LocalAddr().Addr().Is4())
		in := newInbox(t, to)
		var w link.Outbound
		w.Commit([]byte("hello"), netip.AddrPortFrom(netip.AddrFrom16(to.LocalAddr().Addr().As16()), to.LocalAddr().Port()))
		require.NoError(t, w.Flush(from))
		in.wait(t, 1)
		require.Equal(t, from.LocalAddr(), in.from[0])
	}
}

func TestClose(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		s := listen(t, addr, options)
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(func(*link.Inbound) {}) }()
		time.Sleep(5 * time.Millisecond) // Serve most likely waits by now; it must return in any case
		require.NoError(t, s.Close())
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			require.Fail(t, "Serve does not return")
		}
		require.NoError(t, s.Close())
		require.NoError(t, s.Serve(func(*link.Inbound) {}))
		var w link.Outbound
		w.Commit([]byte("late"), s.LocalAddr())
		require.ErrorIs(t, w.Flush(s), net.ErrClosed)
		require.Zero(t, w.Len())
	})
}

func TestCloseFromHandler(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		s := listen(t, addr, options)
		var w link.Outbound
		w.Commit([]byte("go"), s.LocalAddr())
		require.NoError(t, w.Flush(s))
		require.NoError(t, s.Serve(func(*link.Inbound) { s.Close() }))
	})
}

func TestConcurrentWriters(t *testing.T) {
	everyLevel(t, func(t *testing.T, addr netip.AddrPort, options Options) {
		from, to := listen(t, addr, options), listen(t, addr, options)
		in := newInbox(t, to)
		const writers, rounds, each = 4, 10, 20
		var w [writers]link.Outbound
		for r := range rounds {
			var wg sync.WaitGroup
			for n := range writers {
				wg.Go(func() {
					for i := range each {
						w[n].Commit(numbered(n*1000_000+r*each+i, 200+n), to.LocalAddr())
					}
					if err := w[n].Flush(from); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			// The receive buffer that the system grants may not hold more rounds.
			in.wait(t, (r+1)*writers*each)
		}
		next := make(map[int]int)
		for _, p := range in.wait(t, writers*rounds*each) {
			number := int(binary.BigEndian.Uint32([]byte(p)))
			require.Equal(t, next[number/1000_000], number%1000_000, "each writer's datagrams keep their order")
			next[number/1000_000]++
		}
	})
}

func TestBuffers(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	read, write := listen(t, addr, Options{ReadBuffer: 100_000, WriteBuffer: 50_000}).buffers()
	require.Equal(t, 100_000, read)
	require.Equal(t, 50_000, write)
	read, write = listen(t, addr, Options{}).buffers()
	require.GreaterOrEqual(t, read, 100_000) // 4 MiB, or the maximum of the system
	require.GreaterOrEqual(t, write, 100_000)
	t.Logf("by default %d and %d bytes", read, write)
}

func TestListenErrors(t *testing.T) {
	_, err := Listen(netip.AddrPort{}, Options{})
	require.ErrorContains(t, err, "no address")
	// Not an address of this host.
	_, err = Listen(netip.MustParseAddrPort("192.0.2.1:0"), Options{})
	require.Error(t, err)
	require.Contains(t, err.Error(), "udp: ")
}

func TestIdleSocketsHoldNoBuffers(t *testing.T) {
	const sockets = 100
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // pools drop objects not used between two collections
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	before := heap()
	var in [sockets]*Socket
	got := make(chan struct{}, sockets)
	for i := range in {
		in[i] = listen(t, addr, Options{})
		serve(t, in[i], func(*link.Inbound) { got <- struct{}{} })
	}
	writers := make([]link.Outbound, sockets)
	for i := range writers {
		writers[i].Commit(numbered(i, 1200), in[i].LocalAddr())
		require.NoError(t, writers[i].Flush(in[i]))
	}
	for range in {
		<-got
	}
	limit := int64(4096)
	if in[0].Stats().Batch == false {
		limit += maxDatagram
	}
	perSocket := (heap() - before) / sockets
	for deadline := time.Now().Add(patience); perSocket >= limit && !race.Enabled; perSocket = (heap() - before) / sockets {
		require.True(t, time.Now().Before(deadline), "%d bytes per socket", perSocket)
		time.Sleep(time.Millisecond) // the readers return their buffers and wait
	}
	t.Logf("%d bytes per socket that is served and has a writer", perSocket)
	runtime.KeepAlive(writers)
}

// pingPong returns a function that sends count datagrams from one socket to another and waits for
// their arrival. received counts all.
func pingPong(t testing.TB, options Options, size, count int) func() {
	addr := netip.MustParseAddrPort("127.0.0.1:0")
	from, to := listen(t, addr, options), listen(t, addr, options)
	arrived := make(chan int, 1024)
	serve(t, to, func(b *link.Inbound) { arrived <- b.Len() })
	var w link.Outbound
	payload := make([]byte, size)
	dst := to.LocalAddr()
	lost := time.NewTimer(time.Hour)
	return func() {
		for range count {
			if w.Commit(append(w.Reserve(size), payload...), dst) {
				if err := w.Flush(from); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Flush(from); err != nil {
			t.Fatal(err)
		}
		lost.Reset(patience)
		for n := 0; n < count; {
			select {
			case k := <-arrived:
				n += k
			case <-lost.C:
				t.Fatal("datagrams lost on loopback")
			}
		}
	}
}

// skipUnderRace skips a test that counts allocations.
func skipUnderRace(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	for _, level := range levels {
		t.Run(level.name, func(t *testing.T) {
			const count = 100 // not more than the smallest receive buffer that a system grants
			round := pingPong(t, level.options, 1200, count)
			for range 20 {
				round()
			}
			// A garbage collection may empty the pools in between, so that a few allocations are
			// allowed for each round, but none for each datagram.
			require.Less(t, testing.AllocsPerRun(50, round), count/20.0)
		})
	}
}
