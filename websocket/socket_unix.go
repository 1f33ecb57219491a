//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// socket makes system calls on the socket of a Conn that do not block: a read
// that gives its buffer back before it waits, and a write that does not wait. The
// functions are bound once, as a closure for each call would allocate.
type socket struct {
	raw     syscall.RawConn // nil: the stream is not a socket
	onRead  func(fd uintptr) bool
	onWrite func(fd uintptr) bool
	readN   int // what the last onRead got
	readErr error
	out     []byte // what onWrite is to write
	outN    int    // how much of it it has
	outErr  error
}

// init finds out whether the stream is a socket: one as it is, not wrapped into
// something that wants to see what is read and written.
func (s *socket) init(c *Conn) {
	var sys syscall.Conn
	switch stream := c.stream.(type) {
	case *net.TCPConn:
		sys = stream
	case *net.UnixConn:
		if stream.LocalAddr().Network() != "unix" {
			return // one of datagrams
		}
		sys = stream
	default:
		return
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return // closed; reading will say so
	}
	s.raw = raw
	s.onRead = func(fd uintptr) bool {
		in := &c.in
		size := socketBuffer
		if in.large {
			size = headBuffer
		}
		if in.mem == nil || cap(in.mem.B) < size {
			in.freeBuffer()
			in.mem = bufpool.Get(size)
		}
		for {
			s.readN, s.readErr = syscall.Read(int(fd), in.mem.B[:size])
			if s.readErr == syscall.EAGAIN {
				in.freeBuffer()
				return false // and wait
			}
			if s.readErr != syscall.EINTR {
				return true
			}
		}
	}
	s.onWrite = func(fd uintptr) bool {
		for s.outN < len(s.out) {
			n, err := syscall.Write(int(fd), s.out[s.outN:])
			if n > 0 {
				s.outN += n
			}
			if err != nil && err != syscall.EINTR {
				if err != syscall.EAGAIN {
					s.outErr = err
				}
				return true
			}
		}
		return true
	}
}

func (s *socket) usable() bool { return s.raw != nil }

// read reads into the connection's read buffer, which it makes when there is
// something to read.
func (s *socket) read() (int, error) {
	if err := s.raw.Read(s.onRead); err != nil {
		return 0, err
	}
	if s.readErr != nil {
		return 0, os.NewSyscallError("read", s.readErr)
	}
	if s.readN == 0 {
		return 0, io.EOF
	}
	return s.readN, nil
}

// tryWrite writes as much of b as the socket takes at once. Nobody else may be writing.
func (s *socket) tryWrite(b []byte) (n int, err error) {
	s.out, s.outN, s.outErr = b, 0, nil
	err = s.raw.Write(s.onWrite)
	if err == nil && s.outErr != nil {
		err = os.NewSyscallError("write", s.outErr)
	}
	s.out = nil
	return s.outN, err
}
