//go:build !linux

package udp

// buffers returns the requested sizes of the socket's buffers in bytes. The granted ones are
// unknown on this system.
func (s *Socket) buffers() (read, write int) { return s.os.readBuffer, s.os.writeBuffer }
