//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/rtcstack/rtcstack/internal/bufpool"
)

// socket makes non-blocking system calls on the socket of a Conn: a read that frees its buffer
// before it waits, and a write that does not wait. The functions are created once, because a
// closure for each call would allocate.
type socket struct {
	raw     syscall.RawConn // nil: the stream is not a socket
	onRead  func(fd uintptr) bool
	onWrite func(fd uintptr) bool
	readN   int // the result of the last onRead
	readErr error
	out     []byte // the bytes that onWrite writes
	outN    int    // the number of them written
	outErr  error
}

// init initializes s if the stream is a socket itself, not one wrapped by a type that intercepts
// reads and writes.
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
		return // closed, which reading will report
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

// read reads into the connection's read buffer, which it allocates when there are bytes to read.
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

// tryWrite writes as many bytes of b as the socket accepts at once. No other goroutine may be
// writing.
func (s *socket) tryWrite(b []byte) (n int, err error) {
	s.out, s.outN, s.outErr = b, 0, nil
	err = s.raw.Write(s.onWrite)
	if err == nil && s.outErr != nil {
		err = os.NewSyscallError("write", s.outErr)
	}
	s.out = nil
	return s.outN, err
}
