package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// writeMessages is the number of messages of one sendmmsg.
	writeMessages = 64

	// maxSegments and maxSegmentBytes are the kernel's limits of a message to be segmented:
	// UDP_MAX_SEGMENTS, and the largest payload of a UDP datagram over IPv4.
	maxSegments     = 64
	maxSegmentBytes = 65507

	// maxGSORefusals is the number of runs, rejected as one message and accepted one by one, after
	// which a socket no longer uses segmentation.
	maxGSORefusals = 3

	// maxResends bounds the attempts to send a datagram again whose error may be that of an older
	// one.
	maxResends = 2
)

// control16 is the control message that requests segmentation.
type control16 struct {
	header unix.Cmsghdr
	size   uint16
	_      [6]byte
}

// A sender is the state of one Send: the datagrams, and the messages made of some of them.
type sender struct {
	socket    *Socket
	datagrams []link.Datagram
	next      int // the first datagram that is not in a message yet
	sent      int // datagrams sent
	calls     int
	failed    *SendError
	try       func(fd uintptr) bool // w.write, allocated once

	oneByOne int  // datagrams below this index are not merged
	blocked  bool // the system has no room
	refused  bool // those were rejected as one message, and none of them since
	resends  int  // of the message at done

	made, done int // messages made, and those of them that are sent or given up
	messages   [writeMessages]unix.Mmsghdr
	runs       [writeMessages]run
	iovecs     [writeMessages]unix.Iovec
	names      [writeMessages]sockaddr
	controls   [writeMessages]control16
}

// A run is the datagrams of one message.
type run struct {
	first, count int
}

var senderPool = sync.Pool{New: func() any {
	w := new(sender)
	for i := range w.messages {
		h := &w.messages[i].Hdr
		h.Iov = &w.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&w.names[i]))
		c := &w.controls[i]
		c.header.Level, c.header.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.header.SetLen(unix.CmsgLen(2))
	}
	w.try = w.write
	return w
}}

// send sends the datagrams for which the system has room, and queues the rest.
func (s *Socket) send(datagrams []link.Datagram) error {
	if s.packets != nil || s.os.portable {
		return s.sendPortable(datagrams)
	}
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	if s.closed.Load() {
		return fmt.Errorf("udp: send: %w", net.ErrClosed)
	}
	if s.backlog.active.Load() {
		s.keep(datagrams, s.drain)
		return nil
	}
	n, err := s.trySend(datagrams, s.os.raw.Write)
	if n < len(datagrams) && (err == nil || errors.As(err, new(*SendError))) {
		s.keep(datagrams[n:], s.drain)
	}
	return err
}

// drain sends the backlog and waits for room in the system.
func (s *Socket) drain() {
	b := &s.backlog
	var calls []func()
	err := s.os.raw.Write(func(fd uintptr) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for l := b.next(); l != nil; l = b.next() {
			all := l.out.Datagrams()[l.done:]
			n, _ := s.trySend(all, func(try func(fd uintptr) bool) error {
				try(fd)
				return nil
			})
			l.done += n
			if n < len(all) {
				return false
			}
		}
		calls = s.clear()
		return true
	})
	if err != nil { // the socket is closed
		b.mu.Lock()
		calls = s.clear()
		b.mu.Unlock()
	}
	for _, f := range calls {
		f()
	}
}

// trySend sends datagrams until the system has no room, and returns the number of those sent or
// given up. write calls its argument with the file descriptor.
func (s *Socket) trySend(datagrams []link.Datagram, write func(func(fd uintptr) bool) error) (n int, err error) {
	w := senderPool.Get().(*sender)
	w.socket, w.datagrams = s, datagrams
	err = write(w.try)
	failed := w.failed
	s.writeCalls.Add(int64(w.calls))
	s.sentCount.Add(int64(w.sent))
	if n = len(datagrams); w.blocked {
		n = w.unsent()
	}
	w.reset()
	senderPool.Put(w)
	return n, s.sendResult(failed, err)
}

// unsent returns the index of the first datagram that was neither sent nor given up.
func (w *sender) unsent() int {
	if w.done < w.made {
		return w.runs[w.done].first
	}
	return w.next
}

func (s *Socket) sendResult(failed *SendError, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("udp: send: %w", err)
	case failed != nil:
		s.unsent.Add(int64(failed.Count))
		return failed
	}
	return nil
}

func (w *sender) reset() {
	w.socket, w.datagrams, w.failed = nil, nil, nil
	w.next, w.sent, w.calls, w.oneByOne, w.resends, w.made, w.done = 0, 0, 0, 0, 0, 0, 0
	w.refused, w.blocked = false, false
}

