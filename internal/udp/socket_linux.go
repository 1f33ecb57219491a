package udp

import (
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// osSocket is the part of a socket that is specific to Linux. It is zero for a conn that is not a
// kernel socket.
type osSocket struct {
	raw   syscall.RawConn
	inet6 bool // the family of the socket is IPv6
	batch bool // recvmmsg and sendmmsg are in use
	// portable: the calls of other systems are in use, for tests.
	portable bool
	gso      atomic.Bool
	gro      atomic.Bool // see enableGRO
	noGRO    bool        // GRO is not to be tried, or not again
	// gsoRefusals counts runs that the system has rejected as one message and accepted one by one.
	gsoRefusals atomic.Int32
	zones       zones
	calls       calls
}

// configure sets the options of the socket. With keepLarger, it does not shrink buffers.
func (s *Socket) configure(options Options, keepLarger bool) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.os.raw = raw
	s.os.portable = options.portable || options.queued
	if s.os.calls.sendmmsg == nil {
		s.os.calls = systemCalls
	}
	err = raw.Control(func(fd uintptr) {
		f := int(fd)
		s.findFamilies(f)
		s.setBuffer(f, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, options.ReadBuffer, keepLarger)
		s.setBuffer(f, unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, options.WriteBuffer, keepLarger)
		// IP_PMTUDISC_PROBE sets the DF bit and ignores the path MTU that the kernel has learned,
		// so that larger packets can probe the path. A sandbox without the option is no error.
		if s.families&ipv4 != 0 {
			_ = s.os.calls.setsockoptInt(f, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		}
		if s.families&ipv6 != 0 {
			_ = s.os.calls.setsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		}
		s.os.batch = !options.NoBatch && !s.os.portable && s.os.calls.batches(fd)
		if !s.os.batch {
			return
		}
		// Kernels before 4.18 and 5.0 lack these options. They ignore the control message that
		// requests segmentation, so that sending one would not reveal it.
		if !options.NoGSO {
			_, err := s.os.calls.getsockoptInt(f, unix.SOL_UDP, unix.UDP_SEGMENT)
			s.os.gso.Store(err == nil)
		}
		s.os.noGRO = options.NoGRO
	})
	if err == nil && options.portable {
		s.direct, err = newDirectWriter(s)
	}
	return err
}

// groAfter is the number of datagrams after which a socket uses GRO. Setting up a connection takes
// about 12.
const groAfter = 32

// enableGRO sets UDP_GRO. The reader does so only when the socket is in use: for the first such
// socket of a host, the kernel rewrites its own code and interrupts all processors (a static key),
// which costs more than all other work for a short connection.
func (s *Socket) enableGRO() {
	s.os.noGRO = true
	_ = s.os.raw.Control(func(fd uintptr) {
		s.os.gro.Store(s.os.calls.setsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) == nil)
	})
}

// findFamilies determines the families of a conn, which its address does not show.
func (s *Socket) findFamilies(fd int) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		s.os.inet6 = s.families&ipv6 != 0
		return
	}
	if _, s.os.inet6 = name.(*unix.SockaddrInet6); !s.os.inet6 {
		s.families = ipv4
		return
	}
	if only, err := s.os.calls.getsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err == nil && only != 0 {
		s.families = ipv6
	}
}

// setBuffer requests the size of a buffer. The FORCE options exceed net.core.rmem_max and wmem_max,
// and need CAP_NET_ADMIN.
func (s *Socket) setBuffer(fd, option, force, size int, keepLarger bool) {
	if size <= 0 {
		return
	}
	// The kernel doubles the requested size, for its own structures.
	if now, err := s.os.calls.getsockoptInt(fd, unix.SOL_SOCKET, option); keepLarger && err == nil && now/2 >= size {
		return
	}
	if s.os.calls.setsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = s.os.calls.setsockoptInt(fd, unix.SOL_SOCKET, option, size)
	}
}

func (s *Socket) levels() (batch, gso, gro bool) {
	batch = s.os.batch
	return batch, batch && s.os.gso.Load(), batch && s.os.gro.Load()
}
