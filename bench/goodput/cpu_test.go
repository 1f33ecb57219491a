//go:build unix

package goodput

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	pion "github.com/pion/sctp"
	"github.com/rtcstack/rtcstack/sctp"
	"github.com/stretchr/testify/require"
)

// cpuRounds is the number of measurements of each library. The libraries take turns.
const cpuRounds = 3

const (
	// leastMessages is the least number of messages received in a measurement, which is extended by
	// at most cpuPatience for them.
	leastMessages = 10
	cpuPatience   = time.Minute
)

// load is a row of the table of costs.
type load struct {
	name       string
	size       int
	unreliable bool // unordered, without retransmission
}

var loads = []load{
	{"1 KiB", 1 << 10, false},
	{"16 KiB", 16 << 10, false},
	{"64 KiB", 64 << 10, false},
	{"256 KiB", 256 << 10, false},
	{"1 KiB, unordered, no retransmission", 1 << 10, true},
}

// cost is the cost of a transfer, of both ends.
type cost struct {
	rate   float64 // MB/s
	cores  float64 // CPU time per time; far below 1 if the machine had other load
	cpu    float64 // seconds of CPU time for a gigabyte
	packet float64 // nanoseconds of CPU time for a packet; SACKs are packets
	allocs float64 // for a message
}

// usage is the resource usage of the process so far.
type usage struct {
	at     time.Time
	cpu    time.Duration
	allocs uint64
}

func takeUsage(t testing.TB) usage {
	var r syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{time.Now(), time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs}
}

func (u usage) cost(t testing.TB, l load, messages, packets int64) cost {
	now := takeUsage(t)
	bytes := float64(messages) * float64(l.size)
	cpu := now.cpu - u.cpu
	return cost{
		rate:   bytes / 1e6 / now.at.Sub(u.at).Seconds(),
		cores:  cpu.Seconds() / now.at.Sub(u.at).Seconds(),
		cpu:    cpu.Seconds() / (bytes / 1e9),
		packet: float64(cpu) / float64(packets),
		allocs: float64(now.allocs-u.allocs) / float64(messages),
	}
}

// costOfOurs moves messages between two associations of ours for d. One goroutine passes the
// packets of each association to the other, in batches.
func costOfOurs(t testing.TB, l load, d time.Duration) cost {
	const batch = 50
	config := sctp.Config{MTU: mtu, EnableZeroChecksum: true}
	a, err := sctp.New(config)
	require.NoError(t, err)
	b, err := sctp.New(config)
	require.NoError(t, err)
	now := time.Now()
	buf := make([]byte, 0, mtu)
	var messages, packets int64
	move := func(from, to *sctp.Association) {
		for range batch {
			packet, ok := from.Transmit(now, buf)
			if !ok {
				break
			}
			packets++
			to.Receive(now, packet)
		}
		for {
			m, ok := to.ReadMessage()
			if !ok {
				break
			}
			messages++
			to.Release(now, &m)
		}
	}
	writable := false
	exchange := func() {
		// The time of the pipe is virtual and corresponds to about 10 Gbit/s, so that waiting for
		// the pacer costs no CPU time.
		now = now.Add(batch * time.Microsecond)
		move(a, b)
		move(b, a)
		for _, x := range []*sctp.Association{a, b} {
			for {
				event, ok := x.Event()
				if !ok {
					break
				}
				if x == a && (event.Kind == sctp.EventConnected || event.Kind == sctp.EventWritable) {
					writable = true
				}
			}
			if deadline := x.Deadline(); !deadline.IsZero() && !deadline.After(now) {
				x.Advance(now)
			}
		}
	}
	a.Connect(now)
	b.Connect(now)
	message := make([]byte, l.size)
	options := sctp.SendOptions{Unordered: l.unreliable, LimitRetransmits: l.unreliable}
	run := func(d time.Duration) {
		for began := time.Now(); time.Since(began) < d || messages < leastMessages && time.Since(began) < cpuPatience; {
			for range 20 {
				for writable {
					if a.Send(now, 1, ppidBinary, message, options) != nil {
						writable = false
					}
				}
				exchange()
			}
		}
	}
	run(d / 4)
	messages, packets = 0, 0
	before := takeUsage(t)
	run(d)
	return before.cost(t, l, messages, packets)
}

// pipeEnd is one end of a pipe of datagrams in memory. It loses no datagrams: a writer waits for
// space. Its buffers are reused, so that its cost is little more than that of waking another
// goroutine.
type pipeEnd struct {
	in, out    chan []byte
	free       *sync.Pool
	closed     chan struct{}
	peerClosed chan struct{}
	once       sync.Once
	packets    *atomic.Int64
}

