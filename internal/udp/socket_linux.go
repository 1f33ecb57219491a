package udp

import (
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// osSocket is what Linux adds to a socket.
type osSocket struct {
	raw   syscall.RawConn
	batch atomic.Bool // recvmmsg and sendmmsg work
	gso   atomic.Bool
	gro   bool
	// gsoRefusals counts runs that were refused as one message and taken one by one.
	gsoRefusals atomic.Int32
	zones       zones

	// The system call, or a test's.
	sendmmsg func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno)
}

func (s *Socket) configure(options Options) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.os.raw, s.os.sendmmsg = raw, sendmmsg
	s.os.batch.Store(!options.NoBatch)
	return raw.Control(func(fd uintptr) {
		f := int(fd)
		// The FORCE variants exceed net.core.rmem_max and wmem_max and need CAP_NET_ADMIN.
		if n := options.ReadBuffer; n > 0 && unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n) != nil {
			_ = unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_RCVBUF, n)
		}
		if n := options.WriteBuffer; n > 0 && unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n) != nil {
			_ = unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_SNDBUF, n)
		}
		// "PROBE" sets the DF bit and ignores the path MTU that the kernel has learned, so that larger
		// packets can find out whether the path takes them. A sandbox without the option is no reason to fail.
		if s.local.Addr().Is4() {
			_ = unix.SetsockoptInt(f, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		} else {
			_ = unix.SetsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		}
		if options.NoBatch {
			return
		}
		// Kernels before 4.18 and 5.0 do not know these options. They would silently ignore the
		// control message that asks for segmentation, so sending one is no way to find out.
		if !options.NoGSO {
			_, err := unix.GetsockoptInt(f, unix.SOL_UDP, unix.UDP_SEGMENT)
			s.os.gso.Store(err == nil)
		}
		if !options.NoGRO {
			s.os.gro = unix.SetsockoptInt(f, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
		}
	})
}

// Buffers returns the sizes of the socket's buffers in bytes, as the system has granted them.
func (s *Socket) Buffers() (read, write int) {
	_ = s.os.raw.Control(func(fd uintptr) {
		read, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		write, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	// The kernel doubles what it is asked for, to account for its own structures.
	return read / 2, write / 2
}

func (s *Socket) levels() (batch, gso, gro bool) {
	batch = s.os.batch.Load()
	return batch, batch && s.os.gso.Load(), batch && s.os.gro
}
