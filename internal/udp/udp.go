package udp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/rtcstack/rtcstack/internal/link"
)

// DefaultBuffer is the default size of each of the two socket buffers, in bytes. With Linux's own
// default of 208 KiB, a receiver at full speed loses more than a hundred datagrams a second
// whenever it is not scheduled for a moment, and each loss halves the sender's congestion window.
const DefaultBuffer = 4 << 20

// Options configures a socket. The zero value is for all uses but tests.
type Options struct {
	// ReadBuffer and WriteBuffer are the sizes of the kernel's buffers in bytes: 0 for
	// DefaultBuffer, negative for the system's default. The system may grant less.
	ReadBuffer, WriteBuffer int

	// NoGSO and NoGRO disable segmentation and its reverse where the system has them. NoBatch
	// disables both, and calls with several datagrams.
	NoBatch, NoGSO, NoGRO bool

	// Tests set portable to use the calls of systems other than Linux, and queued to use those of
	// systems on which every call may block.
	portable, queued bool
}

// Stats are the counters of a socket.
type Stats struct {
	ReadCalls  int64 // system calls that have returned datagrams
	Received   int64 // datagrams
	WriteCalls int64 // system calls that have accepted or rejected datagrams
	Sent       int64 // datagrams that the system has accepted
	Unsent     int64 // datagrams that the system has rejected
	Dropped    int64 // datagrams for which neither the system nor the backlog had room

	Batch, GSO, GRO bool // in use
}

// SendError reports datagrams that could not be sent, to one destination or several. The socket
// remains usable, and datagrams to other destinations were sent.
type SendError struct {
	To    netip.AddrPort // of the first one
	Count int            // datagrams not sent
	Err   error          // of the first one: a syscall.Errno, or an error of package net or udp
}

func (e *SendError) Error() string {
	return fmt.Sprintf("udp: send to %v: %v (datagrams not sent: %d)", e.To, e.Err, e.Count)
}

// Unwrap returns Err.
func (e *SendError) Unwrap() error { return e.Err }

// ErrAddressFamily is in a [SendError] whose destination has another address family than the
// socket.
var ErrAddressFamily = errors.New("destination of another address family")

// Socket is a bound UDP socket. Create it with [Listen], [ListenPort] or [New]. The methods may be
// called concurrently, but Serve only once.
type Socket struct {
	conn     *net.UDPConn
	packets  net.PacketConn // in place of conn, if that is not a kernel socket
	local    netip.AddrPort
	families families
	os       osSocket
	direct   *directWriter // the calls of sendPortable; nil: all of them may block

	backlog backlog

	closed     atomic.Bool   // by Close, with the mutex of the backlog held
	connClosed atomic.Bool   // the conn is closed, or about to be
	ended      chan struct{} // closed when the conn is closed

	readCalls, received, writeCalls, sentCount, unsent, dropped atomic.Int64
}

// Listen binds a socket to an address of this host, or to an unspecified one, and a port (0 for
// any). An IPv6 link-local address needs its zone. The errors wrap those of package net.
func Listen(addr netip.AddrPort, options Options) (*Socket, error) {
	if !addr.Addr().IsValid() {
		return nil, errors.New("udp: listen: no address")
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	var config net.ListenConfig
	packetConn, err := config.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	conn := packetConn.(*net.UDPConn)
	s := newSocket(conn)
	s.conn, s.families = conn, ipv6
	if addr.Addr().Is4() {
		s.families = ipv4
	}
	if err := s.configure(options.complete(), false); err != nil {
		conn.Close()
		return nil, fmt.Errorf("udp: listen on %v: %w", addr, err)
	}
	return s, nil
}

func newSocket(conn net.PacketConn) *Socket {
	return &Socket{local: localOf(conn), ended: make(chan struct{})}
}

// complete sets the defaults.
func (o Options) complete() Options {
	o.ReadBuffer = cmp.Or(o.ReadBuffer, DefaultBuffer)
	o.WriteBuffer = cmp.Or(o.WriteBuffer, DefaultBuffer)
	return o
}

// LocalAddr returns the bound address, with the port that the system has chosen.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close closes the socket: Send fails, and Serve drops the datagrams that it receives. It does not
// block. Queued datagrams are still sent if the system takes them soon, because they may be the end
// of a connection. Until then, for closeDelay at most, the port remains bound and Serve does not
// return. The error is that of closing the conn, if nothing is queued.
func (s *Socket) Close() error {
	b := &s.backlog
	b.mu.Lock()
	if s.closed.Swap(true) {
		b.mu.Unlock()
		return nil
	}
	if b.active.Load() {
		b.closing = time.AfterFunc(closeDelay, func() { _ = s.closeConn() })
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return s.closeConn()
}

// closeConn closes the conn. It is called once.
func (s *Socket) closeConn() error {
	s.connClosed.Store(true)
	defer close(s.ended)
	return s.packetConn().Close()
}

func (s *Socket) packetConn() net.PacketConn {
	if s.packets != nil {
		return s.packets
	}
	return s.conn
}

// Serve reads datagrams and calls handle with each batch of them, until Close. Then it returns nil
// as soon as the port is free and the socket has no goroutine any more. A batch and its datagrams
// are valid during the call; handle may modify their bytes. Serve ignores errors that concern
// single datagrams, such as those reported by ICMP.
func (s *Socket) Serve(handle func(*link.Inbound)) error {
	err := s.serve(func(in *link.Inbound) {
		if !s.closed.Load() {
			handle(in)
		}
	})
	if s.closed.Load() {
		<-s.ended
		s.backlog.drains.Wait()
		return nil
	}
	return fmt.Errorf("udp: receive on %v: %w", s.local, err)
}

// Send sends datagrams in order, except for those that are queued: see Congested. It does not
// block. The error is a *[SendError] if some could not be sent, or wraps net.ErrClosed.
func (s *Socket) Send(o *link.Outbound) error { return s.send(o.Datagrams()) }

// Transport returns link.UDP.
func (s *Socket) Transport() link.Transport { return link.UDP }

// PathTo returns the path to a peer. It has no headroom.
func (s *Socket) PathTo(remote netip.AddrPort) link.Path {
	return link.Path{Link: s, Remote: remote, To: remote, Overhead: link.IPUDPHeaders}
}

// Frame has no effect.
func (s *Socket) Frame(*link.Path, []byte, []byte) {}

var _ link.Link = (*Socket)(nil)

// Stats returns the counters of the socket.
func (s *Socket) Stats() Stats {
	st := Stats{
		ReadCalls:  s.readCalls.Load(),
		Received:   s.received.Load(),
		WriteCalls: s.writeCalls.Load(),
		Sent:       s.sentCount.Load(),
		Unsent:     s.unsent.Load(),
		Dropped:    s.dropped.Load(),
	}
	st.Batch, st.GSO, st.GRO = s.levels()
	return st
}
