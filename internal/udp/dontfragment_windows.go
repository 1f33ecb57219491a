package udp

import "golang.org/x/sys/windows"

// setDontFragment sets the DF bit. It ignores the error of versions before Windows 10 2004, which
// lack the option.
func (s *Socket) setDontFragment() error {
	level, option := windows.IPPROTO_IP, windows.IP_MTU_DISCOVER
	if s.local.Addr().Is6() {
		level, option = windows.IPPROTO_IPV6, windows.IPV6_MTU_DISCOVER
	}
	return control(s.conn, func(fd uintptr) {
		_ = windows.SetsockoptInt(windows.Handle(fd), level, option, windows.IP_PMTUDISC_PROBE)
	})
}
