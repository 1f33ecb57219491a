package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rtcstack/rtcstack/internal/link"
)

const (
	// writeMessages is how many messages one sendmmsg gets.
	writeMessages = 64

	// maxSegments and maxSegmentBytes are the kernel's limits for one message that it is to cut into datagrams:
	// UDP_MAX_SEGMENTS, and the largest IPv4 datagram's payload.
	maxSegments     = 64
	maxSegmentBytes = 65507

	// maxGSORefusals is after how many runs that were refused as one message, but not one by one, segmentation
	// is no longer tried on a socket.
	maxGSORefusals = 3

	// maxResends is how often a datagram is tried again when the error may be an older datagram's.
	maxResends = 2
)

// control16 is the control message that asks for segmentation.
type control16 struct {
	header unix.Cmsghdr
	size   uint16
	_      [6]byte
}

// A sender is the state of one Flush: the datagrams, and the messages made of some of them.
type sender struct {
	socket    *Socket
	datagrams []link.Datagram
	next      int // first datagram that is not in a message yet
	sent      int // datagrams sent
	calls     int
	failed    *SendError
	try       func(fd uintptr) bool // w.write, made once

	oneByOne int  // datagrams below this index are not merged
	blocked  bool // the system has no room
	refused  bool // those were refused as one message, and none of them since
	resends  int  // of the message at done

	made, done int // messages made, and those of them that are sent or given up
	messages   [writeMessages]unix.Mmsghdr
	runs       [writeMessages]run
	iovecs     [writeMessages]unix.Iovec
	names      [writeMessages]sockaddr
	controls   [writeMessages]control16
}

// A run is the datagrams that make one message.
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

// send sends what the system has room for, and keeps the rest.
func (s *Socket) send(datagrams []link.Datagram) error {
	if s.packets != nil {
		return s.sendPortable(datagrams)
	}
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
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

// drain sends the backlog, waiting for room in the system.
func (s *Socket) drain() {
	b := &s.backlog
	var waiters []func()
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
		waiters = b.clear()
		return true
	})
	if err != nil { // closed
		b.mu.Lock()
		waiters = b.clear()
		b.mu.Unlock()
	}
	for _, f := range waiters {
		f()
	}
}

// trySend sends datagrams until the system has no room, and returns how many are sent or given up. write calls what it is
// given with the file descriptor.
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

// unsent returns the index of the first datagram that was not sent and not given up.
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

// write sends until all is done or the system has no room. It never asks to be called again when there is.
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

// send hands over the next messages, and returns how many the system has taken.
func (w *sender) send(fd uintptr) (n int, errno unix.Errno) {
	if w.socket.os.batch {
		return w.socket.os.calls.sendmmsg(fd, w.messages[w.done:w.made])
	}
	if errno = w.socket.os.calls.sendmsg(fd, &w.messages[w.done].Hdr); errno != 0 {
		return 0, errno
	}
	return 1, 0
}

// makeMessages makes messages of the next datagrams: of a run of equally large ones to the same destination, the last of which
// may be smaller, one.
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

// extend finds how many datagrams from first on can be one message, and their size in all.
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
		// All of them were taken one by one, so it was the segmentation that was refused.
		w.refused = false
		if w.socket.os.gsoRefusals.Add(1) >= maxGSORefusals {
			w.socket.os.gso.Store(false)
		}
	}
}

// refusedBy handles the error of the message at done. None of it was sent.
func (w *sender) refusedBy(errno unix.Errno) {
	r := w.runs[w.done]
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.ENOBUFS, unix.ENOMEM:
		// EIO: the device does not compute checksums. EINVAL: a datagram is too large for the path, or
		// the kernel's limits are lower than ours. The others are not documented for segmentation; one by one is right for all.
		if r.count > 1 {
			if errno == unix.EIO {
				w.socket.os.gso.Store(false)
			}
			w.oneByOne = r.first + r.count
			w.refused = errno != unix.EIO && errno != unix.ENOBUFS && errno != unix.ENOMEM
			// The messages made after it are made again.
			w.next = r.first
			w.made, w.done = 0, 0
			return
		}
	case unix.ECONNREFUSED, unix.ECONNRESET:
		// An ICMP message for an older datagram. Telling of it has cleared the error.
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
