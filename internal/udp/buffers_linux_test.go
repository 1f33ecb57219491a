package udp

import "golang.org/x/sys/unix"

// buffers returns the sizes of the socket's buffers in bytes, as granted by the system, or 0 if
// there are none.
func (s *Socket) buffers() (read, write int) {
	if s.os.raw == nil {
		return 0, 0
	}
	_ = s.os.raw.Control(func(fd uintptr) {
		read, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		write, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return read / 2, write / 2
}
