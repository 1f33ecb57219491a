//go:build !linux

package udp

// buffers returns the sizes of the socket's buffers in bytes, as asked for: what was granted is not known on this system.
func (s *Socket) buffers() (read, write int) { return s.os.readBuffer, s.os.writeBuffer }
