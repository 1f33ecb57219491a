//go:build darwin || freebsd

package udp

import "golang.org/x/sys/unix"

// setDontFragment sets the DF bit. It ignores the error of old systems without the option.
func (s *Socket) setDontFragment() error {
	level, option := unix.IPPROTO_IP, unix.IP_DONTFRAG
	if s.local.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG
	}
	return control(s.conn, func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), level, option, 1)
	})
}
