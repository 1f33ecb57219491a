// Package relay implements a network path with a limited rate, delay and loss between two UDP
// sockets of one machine, in user space and in real time. It forwards the datagrams that arrive at
// each of its two addresses from the other.
//
//	r, err := relay.New(relay.Config{Rate: 100e6, Delay: 25 * time.Millisecond, Loss: 0.01, Queue: 625_000, Seed: 1})
//	r.Attach(0, a)      // end 0 is the socket at a
//	r.Attach(1, b)      // end 1 is the socket at b
//	// a sends to r.Address(1), which forwards to b; b sends to r.Address(0).
//
// It serves to compare implementations that cannot run in virtual time; for others a simulated
// network is better. A busy machine delivers up to some milliseconds late.
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
	// maxDatagram is the size of a buffer, in bytes: more than the implementations send. Datagrams
	// of this size or more are dropped, as on a path with a smaller MTU.
	maxDatagram = 2048
	// packetOverhead is the size of the IPv4 and UDP headers, which count for the rate.
	packetOverhead = 20 + 8
	// socketBuffer is the size of the sockets' buffers, large enough that they lose no datagrams.
	socketBuffer = 4 << 20
	// maxWaiting limits the number of datagrams on their way in one direction, to more than any
	// reasonable Queue and Delay require.
	maxWaiting = 1 << 16
)

// Config configures a path. Both directions are the same.
type Config struct {
	Rate  int64         // bits per second, including IPv4 and UDP headers; 0: no limit
	Delay time.Duration // of each direction: half of the round-trip time
	Loss  float64       // the probability of the loss of a datagram, 0 to 1
	Queue int           // the size of the bottleneck's queue in bytes; 0: no limit
	Seed  uint64        // of the losses

	Listen netip.Addr // the address of the two sockets; zero: 127.0.0.1
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

// end has the relay's socket that replaces one of the two sockets for the other.
type end struct {
	conn   *net.UDPConn
	real   atomic.Pointer[netip.AddrPort] // the address of the socket that it replaces
	toward link                           // the direction to that socket
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

// Address returns the address to which the other end sends its datagrams for end i, 0 or 1.
func (r *Relay) Address(i int) netip.AddrPort {
	return r.ends[i].conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Attach sets the real address of end i. Before that, datagrams for it are dropped.
func (r *Relay) Attach(i int, real netip.AddrPort) { r.ends[i].real.Store(&real) }

// Stats returns the counts of the direction to end i.
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

// packet is a datagram on its way.
type packet struct {
	data []byte
	due  time.Time
}

// link is one direction: a queue from the goroutine that reads one socket to the one that writes to
// the other. Since the delay is constant, datagrams leave it in order.
type link struct {
	config  Config
	waiting chan packet

	mu     sync.Mutex
	random *rand.Rand
	free   time.Time // when the last accepted datagram leaves the bottleneck
	stats  Stats
}

var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// read receives the datagrams for end i.
func (r *Relay) read(i int) {
	for {
		buf := buffers.Get().(*[maxDatagram]byte)
		n, err := r.ends[i].conn.Read(buf[:])
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil || n == maxDatagram:
			buffers.Put(buf) // an ICMP error of a closed socket, or a datagram that is too large
			continue
		}
		if !r.ends[i].toward.put(time.Now(), buf[:n]) {
			buffers.Put(buf)
		}
	}
}

// put queues a datagram, and reports whether it is not lost.
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

// write sends due datagrams to the real address of end i, from the socket that replaces the other
// end.
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
