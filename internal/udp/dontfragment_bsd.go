//go:build darwin || freebsd

package udp

import "golang.org/x/sys/unix"

// setDontFragment does its best: old versions of these systems do not know the option.
func (s *Socket) setDontFragment() error {
	level, option := unix.IPPROTO_IP, unix.IP_DONTFRAG
	if s.local.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG
	}
	return control(s.conn, func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), level, option, 1)
	})
}
