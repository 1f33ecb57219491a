package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that some kernels and devices reject. Tests replace them.
type calls struct {
	sendmmsg      func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno)
	sendmsg       func(fd uintptr, message *unix.Msghdr) unix.Errno
	recvmmsg      func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno)
	getsockoptInt func(fd, level, option int) (int, error)
	setsockoptInt func(fd, level, option, value int) error
}

var systemCalls = calls{sendmmsg, sendmsg, recvmmsg, unix.GetsockoptInt, unix.SetsockoptInt}

// batches reports whether both calls for many messages are available. Kernels before 3.0 have no
// sendmmsg, and sandboxes may forbid either. Calls without a message have no effect. The answer is
// needed before UDP_GRO is set, because a read of one datagram could not tell that the kernel has
// merged several.
func (c *calls) batches(fd uintptr) bool {
	_, send := c.sendmmsg(fd, nil)
	_, receive := c.recvmmsg(fd, nil)
	return send == 0 && receive == 0
}

func sendmmsg(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))),
		uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func sendmsg(fd uintptr, message *unix.Msghdr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(message)), unix.MSG_DONTWAIT)
	return errno
}

func recvmmsg(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))),
		uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
