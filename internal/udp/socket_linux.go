package udp

import (
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// osSocket is what Linux adds to a socket. It is the zero value for a conn that is not the operating system's.
type osSocket struct {
	raw   syscall.RawConn
	inet6 bool // the socket's own family
	batch bool // recvmmsg and sendmmsg are in use
	gso   atomic.Bool
	gro   bool
	// gsoRefusals counts runs that were refused as one message and taken one by one.
	gsoRefusals atomic.Int32
	zones       zones
	calls       calls
}

// configure sets the socket up. keepLarger leaves buffers alone that are larger than asked for.
func (s *Socket) configure(options Options, keepLarger bool) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.os.raw = raw
	if s.os.calls.sendmmsg == nil {
		s.os.calls = systemCalls
	}
	return raw.Control(func(fd uintptr) {
		f := int(fd)
		s.findFamilies(f)
		s.setBuffer(f, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, options.ReadBuffer, keepLarger)
		s.setBuffer(f, unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, options.WriteBuffer, keepLarger)
		// "PROBE" sets the DF bit and ignores the path MTU that the kernel has learned, so that larger
		// packets can find out whether the path takes them. A sandbox without the option is no reason to fail.
		if s.families&ipv4 != 0 {
			_ = s.os.calls.setsockoptInt(f, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		}
		if s.families&ipv6 != 0 {
			_ = s.os.calls.setsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		}
		s.os.batch = !options.NoBatch && s.os.calls.batches(fd)
		if !s.os.batch {
			return
		}
		// Kernels before 4.18 and 5.0 do not know these options. They would silently ignore the
		// control message that asks for segmentation, so sending one is no way to find out.
		if !options.NoGSO {
			_, err := s.os.calls.getsockoptInt(f, unix.SOL_UDP, unix.UDP_SEGMENT)
			s.os.gso.Store(err == nil)
		}
		if !options.NoGRO {
			s.os.gro = s.os.calls.setsockoptInt(f, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
		}
	})
}

// findFamilies asks the system what the address of a conn that somebody else has bound does not tell.
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

// setBuffer asks for the size of a buffer. The FORCE variants exceed net.core.rmem_max and wmem_max and need CAP_NET_ADMIN.
func (s *Socket) setBuffer(fd, option, force, size int, keepLarger bool) {
	if size <= 0 {
		return
	}
	// The kernel doubles what it is asked for, to account for its own structures.
	if now, err := s.os.calls.getsockoptInt(fd, unix.SOL_SOCKET, option); keepLarger && err == nil && now/2 >= size {
		return
	}
	if s.os.calls.setsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = s.os.calls.setsockoptInt(fd, unix.SOL_SOCKET, option, size)
	}
}

func (s *Socket) levels() (batch, gso, gro bool) {
	batch = s.os.batch
	return batch, batch && s.os.gso.Load(), batch && s.os.gro
}
