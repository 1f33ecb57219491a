//go:build !linux

package udp

import (
	"syscall"

	"github.com/rtcstack/rtcstack/internal/link"
)

// osSocket is what the operating system adds to a socket.
type osSocket struct {
	readBuffer, writeBuffer int // as asked for
}

// configure sets the socket up. What size the buffers have is not known on this system, so that keepLarger can do nothing.
func (s *Socket) configure(options Options, _ bool) error {
	s.growBuffers(options.ReadBuffer, options.WriteBuffer)
	s.os = osSocket{options.ReadBuffer, options.WriteBuffer}
	return s.setDontFragment()
}

func (s *Socket) levels() (batch, gso, gro bool) { return false, false, false }

func (s *Socket) serve(handle func(*link.Inbound)) error { return s.servePortable(handle) }

func (s *Socket) send(datagrams []link.Datagram) error { return s.sendPortable(datagrams) }

// growBuffers asks for socket buffers by the portable calls. Some systems refuse what is too much instead
// of granting what they can, so it goes down until they agree.
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
