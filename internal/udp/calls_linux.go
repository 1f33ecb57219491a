package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that older kernels and other devices refuse. Tests put kernels of their own in their place.
type calls struct {
	sendmmsg      func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno)
	sendmsg       func(fd uintptr, message *unix.Msghdr) unix.Errno
	recvmmsg      func(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno)
	getsockoptInt func(fd, level, option int) (int, error)
	setsockoptInt func(fd, level, option, value int) error
}

var systemCalls = calls{sendmmsg, sendmsg, recvmmsg, unix.GetsockoptInt, unix.SetsockoptInt}

// batches reports whether the system has both calls for many messages. Kernels before 3.0 do not have sendmmsg, and sandboxes may forbid
// either. With no message they do nothing. It has to be known before UDP_GRO is set: a read of one
// datagram would not tell that the kernel has made one of several.
func (c *calls) batches(fd uintptr) bool {
	_, send := c.sendmmsg(fd, nil)
	_, receive := c.recvmmsg(fd, nil)
	return send == 0 && receive == 0
}

func sendmmsg(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func sendmsg(fd uintptr, message *unix.Msghdr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(message)), unix.MSG_DONTWAIT)
	return errno
}

func recvmmsg(fd uintptr, messages []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(messages))), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
