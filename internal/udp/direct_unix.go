//go:build unix && !aix

package udp

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/rtcstack/rtcstack/internal/link"
)

// directWriter sends datagrams one by one by calls that do not block. The mutex of the backlog
// guards it. Linux has better ways: see sender.
type directWriter struct {
	socket *Socket
	raw    syscall.RawConn
	inet6  bool // the family of the socket is IPv6
	zones  zones
	sendto func(fd int, data []byte, flags int, to syscall.Sockaddr) error // tests replace it

	// The state of one send.
	datagrams []link.Datagram
	next      int // the first datagram that is neither sent nor given up
	sent      int
	failed    *SendError
	try       func(fd uintptr) // write, allocated once
	to4       syscall.SockaddrInet4
	to6       syscall.SockaddrInet6
}

func newDirectWriter(s *Socket) (*directWriter, error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &directWriter{socket: s, raw: raw, sendto: syscall.Sendto}
	w.try = w.write
	return w, raw.Control(func(fd uintptr) {
		name, err := syscall.Getsockname(int(fd))
		if _, w.inet6 = name.(*syscall.SockaddrInet6); err != nil {
			w.inet6 = s.families&ipv6 != 0
		}
	})
}

// send sends datagrams until the system has no room, and returns the number of those sent or given
// up.
func (w *directWriter) send(datagrams []link.Datagram) (n int, err error) {
	w.datagrams, w.next, w.sent, w.failed = datagrams, 0, 0, nil
	err = w.raw.Control(w.try) // Write would wait for other calls of Write
	s, failed := w.socket, w.failed
	w.datagrams, w.failed = nil, nil
	s.writeCalls.Add(int64(w.next))
	s.sentCount.Add(int64(w.sent))
	switch {
	case err != nil:
		return w.next, fmt.Errorf("udp: send: %w", err)
	case failed != nil:
		s.unsent.Add(int64(failed.Count))
		return w.next, failed
	}
	return w.next, nil
}

func (w *directWriter) write(fd uintptr) {
	for w.next < len(w.datagrams) {
		d := &w.datagrams[w.next]
		switch err := w.writeOne(int(fd), d); err {
		case nil:
			w.sent++
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return
		default:
			if w.failed == nil {
				w.failed = &SendError{To: d.To, Err: err}
			}
			w.failed.Count++
		}
		w.next++
	}
}

func (w *directWriter) writeOne(fd int, d *link.Datagram) error {
	addr := d.To.Addr().Unmap()
	if !w.socket.families.speaks(addr) {
		return ErrAddressFamily
	}
	return w.sendto(fd, d.Data, syscall.MSG_DONTWAIT, w.sockaddr(addr, d.To.Port()))
}

// sockaddr returns an endpoint in the family of the socket, valid until the next call.
func (w *directWriter) sockaddr(addr netip.Addr, port uint16) syscall.Sockaddr {
	if !w.inet6 {
		w.to4.Addr, w.to4.Port = addr.As4(), int(port)
		return &w.to4
	}
	w.to6.Addr, w.to6.Port, w.to6.ZoneId = addr.As16(), int(port), 0
	if zone := addr.Zone(); zone != "" {
		w.to6.ZoneId = w.zones.index(zone)
	}
	return &w.to6
}
