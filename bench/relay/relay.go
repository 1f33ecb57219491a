// Package relay is a slow, lossy network path between two UDP sockets of one machine, in user space and in real time: what
// is sent to one of its two addresses comes out of the other one, later, at a limited rate, and sometimes not at all.
//
//	r, err := relay.New(relay.Config{Rate: 100e6, Delay: 25 * time.Millisecond, Loss: 0.01, Queue: 625_000, Seed: 1})
//	r.Attach(0, a)      // the socket at a is one end …
//	r.Attach(1, b)      // … and the one at b the other
//	// a sends to r.Address(1), where it finds b; b sends to r.Address(0).
//
// It is for comparing implementations that cannot be driven with virtual time; those that can are better off with a
// simulated network. Its clock is the system's: a busy machine delivers late, up to some milliseconds.
package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxDatagram is more than the implementations send; what is larger is not carried, as on a path with that MTU.
	maxDatagram = 2048
	// packetOverhead is the IPv4 and UDP headers, which take their share of the rate.
	packetOverhead = 20 + 8
	// socketBuffer keeps the relay itself from losing datagrams.
	socketBuffer = 4 << 20
	// maxWaiting bounds the datagrams under way in one direction, beyond what any sensible Queue and Delay need.
	maxWaiting = 1 << 16
)

// Config is a path, the same in both directions.
type Config struct {
	Rate  int64         // bits per second, with IPv4 and UDP headers; 0: no limit
	Delay time.Duration // of each direction: half of the round trip
	Loss  float64       // the share of datagrams that is lost, at random, 0 to 1
	Queue int           // bytes that wait at most for their turn; 0: no limit
	Seed  uint64        // of what is lost

	Listen netip.Addr // of the two sockets; zero: 127.0.0.1
}

// Stats counts the datagrams of one direction.
type Stats struct {
	Delivered, Lost, Overflowed uint64
	Largest                     int // bytes of UDP payload
}

// Relay is a path between two sockets. All methods may be called concurrently.
type Relay struct {
	ends [2]end
	wait sync.WaitGroup
	done chan struct{}
}

// end is the socket that stands for one of the two, towards the other.
type end struct {
	conn   *net.UDPConn
	real   atomic.Pointer[netip.AddrPort] // whom it stands for
	toward link                           // to the real one
}

// New opens the two sockets of a path.
func New(config Config) (*Relay, error) {
	if config.Rate < 0 || config.Delay < 0 || config.Loss < 0 || config.Loss > 1 || config.Queue < 0 {
		return nil, errors.New("relay: a value of the configuration is out of range")
	}
	if !config.Listen.IsValid() {
		config.Listen = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	r := &Relay{done: make(chan struct{})}
	for i := range r.ends {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(config.Listen, 0)))
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("relay: %w", err)
		}
		_ = conn.SetReadBuffer(socketBuffer) // as large as the system allows
		_ = conn.SetWriteBuffer(socketBuffer)
		r.ends[i].conn = conn
		r.ends[i].toward = link{
			config: config, random: rand.New(rand.NewPCG(config.Seed, uint64(i))), waiting: make(chan packet, maxWaiting),
		}
	}
	for i := range r.ends {
		r.wait.Go(func() { r.read(i) })
		r.wait.Go(func() { r.write(i) })
	}
	return r, nil
}

// Address is where the other side finds end i, 0 or 1.
func (r *Relay) Address(i int) netip.AddrPort {
	return r.ends[i].conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Attach tells where end i really is. Until it is told, what is sent to it is lost.
func (r *Relay) Attach(i int, real netip.AddrPort) { r.ends[i].real.Store(&real) }

// Stats counts what went to end i.
func (r *Relay) Stats(i int) Stats {
	l := &r.ends[i].toward
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close ends the path and waits for its goroutines.
func (r *Relay) Close() {
	close(r.done)
	for i := range r.ends {
		if r.ends[i].conn != nil {
			_ = r.ends[i].conn.Close()
		}
	}
	r.wait.Wait()
}

// packet is a datagram under way.
type packet struct {
	data []byte
	due  time.Time
}

// link is one direction. The reader of one socket puts into it, the writer of the other one takes out of it; as the
// delay is constant, what comes in first leaves first.
type link struct {
	config  Config
	waiting chan packet

	mu     sync.Mutex
	random *rand.Rand
	free   time.Time // when the last datagram accepted has left the bottleneck
	stats  Stats
}

var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// read takes what is sent to end i by the other side.
func (r *Relay) read(i int) {
	for {
		buf := buffers.Get().(*[maxDatagram]byte)
		n, err := r.ends[i].conn.Read(buf[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil || n == maxDatagram:
			buffers.Put(buf) // an ICMP error of a socket that is gone, or too large
			continue
		}
		if !r.ends[i].toward.put(time.Now(), buf[:n]) {
			buffers.Put(buf)
		}
	}
}

// put decides the fate of a datagram.
func (l *link) put(now time.Time, data []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Largest = max(l.stats.Largest, len(data))
	if l.random.Float64() < l.config.Loss {
		l.stats.Lost++
		return false
	}
	if l.free.Before(now) {
		l.free = now
	}
	if l.config.Rate > 0 {
		queued := int64(l.free.Sub(now).Seconds() * float64(l.config.Rate) / 8)
		if l.config.Queue > 0 && queued+int64(len(data)) > int64(l.config.Queue) {
			l.stats.Overflowed++
			return false
		}
		bits := int64(len(data)+packetOverhead) * 8
		l.free = l.free.Add(time.Duration(bits * int64(time.Second) / l.config.Rate))
	}
	select {
	case l.waiting <- packet{data, l.free.Add(l.config.Delay)}:
		l.stats.Delivered++
		return true
	default:
		l.stats.Overflowed++
		return false
	}
}

// write sends what is due to the real end i, from the socket that stands for the other one.
func (r *Relay) write(i int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var p packet
		select {
		case p = <-r.ends[i].toward.waiting:
		case <-r.done:
			return
		}
		if wait := time.Until(p.due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-r.done:
				return
			}
		}
		if real := r.ends[i].real.Load(); real != nil {
			_, _ = r.ends[1-i].conn.WriteToUDPAddrPort(p.data, *real)
		}
		buffers.Put((*[maxDatagram]byte)(p.data[:maxDatagram]))
	}
}
