//go:build !linux

package udp

import (
	"syscall"

	"github.com/rtcstack/rtcstack/internal/link"
)

// osSocket is the part of a socket that is specific to the operating system.
type osSocket struct {
	readBuffer, writeBuffer int // the sizes requested
}

// configure sets the options of the socket. The present sizes of the buffers are unknown on this
// system, so that keepLarger has no effect.
func (s *Socket) configure(options Options, _ bool) error {
	s.growBuffers(options.ReadBuffer, options.WriteBuffer)
	s.os = osSocket{options.ReadBuffer, options.WriteBuffer}
	if !options.queued {
		var err error
		if s.direct, err = newDirectWriter(s); err != nil {
			return err
		}
	}
	return s.setDontFragment()
}

func (s *Socket) levels() (batch, gso, gro bool) { return false, false, false }

func (s *Socket) serve(handle func(*link.Inbound)) error { return s.servePortable(handle) }

func (s *Socket) send(datagrams []link.Datagram) error { return s.sendPortable(datagrams) }

// growBuffers requests the sizes of the buffers by portable calls. Some systems reject a size that
// is too large instead of limiting it; growBuffers then tries smaller ones.
func (s *Socket) growBuffers(read, write int) {
	for ; read > 0 && s.conn.SetReadBuffer(read) != nil; read /= 2 {
	}
	for ; write > 0 && s.conn.SetWriteBuffer(write) != nil; write /= 2 {
	}
}

// control calls f with the file descriptor.
func control(conn syscall.Conn, f func(fd uintptr)) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}