func newPipe(packets *atomic.Int64) (a, b *pipeEnd) {
	free := &sync.Pool{New: func() any { return new([2048]byte) }}
	a = &pipeEnd{in: make(chan []byte, 512), free: free, closed: make(chan struct{}), packets: packets}
	b = &pipeEnd{in: make(chan []byte, 512), free: free, closed: make(chan struct{}), packets: packets}
	a.out, b.out, a.peerClosed, b.peerClosed = b.in, a.in, b.closed, a.closed
	return a, b
}

func (e *pipeEnd) Read(p []byte) (int, error) {
	select {
	case packet := <-e.in:
		n := copy(p, packet)
		e.free.Put((*[2048]byte)(packet[:2048]))
		return n, nil
	case <-e.closed:
		return 0, io.EOF
	}
}

func (e *pipeEnd) Write(p []byte) (int, error) {
	e.packets.Add(1)
	packet := e.free.Get().(*[2048]byte)[:]
	packet = packet[:copy(packet, p)]
	select {
	case e.out <- packet:
		return len(p), nil
	case <-e.peerClosed:
		return 0, io.ErrClosedPipe
	case <-e.closed:
		return 0, io.ErrClosedPipe
	}
}

func (e *pipeEnd) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func (e *pipeEnd) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (e *pipeEnd) RemoteAddr() net.Addr             { return &net.UDPAddr{} }
func (e *pipeEnd) SetDeadline(time.Time) error      { return nil }
func (e *pipeEnd) SetReadDeadline(time.Time) error  { return nil }
func (e *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// costOfPion moves messages between two associations of github.com/pion/sctp for d, with a receive
// window of 4 MiB and zero checksums.
func costOfPion(t testing.TB, l load, d time.Duration) cost {
	var packets, messages atomic.Int64
	a, b := newPipe(&packets)
	from, to, ready := connectPion(t, a, b, 4<<20, true)
	<-ready
	if l.unreliable {
		from.stream.SetReliabilityParams(true, pion.ReliabilityTypeRexmit, 0)
	}
	var both sync.WaitGroup
	stop := make(chan struct{})
	both.Go(func() { to.receive(func(int) { messages.Add(1) }) })
	both.Go(func() { from.send(make([]byte, l.size), 2<<20, stop) })
	time.Sleep(d / 4)
	m, p, before := messages.Load(), packets.Load(), takeUsage(t)
	for range 1 + int(cpuPatience/d) { // a busy machine may take longer
		if time.Sleep(d); messages.Load()-m >= leastMessages {
			break
		}
	}
	c := before.cost(t, l, messages.Load()-m, packets.Load()-p)
	close(stop)
	_ = a.Close()
	_ = b.Close()
	both.Wait()
	return c
}

// TestCPU prints the costs of transfers over a pipe in memory if -full is set. Otherwise it checks
// that both measurements work, and that ours uses less CPU time.
func TestCPU(t *testing.T) {
	contenders := []struct {
		name string
		run  func(testing.TB, load, time.Duration) cost
	}{{"rtcstack", costOfOurs}, {"pion/sctp", costOfPion}}
	if !*full {
		const d = 200 * time.Millisecond
		ours, others := costOfOurs(t, loads[2], d), costOfPion(t, loads[2], d)
		require.Positive(t, ours.rate)
		require.Positive(t, others.rate)
		require.Less(t, ours.cpu, others.cpu)
		return
	}
	w := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "messages\t\tMB/s\tcores\tCPU s/GB\tmin-max\tns/packet\tallocs/message\n")
	for _, l := range loads {
		results := make([][]cost, len(contenders))
		for range cpuRounds {
			for i, c := range contenders {
				runtime.GC()
				results[i] = append(results[i], c.run(t, l, 2*time.Second))
			}
		}
		for i, c := range contenders {
			pick := func(f func(c cost) float64) (s []float64) {
				for _, r := range results[i] {
					s = append(s, f(r))
				}
				return s
			}
			cpu := pick(func(c cost) float64 { return c.cpu })
			median := quantile(cpu, 0.5)
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%.1f\t%.2f\t%.2f-%.2f\t%.0f\t%.2f\n", l.name, c.name,
				quantile(pick(func(c cost) float64 { return c.rate }), 0.5),
				quantile(pick(func(c cost) float64 { return c.cores }), 0.5),
				median, cpu[0], cpu[len(cpu)-1],
				quantile(pick(func(c cost) float64 { return c.packet }), 0.5),
				quantile(pick(func(c cost) float64 { return c.allocs }), 0.5))
		}
	}
	require.NoError(t, w.Flush())
}
