//go:build !linux && !darwin && !freebsd && !windows

package udp

// setDontFragment has no effect: this system has no option for it.
func (s *Socket) setDontFragment() error { return nil }