// write sends until no datagram is left or the system has no room. It always returns true: it does
// not wait for room.
func (w *sender) write(fd uintptr) bool {
	for {
		for w.done == w.made {
			if w.next == len(w.datagrams) {
				return true
			}
			w.makeMessages()
		}
		n, errno := w.send(fd)
		switch errno {
		case 0:
			w.calls++
			for range n {
				w.succeeded()
			}
		case unix.EINTR:
		case unix.EAGAIN:
			w.blocked = true
			return true
		default:
			w.calls++
			w.refusedBy(errno)
		}
	}
}

// send passes the next messages to the system, and returns the number that it has accepted.
func (w *sender) send(fd uintptr) (n int, errno unix.Errno) {
	if w.socket.os.batch {
		return w.socket.os.calls.sendmmsg(fd, w.messages[w.done:w.made])
	}
	if errno = w.socket.os.calls.sendmsg(fd, &w.messages[w.done].Hdr); errno != 0 {
		return 0, errno
	}
	return 1, 0
}

// makeMessages makes messages of the next datagrams. A run of datagrams of one size to one
// destination, of which the last may be smaller, is one message.
func (w *sender) makeMessages() {
	os := &w.socket.os
	segmentation := os.gso.Load()
	w.made, w.done = 0, 0
	for w.made < writeMessages && w.next < len(w.datagrams) {
		r := run{w.next, 1}
		d := &w.datagrams[r.first]
		to := netip.AddrPortFrom(d.To.Addr().Unmap(), d.To.Port())
		if !w.socket.families.speaks(to.Addr()) {
			w.fail(r, ErrAddressFamily)
			w.next++
			continue
		}
		size, total := len(d.Data), len(d.Data)
		if segmentation && r.first >= w.oneByOne {
			r.count, total = w.extend(r.first)
		}
		m := w.made
		h := &w.messages[m].Hdr
		h.Namelen = w.names[m].set(to, os.inet6, &os.zones)
		w.iovecs[m].Base = unsafe.SliceData(d.Data)
		w.iovecs[m].SetLen(total)
		if r.count > 1 {
			w.controls[m].size = uint16(size)
			h.Control = (*byte)(unsafe.Pointer(&w.controls[m]))
			h.SetControllen(unix.CmsgSpace(2))
		} else {
			h.Control = nil
			h.SetControllen(0)
		}
		w.runs[m] = r
		w.made++
		w.next += r.count
	}
}

// extend returns the number of datagrams from first on that form one message, and their total size.
func (w *sender) extend(first int) (count, total int) {
	size := len(w.datagrams[first].Data)
	count, total = 1, size
	for i := first + 1; i < len(w.datagrams) && count < maxSegments; i++ {
		d := &w.datagrams[i]
		n := len(d.Data)
		if !d.Follows || n > size || n == 0 || total+n > maxSegmentBytes {
			break
		}
		count++
		total += n
		if n < size {
			break
		}
	}
	return count, total
}

func (w *sender) succeeded() {
	r := w.runs[w.done]
	w.sent += r.count
	w.done++
	w.resends = 0
	if w.refused && r.first+r.count >= w.oneByOne {
		// All of the run were accepted one by one: segmentation was rejected.
		w.refused = false
		if w.socket.os.gsoRefusals.Add(1) >= maxGSORefusals {
			w.socket.os.gso.Store(false)
		}
	}
}

// refusedBy handles the error of the message at done, of which nothing was sent.
func (w *sender) refusedBy(errno unix.Errno) {
	r := w.runs[w.done]
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.ENOBUFS, unix.ENOMEM:
		// EIO: the device computes no checksums. EINVAL: a datagram is too large for the path, or
		// the kernel's limits are lower. The other errors are not documented for segmentation.
		// Sending one by one is right for all.
		if r.count > 1 {
			if errno == unix.EIO {
				w.socket.os.gso.Store(false)
			}
			w.oneByOne = r.first + r.count
			w.refused = errno != unix.EIO && errno != unix.ENOBUFS && errno != unix.ENOMEM
			// The messages after it are made again.
			w.next = r.first
			w.made, w.done = 0, 0
			return
		}
	case unix.ECONNREFUSED, unix.ECONNRESET:
		// The error of an ICMP message for an older datagram, which this call has cleared.
		if w.resends < maxResends {
			w.resends++
			return
		}
	}
	w.fail(r, errno)
	w.done++
	w.resends = 0
	if r.first < w.oneByOne {
		w.refused = false
	}
}

// fail counts datagrams that are given up.
func (w *sender) fail(r run, err error) {
	if w.failed == nil {
		w.failed = &SendError{To: w.datagrams[r.first].To, Err: err}
	}
	w.failed.Count += r.count
}
